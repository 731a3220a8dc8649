"""The command line: targets, exit status, the JSON object, messages."""

import json
import math
import subprocess
import sys
from dataclasses import replace

import pytest

import scratchnn
from gradcheck import catalogue
from gradcheck.main import main

RIGHT = """
import numpy as np

def scale(x, k):
    print("chatter")
    return x * k, k

def scale_backward(dy, k):
    return dy * k

CASES = {"scale": lambda rng: (rng.standard_normal((2, 3)), 2.5)}
"""
WRONG = """
import numpy as np
from jaxtyping import Float

def affine(x: Float[np.ndarray, "N D"], w: Float[np.ndarray, "D M"], b: Float[np.ndarray, " M"]):
    return x @ w + b, (x, w)

def affine_backward(dy, cache):
    x, w = cache
    return dy @ w.T, x.T @ dy, dy.mean(0)

def later(x: Float[np.ndarray, "N D"]):
    return 2 * x, None

def later_backward(dy, cache):
    raise NotImplementedError
"""


@pytest.fixture
def write(tmp_path):
    def write(name, text):
        path = tmp_path / name
        path.write_text(text)
        return str(path)

    return write


def run_json(capsys, *argv):
    status = main([*argv, "--json"])
    out = capsys.readouterr().out

    def refuse(constant):
        raise AssertionError(f"{constant} is not JSON")

    return status, json.loads(out, parse_constant=refuse)


def test_shipped_names(capsys):
    status, report = run_json(capsys, "linear", "relu", "--seed", "3")
    assert status == 0
    assert report["schema"] == 1 and report["seed"] == 3 and report["verdict"] == "pass"
    linear, relu = report["checks"]
    assert [a["name"] for a in linear["arguments"]] == ["x", "w", "b"]
    assert set(relu) == {
        "name",
        "file",
        "verdict",
        "message",
        "seconds",
        "cases",
        "case",
        "value",
        "arguments",
        "findings",
    }
    assert all(0 <= a["error"] <= a["bound"] <= 1e-9 for a in linear["arguments"])
    assert linear["file"].endswith("affine.py")
    assert report["versions"]["numpy"]


def test_a_wrong_file(capsys, write):
    path = write("mine.py", WRONG)
    status, report = run_json(capsys, path)
    assert status == 1 and report["verdict"] == "fail"
    affine, later = report["checks"]
    assert affine["verdict"] == "fail" and affine["file"] == path
    assert {a["name"]: a["verdict"] for a in affine["arguments"]} == {
        "x": "pass",
        "w": "pass",
        "b": "fail",
    }
    finding = affine["findings"][0]
    assert finding["argument"] == "b" and finding["kind"] == "mean-vs-sum"
    assert finding["line"] == 10 and finding["case"]["dtype"] == "float64"
    (edit,) = finding["fix"]["edits"]
    assert "dy.mean(0)" in edit["before"] and "dy.sum(0)" in edit["after"]
    assert later["verdict"] == "error" and later["findings"][0]["kind"] == "not-implemented"


def test_an_infinite_configuration_value_is_still_json(capsys, monkeypatch):
    right = scratchnn.clip_backward
    monkeypatch.setattr(scratchnn, "clip_backward", lambda dy, cache: 2 * right(dy, cache))
    entry = replace(catalogue.find("clip"), config={"low": (-math.inf,), "high": (math.inf,)})
    monkeypatch.setattr(catalogue, "OPS", (entry,))
    status, report = run_json(capsys, "clip", "--quick")
    assert status == 1
    assert report["checks"][0]["case"]["config"] == {"low": "-inf", "high": "inf"}


def test_one_pair_of_a_file_and_a_folder(capsys, write, tmp_path):
    path = write("mine.py", WRONG)
    write("right.py", RIGHT)
    assert [c["name"] for c in run_json(capsys, f"{path}::later")[1]["checks"]] == ["later"]
    assert [c["name"] for c in run_json(capsys, str(tmp_path))[1]["checks"]] == [
        "affine",
        "later",
        "scale",
    ]


def test_a_folder_with_a_broken_file(capsys, write, tmp_path):
    broken = write("broken.py", "1 / 0  # before the backward\n")
    write("other.py", "1 / 0  # which holds nothing to check, and is not run\n")
    write("right.py", RIGHT)
    status, report = run_json(capsys, str(tmp_path))
    assert status == 2
    assert {c["name"]: c["verdict"] for c in report["checks"]} == {broken: "error", "scale": "pass"}
    assert report["checks"][1]["message"].startswith(f"{broken}:1: importing it raised ZeroDiv")


def test_a_folder_without_pairs(capsys, write, tmp_path):
    write("plain.py", "x = 1\n")
    assert main([str(tmp_path)]) == 2
    assert "no file in this folder holds a pair" in capsys.readouterr().err


def test_module_target(capsys):
    status, report = run_json(capsys, "scratchnn.ops.activations:tanh", "--quick")
    assert status == 0 and [c["name"] for c in report["checks"]] == ["tanh"]


def test_on_a_terminal_the_verdict_comes_before_the_diagnosis(capsys, write, monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    said = []
    monkeypatch.setattr(
        "gradcheck.doctor.diagnosed", lambda report, *_: said.append(capsys.readouterr()) or report
    )
    assert main([write("mine.py", WRONG), "--quick"]) == 1
    assert said[0].err == "gradcheck: affine fails; looking for the line and for a fix\n"


def test_prints_go_to_stderr_and_only_a_few(capsys, write):
    status = main([write("right.py", RIGHT), "--json"])
    captured = capsys.readouterr()
    assert status == 0
    assert json.loads(captured.out)["verdict"] == "pass"
    assert captured.err.count("chatter") == 3  # once a case


def test_the_table_names_what_is_wrong(capsys, write):
    path = write("mine.py", WRONG)
    assert main([path]) == 1
    out = capsys.readouterr().out
    assert "affine: fail" in out and "db is 1/" in out
    assert "later: the backward is not implemented" in out and f"{path}:" in out


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (
            "linaer",
            "linaer: no shipped name, no file and no folder is called that; did you mean linear?",
        ),
        ("nowhere.py", "nowhere.py: no such file; check the path"),
        (
            "json:dumps",
            "json: holds no pair dumps (pairs found: none); wanted a function f, or f_forward, and "
            "its f_backward",
        ),
        ("no_such_module:f", "no_such_module:f: cannot import no_such_module (No module named"),
    ],
)
def test_unknown_targets(capsys, target, message):
    assert main([target]) == 2
    assert capsys.readouterr().err.startswith(f"gradcheck: {message}")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def f(:\n", "bad.py:1: invalid syntax; it must compile first"),
        ("import sys\nsys.exit(3)\n", "importing it raised SystemExit: 3; put what runs behind"),
        (
            "1 / 0\n",
            "importing it raised ZeroDivisionError: division by zero; put what runs behind",
        ),
        ("x = 1\n", "holds no pair (pairs found: none)"),
    ],
)
def test_files_that_do_not_load(capsys, write, text, message):
    path = write("bad.py", text)
    assert main([path]) == 2
    err = capsys.readouterr().err
    assert message in err and "Traceback" not in err


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "def f(x):\n    return x, None\ndef f_backward(dy, cache):\n    return dy\n",
            "f: nobody says what shape x has; say it, e.g. gradcheck",
        ),
        (
            "def f(x):\n    return x, None\ndef f_backward(dy, cache):\n    return dy\n"
            "CASES = {'f': lambda rng: rng.integers(0, 9, 3)}\n",
            "CASES['f'] returned ndarray; wanted a tuple of the positional arguments, or a dict by "
            "parameter name",
        ),
        (
            "def f(x):\n    return x, None\ndef f_backward(dy, cache):\n    return dy\n"
            "CASES = {'f': lambda rng: {'z': 1}}\n",
            "CASES['f'] names z; the parameters are x",
        ),
        (
            "import numpy as np\ndef f(x):\n    return x, None\ndef f_backward(dy, cache):\n"
            "    return dy\nCASES = {'f': lambda rng: (np.arange(3),)}\n",
            "f: no argument is a float array (got x int64); wanted at least one to differentiate; "
            "convert with .astype('float64')",
        ),
        (
            "import numpy as np\ndef f(x):\n    return x, None\ndef f_backward(dy, cache):\n"
            "    return dy\nCASES = {'f': lambda rng: (np.array([1.0, np.nan]),)}\n",
            "f: x holds 1 non-finite entries; wanted finite numbers; no derivative exists there",
        ),
        (
            "import numpy as np\ndef f(x):\n    return x, None\ndef f_backward(dy, cache):\n"
            "    return dy\nCASES = {'f': lambda rng: (np.ones((0, 3)),)}\n",
            "f: x has shape (0, 3), an empty array; wanted entries",
        ),
        (
            "import numpy as np\ndef f(x):\n    return x\ndef f_backward(dy, cache):\n"
            "    return dy\nCASES = {'f': lambda rng: (np.ones(3),)}\n",
            "f returned ndarray; wanted the pair (y, cache)",
        ),
    ],
)
def test_inputs_that_cannot_be_made(capsys, write, text, message):
    path = write("bad.py", text)
    status, report = run_json(capsys, path)
    assert status == (1 if "wanted the pair" in message else 2)
    assert report["checks"][0]["message"].startswith(message)


@pytest.mark.parametrize("key", ["scale", "scale_forward"])
def test_cases_go_by_the_stem_or_by_the_forward(capsys, write, key):
    text = RIGHT.replace("def scale(", "def scale_forward(").replace('"scale":', f'"{key}":')
    status, report = run_json(capsys, write("named.py", text))
    assert status == 0 and report["checks"][0]["name"] == "scale"


def test_other_targets_are_still_checked(capsys):
    status, report = run_json(capsys, "nowhere.py", "relu", "--quick")
    assert status == 2
    assert {c["name"]: c["verdict"] for c in report["checks"]} == {
        "relu": "pass",
        "nowhere.py": "error",
    }


def test_negative_seed(capsys):
    assert main(["relu", "--seed", "-1"]) == 2
    assert capsys.readouterr().err == "gradcheck: --seed is -1; wanted 0 or more\n"


def test_quick_imports_no_jax():
    code = (
        "import sys; from gradcheck.main import main; status = main(['relu', '--quick']); "
        "assert 'jax' not in sys.modules; sys.exit(status)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 0


def test_step_prints_every_assignment(capsys):
    assert main(["step", "linear"]) == 0
    out = capsys.readouterr().out
    for line in ("y = x @ w", "dx = dy @ w.T", "dw = x.reshape(-1, D).T @ rows", "D=3 M=7"):
        assert line in out
    assert out.count("hand vs jax.grad") == 3


def test_step_shows_what_is_wrong(capsys, write):
    path = write("mine.py", WRONG)
    assert main(["step", f"{path}::affine"]) == 1
    out = capsys.readouterr().out
    assert "return dy @ w.T, x.T @ dy, dy.mean(0)" in out and "db is 1/" in out
    assert main(["step", path]) == 2
    assert "holds 2 pairs; wanted one of" in capsys.readouterr().err
