"""Gradient checkers on one corpus of right and wrong gradients: what each sees, and accuses.

An item is one pair of one text, at all its cases. A wrong one is detected if the checker rejects
it, or crashes on it where it did not crash on the right text. No twin is given to anyone.
"""

import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.machine import version
from benchmarks.peers import CHECKERS
from benchmarks.workers import Outcome, Task, Worker
from gradcheck.corpus import HALVES, Specimen, specimens
from gradcheck.discovery import resolve

DTYPES = ("float64", "float32")
CRASHES = ("raised", "hung", "died")
QUICK = 2  # texts of the first half
# what an outcome is called, of wrong gradients and of right ones
ACCUSED = {"rejected": "detected", "accepted": "missed", "unresolved": "unresolved"}
CLEARED = {"rejected": "false alarm", "accepted": "accepted", "unresolved": "unresolved"}


def run(*, rounds: int, quick: bool, seed: int) -> list[dict[str, Any]]:
    """One row per checker, dtype and half; each item is checked once, whatever `rounds` is."""
    texts = {half: [*specimens(half)] for half in HALVES}
    if quick:
        texts = {HALVES[0]: texts[HALVES[0]][:QUICK]}
    workers = {name: Worker(name) for name, checker in CHECKERS.items() if checker.installed}
    rows = []
    try:
        with tempfile.TemporaryDirectory() as folder:
            for half, chosen in texts.items():
                items = [(s, *i) for s in chosen for i in pairs(s, Path(folder, half))]
                rows += judged(items, half, workers, seed)
    finally:
        for worker in workers.values():
            worker.stop()
    absent = [{"checker": n, "absent": c.package} for n, c in CHECKERS.items() if not c.installed]
    return rows + absent


def judged(
    items: list[tuple[Specimen, str, str]], half: str, workers: dict[str, Worker], seed: int
) -> list[dict[str, Any]]:
    """The rows of one half; each item goes to all checkers before the next one does."""
    said: dict[tuple[str, str], list] = {(d, name): [] for d in DTYPES for name in workers}
    progress = Console(stderr=True)
    hidden = not sys.stderr.isatty()
    for s, file, pair in track(items, half, console=progress, transient=True, disable=hidden):
        for dtype, name in said:
            outcome = workers[name].ask(Task(file, pair, dtype, seed))
            said[dtype, name].append((s, pair, outcome))
    return [row(name, dtype, half, outcomes) for (dtype, name), outcomes in said.items()]


def pairs(specimen: Specimen, folder: Path) -> list[tuple[str, str]]:
    """(file, pair) of what is judged in a text: all pairs if it is right, else the wrong one."""
    folder.mkdir(exist_ok=True)
    file = folder / f"{specimen.name}.py"
    file.write_text(specimen.source)
    names = [specimen.pair] if specimen.kinds else [c.name for c in resolve(str(file))]
    return [(str(file), name) for name in names]


def row(
    checker: str, dtype: str, half: str, outcomes: list[tuple[Specimen, str, Outcome]]
) -> dict[str, Any]:
    """The counts of one checker; names only of what one may look at."""
    right = {(s.right, pair): o.word for s, pair, o in outcomes if not s.kinds}
    called = [
        (s, pair, judge(o.word, right[s.right, pair] if s.kinds else None))
        for s, pair, o in outcomes
    ]
    wrong = Counter(word for s, _, word in called if s.kinds)
    cleared = Counter(word for s, _, word in called if not s.kinds)
    seconds = [t for _, _, o in outcomes for t in o.seconds]
    counts = {
        "checker": checker,
        "version": version(CHECKERS[checker].package),
        "dtype": dtype,
        "half": half,
        "wrong": dict(wrong),
        "right": dict(cleared),
        "ms": [round(1e3 * t, 3) for t in seconds],
    }
    if half != HALVES[0]:
        return counts
    remarkable = [(f"{s.name}::{p}", w) for s, p, w in called if w not in ("detected", "accepted")]
    return counts | {"remarkable": dict(remarkable)}


def judge(word: str, right: str | None) -> str:
    """What an outcome is called; `right` is the outcome of the right text if this one is wrong.

    >>> judge("rejected", "accepted"), judge("raised", "accepted"), judge("raised", "raised")
    ('detected', 'detected', 'not runnable')
    >>> judge("rejected", None), judge("hung", None)
    ('false alarm', 'not runnable')
    """
    if word not in CRASHES:
        return (CLEARED if right is None else ACCUSED)[word]
    return "not runnable" if right is None or right in CRASHES else "detected"


def together(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The sum of several rows of one checker.

    >>> a = {"wrong": {"detected": 2}, "right": {"accepted": 1}}
    >>> together([a, {"wrong": {"detected": 1, "missed": 1}, "right": {}}])
    {'wrong': {'detected': 3, 'missed': 1}, 'right': {'accepted': 1}}
    """
    sides = ("wrong", "right")
    return {side: dict(sum((Counter(r[side]) for r in rows), Counter())) for side in sides}


def show(console: Console, rows: list[dict[str, Any]], rounds: int) -> None:
    """One table per dtype; fits 100 columns."""
    ran = [r for r in rows if "absent" not in r]
    halves = [*dict.fromkeys(r["half"] for r in ran)]
    for dtype in DTYPES:
        table = Table(box=SIMPLE_HEAD, collapse_padding=True, pad_edge=False)
        table.add_column(dtype, no_wrap=True)
        wanted = [f"detected\n{h.replace('_', '-')}" for h in halves]
        for title in (*wanted, "false\nalarms", "un-\nresolved", "not\nrun", "ms", "total\ns"):
            table.add_column(title, justify="right", no_wrap=True)
        for name in dict.fromkeys(r["checker"] for r in ran):
            mine = [r for r in ran if (r["checker"], r["dtype"]) == (name, dtype)]
            total = together(mine)
            ms = [t for r in mine for t in r["ms"]] or [np.nan]
            table.add_row(
                CHECKERS[name].label,
                *(share(r["wrong"], "detected") for r in mine),
                share(total["right"], "false alarm"),
                either(total, "unresolved"),
                either(total, "not runnable"),
                f"{np.median(ms):.1f}",
                f"{sum(ms) / 1e3:.1f}",
            )
        console.print(table)
    for r in rows:
        if "absent" in r:
            console.print(f"{CHECKERS[r['checker']].label}: {r['absent']} is not installed")
    versions = dict.fromkeys(
        f"{CHECKERS[r['checker']].package} {r['version']}" for r in ran if r["version"]
    )
    console.print(
        f"{', '.join(versions)}. Defaults everywhere, the same inputs, no twin. unresolved and not "
        "run: of wrong + of right gradients. ms: median over all cases, without imports."
    )


def draw(rows: list[dict[str, Any]], file: str) -> None:
    """Write the picture of the rows."""
    from benchmarks import picture

    picture.draw(rows, file)


def share(counts: dict[str, int], word: str) -> str:
    """A count of all, and in per cent.

    >>> share({"detected": 1, "missed": 2}, "detected"), share({}, "detected")
    ('1/3  33 %', '-')
    """
    total = sum(counts.values())
    if not total:
        return "-"
    return f"{counts.get(word, 0)}/{total} {100 * counts.get(word, 0) / total:3.0f} %"


def either(total: dict[str, Any], word: str) -> str:
    """Of wrong + of right gradients."""
    counts = [total[side].get(word, 0) for side in ("wrong", "right")]
    return "+".join(map(str, counts)) if any(counts) else "0"
