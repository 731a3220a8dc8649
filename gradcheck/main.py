"""The command ``gradcheck``."""

import argparse
import contextlib
import json
import os
import signal
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from itertools import islice
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gradcheck.discovery import Check
    from gradcheck.report import Report

USAGE = """\
gradcheck [TARGET ...] [--json] [--seed N] [--quick] [--apply] [-v]
       gradcheck step TARGET

TARGET is a shipped name, FILE.py[::name], a folder or module:function; without one,
everything shipped is checked. A folder called step is written ./step."""


def main(argv: list[str] | None = None) -> int:
    """Run the command; the exit status is 1 if anything fails, else 2 if anything could not be
    checked or decided, else 0."""
    argv = sys.argv[1:] if argv is None else argv
    try:
        if argv[:1] == ["step"]:
            return _step(argv[1:])
        return _check(argv)
    except KeyboardInterrupt:
        print("gradcheck: interrupted", file=sys.stderr)
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
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--quick", action="store_true", help="numeric only, without JAX")
    parser.add_argument(
        "--apply", action="store_true", help="write the verified fixes; FILE is kept as FILE.orig"
    )
    parser.add_argument("-v", action="store_true", help="print every argument of every pair")
    options = parser.parse_args(argv)
    if options.seed < 0:
        return _refuse(f"--seed is {options.seed}; wanted 0 or more")
    from gradcheck import autodiff, catalogue
    from gradcheck.discovery import TargetError, resolve

    start = time.perf_counter()
    checks, refused = [], []
    # what the checked code prints must not end up in the report
    with contextlib.redirect_stdout(sys.stderr):
        for target in options.targets:
            try:
                checks += resolve(target)
            except TargetError as error:
                refused.append(str(error))
        twin = autodiff.available() and not options.quick
        if options.targets:
            reports = [_run(check, options.seed, twin) for check in checks]
        else:
            reports = _run_all(catalogue.names(), options.seed, twin)
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
    for message in refused:
        print(f"gradcheck: {message}", file=sys.stderr)
    return _status([r.verdict for r in reports] + ["error"] * len(refused))


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


def _run_all(names: list[str], seed: int, twin: bool) -> list["Report"]:
    """The reports of everything shipped, from one process per core."""
    import multiprocessing

    # the arrays are small: threads of the linear algebra would only wait for each other
    for variable in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS"):
        os.environ.setdefault(variable, "1")
    context = multiprocessing.get_context("spawn")
    # the models stand last and take longest, so they begin
    tasks = [(name, seed, twin) for name in reversed(names)]
    pool = ProcessPoolExecutor(mp_context=context, initializer=_leave_ctrl_c_to_the_parent)
    try:
        return [*pool.map(_run_shipped, tasks)][::-1]
    except BrokenProcessPool:  # a compiler can abort the process it runs in
        return [_run_alone(context, task) for task in reversed(tasks)]
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _run_alone(context: Any, task: tuple[str, int, bool]) -> "Report":
    """One report from a process of its own, which may die."""
    from gradcheck.report import Report

    with ProcessPoolExecutor(1, context, _leave_ctrl_c_to_the_parent) as pool:
        try:
            return pool.submit(_run_shipped, task).result()
        except BrokenProcessPool:
            name, seed, _ = task
            message = f"{name}: the process that checked it died; try another --seed than {seed}"
            return Report(name, "error", message)


def _leave_ctrl_c_to_the_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _run_shipped(task: tuple[str, int, bool]) -> "Report":
    from gradcheck.discovery import shipped

    name, seed, twin = task
    return _run(shipped(name), seed, twin)


def _run(check: "Check", seed: int, twin: bool) -> "Report":
    from gradcheck.checks import check_subject
    from gradcheck.report import Report, merge

    try:
        subjects = list(check.subjects(seed, twin))
        reports = [check_subject(s, seed) for s in subjects]
    except Exception as error:
        words = str(error).splitlines()[:1]
        message = words[0] if words else type(error).__name__
        if not isinstance(error, ValueError):
            message = f"{check.name}: making inputs raised {type(error).__name__}: {message}"
        return Report(check.name, "error", message, check.file)
    report = merge(reports)
    return _diagnosed(check, report, subjects, reports, seed)


def _diagnosed(
    check: "Check", report: "Report", subjects: list, reports: list["Report"], seed: int
) -> "Report":
    """The report, examined by the doctor if it failed."""
    failed = [s for s, r in zip(subjects, reports, strict=True) if r.verdict == "fail"]
    if not failed:
        return report
    from gradcheck.doctor import diagnosed

    # the smallest of those that failed, then others and fresh ones
    first = min(failed, key=lambda s: sum(getattr(a, "size", 0) for a in s.arrays))
    others = [s for s in subjects if s is not first][:4]
    try:
        return diagnosed(
            report, [first, *others, *islice(check.subjects(seed + 1, False), 3)], seed
        )
    except Exception as error:  # the verdict stands without a diagnosis
        note = f"the diagnosis broke off: {type(error).__name__}: {error}"
        return replace(report, notes=(*report.notes, note))


def _step(argv: list[str]) -> int:
    parser = _parser("gradcheck step")
    parser.add_argument("target", metavar="TARGET", help="the pair to step through")
    options = parser.parse_args(argv)
    from gradcheck.discovery import TargetError, resolve
    from gradcheck.stepper import print_steps

    try:
        checks = resolve(options.target)
        if len(checks) > 1:
            names = ", ".join(f"{options.target}::{c.name}" for c in checks)
            return _refuse(f"{options.target} holds {len(checks)} pairs; wanted one of {names}")
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


def _object(
    reports: list["Report"], refused: list[str], seed: int, seconds: float
) -> dict[str, Any]:
    """The object that --json prints."""
    from gradcheck.report import Report, worst

    checks = [*reports, *(Report(m.split(":")[0], "error", m) for m in refused)]
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
