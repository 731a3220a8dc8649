"""Whether an error lies in the range of d(returned)/d(result of a line), by random probes."""

import math
from typing import TYPE_CHECKING

import numpy as np

from gradcheck.lines import Line

if TYPE_CHECKING:
    from gradcheck.suspects import Search

Array = np.ndarray


def examine(search: "Search", line: Line, rows: Array) -> None:
    """Whether the error lies in the range of d(returned)/d(result)."""
    shapes = [np.shape(t.value) for t in line.injected]
    span(search, line, shapes, rows)
    if not line.possible and len(set(shapes)) == 1:
        for shape in wider(search, shapes[0]):  # it may have lost an axis
            span(search, line, [shape] * len(shapes), rows)
            if line.possible:
                break


def wider(search: "Search", shape: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Shapes of other values that a result of this shape broadcasts to, small ones first."""
    others = {np.shape(t.value) for t in search.taps} - {shape}
    fit = [s for s in others if len(s) >= len(shape) and _broadcasts(shape, s)]
    return sorted(fit, key=math.prod)[:2]


def span(search: "Search", line: Line, shapes: list[tuple[int, ...]], rows: Array) -> None:
    taps = line.injected
    size = [1e-2 * (float(np.sqrt(np.mean(np.square(t.value, dtype=float)))) or 1.0) for t in taps]

    def along(d: list[Array], t: float, k: int = 0) -> Array | None:
        plan = {p.key: ("add", t * e) for p, e in zip(taps, d, strict=True)}
        move = search.moved(plan, k)
        return None if move is None else move * rows

    def draw() -> list[Array]:
        return [s * search.rng.standard_normal(h) for s, h in zip(size, shapes, strict=True)]

    basis = np.zeros((0, len(search.scale)))
    d = draw()
    up, down, other = along(d, 1.0), along(d, -1.0), along(d, 1.0, 1)
    if up is None or down is None:
        return
    most = float(np.max(np.abs(up)))
    linear = bool(np.max(np.abs(up + down)) <= 1e-9 * most)
    # what depends on dy, as a value of the forward does, has another range for each
    alike = other is not None and bool(np.max(np.abs(up - other)) <= 1e-9 * most)
    errors = [e * rows for e in (search.error if alike else search.error[:1])]
    line.probes, line.steps, line.possible, line.tested = [], [], True, False
    if linear:
        first, second = d, draw()
        next_ = along(second, 1.0)
        known = next_ is not None and elementwise(line, (first, up), (second, next_), errors)
        if known:
            return
    for _ in range(sum(map(math.prod, shapes)) + 1):
        column: Array | None = up
        if not linear:
            ends = along(d, 2.0**-7), along(d, -(2.0**-7))
            column = None if ends[0] is None or ends[1] is None else (ends[0] - ends[1]) * 2.0**6
        if column is None or search.bench.spent > search.limit:
            line.rank = len(basis)
            return
        left = column - basis.T @ (basis @ column)
        left -= basis.T @ (basis @ left)
        length = float(np.linalg.norm(left))
        if length <= 1e-8 * np.linalg.norm(column):
            break
        line.probes.append((np.concatenate([np.ravel(e) for e in d]), column))
        basis = np.vstack([basis, left / length])
        if all(_within(basis, e) for e in errors):
            break
        d = draw()
        up = along(d, 1.0) if linear else None
    line.rank, within = len(basis), all(_within(basis, e) for e in errors)
    # where it is not linear, a range tells little about changes that are not small
    line.tested = linear or within
    line.possible = within or not linear


def elementwise(line: Line, a: tuple, b: tuple, errors: list[Array]) -> bool:
    """The test from two probes alone, where each gradient entry moves with one entry only."""
    (d, up), (e, again) = a, b
    d, e = (np.concatenate([np.ravel(x) for x in v]) for v in (d, e))
    rows = np.flatnonzero(np.abs(up) > 1e-13)
    ratio, seen = e / d, again[rows] / up[rows]
    order = np.argsort(ratio)
    above = np.clip(np.searchsorted(ratio[order], seen), 0, len(d) - 1)
    near = np.stack([order[above], order[np.maximum(above - 1, 0)]])
    of = near[np.argmin(np.abs(ratio[near] - seen), axis=0), np.arange(len(rows))]
    if np.any(np.abs(again[rows] - up[rows] * ratio[of]) > 1e-9 * np.abs(again[rows])):
        return False
    factor = up[rows] / d[of]
    line.rank, line.tested, line.steps = len(set(of.tolist())), True, []
    for error in errors:
        weight = np.zeros(len(d))
        np.add.at(weight, of, factor**2)
        best = np.zeros(len(d))
        np.add.at(best, of, factor * error[rows])
        best = np.divide(best, weight, out=best, where=weight > 0)
        rest = error.copy()
        rest[rows] -= factor * best[of]
        line.steps.append(best)
        line.possible &= _small(rest, error)
    return True


def _broadcasts(shape: tuple[int, ...], to: tuple[int, ...]) -> bool:
    try:
        return np.broadcast_shapes(shape, to) == to
    except ValueError:
        return False


def _within(basis: Array, e: Array) -> bool:
    return _small(e - basis.T @ (basis @ e), e)


def _small(rest: Array, e: Array) -> bool:
    """Whether what remains of an error is what the differences behind it are off by."""
    return bool(np.max(np.abs(rest)) <= 1e-5 * np.max(np.abs(e)) + 1e-7)
