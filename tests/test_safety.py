"""Files that do what files do: one line and exit status 2, the other targets still checked."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gradcheck import loading
from gradcheck.discovery import resolve
from gradcheck.main import main

PAIR = """
import numpy as np
from jaxtyping import Float

def scale(x: Float[np.ndarray, "N D"]):
    return 2 * x, None

def scale_backward(dy, cache):
    return 2 * dy
"""
ROOT = Path(__file__).parents[1]


@pytest.fixture
def write(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def write(name, text=PAIR):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return name

    return write


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (PAIR + "import os\nos._exit(3)\n", "bad.py:11: importing it raised SystemExit: 3; put"),
        (PAIR + "input()\n", "bad.py:10: importing it raised EOFError: "),
        ("import sys\nsys.argv[1]\n", "bad.py:2: importing it raised IndexError: "),
        ("import nothing_like_it\n", "bad.py:1: No module named 'nothing_like_it'; install"),
        ("from . import a\n", "bad.py:1: attempted relative import with no known parent package; "),
        ("class Odd(BaseException): ...\nraise Odd\n", "bad.py:2: importing it raised Odd: ; put"),
        ("def backward(:\n", "bad.py:1: invalid syntax; it must compile first"),
        (b"x = 1\n\x00backward", "bad.py: is no text; wanted a Python file"),
        (b"x = 'caf\xe9'\n", "bad.py: invalid or missing encoding declaration; save it as UTF-8"),
        ("", "bad.py: holds no pair (pairs found: none); wanted a function f"),
    ],
)
def test_a_file_that_cannot_be_checked(write, capsys, text, message):
    status = main([write("bad.py", text), write("good.py"), "--json", "--quick"])
    captured = capsys.readouterr()
    assert status == 2
    assert captured.err.startswith(f"gradcheck: {message}") and captured.err.count("\n") == 1
    checks = json.loads(captured.out)["checks"]
    assert [(c["name"], c["verdict"]) for c in checks] == [("scale", "pass"), ("bad.py", "error")]


@pytest.mark.parametrize("call", ["sys.exit(3)", "os._exit(3)", "quit()"])
def test_a_backward_that_leaves(write, capsys, call):
    text = PAIR.replace("return 2 * dy", f"import os, sys; {call}")
    assert main([write("bad.py", text), write("good.py"), "--quick"]) == 2
    out = capsys.readouterr().out
    assert "scale: running it raised SystemExit" in out and "1 pass, 1 error" in out


def test_a_notebook_and_a_text(write, capsys):
    assert main([write("a.ipynb", "{}"), write("a.txt", "backward")]) == 2
    notebook, text = capsys.readouterr().err.splitlines()
    assert notebook.endswith("wanted a Python file: jupyter nbconvert --to script a.ipynb")
    assert text == "gradcheck: a.txt: not a Python file; wanted one that ends in .py"


def test_what_other_programs_print_stays_out_of_the_json(write):
    name = write("loud.py", PAIR + "import os\nos.system('echo loud')\nprint('louder')\n")
    run = command(name, "--json", "--quick")
    assert json.loads(run.stdout)["verdict"] == "pass"
    assert run.stderr.splitlines() == ["loud", "louder"]


def command(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "-m", "gradcheck", *arguments],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)} | environment,
    )


def test_an_encoding_without_the_marks(write):
    run = command(write("good.py"), "--quick", PYTHONIOENCODING="ascii")
    assert run.returncode == 0 and "? pass" in run.stdout


def test_plots_open_no_window(write, monkeypatch):
    monkeypatch.delenv("MPLBACKEND", raising=False)
    name = write("plots.py", PAIR + "import os\nBACKEND = os.environ['MPLBACKEND']\n")
    assert loading.load(Path(name)).BACKEND == "agg"


def test_a_file_may_change_folder_and_arguments(write, tmp_path):
    loading.load(Path(write("moves.py", "import os, sys\nos.chdir('/')\nsys.argv = []\n")))
    assert Path.cwd() == tmp_path and sys.argv


def test_files_of_one_name_do_not_mix(write):
    text = """
from dataclasses import dataclass
import pickle
from helper import K

@dataclass
class Cache:
    k: "float"

assert pickle.loads(pickle.dumps(Cache(K))) == Cache(K)
"""
    modules = []
    for k, folder in enumerate(("one", "two")):
        write(f"{folder}/helper.py", f"K = {k}\n")
        modules.append(loading.load(Path(write(f"{folder}/random.py", text))))
    assert [m.K for m in modules] == [0, 1]
    import random

    assert hasattr(random, "gauss") and "helper" not in sys.modules


def test_what_a_forward_imports_stands_beside_its_own_file(write, capsys):
    text = PAIR.replace("return 2 * x, None", "from helper import K; return K * x, None")
    for k, folder in enumerate(("one", "two")):
        write(f"{folder}/helper.py", f"K = {k + 2}\n")
        write(f"{folder}/layers.py", text.replace("2 * dy", f"{k + 2} * dy"))
    assert main(["one", "two", "--quick"]) == 0


def test_a_file_of_a_package(write):
    write("course/__init__.py", "")
    write("course/layers.py", PAIR)
    relative = PAIR.replace("scale", "again") + "from .layers import scale\n"
    (check,) = resolve(write("course/more.py", relative))
    assert check.name == "again"
    assert not [n for n in sys.modules if n.startswith("course")]


def test_of_a_folder_only_what_speaks_of_gradients_is_run(write, tmp_path, capsys):
    write("good.py")
    write("train.py", "raise RuntimeError('an hour of training')\n")
    write(".venv/library.py", "raise RuntimeError  # backward\n")
    write("site-packages/library.py", "raise RuntimeError  # backward\n")
    write("other/pyvenv.cfg", "")
    write("other/library.py", "raise RuntimeError  # backward\n")
    assert [p.name for p in loading.files(tmp_path)] == ["good.py"]
    assert main([".", "--quick"]) == 0


def test_if_any(write, capsys):
    empty, train = write("empty.py", "# backward\n"), write("train.py", "1 / 0\n")
    assert main([empty, train, "--if-any"]) == 0
    assert capsys.readouterr().err == "gradcheck: nothing to check: no target holds a pair\n"
    assert main([empty, write("bad.py", "1 / 0  # backward"), "--if-any"]) == 2
    assert main([write("good.py"), empty, "--if-any", "--quick"]) == 0
    assert main([empty]) == 2


@pytest.mark.skipif(os.name != "posix", reason="Ctrl-C is sent as a signal")
@pytest.mark.parametrize(
    ("before", "last"),
    [
        ("", "gradcheck: interrupted after 1 of 3 pairs"),
        (
            "while True: pass",
            "gradcheck: interrupted while b.py was imported; put what runs behind",
        ),
    ],
)
def test_ctrl_c_ends_it_and_keeps_what_was_found(write, tmp_path, before, last):
    mark = "open('here', 'w').close(); "
    hangs = PAIR.replace("return 2 * dy", mark + "\n    while True: pass")
    write("a.py")
    write("b.py", f"{PAIR}{mark}\n{before}\n" if before else hangs)
    write("c.py")
    # whoever runs the tests may ignore SIGINT, which children inherit
    code = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "from gradcheck.main import main; sys.exit(main(sys.argv[1:]))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, "a.py", "b.py", "c.py", "--json", "--quick"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    while not (tmp_path / "here").exists() and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate()
    assert process.returncode == 130
    assert err.splitlines()[-1].startswith(last)
    if not before:
        assert [c["name"] for c in json.loads(out)["checks"]] == ["scale"]
