"""Differences of a subject's own forward, held against its backward along one direction."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from gradcheck import numeric
from gradcheck.instrument import watching
from gradcheck.kinks import Fingerprint
from gradcheck.subjects import Subject

Array = np.ndarray


@dataclass(frozen=True)
class Measured:
    """The derivative of <dy, y> along a direction d of one argument.

    `hand` is <g, d>; `low` and `high` bracket the measured derivative: equal where y is smooth,
    the one-sided derivatives at a kink. All figures are absolute.
    """

    hand: float
    low: float
    high: float
    bound: float
    scale: float
    trouble: str = ""

    @property
    def gap(self) -> float:
        return max(self.low - self.hand, self.hand - self.high, 0.0)

    @property
    def agrees(self) -> bool:
        return self.gap <= self.bound

    @property
    def error(self) -> float | None:
        return self.gap / self.scale if math.isfinite(self.gap) else None

    @property
    def resolution(self) -> float | None:
        return self.bound / self.scale if math.isfinite(self.bound) else None


def measure(
    subject: Subject, i: int, g: Array, slack: float, dy: tuple, seed: list[int], top: int = -3
) -> Measured:
    """Measure argument i along a random direction, from steps of at most 2^top.

    `slack` is the rounding error to be expected of the entries of g.
    """
    x = subject.arrays[i]
    d = numeric.direction(x, np.random.default_rng(seed))
    phi, fingerprint, floor = line(subject, i, d, dy)
    hand = float(np.sum(g * d))
    size = float(np.sqrt(np.sum((g * d) ** 2)))
    rounding = slack * float(np.sqrt(np.sum(d * d))) + 4 * numeric.UNIT * float(
        np.sum(np.abs(g * d))
    )
    found = numeric.directional(phi, fingerprint, floor, top)
    low = high = found.value
    if found.trouble == "kink":
        sides = [numeric.one_sided(phi, fingerprint, side, floor) for side in (-1.0, 1.0)]
        low, high = sorted(s.value for s in sides)
        found = max(sides, key=lambda s: s.bound)
        trouble = "kink" if math.isfinite(found.bound) else "unresolved"
    else:
        trouble = found.trouble and "unresolved"
    scale = max(size, abs(low), abs(high)) if math.isfinite(low + high) else size
    return Measured(hand, low, high, found.bound + rounding, scale or 1.0, trouble)


def line(
    subject: Subject, i: int, d: Array, dy: tuple
) -> tuple[Callable[[float], float], Callable[[float], bytes], float]:
    """phi(t) = <dy, y(x + t d) - y(x)>, the piece of each point, the rounding floor of phi."""
    x = subject.arrays[i]
    y0 = subject.run().y

    def at(t: float) -> tuple:
        moved = list(subject.arrays)
        moved[i] = x + t * d
        return tuple(moved)

    def phi(t: float) -> float:
        y = subject.run(at(t)).y
        return float(sum(np.sum(v * (b - a)) for v, b, a in zip(dy, y, y0, strict=True)))

    def fingerprint(t: float) -> bytes:
        hook = Fingerprint()
        with watching(subject.functions, hook):
            subject.run(at(t))
        return hook.digest()

    floor = (
        2 * numeric.UNIT * float(sum(np.sum(np.abs(v * a)) for v, a in zip(dy, y0, strict=True)))
    )
    return phi, fingerprint, floor


def entries(subject: Subject, i: int, dy: tuple, most: int = 400) -> Array | None:
    """The numeric gradient of argument i, entry by entry, to about 1e-9; None for more than `most`.

    This describes a gradient that is already known to be wrong, so two steps and no certificate
    will do: G = (4 D(h/2) - D(h)) / 3 with central differences D.
    """
    x = subject.arrays[i]
    if x.size > most:
        return None
    h = 2.0**-9 * (2.0 ** math.floor(math.log2(float(np.max(np.abs(x))) or 1.0)))
    G = np.empty(x.shape)
    for at in np.ndindex(x.shape):
        d = np.zeros(x.shape)
        d[at] = 1.0
        phi, _, _ = line(subject, i, d, dy)
        wide, narrow = ((phi(t) - phi(-t)) / (2 * t) for t in (h, h / 2))
        G[at] = (4 * narrow - wide) / 3
    return G
