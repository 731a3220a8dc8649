"""Learning rates as functions of the step k = 0, 1, 2, ...

Each function here returns a schedule: rate = schedule(k), where k may be traced.
"""

from collections.abc import Callable

import optax

Schedule = Callable


def constant(rate: float) -> Schedule:
    """Always `rate`.

    >>> constant(0.1)(7)
    0.1
    """
    return optax.constant_schedule(rate)


def step_decay(rate: float, every: int, factor: float) -> Schedule:
    """rate factor^floor(k / every): multiplied by `factor` every so many steps.

    >>> [float(step_decay(1.0, 2, 0.5)(k)) for k in range(5)]
    [1.0, 1.0, 0.5, 0.5, 0.25]
    """
    return lambda k: rate * factor ** (k // every)


def exponential(rate: float, steps: int, factor: float) -> Schedule:
    """rate factor^(k / steps): multiplied by `factor` over so many steps, smoothly.

    >>> float(exponential(1.0, 2, 0.25)(1))
    0.5
    """
    return _real(optax.exponential_decay(rate, steps, factor))


def inverse_time(rate: float, decay: float) -> Schedule:
    """rate / (1 + decay k): the classical decay, under which the steps still add up to infinity.

    >>> inverse_time(1.0, 0.5)(2)
    0.5
    """
    return lambda k: rate / (1 + decay * k)


def cosine(rate: float, steps: int, end: float = 0.0) -> Schedule:
    """Half a cosine from `rate` down to `end` over `steps`, then `end`.

    >>> [round(float(cosine(1.0, 4)(k)), 3) for k in (0, 2, 4, 9)]
    [1.0, 0.5, 0.0, 0.0]
    """
    return _real(optax.cosine_decay_schedule(rate, steps, alpha=end / rate))


def warmup(schedule: Schedule, steps: int) -> Schedule:
    """From zero up to schedule(0) in a straight line, then the schedule from its start.

    >>> [float(warmup(constant(1.0), 4)(k)) for k in (0, 1, 4, 9)]
    [0.0, 0.25, 1.0, 1.0]
    """
    rise = _real(optax.linear_schedule(0.0, schedule(0), steps))
    return optax.join_schedules([rise, schedule], [steps])


def one_cycle(
    peak: float, steps: int, rise: float = 0.3, start: float = 25.0, end: float = 1e4
) -> Schedule:
    """Up to `peak` over the share `rise` of all steps and down again, both along half a cosine.

    >>> [round(float(one_cycle(1.0, 10)(k)), 6) for k in (0, 3, 10)]
    [0.04, 1.0, 4e-06]
    """
    return _real(optax.cosine_onecycle_schedule(steps, peak, rise, start, end))


def _real(schedule: Schedule) -> Schedule:
    # a quotient of JAX's 32-bit integers is a float32, even where 64 bits are enabled
    return lambda k: schedule(1.0 * k)
