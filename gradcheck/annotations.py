"""Annotations of GitHub Actions, which show what is wrong beside the lines of a change."""

from pathlib import Path

from gradcheck.report import Finding, Report

LEVEL = {"fail": "error", "error": "error", "unresolved": "warning"}


def annotations(reports: list[Report]) -> list[str]:
    """One workflow command for every finding of what is not right.

    >>> annotations([Report("f", "error", "no such file", "a,b.py")])
    ['::error file=a%2Cb.py,title=gradcheck f%3A error::no such file']
    """
    return [
        _command(r, f)
        for r in reports
        if r.verdict in LEVEL
        for f in (_worth(r) or [Finding("", r.message, file=r.file)])
    ]


def _worth(report: Report) -> list[Finding]:
    """The findings that say something: the first alone, where its fix mends all."""
    mended = report.findings[:1] if report.findings and report.findings[0].fix else ()
    return [*(mended or report.findings)]


def _command(report: Report, finding: Finding) -> str:
    file = finding.file or report.file
    where = {"file": _near(file) if file else None, "line": finding.line}
    where["title"] = f"gradcheck {report.name}: {report.verdict}"
    given = ",".join(f"{k}={_escaped(str(v), ':,')}" for k, v in where.items() if v is not None)
    text = [finding.message, *finding.why, *(finding.fix.diff.splitlines() if finding.fix else ())]
    return f"::{LEVEL[report.verdict]} {given}::{_escaped(chr(10).join(text))}"


def _escaped(text: str, also: str = "") -> str:
    """A text as a workflow command holds it: percent-encoded where it would end there."""
    for character in "%\r\n" + also:  # the percent sign first
        text = text.replace(character, f"%{ord(character):02X}")
    return text


def _near(file: str) -> str:
    """A path from the working folder, which is that of the repository there."""
    path, here = Path(file).resolve(), Path.cwd()
    return path.relative_to(here).as_posix() if path.is_relative_to(here) else file
