"""The command line: what it prints, writes and returns."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from nnlab import experiments, files, training
from nnlab.main import main

ROOT = Path(__file__).parents[1]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The working folder, with $NNLAB_DATA beside it, and no mirror."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NNLAB_DATA", "data")
    monkeypatch.setenv("XDG_CACHE_HOME", "cache")
    monkeypatch.setattr(files, "MIRRORS", ())
    return tmp_path


def status(words):
    try:
        return main(words.split())
    except SystemExit as leaving:
        return leaving.code


ERRORS = {
    "": "the following arguments are required: COMMAND; see nnlab --help",
    "train": "the following arguments are required: NAME; see nnlab train --help",
    "train mnist-ccn": "no experiment 'mnist-ccn'; did you mean mnist-cnn?",
    "train chess": (
        "no experiment 'chess'; wanted one of " + ", ".join(e.name for e in experiments.EXPERIMENTS)
    ),
    "train digits-mlp --backend tpu": "no backend 'tpu'; wanted one of numpy, jax",
    "train digits-mlp --epochs 1.5": (
        "argument --epochs: '1.5' is no whole number from 1 on; see nnlab train --help"
    ),
    "train digits-mlp --seed -1": (
        "argument --seed: '-1' is no whole number from 0 on; see nnlab train --help"
    ),
    "train digits-mlp --seconds nan": (
        "argument --seconds: 'nan' is no number above 0; see nnlab train --help"
    ),
    "train digits-mlp --learning-rate fast": (
        "argument --learning-rate: 'fast' is no number above 0; see nnlab train --help"
    ),
    "train digits-mlp --out file/a.safetensors": (
        "cannot write file/a.safetensors: file is no folder; give --out another file"
    ),
    "train digits-mlp --out file/b/a.safetensors": (
        "cannot write file/b/a.safetensors: Not a directory; give --out another file"
    ),
    "train digits-mlp --out .": "cannot write .: it is a folder; give --out another file",
    "train mnist-mlp": (
        "no train-images-idx3-ubyte.gz in $NNLAB_DATA (data) or cache/nnlab, and no mirror gave "
        "it (); download it elsewhere and put it in data"
    ),
}


@pytest.mark.parametrize("words", ERRORS)
def test_bad_input_gets_one_line(words, folder, capsys):
    (folder / "file").touch()
    assert status(words) == 2
    out, err = capsys.readouterr()
    assert (out, err) == ("", f"nnlab: {ERRORS[words]}\n")


def test_what_is_not_installed_is_named_with_its_extra(folder, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    assert status("train digits-mlp") == 2
    monkeypatch.setitem(sys.modules, "jax", None)
    monkeypatch.delitem(sys.modules, "nnlab.jax_loop", raising=False)
    assert status("train digits-mlp --backend jax") == 2
    assert capsys.readouterr().err == (
        "nnlab: the digits come with scikit-learn, which is not installed; "
        'pip install "scratchnn[lab]"\n'
        "nnlab: the backend jax needs jax, which is not installed; "
        'pip install "scratchnn[lab]"\n'
    )


def test_list_names_every_experiment(capsys):
    assert status("list") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == [e.name for e in experiments.EXPERIMENTS]


def test_train_prints_a_line_per_epoch_and_saves(folder, capsys):
    assert status("train digits-mlp --epochs 2 --seed 4") == 0
    lines = [re.sub(r"\d[\d,.]*", "#", line) for line in capsys.readouterr().out.splitlines()]
    assert lines == [
        "digits-mlp: # x # digits, one hidden layer; seconds, and no download; numpy, seed #",
        "epoch # step #: loss # validation # %, # samples/s",
        "epoch # step #: loss # validation # %, # samples/s",
        "test accuracy # % of #",
        "# steps in # s; saved runs/digits-mlp-numpy.safetensors",
    ]
    experiment = experiments.find("digits-mlp")
    params, _ = training.load("runs/digits-mlp-numpy.safetensors", experiment, "numpy")
    assert params["mlp"]["fc1"]["w"].shape == (64, 64)


def test_a_terminal_gets_a_bar(capsys):
    from nnlab import display

    with display.shown("digits-mlp", terminal=True) as callback:
        callback(training.Progress(1, 28, 0.05, 1.25, 0.75, 31_000.0, 0.1))
        callback(training.Progress(2, 42, 0.075, 1.0, None, 31_000.0, 0.2))
    out = capsys.readouterr().out
    assert re.search(r"epoch 2 .* 8% loss 1\.0000, validation 75\.00 %, 31,000", out), out


def test_a_loss_that_is_not_finite_is_a_failure_that_saves_nothing(folder, capsys):
    assert status("train digits-mlp --learning-rate 1e30 --epochs 1") == 1
    assert capsys.readouterr().err == (
        "nnlab: digits-mlp: the loss is nan at step 2; lower the learning rate, which is 1e+30, "
        "say to 1e+29; nothing was saved\n"
    )
    assert list(folder.rglob("*.safetensors*")) == []


@pytest.mark.skipif(os.name == "nt", reason="sends SIGINT to a process")
def test_ctrl_c_leaves_the_checkpoint_as_it_was(folder):
    (folder / "a.safetensors").write_bytes(b"before")
    # whoever runs the tests may ignore SIGINT, which children inherit
    code = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "from nnlab.main import main; sys.exit(main(sys.argv[1:]))"
    )
    command = [sys.executable, "-c", code, "train", "digits-mlp"]
    process = subprocess.Popen(
        [*command, "--seconds", "100", "--out", "a.safetensors"],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout and process.stderr
        lines = [process.stdout.readline() for _ in range(2)]
        assert lines[1].startswith("epoch 1"), lines
        process.send_signal(signal.SIGINT)
        process.stdout.read()
        message = process.stderr.read()
    assert message == "nnlab: interrupted; nothing was saved, a.safetensors is as it was\n"
    assert process.returncode == 130
    assert [path.name for path in folder.iterdir()] == ["a.safetensors"]
    assert (folder / "a.safetensors").read_bytes() == b"before"


def test_help_imports_no_arrays_and_numpy_training_no_jax():
    program = """
import sys
from nnlab.main import main
try:
    main(["train", "--help"])
except SystemExit as leaving:
    assert leaving.code == 0
assert not {"numpy", "jax", "rich", "sklearn"} & set(sys.modules)
assert main(["list"]) == 0
assert not {"numpy", "jax", "rich", "sklearn"} & set(sys.modules)
from nnlab import datasets, experiments, training
training.train(experiments.find("digits-mlp"), datasets.load("digits"), epochs=1)
assert not {"jax", "optax", "jaxnn"} & set(sys.modules)
"""
    run = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
