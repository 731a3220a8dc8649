"""How often is a bug called by its right name, from its numbers alone? The corpus, bug by bug.

A name counts as right if the corpus accepts it for that bug, as wrong if it does not, and as
unnamed if none was spoken. Bugs that break the contract of a pair are named by that.
"""

import contextlib
import io
import os
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from gradcheck import naming
from gradcheck.checks import check_subject, cotangent
from gradcheck.corpus import Specimen, specimens
from gradcheck.discovery import resolve
from gradcheck.samples import Sample, take

QUICK = 80
CONTRACT = {"dtype", "shape", "ignores-upstream", "mutates", "not-repeatable", "non-finite"}
CONTRACT |= {"raises", "not-implemented"}


def run(*, rounds: int, quick: bool, seed: int, half: str = "developed") -> list[dict[str, Any]]:
    """One row per bug."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    bugs = [s for s in specimens(half) if s.kinds]
    if quick:
        chosen = np.random.default_rng(seed).permutation(len(bugs))[:QUICK]
        bugs = [bugs[k] for k in sorted(chosen)]
    with tempfile.TemporaryDirectory() as folder, np.errstate(all="ignore"):
        return [_row(bug, Path(folder), seed) for bug in bugs]


def _row(bug: Specimen, folder: Path, seed: int) -> dict[str, Any]:
    file = folder / f"{bug.name.replace('-', '_')}.py"
    file.write_text(bug.source)
    check = next(c for c in resolve(str(file)) if c.name == bug.pair)
    samples: list[Sample] = []
    contract = ""
    with contextlib.redirect_stdout(io.StringIO()):
        subjects = list(check.subjects(seed, False))
        for subject in subjects:
            found = check_subject(subject, seed, False).findings
            if found:
                contract = found[0].kind if found[0].kind in CONTRACT else ""
                break
        for k, subject in enumerate(subjects):
            rng = np.random.default_rng([seed, k])
            try:
                dy = tuple(cotangent(v, rng) for v in subject.run().y)
                sample = take(subject, dy)
            except Exception:  # the check has told
                continue
            if sample and sample.wrong:
                samples.append(sample)
    samples = chosen(samples)
    names: dict[str, naming.Name] = {}
    start = time.perf_counter()
    if len(samples) == 2:
        names = naming.names(samples)
    seconds = time.perf_counter() - start
    spoken = [n for n in names.values() if n.kind != "unnamed"]
    kind = spoken[0].kind if spoken else "unnamed"
    if contract and not (contract == "shape" and spoken):
        kind = contract
    verdict = "right" if kind in bug.kinds else "wrong"
    if kind == "unnamed":
        others = {k for n in names.values() for k in n.alternatives}
        verdict = "alternatives" if others & set(bug.kinds) else "unnamed"
    return {
        "bug": bug.name,
        "kinds": bug.kinds,
        "verdict": verdict,
        "kind": kind,
        "message": spoken[0].message if spoken else "",
        "alternatives": sorted({k for n in names.values() for k in n.alternatives}),
        "seconds": seconds,
        "contract": contract,
    }


def chosen(samples: list[Sample]) -> list[Sample]:
    """Two samples, of different shapes if there are such."""
    for s in samples[1:]:
        if s.sizes != samples[0].sizes:
            return [samples[0], s]
    return samples[:2]


def show(console: Console, rows: list[dict[str, Any]], rounds: int) -> None:
    """A line per kind, then every wrong name."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    words = ("right", "wrong", "alternatives", "unnamed")
    for title in ("", "bugs", *words):
        table.add_column(title, justify="left" if title == "" else "right")
    for kind in ["", *sorted({r["kinds"][0] for r in rows})]:
        chosen = [r for r in rows if kind in ("", r["kinds"][0])]
        counts = Counter(r["verdict"] for r in chosen)
        figures = [str(counts[w]) if counts[w] else "-" for w in words]
        table.add_row(kind or "all", str(len(chosen)), *figures)
    console.print(table)
    seconds = [r["seconds"] for r in rows]
    over = sum(s > 0.3 for s in seconds)
    took = f"median {np.median(seconds):.3f} s, mean {np.mean(seconds):.3f} s"
    console.print(f"naming: {took}, at most {max(seconds):.2f} s, {over} above 0.3 s")
    for r in rows:
        if r["verdict"] == "wrong":
            console.print(f"{r['bug']}: {r['kind']}, not {', '.join(r['kinds'])}: {r['message']}")
