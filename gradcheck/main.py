"""The command ``gradcheck``."""

import argparse
import contextlib
import io
import json
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gradcheck.discovery import Check
    from gradcheck.report import Report

PATIENCE = 0.5  # seconds of checks after which processes are started, which takes about as long
MANY = 24  # pairs that take longer than that if they are right
USAGE = """\
gradcheck [TARGET ...] [--shapes TEXT] [--json] [--github] [--seed N] [--quick] [--if-any]
          [--apply] [-v]
       gradcheck step TARGET

TARGET is a shipped name, FILE.py[::name], a folder or module:function; without one,
everything shipped is checked. A folder called step is written ./step."""


def main(argv: list[str] | None = None) -> int:
    """Run the command; the exit status is 1 if anything fails, else 2 if anything could not be
    checked or decided, else 0."""
    argv = sys.argv[1:] if argv is None else argv
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # of an encoding that may lack the marks
            stream.reconfigure(errors="replace")
    try:
        if argv[:1] == ["step"]:
            return _step(argv[1:])
        return _check(argv)
    except KeyboardInterrupt as error:
        print(f"gradcheck: interrupted{error}", file=sys.stderr)
        return 130
    except BrokenPipeError:
        sys.stderr.close()
        return 141


def _parser(prog: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=prog,
        usage=USAGE if prog == "gradcheck" else None,
        description="Is this gradient right, and if not, which line is wrong?",
    )
    parser.add_argument("--seed", type=int, default=0, help="of inputs and cotangents (default 0)")
    return parser


def _check(argv: list[str]) -> int:
    parser = _parser("gradcheck")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help="what to check")
    parser.add_argument(
        "--shapes",
        default="",
        metavar="TEXT",
        help='of arguments, as in "x: n d; w: d m; y: n < m"',
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--quick", action="store_true", help="numeric only, without JAX")
    parser.add_argument(
        "--apply", action="store_true", help="write the verified fixes; FILE is kept as FILE.orig"
    )
    parser.add_argument(
        "--if-any", action="store_true", help="a target without a pair is no failure"
    )
    parser.add_argument(
        "--github",
        action="store_true",
        default=os.environ.get("GITHUB_ACTIONS") == "true",
        help="print annotations of GitHub Actions too (default there)",
    )
    parser.add_argument("-v", action="store_true", help="print every argument of every pair")
    options = parser.parse_args(argv)
    if options.seed < 0:
        return _refuse(f"--seed is {options.seed}; wanted 0 or more")
    from gradcheck import autodiff
    from gradcheck.loading import apart

    start = time.perf_counter()
    twin = autodiff.available() and not options.quick
    reports: list[Report] = []
    with apart():
        checks, refused = _checks(options, twin)
        try:
            for report in _reports(checks, not options.targets):
                reports.append(report)
        except KeyboardInterrupt:
            stopped = f"interrupted after {len(reports)} of {len(checks)} pairs"
        else:
            stopped = ""
    seconds = time.perf_counter() - start
    if options.json:
        print(json.dumps(_object(reports, refused, options.seed, seconds), allow_nan=False))
    elif reports:
        from gradcheck.table import print_reports

        print_reports(reports, seconds, options.seed, twin)
        if options.v:
            print(*reports, sep="\n")
    if options.apply:
        refused += _apply(reports)
    if options.github and not options.json:
        from gradcheck.annotations import annotations

        for line in annotations([*reports, *_as_reports(refused)]):
            print(line)
    for message in [*refused, *[stopped] * bool(stopped)]:
        print(f"gradcheck: {message}", file=sys.stderr)
    if stopped:
        return 130
    if not reports and not refused and not options.json:
        print("gradcheck: nothing to check: no target holds a pair", file=sys.stderr)
    return _status([r.verdict for r in reports] + ["error"] * len(refused))


@dataclass(frozen=True)
class Task:
    """One of the pairs of a target, for another process to find again."""

    target: str
    shapes: str
    at: int
    name: str
    seed: int
    twin: bool


def _checks(
    options: argparse.Namespace, twin: bool
) -> tuple[list[tuple["Check", Task]], list[str]]:
    """Each pair that is asked for, and why targets give none.

    With --if-any a target without a pair is no failure, and a file that holds none is not run.
    """
    from gradcheck import catalogue
    from gradcheck.discovery import WANTED, resolve, shipped
    from gradcheck.loading import NoPairError, TargetError, files, speaks

    def tasks(target: str, found: list["Check"]) -> list[tuple["Check", Task]]:
        rest = (options.seed, twin)
        return [(c, Task(target, options.shapes, k, c.name, *rest)) for k, c in enumerate(found)]

    if not options.targets:
        return [t for name in catalogue.names() for t in tasks(name, [shipped(name)])], []
    checks: list[tuple[Check, Task]] = []
    refused: list[str] = []
    for target in options.targets:
        folder, before = Path(target).is_dir(), len(checks) + len(refused)
        for part in map(str, files(Path(target))) if folder else [target]:
            try:
                if not options.if_any or not Path(part).is_file() or speaks(Path(part)):
                    checks += tasks(part, resolve(part, options.shapes))
            except NoPairError as error:
                refused += [] if folder or options.if_any else [str(error)]
            except TargetError as error:
                refused.append(str(error))
        if folder and not options.if_any and len(checks) + len(refused) == before:
            refused.append(f"{target}: no file in this folder holds a pair; {WANTED}")
    return checks, refused


def _apply(reports: list["Report"]) -> list[str]:
    """Write the fixes that were found; what could not be written, and why."""
    from gradcheck.repair import apply

    fixes: dict[str, list] = {}
    for fix in (f.fix for r in reports for f in r.findings if f.fix):
        fixes.setdefault(fix.edits[0].file, []).append(fix)
    refused = []
    for file, several in fixes.items():
        try:
            print(f"gradcheck: wrote {file}; as it was: {apply(file, several)}", file=sys.stderr)
        except (OSError, ValueError) as error:
            refused.append(str(error))
    return refused


def _reports(checks: list[tuple["Check", Task]], shipped: bool) -> Iterator["Report"]:
    """The reports in order: at first from here, and what is left after a while from every core.

    The models stand last among what is shipped and take longest, so there they begin.
    """
    from gradcheck.processes import cores, in_processes

    start = time.perf_counter()
    for k, (check, task) in enumerate(checks):
        late = len(checks) > MANY or time.perf_counter() - start > PATIENCE
        if late and len(checks) - k > 1 and cores() > 1:
            yield from in_processes(_run_task, [t for _, t in checks[k:]], _died, shipped)
            return
        yield _run(check, task.seed, task.twin)


def _run_task(task: Task) -> "Report":
    return _run(_resolved(task.target, task.shapes)[task.at], task.seed, task.twin)


@cache
def _resolved(target: str, shapes: str) -> list["Check"]:
    from gradcheck.discovery import resolve

    return resolve(target, shapes)


def _died(task: Task) -> "Report":
    from gradcheck.report import Report

    file = task.target.partition("::")[0]
    message = (
        f"{task.name}: the process that checked it died, by os._exit or in compiled code; try "
        f"another --seed than {task.seed}"
    )
    return Report(task.name, "error", message, file if file.endswith(".py") else None)


def _run(check: "Check", seed: int, twin: bool) -> "Report":
    from gradcheck.checks import check_subject
    from gradcheck.conditions import told
    from gradcheck.loading import beside
    from gradcheck.report import Report, merge

    with beside(Path(check.file)) if check.file else contextlib.nullcontext():
        try:
            subjects = list(check.subjects(seed, twin))
            reports = [check_subject(s, seed) for s in subjects]
            report = told(merge(reports), reports)
            if report.verdict == "fail" and sys.stderr.isatty():  # the verdict need not wait
                what = f"{check.name} fails; looking for the line and for a fix"
                print(f"gradcheck: {what}", file=sys.stderr, flush=True)
            return _diagnosed(check, report, subjects, reports, seed, twin)
        except (Exception, SystemExit) as error:
            words = str(error).splitlines()[:1]
            message = words[0] if words else type(error).__name__
            if not isinstance(error, ValueError):
                message = f"{check.name}: running it raised {type(error).__name__}: {message}"
            return Report(check.name, "error", message, check.file)


SCRIPT = """\
from gradcheck.checks import check_subject
from gradcheck.discovery import resolve
(found,) = resolve({target!r})
subject = [*found.subjects({seed}, {twin})][{k}]  # its inputs are subject.arrays
print(check_subject(subject, {seed}))"""


def _diagnosed(
    check: "Check",
    report: "Report",
    subjects: list,
    reports: list["Report"],
    seed: int,
    twin: bool,
) -> "Report":
    """The report, examined by the doctor if it failed."""
    failed = [s for s, r in zip(subjects, reports, strict=True) if r.verdict == "fail"]
    if not failed:
        return report
    from gradcheck.doctor import diagnosed

    # the smallest of those that failed, then fresh ones, of its configuration first, and others
    first = min(failed, key=lambda s: sum(getattr(a, "size", 0) for a in s.arrays))
    others = [s for s in subjects if s is not first][:4]
    k = next(k for k, s in enumerate(subjects) if s is first)
    target = f"{os.path.relpath(check.file)}::{check.name}" if check.file else check.name
    script = SCRIPT.format(target=target, seed=seed, twin=twin, k=k)
    report = replace(report, script=script)
    with contextlib.suppress(Exception):  # another draw may be one that cannot be made
        fresh = [*check.subjects(seed + 1, False)]
        config = first.case()["config"]
        alike = [s for s in fresh if s.case()["config"] == config]
        others = [*alike[:2], *others, *(s for s in fresh if s not in alike)][:7]
    return diagnosed(report, [first, *others], seed)


def _step(argv: list[str]) -> int:
    parser = _parser("gradcheck step")
    parser.add_argument("target", metavar="TARGET", help="the pair to step through")
    options = parser.parse_args(argv)
    from gradcheck.discovery import TargetError, resolve
    from gradcheck.loading import beside
    from gradcheck.stepper import print_steps

    try:
        checks = resolve(options.target)
        if len(checks) > 1:
            names = ", ".join(f"{options.target}::{c.name}" for c in checks)
            return _refuse(f"{options.target} holds {len(checks)} pairs; wanted one of {names}")
        with beside(Path(checks[0].file)) if checks[0].file else contextlib.nullcontext():
            return print_steps(checks[0], options.seed)
    except (TargetError, ValueError) as error:
        return _refuse(str(error))


def _refuse(message: str) -> int:
    print(f"gradcheck: {message}", file=sys.stderr)
    return 2


def _status(verdicts: list[str]) -> int:
    if "fail" in verdicts:
        return 1
    return 2 if {"error", "unresolved"} & set(verdicts) else 0


def _as_reports(refused: list[str]) -> list["Report"]:
    """The targets that could not be checked, as reports."""
    from gradcheck.report import Report

    names = [m.split(":")[0] for m in refused]
    return [
        Report(name, "error", m, name if name.endswith(".py") else None)
        for name, m in zip(names, refused, strict=True)
    ]


def _object(
    reports: list["Report"], refused: list[str], seed: int, seconds: float
) -> dict[str, Any]:
    """The object that --json prints."""
    from gradcheck.report import worst

    checks = [*reports, *_as_reports(refused)]
    versions = {}
    for package in ("scratchnn", "numpy", "scipy", "jax"):
        with contextlib.suppress(PackageNotFoundError):
            versions[package] = version(package)
    return {
        "schema": 1,
        "seed": seed,
        "versions": {"python": sys.version.split()[0], **versions},
        "verdict": worst([r.verdict for r in checks]),
        "seconds": round(seconds, 3),
        "checks": [r.to_dict() for r in checks],
    }


if __name__ == "__main__":
    sys.exit(main())
