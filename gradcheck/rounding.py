"""Rounding jitter: how far rounding alone moves a result, measured on the code itself.

The function is re-run with the result of every rounding operation multiplied by 1 + u xi, xi
uniform on [-1, 1], u the unit roundoff; the terms and the result of a sum of K terms are multiplied
by 1 + sqrt(K) u xi, as its partial sums round too, in an order that nobody fixed. The spread over a
few such runs is the rounding error to be expected, whatever the conditioning, the sizes or the
scales. Two correct implementations differ by a few times that spread; no tolerance is chosen.

Source of the idea: stochastic arithmetic, Vignes (1993), doi:10.1016/0378-4754(93)90003-D.
"""

import math
import operator
from collections import defaultdict
from collections.abc import Callable, Iterable
from functools import partial
from types import ModuleType
from typing import Any

import numpy as np

from gradcheck.instrument import Hook, Prepared, Site, watching

Array = np.ndarray
UNIT = 2.0**-53  # unit roundoff of float64
UNITS = {"float64": UNIT, "float32": 2.0**-24, "float16": 2.0**-11, "bfloat16": 2.0**-8}

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
    round around fix floordiv floor_divide heaviside copysign real conj conjugate neg pos getitem
    item tolist float int normal uniform random rand randn standard_normal permutation
    ldexp frexp nan_to_num ptp partition
"""
# the terms of these are rounded as they are added
_SUM_WORDS = """
    sum mean average var std prod cumsum cumprod dot vdot inner outer matmul einsum tensordot
    trace norm convolve correlate reduce reduceat accumulate nansum nanmean logsumexp at
"""
_OF_UFUNCS = {"reduce", "reduceat", "accumulate", "at"}  # functools.reduce is no sum
_CASTS = {"astype", "asarray", "array"}
EXACT, SUMS = set(_EXACT_WORDS.split()), set(_SUM_WORDS.split())
# whole numbers, whatever their dtype
_STEP_WORDS = "floor ceil rint round around trunc fix int floordiv floor_divide sign heaviside"
STEPS = set(_STEP_WORDS.split())


# elementwise arithmetic, most of what runs: each rounds once, into an array of its own
_ARITHMETIC = {id(f) for f in (operator.add, operator.sub, operator.mul, operator.truediv)}
_ARITHMETIC |= {
    id(f)
    for f in vars(np).values()
    if isinstance(f, np.ufunc) and f.nout == 1 and f.__name__ not in EXACT | SUMS | STEPS
}


class Jitter(Hook):
    """Multiplies what rounds by 1 + u xi; what is discrete stays as it was in a first run."""

    def __init__(
        self,
        rng: np.random.Generator,
        decisions: "Decisions",
        unit: float = UNIT,
        magnified: float = 1.0,
        alike: bool = False,
    ):
        self.rng = rng
        self.unit, self.magnified, self.alike = unit, magnified, alike
        self.first = {site: iter(values) for site, values in decisions.values.items()}
        self.draw()

    def call(self, site: Site, f: Callable, /, *args: Any, **kwargs: Any) -> Any:
        if id(f) in _ARITHMETIC and not kwargs:
            value = f(*args)
            if type(value) is np.ndarray and value.dtype == np.float64:
                value *= self.factor(value)
                return value
            return self.replay(site, self.shaken(value))
        name = getattr(f, "__name__", "")
        owner = getattr(f, "__self__", None)
        of_ufunc = owner.__name__ if isinstance(owner, np.ufunc) else ""  # maximum.reduce
        if self.observes(f) or name in EXACT or of_ufunc in EXACT or _hands_on(name, owner):
            value = f(*args, **kwargs)
            cast = name in _CASTS and not self.alike
            if cast and _is_narrower(value, args[0] if name != "astype" else owner):
                value = self.shaken(value)
            return self.replay(site, value, name)
        out = args[0] if name == "at" else kwargs.get("out")
        out = out[0] if isinstance(out, tuple) else out
        width = 1.0
        if name in SUMS and (of_ufunc or name not in _OF_UFUNCS):
            first = 1 if name == "at" else 0  # written to, not read
            operands = (owner, *args[first:])
            unshaken = partial(f, *args, **kwargs) if out is None else lambda: out
            width = math.sqrt(_terms(name, operands, unshaken))
            args = (*args[:first], *(self.shaken(a, width) for a in args[first:]))
            if isinstance(owner, np.ndarray):
                f = getattr(self.shaken(owner, width), name)
        value = f(*args, **kwargs)
        if out is not None:
            self.augment(site, out, width)
        elif not _is_part(value, (owner, *args)):
            value = self.shaken(value, width)
        return self.replay(site, value, name)

    def compare(self, site: Site, value: Any) -> Any:
        return self.replay(site, value)

    def augment(self, site: Site, value: Any, width: float = 1.0) -> Any:
        if isinstance(value, np.ndarray) and value.flags.writeable and value.dtype.kind == "f":
            value *= self.factor(value, width)  # in place, as += was
            return value
        return self.shaken(value, width)

    def draw(self) -> None:
        """Many at once, as most values are small."""
        self.drawn, self.used = 1 + self.magnified * self.unit * self.rng.uniform(-1, 1, 1024), 0

    def factor(self, value: Any, width: float = 1.0) -> Any:
        """1 + u xi for each entry; what is computed in fewer digits inside rounds by its own u."""
        size, own = np.size(value), UNIT if self.alike else unit_of(value)
        if width != 1.0 or own > UNIT or size > 256:
            unit = own if own > max(self.unit, UNIT) else self.unit
            return 1 + self.magnified * width * unit * self.rng.uniform(-1, 1, np.shape(value))
        if self.used + size > len(self.drawn):
            self.draw()
        self.used += size
        return self.drawn[self.used - size : self.used].reshape(np.shape(value))

    def shaken(self, value: Any, width: float = 1.0) -> Any:
        if isinstance(value, np.ndarray) and value.dtype.kind == "f":
            return np.multiply(value, self.factor(value, width), out=np.empty_like(value))
        if is_foreign(value) and "float64" in str(value.dtype):
            factor = self.factor(np.empty(tuple(value.shape)), width)
            return value * (value.new_tensor(factor) if hasattr(value, "new_tensor") else factor)
        # integral scalars are sizes and counts, and exact
        scalar = isinstance(value, (float, np.floating))
        if scalar and np.isfinite(value) and value != int(value):
            return type(value)(value * float(self.factor(value, width)))
        return value

    def replay(self, site: Site, value: Any, name: str = "") -> Any:
        if isinstance(value, np.ndarray) and value.dtype.kind == "f" and name not in STEPS:
            return value  # by far the most
        if not is_decision(value) and name not in STEPS:
            return value
        known = next(self.first.get(site, iter(())), value)
        if type(known) is not type(value) or np.shape(known) != np.shape(value):
            return value
        if not isinstance(value, np.ndarray):
            return known
        if value.flags.writeable and value.dtype == known.dtype:
            value[...] = known  # in place, as others may hold it
        return value


class Decisions(Hook):
    """Records every discrete result, in order, site by site; and the coarsest unit roundoff."""

    def __init__(self):
        self.values: defaultdict[Site, list[Any]] = defaultdict(list)
        self.unit = UNIT

    def call(self, site: Site, f: Callable, /, *args: Any, **kwargs: Any) -> Any:
        return self.record(site, f(*args, **kwargs), getattr(f, "__name__", ""))

    def compare(self, site: Site, value: Any) -> Any:
        return self.record(site, value)

    def record(self, site: Site, value: Any, name: str = "") -> Any:
        self.unit = max(self.unit, unit_of(value))
        if is_decision(value) or name in STEPS:
            self.values[site].append(value.copy() if isinstance(value, np.ndarray) else value)
        return value


def is_foreign(value: Any) -> bool:
    """Whether a value is an array of another library: of JAX, traced or not, torch or CuPy."""
    return hasattr(value, "dtype") and type(value).__module__.startswith(("jax", "torch", "cupy"))


def unit_of(value: Any) -> float:
    """The unit roundoff of the dtype of an array or a scalar of NumPy; else that of float64.

    >>> unit_of(np.float32(1)) == 2.0**-24, unit_of(1.0) == UNIT
    (True, True)
    """
    dtype = getattr(value, "dtype", None)
    # asked for every value, nearly all of which are float64
    if dtype is None or dtype == np.float64:
        return UNIT
    return UNITS.get(getattr(dtype, "name", ""), UNIT)


def _is_narrower(value: Any, operand: Any) -> bool:
    """Whether a conversion has rounded."""
    return isinstance(value, np.ndarray) and unit_of(value) > unit_of(operand)


def _terms(name: str, operands: tuple, result: Callable) -> float:
    """About how many terms each entry of a sum, or of a product of arrays, has."""
    arrays = [a for a in operands if isinstance(a, np.ndarray) and a.ndim and a.size]
    if not arrays:
        return 1.0
    if name in ("cumsum", "cumprod", "accumulate"):
        return max(arrays[0].shape)
    if name in ("matmul", "dot", "inner", "vdot"):
        return arrays[0].shape[-1]
    ratio = math.prod(a.size for a in arrays) / max(np.size(result()), 1)
    return max(ratio, 1.0) ** (1 / len(arrays))


def _hands_on(name: str, owner: Any) -> bool:
    """Whether a call computes nothing: `next`, `getattr`, methods of a list, a dict and so on."""
    if isinstance(owner, ModuleType):
        return owner.__name__ == "builtins" and name not in ("sum", "pow", "divmod")
    return type(owner).__module__ in ("builtins", "collections") and owner is not None


def _is_part(value: Any, operands: tuple) -> bool:
    """Whether an array is one of the operands or a view of one: nothing was computed."""
    return isinstance(value, np.ndarray) and any(
        isinstance(a, np.ndarray) and np.may_share_memory(a, value) for a in operands
    )


def is_decision(value: Any) -> bool:
    """Whether a value is an array or scalar of integers or booleans."""
    return isinstance(value, (bool, int, np.bool_, np.integer)) or (
        isinstance(value, np.ndarray) and value.dtype.kind in "bui"
    )


def spread(
    run: Callable[[], list[Array]],
    functions: Iterable[Callable] | Prepared,
    seed: int,
    unit: float = UNIT,
    decisions: Decisions | None = None,
    alike: bool = False,
) -> list[Array]:
    """The rms deviation, entry by entry, of the arrays that `run` returns under jitter.

    Args:
        run: re-runs the functions and returns float arrays, always the same number of them.
        functions: those to watch.
        seed: of the jitter.
        unit: the unit roundoff to expect; that of float32 tells what float32 would lose.
        decisions: records those of a plain run.
        alike: whether what is computed in fewer digits inside is to be as exact as the rest.
    """
    decisions = decisions or Decisions()
    with watching(functions, decisions):
        plain = run()
    # in units of the largest entry, so that the squares of small ones do not underflow
    scales = [float(np.max(np.abs(a), initial=0.0)) or 1.0 for a in plain]
    square = [np.zeros(np.shape(a)) for a in plain]
    draws = 8
    # a move by one unit is often rounded away again, and one by sixteen units is not
    magnified = 16 if unit == UNIT else 1
    for k in range(draws):
        rng = np.random.default_rng([seed, k])
        with watching(functions, Jitter(rng, decisions, unit, magnified, alike)):
            shaken = run()
        for total, a, b, scale in zip(square, plain, shaken, scales, strict=True):
            total += ((np.asarray(b, np.float64) - a) / scale * 2.0**40) ** 2
    return [
        np.sqrt(total / draws) * (scale / magnified / 2.0**40)
        for total, scale in zip(square, scales, strict=True)
    ]
