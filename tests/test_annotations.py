"""What GitHub Actions reads: one workflow command a finding, escaped as it decodes them."""

import pytest

from gradcheck.annotations import annotations
from gradcheck.main import main
from gradcheck.report import Edit, Finding, Fix, Report

WRONG = """
import numpy as np

def twice(x):
    return 2 * x, None

def twice_backward(dy, cache):
    return 3 * dy

CASES = {"twice": lambda rng: (rng.normal(size=(2, 3)),)}
"""


def test_a_finding_with_a_fix_speaks_for_the_others(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file = str(tmp_path / "a:b,100%.py")
    fix = Fix("--- a\n+++ a\n-x\n+y\n", (Edit(file, 7, "x", "y"),))
    first = Finding("sign", "100% wrong", "x", file, 7, fix=fix, why=("surely",))
    report = Report("f", "fail", "", file, findings=(first, Finding("sign", "too", "w", file)))
    assert annotations([report, Report("g")]) == [
        "::error file=a%3Ab%2C100%25.py,line=7,title=gradcheck f%3A fail::"
        "100%25 wrong%0Asurely%0A--- a%0A+++ a%0A-x%0A+y"
    ]


def test_levels():
    reports = [Report("f", v, "m") for v in ("pass", "kink", "unresolved", "error", "fail")]
    assert [line.split()[0] for line in annotations(reports)] == ["::warning", "::error", "::error"]


@pytest.mark.parametrize("there", [True, False])
def test_on_github_they_are_printed_unasked(tmp_path, capsys, monkeypatch, there):
    monkeypatch.setenv("GITHUB_ACTIONS", "true" if there else "")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.py").write_text(WRONG)
    assert main(["a.py", "nowhere.py", *([] if there else ["--github"])]) == 1
    lines = [s for s in capsys.readouterr().out.splitlines() if s.startswith("::")]
    assert lines[0].startswith("::error file=a.py,line=8,title=gradcheck twice%3A fail::dx is 3/2 ")
    assert lines[1].startswith("::error file=nowhere.py,title=gradcheck nowhere.py%3A error::now")


def test_json_stays_json(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    (tmp_path / "a.py").write_text(WRONG)
    assert main([str(tmp_path), "--json"]) == 1
    assert capsys.readouterr().out.count("\n") == 1
