"""Rounding jitter: how far rounding alone moves a result, measured on the code itself.

The function is re-run with the result of every rounding operation multiplied by 1 + u xi, xi
uniform on [-1, 1], u the unit roundoff. The spread over a few such runs is the rounding error to be
expected, whatever the conditioning, the sizes or the scales. Two correct implementations differ
by a few times that spread; no tolerance has to be chosen.

Source of the idea: stochastic arithmetic, Vignes (1993), doi:10.1016/0378-4754(93)90003-D.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from gradcheck.instrument import Hook, Site, watching

Array = np.ndarray
UNIT = 2.0**-53  # unit roundoff of float64

# these move, select or make entries and round nothing
_EXACT_WORDS = """
    copy deepcopy reshape transpose swapaxes moveaxis rollaxis ravel flatten squeeze expand_dims
    broadcast_to broadcast_arrays pad concatenate stack vstack hstack dstack column_stack split
    array_split hsplit vsplit dsplit where take take_along_axis put put_along_axis repeat tile roll
    flip fliplr flipud rot90 sort max min amax amin maximum minimum fmax fmin nanmax nanmin abs
    absolute fabs negative positive sign clip zeros ones empty full zeros_like ones_like empty_like
    full_like eye identity diag diagonal tril triu arange asarray array ascontiguousarray
    asanyarray astype view sliding_window_view as_strided choose select compress extract copyto
    delete insert append resize atleast_1d atleast_2d atleast_3d meshgrid rint floor ceil trunc
    round around copysign real conj conjugate neg pos getitem item tolist float int normal uniform
    random rand randn standard_normal permutation ldexp frexp nan_to_num ptp partition
"""
# the terms of these are rounded as they are added
_SUM_WORDS = """
    sum mean average var std prod cumsum cumprod dot vdot inner outer matmul einsum tensordot
    trace norm convolve correlate reduce reduceat accumulate nansum nanmean logsumexp at
"""
EXACT, SUMS = set(_EXACT_WORDS.split()), set(_SUM_WORDS.split())


class Jitter(Hook):
    """Multiplies what rounds by 1 + u xi; integer and boolean results are those of a first run."""

    def __init__(self, rng: np.random.Generator, decisions: "Decisions"):
        self.rng = rng
        self.decisions = decisions
        self.count = 0

    def call(self, site: Site, f: Callable, *args: Any, **kwargs: Any) -> Any:
        name = getattr(f, "__name__", "")
        if hasattr(f, "__code__") or name in EXACT:
            return self.replay(f(*args, **kwargs))
        if name in SUMS:
            args = tuple(args[:1] if name == "at" else ()) + tuple(
                map(self.shaken, args[1:] if name == "at" else args)
            )
            owner = getattr(f, "__self__", None)
            if isinstance(owner, np.ndarray):
                f = getattr(self.shaken(owner), name)
        value = f(*args, **kwargs)
        out = args[0] if name == "at" else kwargs.get("out")
        if out is not None:
            self.augment(site, out[0] if isinstance(out, tuple) else out)
            return value
        if isinstance(value, np.ndarray) and value.base is not None and value.size:
            return self.replay(value)  # a view: nothing was computed
        return self.replay(self.shaken(value))

    def compare(self, site: Site, value: Any) -> Any:
        return self.replay(value)

    def augment(self, site: Site, value: Any) -> Any:
        if isinstance(value, np.ndarray) and value.flags.writeable and value.dtype.kind == "f":
            value *= 1 + UNIT * self.rng.uniform(-1, 1, value.shape)  # in place, as += was
            return value
        return self.shaken(value)

    def shaken(self, value: Any) -> Any:
        if isinstance(value, np.ndarray) and value.dtype == np.float64:
            return value * (1 + UNIT * self.rng.uniform(-1, 1, value.shape))
        # integral scalars are sizes and counts, and exact
        if isinstance(value, np.float64) and np.isfinite(value) and value != int(value):
            return value * (1 + UNIT * self.rng.uniform(-1, 1))
        return value

    def replay(self, value: Any) -> Any:
        if not is_decision(value):
            return value
        first = self.decisions.values
        self.count += 1
        if self.count <= len(first) and np.shape(first[self.count - 1]) == np.shape(value):
            known = first[self.count - 1]
            return known.copy() if isinstance(known, np.ndarray) else known
        return value


class Decisions(Hook):
    """Records every integer or boolean result, in order."""

    def __init__(self):
        self.values: list[Any] = []

    def call(self, site: Site, f: Callable, *args: Any, **kwargs: Any) -> Any:
        return self.compare(site, f(*args, **kwargs))

    def compare(self, site: Site, value: Any) -> Any:
        if is_decision(value):
            self.values.append(value.copy() if isinstance(value, np.ndarray) else value)
        return value


def is_decision(value: Any) -> bool:
    """Whether a value is an array or scalar of integers or booleans."""
    return isinstance(value, (bool, int, np.bool_, np.integer)) or (
        isinstance(value, np.ndarray) and value.dtype.kind in "bui"
    )


def spread(run: Callable[[], list[Array]], functions: list[Callable], seed: int) -> list[Array]:
    """The rms deviation, entry by entry, of the arrays that `run` returns under jitter.

    Args:
        run: re-runs the functions and returns float arrays, always the same number of them.
        functions: those to watch.
        seed: of the jitter.
    """
    decisions = Decisions()
    with watching(functions, decisions):
        plain = run()
    square = [np.zeros(np.shape(a)) for a in plain]
    draws = 8
    for k in range(draws):
        with watching(functions, Jitter(np.random.default_rng([seed, k]), decisions)):
            shaken = run()
        for total, a, b in zip(square, plain, shaken, strict=True):
            total += (np.asarray(b, np.float64) - a) ** 2
    return [np.sqrt(total / draws) for total in square]
