"""Does the harness ever accuse a right gradient? Every shipped op at many drawn points.

A case is one point: an op, a configuration, sizes, arrays, cotangents, in float64 and again in
float32. Numeric cases have free sizes from 1 to 6, equal ones too; cases against JAX take theirs
from a pool of six per op and configuration, as each costs a compilation. The wild run multiplies
each float array by a power of two of its own, from 1e-6 to 1e6.
"""

import math
import os
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from typing import Any

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

import scratchnn
from gradcheck import catalogue, inputs, shipped
from gradcheck.checks import check_subject
from gradcheck.subjects import Subject, is_float

KINDS = ("numeric", "against JAX", "wild")
SHARES = {"numeric": 0.6, "against JAX": 0.2, "wild": 0.2}
CASES, QUICK = 100_000, 680
POOL = 6
# what a domain is made of does not scale: probabilities, variances, norms' own floors
UNSCALED = {"batch_norm_inference": {"var"}, "kl_divergence": {"q"}}


def run(*, rounds: int, quick: bool, seed: int) -> list[dict[str, Any]]:
    """One row per op and kind of case."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    total = QUICK if quick else CASES
    each = {kind: math.ceil(total * SHARES[kind] / len(catalogue.OPS)) for kind in KINDS}
    tasks = [(op.name, kind, n, seed) for op in catalogue.OPS for kind, n in each.items()]
    if quick:
        return [_row(task) for task in tasks]
    rows = []
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        for row in pool.map(_row, tasks):  # half an hour is long without a word
            rows.append(row)
            print(f"{row['op']}, {row['kind']}: {row['counts']}", file=sys.stderr, flush=True)
    return rows


def _row(task: tuple[str, str, int, int]) -> dict[str, Any]:
    name, kind, n, seed = task
    op = catalogue.find(name)
    assert isinstance(op, shipped.Op)
    start = time.perf_counter()
    counts: Counter[str] = Counter()
    examples: list[dict[str, Any]] = []
    for k in range(n):
        verdict, message = _case(op, kind, k, seed)
        counts[verdict] += 1
        if verdict not in ("pass", "kink", "flat", "outside"):
            examples.append({"case": k, "verdict": verdict, "message": message})
    seconds = time.perf_counter() - start
    return {
        "op": name,
        "kind": kind,
        "counts": dict(counts),
        "seconds": seconds,
        "examples": examples[:20],
    }


def _case(op: shipped.Op, kind: str, k: int, seed: int) -> tuple[str, str]:
    """(verdict, message) of case k; "outside" where no number comes out of the forward."""
    subject = point(op, kind, k, seed)
    if kind == "wild" and not _finite(subject):
        return "outside", ""
    report = check_subject(subject, k)
    return "flat" if report.flat else report.verdict, report.message


def point(op: shipped.Op, kind: str, k: int, seed: int) -> Subject:
    """The subject of case k; the same every time."""
    rng = np.random.default_rng([seed, KINDS.index(kind), k])
    if kind == "against JAX":
        configs = shipped.configurations(op)
        place = k % (POOL * len(configs))
        config = configs[place // POOL]
        f = getattr(scratchnn, op.name)
        pooled = np.random.default_rng([seed, place % POOL])
        sizes = inputs.free_sizes(f, op.where, config, pooled)
        return shipped.op_subject(op, config, [seed, k], sizes=sizes)
    while True:
        config = {name: values[rng.integers(len(values))] for name, values in op.config.items()}
        absent = bool(rng.integers(4) == 0)
        try:
            subject = shipped.op_subject(op, config, [seed, k], False, absent, free=True)
        except inputs.InputError:  # options that exclude each other
            continue
        return subject if kind == "numeric" else _scaled(subject, rng)


def _scaled(subject: Subject, rng: np.random.Generator) -> Subject:
    """Each float array multiplied by a power of two between 1e-6 and 1e6."""
    keep = UNSCALED.get(subject.name, set())
    return replace(
        subject,
        arrays=tuple(
            np.asarray(a * 2.0 ** rng.integers(-20, 21)) if is_float(a) and n not in keep else a
            for n, a in zip(subject.names, subject.arrays, strict=True)
        ),
    )


def _finite(subject: Subject) -> bool:
    with np.errstate(all="ignore"):
        return all(np.isfinite(y).all() for y in subject.run().y)


def show(console: Console, rows: list[dict[str, Any]], rounds: int) -> None:
    """A line per kind of case, then every op that has something to tell."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    words = ("pass", "kink", "flat", "outside", "unresolved", "fail", "error")
    for title in ("", "cases", *words, "unresolved / (cases - flat)", "ms a case"):
        table.add_column(title, justify="left" if title == "" else "right")
    for kind in KINDS:
        chosen = [r for r in rows if r["kind"] == kind]
        _line(table, kind, chosen, words)
    table.add_section()
    for r in rows:
        if set(r["counts"]) & {"unresolved", "fail", "error"}:
            _line(table, f"{r['op']}, {r['kind']}", [r], words)
    console.print(table)
    for r in rows:
        for e in r["examples"]:
            if e["verdict"] in ("fail", "error"):
                console.print(f"{r['op']}, {r['kind']}, case {e['case']}: {e['message']}")


def _line(table: Table, title: str, rows: list[dict[str, Any]], words: tuple[str, ...]) -> None:
    counts = sum((Counter(r["counts"]) for r in rows), Counter())
    cases = counts.total()
    share = counts["unresolved"] / max(cases - counts["flat"] - counts["outside"], 1)
    ms = 1e3 * sum(r["seconds"] for r in rows) / max(cases, 1)
    figures = [str(counts[w]) if counts[w] else "-" for w in words]
    table.add_row(title, str(cases), *figures, f"{100 * share:.2f} %", f"{ms:.0f}")
