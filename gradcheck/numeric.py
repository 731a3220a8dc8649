"""Directional derivatives from function values, each with an error bound of its own.

phi(t) = <v, f(x + t d)> is sampled on a ladder of central differences h, h/2, h/4, ... that is
extrapolated to h = 0 (Richardson). Every entry of the triangle carries an error estimate, its
disagreement with its parents plus the measured noise of phi over h, and the entry with the least
estimate is taken. The gradient under test is never read.

Source: Ridders (1982), doi:10.1016/S0141-1195(82)80057-0; the noise from difference tables,
More and Wild (2011), doi:10.1137/100786125.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

UNIT = 2.0**-53


@dataclass(frozen=True)
class Derivative:
    """A measured derivative: its value, the bound of its error, and what that bound is made of.

    `trouble` is empty, or "kink", "domain edge" or "non-finite", where there is no derivative or
    none to be measured; `limit` is "noise" or "truncation", whichever is the larger part.
    """

    value: float
    bound: float
    trouble: str = ""
    limit: str = "noise"


# what `piece` says of a point at which phi is not finite
OUTSIDE = b"outside"


def directional(
    phi: Callable[[float], float],
    piece: Callable[[float], bytes],
    floor: float,
    top: int = -3,
) -> Derivative:
    """phi'(0), from values of phi near 0.

    Where the first ladder does not converge to nine digits, though rounding would let it, two finer
    ones are tried; of two that contradict each other the finer is believed, as a feature narrower
    than its steps can fool the wide one.

    Args:
        phi: the function along the line; phi(0) should be 0, so that noise is least.
        piece: the smooth piece of each point; steps that leave the piece of 0 are not used.
        floor: the least noise of phi, absolute.
        top: the first step is at most 2^top.

    >>> d = directional(math.sin, lambda t: b"", 1e-16)
    >>> abs(d.value - 1) <= d.bound < 1e-11
    True
    """
    home = piece(0.0)
    if home == OUTSIDE:
        return Derivative(math.nan, math.inf, "non-finite")
    while strangers := [
        seen
        for k in (0, 1, 3)
        for side in (1, -1)
        if (seen := piece(side * 2.0 ** (top - k))) != home
    ]:
        top -= 2
        if top < -31:
            return Derivative(math.nan, math.inf, _why_no_step(strangers))
    noise = max(floor, _noise(phi, top))
    best = _two_sided(phi, noise, top)
    # where short steps stand still they show no noise, or little, and that of longer ones holds;
    # but what is as large as phi itself is no noise: it is the shape of phi, seen too coarsely
    span = max(abs(phi(s * 2.0 ** (top - k))) for k in range(4) for s in (-1, 1))
    standing = noise if noise < 2.0**-4 * span else floor
    for finer in (top - 7, top - 14):
        least = 2.0 ** (8 - finer) * floor  # what noise leaves there in any case
        if best.bound <= max(1e-9 * abs(best.value), least) or finer < -31:
            break
        noise = _noise(phi, finer)
        shape = floor / 16 < noise < 2.0**-12 * standing
        found = _two_sided(phi, noise if shape else max(noise, standing), finer)
        contradicted = abs(found.value - best.value) > found.bound + best.bound
        best = found if contradicted or found.bound < best.bound else best
    return best


def _why_no_step(strangers: list[bytes]) -> str:
    return "domain edge" if OUTSIDE in strangers else "kink"


def _two_sided(phi: Callable[[float], float], noise: float, top: int) -> Derivative:
    return _extrapolate(lambda h: (phi(h) - phi(-h)) / (2 * h), 2, noise, top)


def one_sided(
    phi: Callable[[float], float],
    piece: Callable[[float], bytes],
    side: float,
    floor: float,
    top: int = -3,
) -> Derivative:
    """The derivative of phi at 0 from one side, `side` = 1 or -1, in the direction of growing t.

    >>> d = one_sided(abs, lambda t: b"+-"[t < 0 :][:1], -1.0, 1e-16)
    >>> abs(d.value + 1) <= d.bound < 1e-9
    True
    """
    while (far := piece(side * 2.0**top)) != (near := piece(side * 2.0 ** (top - 8))):
        top -= 2
        if top < -31:
            return Derivative(math.nan, math.inf, _why_no_step([far, near]))
    if far == OUTSIDE:
        return Derivative(math.nan, math.inf, "domain edge")
    noise = max(floor, _noise(lambda t: phi(side * (2.0 ** (top - 8) + t)), top))
    return _extrapolate(lambda h: phi(side * h) / (side * h), 1, noise, top)


def _extrapolate(
    quotient: Callable[[float], float], order: int, noise: float, top: int
) -> Derivative:
    """The limit at h = 0 of a quotient whose error has the powers order, 2 order, ... of h."""
    best, above = Derivative(math.nan, math.inf, "non-finite"), [math.nan]
    for k in range(9):
        h = 2.0 ** (top - k)
        row = [quotient(h)]
        for j in range(1, min(k, 5) + 1):
            r = row[-1] + (row[-1] - above[j - 1]) / (2.0 ** (order * j) - 1)
            gaps = [abs(r - row[-1]), abs(r - above[j - 1])]
            if j < len(above):
                gaps.append(abs(r - above[j]))
            bound = max(gaps) + 3 * noise / h
            if math.isfinite(r) and bound < best.bound:
                limit = "noise" if max(gaps) <= 6 * noise / h else "truncation"
                best = Derivative(r, bound, limit=limit)
            row.append(r)
        above = row
    return best


def _noise(phi: Callable[[float], float], top: int) -> float:
    """Three standard deviations of the noise of phi, from steps far too short to see its shape.

    Twice: short steps may stand still where phi is computed in steps, as 1 + x^2 is for small x.
    """
    short, long = 2.0 ** max(top - 23, -44), 2.0 ** (top - 10)  # shorter are lost in x
    return 3 * max(
        _sigma([phi(k * step) for k in range(-3, 4)], least)
        for step, least in ((short, 3), (long, 5))
    )


def _sigma(values: list[float], least: int) -> float:
    """Standard deviation of the noise in equally spaced values of a smooth function.

    From their differences of order `least` to 5, in which its shape no longer shows.
    """
    sigma, table = 0.0, np.array(values)
    largest = float(np.max(np.abs(table)))  # squares of small values would underflow
    largest = largest if 0 < largest < math.inf else 1.0
    table /= largest
    for k in range(1, 6):
        with np.errstate(invalid="ignore"):  # phi need not be finite
            table = np.diff(table)
        if k >= least:
            scale = math.factorial(k) ** 2 / math.factorial(2 * k)
            sigma = max(sigma, math.sqrt(scale * float(np.mean(table**2))))
    return sigma * largest


def direction(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A signed direction in the scale of x with short entries, so that x + h d is exact.

    Entries are +-4, 5, 6, 7 times a power of two; x should hold float32 values.

    >>> direction(np.ones(3), np.random.default_rng(0)).shape
    (3,)
    """
    scale = float(np.sqrt(np.mean(x * x))) or 1.0
    digits = rng.integers(4, 8, x.shape) * rng.choice((-1.0, 1.0), x.shape)
    return digits * 2.0 ** (math.floor(math.log2(scale)) - 3)
