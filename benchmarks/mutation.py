"""Mutation testing: every hand backward with small mistakes in it must fail `gradcheck`.

Each mutant has one edit of `gradcheck.edits` more than scratchnn has. It is checked numerically,
without JAX, at the default cases of its op or layer until one fails; one that no case fails is
compared with the original on other inputs.
"""

import multiprocessing
import random
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from benchmarks import mutants
from benchmarks.mutants import Outcome, Target
from gradcheck.edits import Edit, edits

NAMES = 2  # other variables that are tried in a place: the likeliest, and one that is drawn
INSERTIONS = 15  # that are drawn for each function
SECONDS = 20.0  # of processor time, for one mutant
LIMIT = 300.0  # seconds after which its process is given up
RENEW = 1500  # mutants that one process judges; what it remembers of their sources grows
QUICK = ("softmax_backward", "linear_backward", "Linear.backward")
FATES = ("crash", "detected", "equivalent", "survived")


def run(*, rounds: int, quick: bool, seed: int) -> list[dict[str, Any]]:
    """One row per function that is mutated, and one for all of them."""
    chosen = [t for t in mutants.targets() if not quick or t.name in QUICK]
    rows = []
    with Worker(seed) as worker:
        for target in chosen:
            start = time.perf_counter()
            judged = [
                (edit, worker.judge(target, edit.source)) for edit in sample(target, seed, quick)
            ]
            rows.append(row(target, judged, time.perf_counter() - start))
    return [*rows, total(rows)]


def sample(target: Target, seed: int, quick: bool = False) -> list[Edit]:
    """The edits that are tried: all but some of those that bring another variable in."""
    rng = random.Random(f"{seed} {target.module} {target.name}")
    found = edits(mutants.source(target))
    tried = [e for e in found if not e.insertion and e.kind != "name"]
    places: dict[int, list[Edit]] = {}
    for edit in found:
        if not edit.insertion and edit.kind == "name":
            places.setdefault(edit.at, []).append(edit)
    for others in places.values():
        tried += [others[0], *rng.sample(others[1:], min(NAMES - 1, len(others) - 1))]
    inserted = [e for e in found if e.insertion]
    tried += rng.sample(inserted, min(INSERTIONS, len(inserted)))
    return tried[::5] if quick else tried


class Worker:
    """The one process that judges mutants; a new one follows where one hangs or dies."""

    def __init__(self, seed: int):
        self.seed = seed
        self.process: Any = None
        self.target: Target | None = None

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, *_: Any) -> None:
        self.stop()

    def start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, other = context.Pipe()
        given = other, self.seed, SECONDS
        self.process = context.Process(target=mutants.work, args=given, daemon=True)
        self.process.start()
        other.close()
        self.target, self.judged = None, 0

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.join()
            self.connection.close()
            self.process = None

    def judge(self, target: Target, source: str) -> Outcome:
        if self.process is not None and self.judged >= RENEW and target != self.target:
            self.stop()
        if self.process is None:
            self.start()
        new, self.target = target != self.target, target
        self.judged += 1
        self.connection.send(((target.module, target.name) if new else None, source))
        try:
            if self.connection.poll(LIMIT):
                return self.connection.recv()
            outcome = Outcome("crash", f"no answer within {LIMIT:.0f} s")
        except (EOFError, ConnectionResetError):
            outcome = Outcome("crash", "the process died")
        self.stop()
        return outcome


def row(target: Target, judged: list[tuple[Edit, Outcome]], seconds: float) -> dict[str, Any]:
    first = target.function.__code__.co_firstlineno - 1
    count = Counter(outcome.fate for _, outcome in judged)

    def listed(fate: str) -> Iterator[dict[str, Any]]:
        for edit, outcome in judged:
            if outcome.fate == fate:
                about = {"kind": edit.kind, "before": edit.before, "after": edit.after}
                yield {"line": first + edit.line} | about | {"detail": outcome.detail}

    lists = {f"{fate}_edits": [*listed(fate)] for fate in ("equivalent", "survived")}
    names = {"module": target.module, "function": target.name, "edits": len(judged)}
    return names | {fate: count[fate] for fate in FATES} | lists | {"seconds": round(seconds, 2)}


def total(rows: list[dict[str, Any]]) -> dict[str, Any]:
    sums = {k: sum(row[k] for row in rows) for k in ("edits", *FATES)}
    found = sums["crash"] + sums["detected"]
    return {
        "module": "scratchnn",
        "function": "total",
        **sums,
        "detected_percent": 100 * found / (found + sums["survived"]),
        "by_number_percent": 100 * sums["detected"] / (sums["detected"] + sums["survived"]),
        "caps": {"names_per_place": NAMES, "insertions_per_function": INSERTIONS},
        "seconds": round(sum(row["seconds"] for row in rows), 2),
    }


def show(console: Console, rows: list[dict[str, Any]], rounds: int) -> None:
    """The table, then the equivalent and the surviving mutants by name; fits 80 columns."""
    *functions, everything = rows
    table = Table(box=SIMPLE_HEAD, collapse_padding=True, pad_edge=False)
    table.add_column("function", no_wrap=True)
    for title in ("edits", *FATES):
        table.add_column(title, justify="right", no_wrap=True)
    for r in rows:
        if r is everything:
            table.add_section()
        table.add_row(r["function"], *(str(r[k]) for k in ("edits", *FATES)))
    console.print(table)
    for fate, what in (("equivalent", "same gradients"), ("survived", "not detected")):
        listed = [(r, edit) for r in functions for edit in r[f"{fate}_edits"]]
        console.print(f"{fate}, {what}:" if listed else f"{fate}: none", markup=False)
        for r, edit in listed:
            place = f"{r['module'].rpartition('.')[2]}.py:{edit['line']}"
            words = f"  {place} {r['function']}: {edit['before']} -> {edit['after']}"
            console.print(words, soft_wrap=True, markup=False)
            if edit["detail"]:
                console.print(f"    {edit['detail']}", soft_wrap=True, markup=False)
    found = everything["crash"] + everything["detected"]
    console.print(
        f"{everything['detected_percent']:.2f} % of the {found + everything['survived']} mutants "
        f"that are not equivalent are detected; of those that run and return arrays of the right "
        f"shapes, {everything['by_number_percent']:.2f} %. crash: raises, hangs or breaks the "
        f"contract (shape, dtype, not finite, writes into what it was given). equivalent: the same "
        f"gradients to rounding on {mutants.INPUTS} other inputs. All edits are tried but those "
        f"that bring in another variable: {NAMES} per place, and {INSERTIONS} insertions per "
        f"function, are drawn from the seed. {everything['seconds']:.0f} s."
    )
