"""The pytest plugin, by running pytest."""

import os
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

# what is first imported by a pytest within pytest is forgotten after it, half of a package too
from gradcheck import PLACES, discovery, doctor, main  # noqa: F401

pytest_plugins = ["pytester"]
ROOT = Path(__file__).parents[1]
INSTALLED = any(e.value == "gradcheck.plugin" for e in entry_points(group="pytest11"))
PAIR = """
import numpy as np
import pytest
from jaxtyping import Float

def affine(x: Float[np.ndarray, "N D"], w: Float[np.ndarray, "D M"], b: Float[np.ndarray, " M"]):
    return x @ w + b, (x, w)

def affine_backward(dy, cache):
    x, w = cache
    return dy @ w.T, x.T @ dy, dy.sum(0)

def wrong_backward(dy, cache):
    x, w = cache
    return dy @ w.T, x.T @ dy, dy.mean(0)

rng = np.random.default_rng(0)
ARRAYS = rng.normal(size=(2, 3)), rng.normal(size=(3, 5)), rng.normal(size=5)
"""


@pytest.fixture
def run(pytester, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")

    def run(text, *options, how="runpytest_inprocess"):
        pytester.makepyfile(PAIR + text)
        given = [] if INSTALLED else ["-p", "gradcheck.plugin"]
        return getattr(pytester, how)("-p", "no:cacheprovider", *given, *options)

    return run


def test_the_fixture(run):
    result = run(
        """
def test_right(gradcheck):
    gradcheck(affine, affine_backward, *ARRAYS)
    gradcheck.assert_gradients(affine, affine_backward, *ARRAYS)

def test_report(gradcheck):
    report = gradcheck.check(affine, wrong_backward, *ARRAYS, diagnose=False)
    assert report.verdict == "fail" and report.arguments["b"].verdict == "fail"
"""
    )
    result.assert_outcomes(passed=2)


FAILURES = """
import gradcheck as module

def test_fixture(gradcheck):
    gradcheck(affine, wrong_backward, *ARRAYS)

def helper():
    module.assert_gradients(affine, wrong_backward, *ARRAYS)

def test_plain():
    helper()

def test_other():
    assert 1 == 2
"""


CALLS = ("    gradcheck(affine", "    module.assert_gradients(affine")


def line(start):
    """The line of the test file that starts so."""
    lines = (PAIR + FAILURES).strip().splitlines()
    return next(k for k, s in enumerate(lines, 1) if s.startswith(start))


def test_a_failure_is_the_report_and_no_traceback(run, monkeypatch):
    monkeypatch.setattr("gradcheck.checks._may_wait", lambda: True)  # for its diagnosis
    result = run(FAILURES)
    result.assert_outcomes(failed=3)
    text = result.stdout.str()
    assert text.count("\naffine: fail: db is 1/2 (x.shape[0] = 2) times the right gradient") == 2
    for call in CALLS:
        assert f".py:{line(call)}:\naffine: fail" in text
    assert text.count("\n    +    return dy @ w.T, x.T @ dy, dy.sum(0)\n") == 2
    assert "raise AssertionError" not in text
    result.stdout.fnmatch_lines(["FAILED *::test_fixture - affine: fail: db is 1/2*"])
    assert "E       assert 1 == 2" in text


def test_with_xdist(run, monkeypatch):
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
    monkeypatch.setenv("PYTHONPATH", str(ROOT), prepend=os.pathsep)
    text = (
        FAILURES.replace("ARRAYS)", "ARRAYS, diagnose=False)")
        + """
@pytest.mark.gradcheck(seed=5)
def test_seed(gradcheck):
    assert gradcheck.check(affine, affine_backward, *ARRAYS).seed == 5
"""
    )
    result = run(text, "-n", "2", how="runpytest_subprocess")
    result.assert_outcomes(failed=3, passed=1)
    assert f".py:{line(CALLS[0])}:\naffine: fail: " in result.stdout.str()
    result.stdout.fnmatch_lines(["FAILED *::test_fixture - affine: fail: db*"])


def test_the_marker_goes_before_the_command_line_and_the_call_before_both(run):
    result = run(
        """
def seed(gradcheck, **options):
    return gradcheck.check(affine, affine_backward, *ARRAYS, **options).seed

def test_option(gradcheck):
    assert seed(gradcheck) == 3

@pytest.mark.gradcheck(seed=4)
class TestMarked:
    def test_class(self, gradcheck):
        assert seed(gradcheck) == 4

    @pytest.mark.gradcheck(seed=5)
    def test_closest(self, gradcheck):
        assert seed(gradcheck) == 5

    def test_call(self, gradcheck):
        assert seed(gradcheck, seed=6) == 6
""",
        "--gradcheck-seed=3",
        "--strict-markers",
    )
    result.assert_outcomes(passed=4)
    result.stdout.fnmatch_lines(["gradcheck: seed 3, with JAX"])


def test_quick_leaves_the_reference_out(run):
    result = run(
        """
def twin(x, w, b):
    raise RuntimeError

@pytest.mark.gradcheck(reference=twin)
def test_it(gradcheck):
    gradcheck(affine, affine_backward, *ARRAYS)
""",
        "--gradcheck-quick",
    )
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["gradcheck: seed 0, numeric only"])


@pytest.mark.parametrize(("given", "got"), [("sead=1", "sead"), ("3", "3")])
def test_a_marker_that_is_misspelt(run, given, got):
    result = run(
        f"@pytest.mark.gradcheck({given})\ndef test_it(gradcheck):\n    assert False\n",
    )
    result.assert_outcomes(errors=1)
    line = f"mark.gradcheck got {got}; wanted seed=, order=, reference=, config=, diagnose="
    result.stdout.fnmatch_lines([line])


def test_a_negative_seed(run):
    result = run("", "--gradcheck-seed=-1")
    result.stderr.fnmatch_lines(["ERROR: --gradcheck-seed is -1; wanted 0 or more"])


def test_pairs_as_tests(run, pytester):
    wrong = PAIR.replace("dy.sum(0)", "dy.mean(0)").partition("def wrong_backward")[0]
    pytester.makepyfile(layers=wrong, broken="1 / 0  # backward\n", train="1 / 0\n")
    result = run(
        "", "--gradcheck-modules", "--junitxml=found.xml", "--continue-on-collection-errors"
    )
    result.assert_outcomes(failed=1, errors=1)
    result.stdout.fnmatch_lines(
        [
            "gradcheck: seed 0, *, the pairs of all files",
            "*broken.py:1: importing it raised ZeroDivisionError: division by zero; put what runs*",
            "*_ gradients of affine _*",
            "layers.py:",
            "affine: fail: db is 1/*",
            "*+    return dy @ w.T, x.T @ dy, dy.sum(0)",
            "FAILED layers.py::affine - affine: fail: db is 1/*",
        ]
    )
    found = Path("found.xml").read_text()
    assert 'name="affine"' in found and '<failure message="affine: fail: db is 1/' in found


def test_right_pairs_as_tests(run, pytester):
    pytester.makepyfile(layers=PAIR.partition("def wrong_backward")[0], plain="# no gradient\n")
    run("", "--gradcheck-modules").assert_outcomes(passed=1)


def test_a_project_that_does_not_use_it_imports_nothing():
    code = "import sys, gradcheck.plugin; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


def test_the_package_has_what_it_says():
    import gradcheck

    for name in PLACES:
        assert getattr(gradcheck, name) and name in dir(gradcheck)
    with pytest.raises(AttributeError, match="module 'gradcheck' has no attribute 'chek'"):
        gradcheck.chek  # noqa: B018
