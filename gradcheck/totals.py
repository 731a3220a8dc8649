"""Gradients of what a forward computes on its way, by differences: of its arguments and locals.

Nothing here is certified: these describe a backward that is already known to be wrong.
"""

import math
from collections.abc import Iterator

import numpy as np

from gradcheck.taps import Bench, Tap

Array = np.ndarray
WRONG = 1e-6  # relative to the largest entry of a gradient
STEP = 2.0**-15  # of central differences: 1e-9 in truncation, 1e-12 in rounding
TRUTHS, VALUES = 8_000, 8_000  # operations that may be re-run, for the arguments and the locals


Truths = tuple[list[Array], list[Array], Array]


def truths(bench: Bench, cost: int, rng: np.random.Generator) -> Truths:
    """(entries that are compared, by argument; their right values, by cotangent; scales).

    `cost` is that of one forward; a slow one is compared at fewer entries.
    """
    subject, dys = bench.subject, bench.dys
    most = int(np.clip(TRUTHS // (2 * cost * len(subject.floats)), 8, 64))
    rows, values, scales = [], [], []
    for i in subject.floats:
        x = subject.arrays[i]
        chosen = np.arange(x.size)
        if x.size > most:
            chosen = np.sort(rng.choice(x.size, most, replace=False))
        # functions bend within a few units, however large x is
        h = STEP * 2.0 ** min(math.floor(math.log2(float(np.max(np.abs(x))) or 1.0)), 2)
        total = np.empty((len(dys), len(chosen)))
        for j, at in enumerate(chosen):
            d = np.zeros(x.size)
            d[at] = h
            total[:, j] = along_argument(bench, i, d.reshape(x.shape)) / h
        rows.append(chosen)
        values.append(total)
        scales.append(np.full(len(chosen), float(np.max(np.abs(total), initial=0.0)) or 1.0))
    scale = np.concatenate(scales)
    return rows, [np.concatenate([v[k] for v in values]) / scale for k in range(len(dys))], scale


def along_argument(bench: Bench, i: int, d: Array) -> Array:
    """By cotangent, half of how far <dy, y> moves between x - d and x + d."""
    ends = []
    for sign in (1, -1):
        moved = list(bench.subject.arrays)
        moved[i] = moved[i] + sign * d
        ends.append(bench.subject.run(tuple(moved)).y)
    return paired(bench.dys, *ends)


def paired(dys: list[tuple], up: tuple, down: tuple) -> Array:
    """By cotangent, half of <dy, up - down>; what is infinite in both has not moved."""
    moves = [np.where(a == b, 0.0, a - b) for a, b in zip(up, down, strict=True)]
    halves = (sum(np.sum(v * m) for v, m in zip(dy, moves, strict=True)) / 2 for dy in dys)
    return np.array(list(halves))


def sources(
    bench: Bench, sizes: set[int], rng: np.random.Generator
) -> Iterator[tuple[str, tuple[int, ...], Array, Array]]:
    """(words, shape, direction, slope of <dy, y> along it by cotangent) of forward values."""
    for i in bench.subject.floats:
        x = bench.subject.arrays[i]
        if x.size in sizes:
            d = rng.standard_normal(x.shape)
            h = STEP * (float(np.max(np.abs(x))) or 1.0)
            yield bench.subject.names[i], x.shape, d, along_argument(bench, i, h * d) / h
    ran, taps = bench.record(bench.forward)
    if isinstance(ran, Exception):
        return
    for n, y in enumerate(ran.y):
        if np.size(y) in sizes:
            d = rng.standard_normal(np.shape(y))
            slopes = [float(np.sum(dy[n] * d)) for dy in bench.dys]
            yield "the output", np.shape(y), d, np.array(slopes)
    limit = bench.spent + VALUES
    first: dict[int, Tap] = {}
    for t in taps:
        if t.is_float and t.size in sizes:
            first.setdefault(id(t.object), t)
    names = {id(t.object): name_of(t) for t in taps[::-1] if t.site.target != "return"}
    for t in first.values():
        if bench.spent > limit:
            return
        d = rng.standard_normal(np.shape(t.value))
        h = STEP * (float(np.median(np.abs(t.value))) or 1.0)  # masked scores are huge
        try:
            ends = [bench.forward({t.key: ("add", s * h * d)}).y for s in (1, -1)]
        except Exception:
            continue
        yield (
            names.get(id(t.object), name_of(t)),
            np.shape(t.value),
            d,
            paired(bench.dys, *ends) / h,
        )


def name_of(t: Tap) -> str:
    """How to speak of a value of the forward."""
    target = t.site.target.strip("()").split(",")
    inside = [k for k in t.part if isinstance(k, int)]
    if t.site.target in ("return", "") or (inside and inside[0] >= len(target)):
        return f"the value of line {t.site.line}"
    return f"{target[inside[0] if inside else 0].strip()} (line {t.site.line})"


def matches(values: list[Array], shape: tuple[int, ...], d: Array, slopes: Array) -> bool:
    """Whether values, by cotangent, have these slopes along d."""
    if values[0].size != d.size or not all(np.any(v) for v in values):
        return False
    far = 1e-6 * np.linalg.norm(d) / math.sqrt(d.size)
    return all(
        abs(float(np.sum(v.reshape(shape) * d)) - s) <= far * float(np.linalg.norm(v)) + 1e-12
        for v, s in zip(values, slopes, strict=True)
    )
