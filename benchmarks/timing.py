"""Two sides timed in turn, so that a disturbance of the machine meets both."""

import gc
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

PAUSE = (
    0.05  # seconds: OpenBLAS threads spin for a while after a call and would slow the other side
)
SAMPLE = 0.01  # seconds: a sample repeats its call until it lasts this long


@dataclass(frozen=True)
class Times:
    """Samples of one side, in milliseconds per call, one per round."""

    samples: tuple[float, ...]

    @property
    def median(self) -> float:
        return float(np.median(self.samples))

    @property
    def spread(self) -> float:
        """Half the interquartile range.

        >>> Times((1.0, 2.0, 3.0, 4.0, 100.0)).median, Times((1.0, 2.0, 3.0, 4.0, 100.0)).spread
        (3.0, 1.0)
        """
        low, high = np.percentile(self.samples, (25, 75))
        return float(high - low) / 2

    def to_dict(self) -> dict:
        return {"median": self.median, "spread": self.spread, "samples": list(self.samples)}


def interleave(a: Callable, b: Callable, rounds: int) -> tuple[Times, Times]:
    """Times of a and b, sampled A B A B ... after a warm-up; each call must wait for its result.

    >>> fast, slow = interleave(lambda: None, lambda: time.sleep(0.002), rounds=2)
    >>> fast.median < slow.median, len(fast.samples)
    (True, 2)
    """
    sides = [(f, repeats(f), []) for f in (a, b)]  # type: ignore[var-annotated]
    collecting = gc.isenabled()
    gc.disable()
    try:
        for _ in range(rounds):
            for f, n, samples in sides:
                time.sleep(PAUSE)
                f()  # untimed, to wake threads and caches
                samples.append(1e3 * seconds(f, n) / n)
    finally:
        if collecting:
            gc.enable()
    first, second = (Times(tuple(samples)) for _, _, samples in sides)
    return first, second


def repeats(f: Callable) -> int:
    """How many calls make a sample long enough for the clock."""
    f()
    return max(1, round(SAMPLE / max(seconds(f, 1), 1e-9)))


def seconds(f: Callable, n: int) -> float:
    start = time.perf_counter()
    for _ in range(n):
        f()
    return time.perf_counter() - start
