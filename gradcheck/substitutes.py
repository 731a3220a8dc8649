"""Substitutes: other values, at hand in the same run, with which every gradient would be right."""

from dataclasses import replace
from itertools import combinations
from types import CodeType
from typing import TYPE_CHECKING, Any

import numpy as np

from gradcheck.instrument import Prepared
from gradcheck.lines import Candidate, Line
from gradcheck.taps import Plan, Tap, leaves, statement, swapped
from gradcheck.totals import WRONG, name_of

if TYPE_CHECKING:
    from gradcheck.suspects import Search

CACHE = 4_000  # operations that may be re-run
# with another size or index these read and write outside of their arrays
UNCHECKED = {"as_strided"} | {f"{k}_{of}" for k in ("csr", "csc") for of in ("array", "matrix")}


def solve(search: "Search", line: Line) -> None:
    """Look for whole numbers, truth values or an exchange that would make every gradient right."""

    draws = len(search.error)

    def right(*plans: Plan) -> bool:  # one, or one for each cotangent
        return all(
            search.explained(search.moved(plans[k % len(plans)], k), k) for k in range(draws)
        )

    parts = {t.part for t in line.taps}
    if len(parts) < len(line.taps):  # it runs many times
        return
    if statement(line.site.code).unpacks and len(parts) <= 8:
        for a, b in combinations(line.taps, 2):
            alike = np.shape(a.value) == np.shape(b.value)
            if alike and right(*(exchange(search, a, b, k) for k in range(draws))):
                line.solved = "with two of its values exchanged every gradient is right"
                return
    if line.injected:
        return
    for t in line.taps:
        value = np.asarray(t.value)
        if value.dtype.kind == "b" and 0 < value.size <= 64:
            new = turned(search, t)
            if right({t.key: ("set", new)}):
                count = f"{int(np.sum(new != value))} of its {value.size} entries"
                line.solved = f"with {count} turned every gradient is right"
                return
        elif not value.shape and value.dtype.kind in "iu":
            for n in numbers(search, int(value)):
                if right({t.key: ("set", n)}):
                    line.solved = f"with {n} in the place of {value} every gradient is right"
                    return


def trust_sizes(functions: Prepared) -> bool:
    """Whether the functions hand sizes or indices to what does not check them."""
    used = [(f, n) for f, code, _ in functions.swaps for n in names_in(code)]
    found = {n for _, n in used} | {getattr(f.__globals__.get(n), "__name__", "") for f, n in used}
    return not UNCHECKED.isdisjoint(found)


def names_in(code: CodeType) -> set[str]:
    """The names that a function takes from around it and of attributes, those inside it too."""
    inner = (names_in(c) for c in code.co_consts if isinstance(c, CodeType))
    return {*code.co_names, *code.co_freevars}.union(*inner)


def turned(search: "Search", t: Tap) -> Any:
    """Truth values, each turned where that alone leaves fewer entries wrong."""
    new, before = t.value.copy(), int(np.sum(np.abs(search.error[0]) > WRONG))
    for at in np.ndindex(t.value.shape):
        other = t.value.copy()
        other[at] = ~other[at]
        move = search.moved({t.key: ("set", other)})
        if move is not None and np.sum(np.abs(search.error[0] - move) > WRONG) < before:
            new[at] = other[at]
    return new


def numbers(search: "Search", value: int) -> list[int]:
    """Whole numbers that may have been meant: lengths of axes, other numbers, and neighbours."""
    found = {n for t in search.taps for n in np.shape(t.value)} | {value - 1, value + 1}
    found |= {int(t.value) for t in search.taps if isinstance(t.value, (int, np.integer))}
    return sorted(found - {value})


def exchange(search: "Search", a: Tap, b: Tap, k: int) -> Plan:
    """The plan that puts two results of cotangent k in each other's place."""
    values = search.values(k)
    return {a.key: ("set", values[b.key]), b.key: ("set", values[a.key])}


def return_of_others(search: "Search") -> list[Candidate]:
    """The return, if it only puts the gradients into each other's places."""
    wrong = sorted(set(search.argument()[search.wrong].tolist()))
    args, moved = search.argument(), []
    for k in wrong:
        for other in range(len(search.grads)):
            if other != k and np.size(search.grads[other]) == np.size(search.grads[k]):
                value = np.ravel(search.grads[other])[search.rows[k]] / search.scale[args == k]
                if np.max(np.abs(value - search.truth[0][args == k])) <= WRONG:
                    moved.append((k, other))
    if {k for k, _ in moved} != set(wrong):
        return []
    names = [search.subject.names[i] for i in search.subject.floats]
    words = ", ".join(f"d{names[k]} stands in the place of d{names[o]}" for k, o in moved)
    return [search.at(search.last, words)]


def cache_of_others(search: "Search") -> list[Candidate]:
    """The line that saves a value for which another value of the forward makes all right."""
    bench = search.bench
    ran, taps = bench.record(bench.forward)
    if isinstance(ran, Exception):
        return []
    kept = bench.hook.returned
    limit = bench.spent + CACHE
    pool = {id(t.object): t for t in taps if isinstance(t.object, np.ndarray)}
    found: list[Candidate] = []
    for leaf in leaves(ran.cache):
        for t in pool.values():
            new = t.object
            other_kind = leaf.dtype.kind == "f" and new.dtype.kind != "f"
            held = search.unchecked and leaf.dtype.kind != "f"
            if new is leaf or new.shape != leaf.shape or other_kind or held:
                continue
            if bench.spent > limit:
                return found
            other = replace(ran, cache=swapped(ran.cache, leaf, new))
            runs = (search.moved({}, k, other) for k in range(len(search.base)))
            if kept and all(search.explained(move, k) for k, move in enumerate(runs)):
                why = f"with {name_of(t)} in its place in the cache every gradient is right"
                found.append(search.at(kept, why))
    return found
