"""Is the wrong line among the few that are named? Every mistake of a half of the corpus.

A mistake is placed at the smallest of its three draws, in the next one where that shows nothing.
Functions whose own pair passes are trusted, as they are when a whole file is checked. A hit is a
statement that holds an edited line; where statements are missing, the one before or after.
"""

import ast
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from gradcheck.checks import check_subject
from gradcheck.corpus import Specimen, specimens
from gradcheck.discovery import Check, resolve
from gradcheck.placing import place

HALF = "developed"
QUICK = 80


def run(*, rounds: int, quick: bool, seed: int) -> list[dict[str, Any]]:
    """One row per mistake; a quick run takes a sample."""
    wrong = [s for s in specimens(HALF) if s.kinds]
    if quick:
        chosen = np.random.default_rng(seed).choice(len(wrong), QUICK, replace=False)
        wrong = [wrong[k] for k in sorted(chosen)]
    with tempfile.TemporaryDirectory() as folder:
        return [_row(s, Path(folder), seed) for s in wrong]


def _row(s: Specimen, folder: Path, seed: int) -> dict[str, Any]:
    file = folder / f"placed_{s.name.replace('-', '_')}.py"
    file.write_text(s.source)
    checks = resolve(str(file))
    (check,) = [c for c in checks if c.name == s.pair]
    trusted = [
        name
        for c in checks
        if c is not check and _passes(c, seed)
        for name in (c.name, f"{c.name}_forward", f"{c.name}_backward")
    ]
    draws = [x for _, x in zip(range(3), check.subjects(seed, False), strict=False)]
    start = time.perf_counter()
    for subject in sorted(draws, key=lambda x: sum(np.size(a) for a in x.arrays)):
        found = place(subject, seed, trusted)
        if found.lines:
            break
    seconds = time.perf_counter() - start
    true = _statements(s)
    lines = [c.line for c in found.lines]
    first = next((k for k, line in enumerate(lines, 1) if line in true), 0)
    return {"name": s.name, "kinds": s.kinds, "lines": lines, "hit": first, "seconds": seconds}


def _passes(check: Check, seed: int) -> bool:
    try:
        subject = next(iter(check.subjects(seed, False)))
        return check_subject(subject, seed, False).verdict in ("pass", "kink")
    except Exception:  # the mistake is where its inputs are made, or in what it calls
        return False


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


def show(console: Console, rows: list[dict[str, Any]], rounds: int) -> None:
    """Shares of all mistakes, then of each kind of which one was missed; and those."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    titles = ("", "n", "among", "first", "one, right", "one, wrong", "lines", "ms", "ms p95")
    for title in titles:
        table.add_column(title, justify="left" if title == "" else "right")
    _line(table, "all", rows)
    table.add_section()
    for kind in sorted({r["kinds"][0] for r in rows if not r["hit"]}):
        _line(table, kind, [r for r in rows if r["kinds"][0] == kind])
    console.print(table)
    missed = [f"{r['name']} {r['lines']}" for r in rows if not r["hit"]]
    console.print(f"missed: {', '.join(missed) or 'none'}")
    console.print("[dim]n: mistakes; lines: mean number of candidates; ms: median")


def _line(table: Table, title: str, rows: list[dict[str, Any]]) -> None:
    hit, count = np.array([r["hit"] for r in rows]), np.array([len(r["lines"]) for r in rows])
    shares = (hit > 0, hit == 1, (count == 1) & (hit == 1), (count == 1) & (hit == 0))
    ms = 1e3 * np.array([r["seconds"] for r in rows])
    table.add_row(
        title,
        str(len(rows)),
        *(f"{100 * np.mean(s):.1f} %" for s in shares),
        f"{count.mean():.2f}",
        f"{np.median(ms):.0f}",
        f"{np.quantile(ms, 0.95):.0f}",
    )
