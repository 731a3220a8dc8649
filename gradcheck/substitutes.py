"""Substitutes: other values, at hand in the same run, with which every gradient would be right."""

from dataclasses import replace
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from gradcheck.taps import Plan, Tap, leaves, statement, swapped
from gradcheck.totals import WRONG, name_of

if TYPE_CHECKING:
    from gradcheck.suspects import Candidate, Line, Search

CACHE = 4_000  # operations that may be re-run


def solve(search: "Search", line: "Line") -> None:
    """Look for whole numbers or truth values with which every gradient would be right."""
    parts = {t.part: t for t in line.taps}
    if statement(line.site.code).unpacks and len(parts) == len(line.taps) <= 8:
        for a, b in combinations(line.taps, 2):
            if np.shape(a.value) == np.shape(b.value) and not np.array_equal(a.value, b.value):
                if all(
                    search.explained(search.moved(exchange(search, a, b, k), k), k)
                    for k in range(len(search.error))
                ):
                    line.solved = "with two of its values exchanged every gradient is right"
                    return
    discrete = [t for t in line.taps if np.asarray(t.value).dtype.kind in "iub"]
    if line.injected or not discrete or len({t.part for t in discrete}) < len(discrete):
        return
    sizes = {n for t in search.taps for n in np.shape(t.value)}
    sizes |= {
        int(t.value)
        for t in search.taps
        if np.asarray(t.value).dtype.kind in "iu" and not np.shape(t.value)
    }
    for t in discrete:
        value = np.asarray(t.value)
        if value.dtype.kind == "b" and 0 < value.size <= 64:
            better = value.copy()
            for at in np.ndindex(value.shape):
                flipped = value.copy()
                flipped[at] = ~flipped[at]
                move = search.moved({t.key: ("set", flipped)})
                if move is not None and np.sum(np.abs(search.error[0] - move) > WRONG) < np.sum(
                    np.abs(search.error[0]) > WRONG
                ):
                    better[at] = ~better[at]
            trials: list[Any] = [better]
        elif not value.shape and value.dtype.kind in "iu":
            trials = sorted(sizes | {int(value) + 1, int(value) - 1} - {int(value)})
        else:
            continue
        for new in trials:
            if all(
                search.explained(search.moved({t.key: ("set", new)}, k), k)
                for k in range(len(search.error))
            ):
                line.solved = (
                    f"with {new} instead of {t.value} every gradient is right"
                    if not value.shape
                    else f"with {int(np.sum(new != value))} of {value.size} entries turned "
                    "every gradient is right"
                )
                return


def exchange(search: "Search", a: Tap, b: Tap, k: int) -> Plan:
    """The plan that puts two results of cotangent k in each other's place."""
    values = search.values(k)
    return {a.key: ("set", values[b.key]), b.key: ("set", values[a.key])}


def return_of_others(search: "Search") -> list["Candidate"]:
    """The return, if it only puts the gradients into each other's places."""
    wrong = sorted(set(search.argument()[search.wrong].tolist()))
    args, moved = search.argument(), []
    for k in wrong:
        for other in range(len(search.grads)):
            if other != k and np.size(search.grads[other]) == np.size(search.grads[k]):
                value = np.ravel(search.grads[other])[search.rows[k]] / search.scale[args == k]
                if np.max(np.abs(value - search.truth[0][args == k])) <= WRONG:
                    moved.append((k, other))
    if search.last is None or {k for k, _ in moved} != set(wrong):
        return []
    names = [search.subject.names[i] for i in search.subject.floats]
    words = ", ".join(f"d{names[k]} stands in the place of d{names[o]}" for k, o in moved)
    return [search.at(search.last, words)]


def cache_of_others(search: "Search") -> list["Candidate"]:
    """The line that saves a value for which another value of the forward makes all right."""
    bench = search.bench
    ran, taps = bench.record(bench.forward)
    if isinstance(ran, Exception):
        return []
    kept = bench.hook.returned
    limit = bench.spent + CACHE
    pool = {id(t.object): t for t in taps if isinstance(t.object, np.ndarray)}
    found = []
    for leaf in leaves(ran.cache):
        for t in pool.values():
            new = t.object
            other_kind = leaf.dtype.kind == "f" and new.dtype.kind != "f"
            if new is leaf or new.shape != leaf.shape or other_kind:
                continue
            if bench.spent > limit:
                return found
            other = replace(ran, cache=swapped(ran.cache, leaf, new))
            runs = (search.moved({}, k, other) for k in range(len(search.base)))
            if kept and all(search.explained(move, k) for k, move in enumerate(runs)):
                why = f"with {name_of(t)} in its place in the cache every gradient is right"
                found.append(search.at(kept, why))
    return found
