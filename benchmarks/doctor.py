"""What `gradcheck FILE.py` says of known mistakes: the name, the line, the fix. The whole corpus.

Each text with a mistake is a file of its own, checked as the command does, without JAX. A line is
right if it is in a statement that holds an edited line; where statements miss, the one before
or after. A name is right if the corpus accepts it. A repair is the original if the text is the same
but for layout, or the gradients are the same on fresh inputs. Times are of the processor, of the
diagnosis: placing, naming and the search. Right pairs are given to the search too. The last column
are mutants: backwards of scratchnn with one edit, which has no name to be judged.
"""

import ast
import contextlib
import io
import random
import resource
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from benchmarks import mutants, mutation
from gradcheck import catalogue, discovery, loading, main, shipped
from gradcheck.corpus import HALVES, Specimen, specimens
from gradcheck.processes import in_processes
from gradcheck.repair import applied, repair
from gradcheck.report import Finding
from gradcheck.shipped import Op
from gradcheck.subjects import Subject, copied

QUICK = 40  # texts in a trial run
MUTANTS = "mutants"
DRAWN = 2  # mutants of each backward that is shipped
FRESH = 1000  # seed of the draws on which a repair is compared with the original
ALIKE = 1e-9
COUNTS = ("mistakes", "process died", "detected", "right pairs", "of them repaired")
CRASHED = ("raises", "not-implemented")


def run(*, rounds: int, quick: bool, seed: int) -> list[dict[str, Any]]:
    """One row per mistake, and one per right pair."""
    chosen = [s for half in HALVES for s in specimens(half)] + shipped_mistakes(seed)
    if quick:
        chosen = random.Random(seed).sample(chosen, QUICK)
    rows, done = [], 0
    try:
        for some in in_processes(partial(_outlived, seed=seed), chosen, _died):
            rows += some
            done += 1
            if done % 50 == 0:
                print(f"{done} of {len(chosen)} texts", file=sys.stderr, flush=True)
    except KeyboardInterrupt:
        print(f"ended after {done} of {len(chosen)} texts", file=sys.stderr)
    return rows


def _outlived(specimen: Specimen, seed: int) -> list[dict[str, Any]]:
    """What is said of one text; an error, which is a fault of ours, costs that text only."""
    try:
        return treat(specimen, seed)
    except Exception as error:
        print(f"{specimen.half} {specimen.name}: {type(error).__name__}: {error}", file=sys.stderr)
        return _died(specimen)


def _died(specimen: Specimen) -> list[dict[str, Any]]:
    """The row of a text whose process ended with it."""
    row = {"half": specimen.half, "name": specimen.name, "pair": specimen.pair, "died": True}
    if not specimen.kinds and specimen.half != MUTANTS:
        return [row | {"right": "not known"}]
    return [row | {"kinds": list(specimen.kinds), "detected": False}]


def shipped_mistakes(seed: int) -> list[Specimen]:
    """The files of scratchnn's ops, each with one small mistake in one backward."""
    found = []
    for target in mutants.targets():
        if not target.name.endswith("_backward") or not isinstance(target.entries[0], Op):
            continue
        code = target.function.__code__
        right, first = Path(code.co_filename).read_text(), code.co_firstlineno - 1
        tried = mutation.sample(target, seed)
        drawn = random.Random(f"{seed} {target.name}").sample(tried, min(DRAWN, len(tried)))
        for k, edit in enumerate(drawn):
            old, new = right.splitlines(keepends=True), edit.source.splitlines(keepends=True)
            text = "".join([*old[:first], *new, *old[first + len(new) :]])
            pair = target.entries[0].name
            name, line = f"{target.name}-{k}", first + edit.line
            found.append(Specimen(name, MUTANTS, text, right, pair, (), ("",), (line,)))
    return found


def _shipped(file: Path, name: str) -> discovery.Check:
    """The check of an op with the functions of another file."""
    module, entry = loading.load(file), catalogue.find(name)
    f, f_backward = (getattr(module, n) for n in (name, f"{name}_backward"))

    def subjects(seed: int, twin: bool) -> Iterator[Subject]:
        for s in shipped.subjects(entry, seed, False):
            yield replace(s, forward=f, backward=f_backward, keeps_dtype=False)

    return discovery.Check(name, subjects, str(file))


def treat(specimen: Specimen, seed: int) -> list[dict[str, Any]]:
    """What is said of one text."""
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        file = Path(folder) / f"{specimen.name.replace('-', '_')}.py"
        file.write_text(specimen.source)
        if specimen.half == MUTANTS:
            return [_mistaken(specimen, _shipped(file, specimen.pair), Path(folder), seed)]
        checks = discovery.resolve(str(file))
        if not specimen.kinds:
            return [_right(specimen, check, seed) for check in checks]
        (check,) = [c for c in checks if c.name == specimen.pair]
        return [_mistaken(specimen, check, Path(folder), seed)]


def _right(specimen: Specimen, check: discovery.Check, seed: int) -> dict[str, Any]:
    with np.errstate(all="ignore"):
        found = repair(list(check.subjects(seed, False)), seconds=2, seed=seed)
    words = "repaired" if found else "left alone"
    return {"half": specimen.half, "name": specimen.name, "pair": check.name, "right": words}


def _mistaken(
    specimen: Specimen, check: discovery.Check, folder: Path, seed: int
) -> dict[str, Any]:
    row: dict[str, Any] = {
        "half": specimen.half,
        "name": specimen.name,
        "pair": specimen.pair,
        "kinds": list(specimen.kinds),
        "single": _is_single(specimen),
    }
    start, began = _processor(), time.perf_counter()
    report = main._run(check, seed, False)
    seconds, wall = _processor() - start, time.perf_counter() - began
    row |= {"seconds": seconds - report.seconds, "wall": wall - report.seconds}
    row["detected"] = report.verdict == "fail"
    if not row["detected"] or not report.findings:
        return row
    first = report.findings[0]
    true, lines = _statements(specimen), first.lines or (first.line,) * (first.line is not None)
    place = next((k for k, line in enumerate(lines, 1) if line in true), 0)
    row |= {
        "kind": first.kind,
        "named": _named(first, specimen),
        "crashed": first.kind in CRASHED,
        "lines": list(lines),
        "place": place,
        "repaired": first.fix is not None,
        "message": first.message,
        "notes": list(report.notes),
    }
    if first.fix:
        text = applied(specimen.source, [first.fix])
        same = ast.dump(ast.parse(text)) == ast.dump(ast.parse(specimen.right))
        try:
            row["original"] = same or _equivalent(specimen, text, folder, seed)
        except Exception:  # on fresh inputs it raises, which the original does not
            row["original"] = False
        row["edits"] = [[e.line, e.before, e.after] for e in first.fix.edits]
    return row


def _named(finding: Finding, specimen: Specimen) -> str:
    if finding.kind == "unnamed":
        return "unnamed"
    return "right" if finding.kind in specimen.kinds else "wrong"


def _processor() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime + time.process_time()


def _is_single(specimen: Specimen) -> bool:
    """Whether one line stands for one other."""
    old, new = specimen.right.splitlines(), specimen.source.splitlines()
    return len(old) == len(new) and sum(a != b for a, b in zip(old, new, strict=True)) == 1


def _statements(s: Specimen) -> set[int]:
    """The first lines of the statements that hold the edited lines, and those lines."""
    found = set(s.lines)
    for node in ast.walk(ast.parse(s.source)):
        if isinstance(node, ast.stmt):
            inner = getattr(node, "body", None)
            last = inner[0].lineno - 1 if inner else node.end_lineno or node.lineno
            if any(node.lineno <= line <= last for line in s.lines):
                found.add(node.lineno)
    return found


def _equivalent(specimen: Specimen, text: str, folder: Path, seed: int) -> bool:
    """Whether the gradients are those of the original, on three fresh draws."""
    results = []
    for k, source in enumerate((text, specimen.right)):
        file = folder / f"compared_{k}_{specimen.name.replace('-', '_')}.py"
        file.write_text(source)
        if specimen.half == MUTANTS:
            check = _shipped(file, specimen.pair)
        else:
            (check,) = discovery.resolve(f"{file}::{specimen.pair}")
        draws = zip(check.subjects(FRESH + seed, False), range(3), strict=False)
        results.append([_gradients(s) for s, _ in draws])
    return all(
        np.shape(a) == np.shape(b) and np.allclose(a, b, rtol=ALIKE, atol=ALIKE * np.max(np.abs(b)))
        for one, other in zip(*results, strict=True)
        for a, b in zip(one, other, strict=True)
    )


def _gradients(subject: Subject) -> Sequence[np.ndarray]:
    with np.errstate(all="ignore"):
        ran = subject.run()
        rng = np.random.default_rng(5)
        dy = tuple(rng.standard_normal(np.shape(v)) for v in ran.y)
        return copied(subject.gradients(dy, ran))


def total(rows: list[dict[str, Any]]) -> dict[str, float]:
    """Counts, shares in per cent, and times of the processor in seconds."""
    wrong = [r for r in rows if "kinds" in r]
    seen = [r for r in wrong if r["detected"]]
    ran = [r for r in seen if not r["crashed"]]
    single = [r for r in ran if r["single"]]
    mended = [r for r in seen if r["repaired"]]
    times = sorted(r["seconds"] for r in seen) or [0.0]

    def share(part: list, whole: list) -> float:
        return 100 * len(part) / max(len(whole), 1)

    return {
        "mistakes": len(wrong),
        "process died": len([r for r in rows if r.get("died")]),
        "detected": len(seen),
        "named right": share([r for r in seen if r["named"] == "right"], seen),
        "named wrong": share([r for r in seen if r["named"] == "wrong"], seen),
        "line among": share([r for r in ran if r["place"]], ran),
        "one line, fixed, right": share(
            [r for r in ran if r["repaired"] and len(set(r["lines"])) == 1 and r["place"]], ran
        ),
        "crashed, placed": share(
            [r for r in seen if r["crashed"] and r["place"]], [r for r in seen if r["crashed"]]
        ),
        "repaired, of all": share(mended, seen),
        "repaired, of single edits": share([r for r in single if r["repaired"]], single),
        "as the original": share([r for r in mended if r["original"]], mended),
        "median s": float(np.median(times)),
        "p95 s": float(np.quantile(times, 0.95)),
        "right pairs": len(rows) - len(wrong),
        "of them repaired": len([r for r in rows if r.get("right") == "repaired"]),
    }


def show(console: Console, rows: list[dict[str, Any]], rounds: int) -> None:
    """The shares by half; then, of the developed half only, what went wrong."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    columns = (*HALVES, MUTANTS)
    totals = {half: total([r for r in rows if r["half"] == half]) for half in columns}
    table.add_column("")
    for half in columns:
        table.add_column(half.replace("_", " "), justify="right")
    for key in totals["developed"]:
        count = key in COUNTS
        form = "{:.0f}" if count else "{:.2f}" if key.endswith(" s") else "{:.1f} %"
        cells = [form.format(t[key]) for t in totals.values()]
        unjudged = key.startswith("named") or key in ("right pairs", "of them repaired")
        table.add_row(key, *cells[:-1], "" if unjudged else cells[-1])
    console.print(table)
    for r in rows:
        if r["half"] == "held_out" or not r.get("detected"):
            continue
        faults = [
            *[f"named {r['kind']}"] * (r["named"] != "right" and r["half"] != MUTANTS),
            *[f"lines {r['lines']}"] * (not r["place"]),
            *["not repaired"] * (not r["repaired"]),
            *["not the original"] * (r["repaired"] and not r["original"]),
        ]
        if faults:
            words = f"{r['name']} {r['pair']} ({', '.join(r['kinds'])}): {'; '.join(faults)}"
            console.print(words, soft_wrap=True, markup=False)
            for line, before, after in r.get("edits", ()):
                console.print(f"    {line}: {before} -> {after}", soft_wrap=True, markup=False)
