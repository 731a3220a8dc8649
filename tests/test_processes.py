"""Targets on every core: in order, the same as from one, and none lost with its neighbour."""

import multiprocessing
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from gradcheck import main as command
from gradcheck import processes
from gradcheck.processes import in_processes
from tests.test_command import run_json

FILE = """
import numpy as np
from jaxtyping import Float
{}
CASES = {{}}
"""
GOOD = """
def {0}(x: Float[np.ndarray, "N D"]):
    return np.tanh(x), x

def {0}_backward(dy, x):
    return dy * (1 - np.tanh(x) ** 2)
"""
DIES = GOOD.replace("return dy", "import os; os.abort()\n    return dy")


SLOW, QUICK, OURS = "__import__('time').sleep(0.2)", "1", "__import__('os').getpid()"
ABORTS = "__import__('os').abort()"


@pytest.mark.parametrize("last_first", [False, True])
def test_results_come_in_the_order_of_the_tasks(last_first):
    *found, process = in_processes(eval, [SLOW, QUICK, "2", OURS], str, last_first)
    assert found == [None, 1, 2] and process != os.getpid()


def test_a_process_that_dies_takes_nothing_along():
    found = [*in_processes(eval, [SLOW, ABORTS, "2"], lambda task: "died")]
    assert found == [None, "died", 2]


def test_what_never_ends_is_ended_with_the_rest():
    before = set(multiprocessing.active_children())
    found = in_processes(eval, [QUICK, "__import__('time').sleep(600)"], str)
    assert next(found) == 1
    ours = set(multiprocessing.active_children()) - before
    found.close()
    for process in ours:
        process.join(60)
        # a thread of the pool may have waited for it first, and keeps its exit status
        assert process.exitcode in (None, -signal.SIGKILL)
        with pytest.raises(ProcessLookupError):
            os.kill(process.pid, 0)


def without_seconds(checks):
    return [{k: v for k, v in c.items() if k != "seconds"} for c in checks]


@pytest.fixture
def folder(tmp_path):
    for k in range(3):
        pairs = "".join(GOOD.format(f"f{k}{j}") for j in range(3))
        (tmp_path / f"m{k}.py").write_text(FILE.format(pairs))
    return tmp_path


def test_the_same_from_one_core_and_from_several(capsys, monkeypatch, folder):
    monkeypatch.setattr(processes, "cores", lambda: 2)
    (folder / "broken.py").write_text("1 / 0  # backward\n")
    monkeypatch.setattr(command, "PATIENCE", 1e9)
    one = run_json(capsys, str(folder), "--quick")
    monkeypatch.setattr(command, "PATIENCE", 0.0)
    monkeypatch.setattr(command, "_run", refuse)
    several = run_json(capsys, str(folder), "--quick")
    assert one[0] == several[0] == 2
    assert without_seconds(one[1]["checks"]) == without_seconds(several[1]["checks"])
    assert len(one[1]["checks"]) == 10


PLAIN = """
import numpy as np

def {0}(x):
    return np.tanh(x), x

def {0}_backward(dy, x):
    return dy * (1 - np.tanh(x) ** 3)

CASES = {{"{0}": lambda rng: (rng.normal(size=(2, 3)),)}}
"""

SCRIPT = """
import sys

if __name__ == "__main__":
    sys.path.pop(0)  # that of the script itself
    from gradcheck import main

    main.PATIENCE = 0.0
    sys.exit(main.main())
"""


def test_files_named_like_those_of_python(tmp_path):
    names = ("random", "queue")
    for name in names:
        (tmp_path / f"{name}.py").write_text(PLAIN.format(name))
    script = tmp_path / "bin" / "start.py"
    script.parent.mkdir()
    script.write_text(SCRIPT)
    run = subprocess.run(
        [sys.executable, str(script), *(f"{name}.py" for name in names), "--quick"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 1 and "2 fail" in run.stdout, run.stdout + run.stderr
    assert run.stdout.count("+    return dy * (1 - np.tanh(x) ** 2)") == 2


def refuse(*arguments):
    raise AssertionError("it was not left to the processes")


def test_a_pair_that_aborts_is_an_error_of_its_own(capsys, monkeypatch, folder):
    monkeypatch.setattr(processes, "cores", lambda: 2)
    monkeypatch.setattr(command, "PATIENCE", 0.0)
    file = folder / "m1.py"
    file.write_text(FILE.format(DIES.format("dies") + GOOD.format("good")))
    status, report = run_json(capsys, str(file), "--quick")
    assert status == 2
    assert [(c["name"], c["verdict"]) for c in report["checks"]] == [
        ("dies", "error"),
        ("good", "pass"),
    ]
