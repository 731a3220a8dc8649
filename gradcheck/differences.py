"""Differences of a subject's own forward, held against its backward along one direction."""

import math
import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gradcheck import numeric
from gradcheck.instrument import watching
from gradcheck.kinks import Fingerprint
from gradcheck.subjects import Subject, is_float

Array = np.ndarray
# together, arguments are settled to this relative error each, or else measured one by one
SETTLED = 1e-7


@dataclass(frozen=True)
class Measured:
    """The derivative of <dy, y> along a direction d of one argument.

    `hand` is <g, d>; `low` and `high` bracket the measured derivative: equal where y is smooth,
    the one-sided derivatives at a kink. `scale` is the size of the derivative, `share` that of the
    argument's part in it; `floor` the rounding of <dy, y>; `bound` allows for the rounding of g
    too, `seen` does not. All figures are absolute. `limit` says what the bound is made of.
    """

    hand: float
    low: float
    high: float
    bound: float
    scale: float
    share: float
    trouble: str = ""
    limit: str = "noise"
    floor: float = 0.0
    seen: float = math.inf

    @property
    def gap(self) -> float:
        return max(self.low - self.hand, self.hand - self.high, 0.0)

    @property
    def agrees(self) -> bool:
        return not self.gap > self.bound  # where nothing could be measured, nothing disagrees

    @property
    def error(self) -> float | None:
        return self.gap / self.scale if math.isfinite(self.gap) else None

    @property
    def resolution(self) -> float | None:
        """The least relative error of g that would have been seen, or that was seen not to be."""
        least = min(self.bound, self.gap + self.seen)
        return least / self.share if math.isfinite(least) else None

    @property
    def flat(self) -> bool:
        """Whether the derivative is lost in the rounding of y: zero, or of a saturated unit."""
        least = max(self.bound, 2.0**28 * self.floor)
        return max(abs(self.hand), abs(self.low), abs(self.high)) <= least < math.inf


def measure_all(
    subject: Subject, gradients: list[Array], slack: list[float], dy: tuple, seed: list[int]
) -> list[Measured] | None:
    """Measure all arguments at once, along one direction that moves all of them.

    An error in any of them shows, at a resolution that is its own share of the derivative. None
    where that does not settle all: at kinks, at disagreement, or where a share is too small.
    """
    rng = np.random.default_rng(seed)
    directions = {i: numeric.direction(subject.arrays[i], rng) for i in subject.floats}
    found = numeric.directional(*line(subject, directions, dy))
    if found.trouble:
        return None
    parts = [g * d for g, d in zip(gradients, directions.values(), strict=True)]
    bound = found.bound + sum(map(_rounding, parts, directions.values(), slack))
    hand = float(sum(map(np.sum, parts)))
    shares = [length(p) for p in parts]
    scale = max(length(np.array(shares)), abs(found.value)) or 1.0
    if abs(hand - found.value) > bound or any(0 < s * SETTLED < bound for s in shares):
        return None
    value, limit = found.value, found.limit
    return [Measured(hand, value, value, bound, scale, s or scale, "", limit) for s in shares]


def measure(
    subject: Subject,
    i: int,
    g: Array,
    slack: float,
    dy: tuple,
    seed: list[int],
    top: int = -3,
    look_around: bool = True,
    noise: float = 0.0,
) -> Measured:
    """Measure argument i along a random direction, from steps of at most 2^top.

    `slack` is the rounding error to be expected of the entries of g; `look_around` judges a g at a
    kink by the gradients around it too; `noise` is the least that phi is taken to have.
    """
    x = subject.arrays[i]
    d = numeric.direction(x, np.random.default_rng(seed))
    phi, piece, floor = line(subject, {i: d}, dy)
    floor = max(floor, noise)
    hand = float(np.sum(g * d))
    size = length(g * d)
    rounding = _rounding(g * d, d, slack)
    found = numeric.directional(phi, piece, floor, top)
    low = high = found.value
    trouble = found.trouble
    if trouble in ("kink", "domain edge"):
        sides = [numeric.one_sided(phi, piece, side, floor) for side in (-1.0, 1.0)]
        inside = [s for s in sides if s.trouble != "domain edge"]
        found = max(inside or sides, key=lambda s: s.bound)
        low, high = min(s.value for s in inside or sides), max(s.value for s in inside or sides)
        if len(inside) == 1:  # on the edge of the domain the derivative is that from within
            trouble = found.trouble
        elif math.isinf(found.bound):
            trouble = found.trouble or "non-finite"
        elif high - low <= sum(s.bound for s in sides):  # one slope: pieces that join smoothly
            found = min(sides, key=lambda s: s.bound)
            low = high = found.value
            trouble = ""
        else:
            trouble = "kink"
    scale = max(size, abs(low), abs(high)) if math.isfinite(low + high) else size
    if trouble == "kink" and look_around:
        wrong = _wrong_around(subject, i, g, slack, dy, seed)
        if wrong is not None:
            return wrong
        low, high = min(low, hand), max(high, hand)  # a sum of several choices
    seen, bound, scale = found.bound, found.bound + rounding, scale or 1.0
    if not trouble and bound > 1e-6 * size:
        exact = complex_step(subject, i, d, dy)
        near = rounding + 2.0**-36 * max(size, abs(exact or 0.0))
        # it may sharpen what differences see dimly, and confirm; it never accuses, as code that is
        # not analytic need not say so
        if exact and abs(exact - low) <= bound and abs(exact - hand) <= near < bound:
            low, high, bound = exact, exact, near
    return Measured(hand, low, high, bound, scale, scale, trouble, found.limit, floor, seen)


def complex_step(subject: Subject, i: int, d: Array, dy: tuple) -> float | None:
    """The derivative along d without a difference: Im <dy, y(x + i h d)> / h, at h = 2^-60.

    Nothing cancels, so that it is exact to rounding, however flat y is; but y has to be analytic,
    and its code to compute with complex numbers. None where the code does not.

    Source: Squire and Trapp (1998), doi:10.1137/S003614459631241X.
    """
    h = 2.0**-60
    moved = list(subject.arrays)
    moved[i] = moved[i] + 1j * h * d
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", np.exceptions.ComplexWarning)
            y = subject.run(tuple(moved)).y
        found = float(sum(np.sum(v * np.imag(b)) for v, b in zip(dy, y, strict=True))) / h
    except Exception:  # whatever the code raises, it takes no complex numbers
        return None
    return found if math.isfinite(found) else None


def length(a: Array) -> float:
    """The Euclidean length of all entries, where their squares underflow too.

    >>> length(np.array([3e-200, 4e-200]))
    5e-200
    """
    largest = float(np.max(np.abs(a))) or 1.0
    return largest * float(np.sqrt(np.sum((a / largest) ** 2)))


def _rounding(part: Array, d: Array, slack: float) -> float:
    """How far rounding may have moved <g, d>, of which `part` holds the terms."""
    in_g = slack * length(d)
    return in_g + 4 * numeric.UNIT * float(np.sum(np.abs(part)))


def confirm(
    subject: Subject,
    i: int,
    g: Array,
    slack: float,
    dy: tuple,
    seed: list[int],
    first: Measured,
    noise: float,
) -> Measured:
    """Other directions, the first with smaller steps, before an accusation is spoken.

    One that would have seen the error and does not acquits: something narrower than the first
    steps had fooled them. `noise` is that of <dy, y> by jitter; what is measured from a few values
    may be less by chance.
    """
    again = first
    for k, top in ((1, -10), (2, -3)):
        again = measure(subject, i, g, slack, dy, [*seed, k], top, noise=3 * noise)
        if not again.agrees or again.bound <= (first.error or math.inf) * again.scale / 4:
            return again
    return again


def _wrong_around(
    subject: Subject, i: int, g: Array, slack: float, dy: tuple, seed: list[int]
) -> Measured | None:
    """What is wrong with g where the derivative jumps, or None if g is a valid choice.

    Along lines on which all ties stay, y is smooth and g must be right, whichever side it takes;
    beside the point, where ties are broken, the backward must be right; and each entry of g must
    lie between those of the backward's own gradients around the point.
    """
    rng = np.random.default_rng([*seed, 2])
    for d in _keeping_ties(subject.arrays[i], rng):
        slope = numeric.directional(*line(subject, {i: d}, dy))
        hand, bound = float(np.sum(g * d)), slope.bound + _rounding(g * d, d, slack)
        scale = max(length(g * d), abs(slope.value)) or 1.0
        along = Measured(hand, slope.value, slope.value, bound, scale, scale)
        if not slope.trouble and not along.agrees:
            return along

    def gradient(s: Subject) -> Array:
        return np.asarray(s.gradients(dy, s.run())[s.floats.index(i)])

    near = beside(subject, rng, -6)
    measured = measure(near, i, gradient(near), slack, dy, [*seed, 3], -10, False)
    if not measured.agrees or measured.trouble:
        return None if measured.agrees else measured
    around = [gradient(beside(subject, rng, -24)) for _ in range(32)]
    low, high = np.asarray(np.min(around, axis=0)), np.asarray(np.max(around, axis=0))
    scale = float(np.max(np.abs(around))) or 1.0
    bound = slack + 2.0**-18 * scale  # they are a little apart
    unit = 2.0**-18 * (float(np.sqrt(np.mean(subject.arrays[i] ** 2))) or 1.0)
    off = np.maximum(low - g, g - high)
    # of many that tie each wins seldom: let those win, and lose, that seem to be off
    worst = np.argsort(-off, axis=None)[:256]
    for at in zip(*np.unravel_index(worst, g.shape), strict=True) if g.shape else [()]:
        if off[at] <= bound:
            break
        for side in (unit, -unit):
            pushed = beside(subject, rng, -24)
            pushed.arrays[i][at] += side
            entry = gradient(pushed)[at]
            low[at], high[at] = min(low[at], entry), max(high[at], entry)
        found = Measured(float(g[at]), float(low[at]), float(high[at]), bound, scale, scale)
        if not found.agrees:
            return found
    return None


def _keeping_ties(x: Array, rng: np.random.Generator) -> list[Array]:
    """Directions that move all entries alike, and equal entries alike: zeros not at all."""
    values, group = np.unique(x, return_inverse=True)
    steps = np.where(values == 0, 0.0, numeric.direction(values, rng))
    return [
        np.full(x.shape, 2.0 ** math.floor(math.log2(length(x) or 1.0))),
        steps[group].reshape(x.shape),
    ]


def beside(subject: Subject, seed: int | np.random.Generator, power: int) -> Subject:
    """The subject at another point, each float array moved by about 2^power of itself.

    The moves have 20 bits: few enough for exact steps from there, enough to break every tie.
    """

    rng = np.random.default_rng(seed)

    def moved(a: Array) -> Array:
        scale = 2.0 ** math.floor(math.log2(float(np.sqrt(np.mean(a * a))) or 1.0))
        move = 2.0 ** (power - 19) * scale * rng.integers(-(2**19), 2**19, a.shape)
        return np.asarray(a + move)  # which of an array without axes is none

    return replace(subject, arrays=tuple(moved(a) if is_float(a) else a for a in subject.arrays))


def line(
    subject: Subject, directions: dict[int, Array], dy: tuple
) -> tuple[Callable[[float], float], Callable[[float], bytes], float]:
    """phi(t) = <dy, y(x + t d) - y(x)>, the piece of each point, the rounding floor of phi.

    `directions` holds the d of each argument that moves, by its position.
    """
    y0 = subject.run().y
    known = {0.0: 0.0}

    def at(t: float) -> tuple:
        moved = list(subject.arrays)
        for i, d in directions.items():
            moved[i] = (moved[i] + t * d).astype(moved[i].dtype, copy=False)
        return tuple(moved)

    def phi(t: float) -> float:
        if t not in known:
            try:
                known[t] = difference(subject.run(at(t)).y)
            except Exception:  # it ran at 0, so t is outside its domain
                known[t] = math.nan
        return known[t]

    def difference(y: tuple) -> float:
        # what stays infinite, as a masked score does, has not moved
        changes = (np.where(b == a, 0.0, b - a) for b, a in zip(y, y0, strict=True))
        return float(sum(np.sum(v * c) for v, c in zip(dy, changes, strict=True)))

    def piece(t: float) -> bytes:
        hook = Fingerprint()
        with suppress(Exception), watching(subject.functions, hook):
            known[t] = difference(subject.run(at(t)).y)
        return hook.digest() if math.isfinite(known.setdefault(t, math.nan)) else numeric.OUTSIDE

    floor = sum(
        _unit(a) * float(np.sum(np.abs(v * a)[np.isfinite(a)])) for v, a in zip(dy, y0, strict=True)
    )
    return phi, piece, 2 * floor


def _unit(y: Any) -> float:
    """The unit roundoff of an output: it may be computed in float32 inside."""
    y = np.asarray(y)
    return float(np.finfo(y.dtype).eps) / 2 if y.dtype.kind == "f" else numeric.UNIT


def entries(subject: Subject, i: int, dy: tuple, most: int = 400) -> Array | None:
    """The numeric gradient of argument i, entry by entry, to about 1e-9; None for more than `most`.

    This describes a gradient that is already known to be wrong, so no certificate is asked for.
    """
    x = subject.arrays[i]
    if x.size > most:
        return None
    G = np.empty(x.shape)
    for at in np.ndindex(x.shape):
        d = np.zeros(x.shape)
        d[at] = 1.0
        G[at] = _roughly(subject, i, d, dy)
    return G


def worst_entry(
    subject: Subject, i: int, g: Array, dy: tuple, seed: int = 0
) -> tuple[tuple[int, ...], float]:
    """An entry of g that is wrong, and its numeric gradient, at the cost of the sum of the sides.

    Axis by axis the slice is kept in which g is furthest from differences along random signs.
    """
    x, rng = subject.arrays[i], np.random.default_rng(seed)
    kept = np.ones(x.shape)
    at = [0] * x.ndim
    for axis in np.argsort(x.shape):
        gaps = []
        for k in range(x.shape[axis]):
            d = np.zeros(x.shape)
            np.moveaxis(d, axis, 0)[k] = np.moveaxis(kept, axis, 0)[k]
            d *= rng.choice((-1.0, 1.0), x.shape)
            gaps.append(abs(_roughly(subject, i, d, dy) - float(np.sum(g * d))))
        at[axis] = int(np.argmax(gaps))
        here = np.zeros(x.shape)
        np.moveaxis(here, axis, 0)[at[axis]] = np.moveaxis(kept, axis, 0)[at[axis]]
        kept = here
    return tuple(at), _roughly(subject, i, kept, dy)


def _roughly(subject: Subject, i: int, d: Array, dy: tuple) -> float:
    """The derivative along d of argument i: (4 D(h/2) - D(h)) / 3, with central differences D."""
    x, moved = subject.arrays[i], list(subject.arrays)
    h = 2.0**-9 * (2.0 ** math.floor(math.log2(float(np.max(np.abs(x))) or 1.0)))

    def along(t: float) -> float:
        moved[i] = (x + t * d).astype(x.dtype, copy=False)
        y = subject.run(tuple(moved)).y
        return float(sum(np.sum(v * b) for v, b in zip(dy, y, strict=True)))

    wide, narrow = ((along(t) - along(-t)) / (2 * t) for t in (h, h / 2))
    return (4 * narrow - wide) / 3
