"""Learning rates as functions of the step k = 0, 1, 2, ...

Each function here returns a schedule: rate = schedule(k). Rates are in the unit of the optimiser's
learning rate, spans in steps.
"""

import math
from collections.abc import Callable

Schedule = Callable[[int], float]


def constant(rate: float) -> Schedule:
    """Always `rate`.

    >>> constant(0.1)(7)
    0.1
    """
    return lambda k: rate


def step_decay(rate: float, every: int, factor: float) -> Schedule:
    """rate factor^floor(k / every): multiplied by `factor` every so many steps.

    >>> [step_decay(1.0, 2, 0.5)(k) for k in range(5)]
    [1.0, 1.0, 0.5, 0.5, 0.25]
    """
    return lambda k: rate * factor ** (k // every)


def exponential(rate: float, steps: int, factor: float) -> Schedule:
    """rate factor^(k / steps): multiplied by `factor` over so many steps, smoothly.

    >>> exponential(1.0, 2, 0.25)(1)
    0.5
    """
    return lambda k: rate * factor ** (k / steps)


def inverse_time(rate: float, decay: float) -> Schedule:
    """rate / (1 + decay k): the classical decay, under which the steps still add up to infinity.

    Source: Robbins and Monro (1951), doi:10.1214/aoms/1177729586.

    >>> inverse_time(1.0, 0.5)(2)
    0.5
    """
    return lambda k: rate / (1 + decay * k)


def cosine(rate: float, steps: int, end: float = 0.0) -> Schedule:
    """Half a cosine from `rate` down to `end` over `steps`, then `end`.

        end + (rate - end) (1 + cos(pi k / steps)) / 2

    Source: Loshchilov and Hutter, arXiv:1608.03983.

    >>> [round(cosine(1.0, 4)(k), 3) for k in (0, 2, 4, 9)]
    [1.0, 0.5, 0.0, 0.0]
    """
    return lambda k: end + (rate - end) * (1 + math.cos(math.pi * min(k / steps, 1))) / 2


def warmup(schedule: Schedule, steps: int) -> Schedule:
    """From zero up to schedule(0) in a straight line, then the schedule from its start.

    Source: Goyal et al., arXiv:1706.02677.

    >>> [warmup(constant(1.0), 4)(k) for k in (0, 1, 4, 9)]
    [0.0, 0.25, 1.0, 1.0]
    """
    return lambda k: schedule(0) * k / steps if k < steps else schedule(k - steps)


def one_cycle(
    peak: float, steps: int, rise: float = 0.3, start: float = 25.0, end: float = 1e4
) -> Schedule:
    """Up to `peak` over the share `rise` of all steps and down again, both along half a cosine.

    It starts at peak / start and ends at peak / (start end).

    Source: Smith and Topin, Super-Convergence, arXiv:1708.07120.

    >>> [round(one_cycle(1.0, 10)(k), 6) for k in (0, 3, 10)]
    [0.04, 1.0, 4e-06]
    """
    top = int(rise * steps)
    up, down = cosine(peak / start, top, peak), cosine(peak, steps - top, peak / (start * end))
    return lambda k: up(k) if k < top else down(k - top)
