"""How many known mistakes does `gradcheck.repair` undo? The developed half of the corpus.

Each text with a mistake is written to a file, checked, and repaired within eight seconds. A repair
is the original where its text is, but for layout, or where it is in the same line and its gradients
are the same on fresh inputs. Times are of the processor, of the one process that searches.
"""

import ast
import random
import resource
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from gradcheck import discovery
from gradcheck.checks import check_subject
from gradcheck.corpus import Specimen, specimens
from gradcheck.instrument import reach
from gradcheck.repair import Repair, repair
from gradcheck.subjects import Subject, copied

QUICK = 20  # mistakes in a trial run
SEEDS = 2  # of draws that the repair may use
FRESH = 1000  # seed of those on which it is compared with the original
ALIKE = 1e-9
CLOCK = 900.0  # the machine may have other work; times are of the processor


def run(*, rounds: int, quick: bool, seed: int) -> list[dict[str, Any]]:
    """One row per mistake."""
    chosen = [s for s in specimens("developed") if s.kinds]
    if quick:
        chosen = sorted(random.Random(seed).sample(chosen, QUICK), key=lambda s: s.name)
    return [treat(s, seed) for s in chosen]


def treat(specimen: Specimen, seed: int) -> dict[str, Any]:
    """What became of one mistake."""
    row = {
        "name": specimen.name,
        "pair": specimen.pair,
        "kinds": list(specimen.kinds),
        "single": _is_single(specimen),
        "mistake": [specimen.source.splitlines()[k - 1].strip() for k in specimen.lines],
    }
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"{specimen.name.rpartition('-')[0]}.py"
        file.write_text(specimen.source)
        checks = {c.name: c for c in discovery.resolve(str(file))}
        subjects = [
            s for k in range(SEEDS) for s in checks[specimen.pair].subjects(seed + k, False)
        ]
        failed = next((s for s in subjects if not _passes(s, seed)), None)
        if failed is None:
            return row | {"fate": "undetected"}
        called = {f.__name__ for f in reach([failed.backward])} - {failed.backward.__name__}
        trusted = [
            f"{name}_backward"
            for name, c in checks.items()
            if f"{name}_backward" in called
            and all(_passes(s, seed) for s in c.subjects(seed, False))
        ]
        start, began = _processor(), time.perf_counter()
        others = [s for s in subjects if s is not failed]
        found = repair([failed, *others], trusted=trusted, clock=CLOCK, seed=seed)
        row |= {"seconds": _processor() - start, "wall": time.perf_counter() - began}
        if found is None:
            return row | {"fate": "not repaired"}
        first = found.edits[0]
        same = _same(specimen, found) or (
            first.line in specimen.lines and _equivalent(specimen, found, Path(folder), seed)
        )
        return row | {
            "fate": "repaired",
            "edits": [[e.line, e.before, e.after] for e in found.edits],
            "original": same,
            "line": first.line in specimen.lines,
            "kind": found.kind,
            "named": found.kind in specimen.kinds,
            "tried": found.tried,
        }


def _passes(subject: Subject, seed: int) -> bool:
    return check_subject(subject, seed, twin=False).verdict != "fail"


def _processor() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _is_single(specimen: Specimen) -> bool:
    """Whether one line stands for one other."""
    old, new = specimen.right.splitlines(), specimen.source.splitlines()
    return len(old) == len(new) and sum(a != b for a, b in zip(old, new, strict=True)) == 1


def _same(specimen: Specimen, found: Repair) -> bool:
    return ast.dump(ast.parse(found.text)) == ast.dump(ast.parse(specimen.right))


def _equivalent(specimen: Specimen, found: Repair, folder: Path, seed: int) -> bool:
    """Whether the gradients are those of the original, on three fresh draws."""
    results = []
    for k, text in enumerate((found.text, specimen.right)):
        file = folder / f"compared_{k}_{specimen.name.replace('-', '_')}.py"
        file.write_text(text)
        (check,) = discovery.resolve(f"{file}::{specimen.pair}")
        results.append(
            [
                _gradients(s)
                for s, _ in zip(check.subjects(FRESH + seed, False), "123", strict=False)
            ]
        )
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


def total(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Shares of the rows, in per cent, and times of the processor in seconds."""
    detected = [r for r in rows if r["fate"] != "undetected"]
    repaired = [r for r in detected if r["fate"] == "repaired"]
    times = sorted(r["seconds"] for r in detected)

    def share(part: int, whole: int) -> float:
        return 100 * part / max(whole, 1)

    return {
        "mistakes": len(rows),
        "detected": len(detected),
        "repaired_percent": share(len(repaired), len(detected)),
        "original_percent": share(sum(r["original"] for r in repaired), len(repaired)),
        "line_percent": share(sum(r["line"] for r in repaired), len(repaired)),
        "named_percent": share(sum(r["named"] for r in repaired), len(repaired)),
        "median": float(np.median(times)) if times else 0.0,
        "p95": float(np.quantile(times, 0.95)) if times else 0.0,
    }


def show(console: Console, rows: list[dict[str, Any]], rounds: int) -> None:
    """The shares, then what was not repaired and what was repaired in another way."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    titles = ("mistakes", "detected", "repaired", "original", "line", "named", "median", "p95")
    for title in ("", *titles):
        table.add_column(title, justify="left" if title == "" else "right")
    for title, chosen in (("all", rows), ("one line for one", [r for r in rows if r["single"]])):
        t = total(chosen)
        shares = (f"{t[f'{k}_percent']:.1f} %" for k in ("repaired", "original", "line", "named"))
        times = (f"{t['median']:.1f} s", f"{t['p95']:.1f} s")
        table.add_row(title, str(t["mistakes"]), str(t["detected"]), *shares, *times)
    console.print(table)
    for r in rows:
        words = f"{r['name']} {r['pair']} ({', '.join(r['kinds'])})"
        if r["fate"] != "repaired":
            console.print(
                f"{r['fate']}: {words}: {'; '.join(r['mistake'])}", soft_wrap=True, markup=False
            )
        elif not (r["original"] and r["line"] and r["named"]):
            off = [k for k in ("original", "line") if not r[k]] + [r["kind"] or "unnamed"] * (
                not r["named"]
            )
            console.print(f"not {', '.join(off)}: {words}", soft_wrap=True, markup=False)
            for line, before, after in r["edits"]:
                console.print(f"    {line}: {before} -> {after}", soft_wrap=True, markup=False)
