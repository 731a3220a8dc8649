"""Which smooth piece of a function a point lies on: a fingerprint of every decision it takes.

Comparisons, integer and boolean results, and the choices inside max, abs, clip, sort and their
like are hashed while the instrumented source runs. Two points with equal fingerprints took the
same branch everywhere, so a difference quotient between them does not cross a kink.
"""

import builtins
import hashlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial, reduce
from itertools import accumulate
from typing import Any

import numpy as np

from gradcheck.instrument import Hook, Site
from gradcheck.rounding import STEPS, is_decision

_PAIRS = {"maximum", "minimum", "fmax", "fmin"}
_EXTREMA = {"max", "min", "amax", "amin", "nanmax", "nanmin"}
_SIGNS = {"abs", "absolute", "fabs", "sign", "heaviside"}
# where their axis stands, and what it is when it is not given
_SORTED = {"sort": (1, -1), "sorted": (9, None), "median": (1, None), "nanmedian": (1, None)}
_SORTED |= {"partition": (2, -1), "percentile": (2, None), "quantile": (2, None)}
_SORTED |= {"nanpercentile": (2, None), "nanquantile": (2, None)}
_WRAP = {"mod": np.floor, "remainder": np.floor, "fmod": np.trunc, "divmod": np.floor}
_OTHER = {"copysign", "hypot", "ptp", "clip", "norm", "interp"}
_OTHER |= {"accumulate", "reduce", "reduceat", "outer", "at"}  # of ufuncs
_CALLERS = {"map", "reduce", "accumulate"}
_NAMES = _PAIRS | _EXTREMA | _SIGNS | set(_SORTED) | set(_WRAP) | _OTHER | STEPS


class Fingerprint(Hook):
    """Hashes the decisions of a run."""

    def __init__(self):
        self.hash = hashlib.blake2b(digest_size=16)

    def add(self, value: Any) -> None:
        value = np.ascontiguousarray(value)
        if value.dtype.kind == "f":  # the same piece, whatever the precision
            value = value.astype(np.float64, copy=False)
        self.hash.update(value.tobytes())

    def digest(self) -> bytes:
        return self.hash.digest()

    def compare(self, site: Site, value: Any) -> Any:
        if is_decision(value):
            self.add(value)
        return value

    def call(self, site: Site, f: Callable, /, *args: Any, **kwargs: Any) -> Any:
        if self.observes(f):
            return f(*args, **kwargs)
        name = getattr(f, "__name__", "")
        if name not in _NAMES and name not in _CALLERS:
            value = f(*args, **kwargs)
            if name != "id":  # an address decides nothing
                for part in value if isinstance(value, tuple) else (value,):
                    self.compare(site, part)
            return value
        owner = getattr(f, "__self__", None)
        if f in (map, reduce, accumulate):  # these call what they are given
            args = tuple(partial(self.call, site, a) if callable(a) else a for a in args)
        elif owner is builtins and name in _NAMES and isinstance(args[0], Iterator):
            args = (list(args[0]), *args[1:])
        operands = (owner, *args) if isinstance(owner, (np.ndarray, list)) else args
        with suppress(TypeError, ValueError):  # a namesake that is no array function
            if name in _SORTED:  # before it sorts in place
                axis = _axis(operands, kwargs, *_SORTED[name])
                axis = None if isinstance(axis, tuple) else axis
                self.add(np.argsort(np.asarray(operands[0]), axis=axis, kind="stable"))
        value = f(*args, **kwargs)
        with suppress(TypeError, ValueError):
            if operands:
                self.decide(name, owner, operands, kwargs, value)
        for part in value if isinstance(value, tuple) else (value,):
            self.compare(site, part)
        return value

    def decide(self, name: str, owner: Any, operands: tuple, kwargs: dict, value: Any) -> None:
        if isinstance(owner, np.ufunc):
            if owner.__name__ in _PAIRS:
                self.fold(name, operands, kwargs, value)
        elif name in _PAIRS:
            self.add(np.sign(np.subtract(operands[0], operands[1])))
        elif name in _EXTREMA:
            several = owner is builtins and len(operands) > 1
            x = np.asarray(operands if several else operands[0])
            axis = _axis(operands[: 1 if several else None], kwargs)
            self.add(x == _kept(value, x.shape, axis))
        elif name in _SIGNS:
            x = np.asarray(operands[0])
            self.add(x == 0 if x.dtype.kind == "c" else np.sign(x))
        elif name == "clip":
            bounds = [*operands[1:3], *(kwargs.get(k) for k in ("a_min", "a_max", "min", "max"))]
            for bound in bounds:
                if bound is not None:
                    self.add(np.sign(np.subtract(operands[0], bound)))
        elif name in _WRAP:
            self.add(_WRAP[name](np.divide(*operands[:2])))
        elif name in STEPS:
            self.add(value)
        else:
            self.decide_rarely(name, operands, kwargs)

    def decide_rarely(self, name: str, operands: tuple, kwargs: dict) -> None:
        if name == "copysign":
            self.add(np.signbit(operands[0]))
            self.add(np.signbit(operands[1]))
        elif name == "hypot":  # |a| where b is 0
            for a, b in (operands[:2], operands[1::-1]):
                self.add(np.where(np.equal(b, 0), np.sign(a), 0))
        elif name == "ptp":
            axis = _axis(operands, kwargs)
            self.add(np.argmax(operands[0], axis))
            self.add(np.argmin(operands[0], axis))
        elif name == "norm":
            order = kwargs.get("ord", operands[1] if len(operands) > 1 else None)
            x = np.abs(operands[0])
            if order not in (None, 2, "fro") or not x.any():
                self.add(np.sign(operands[0]))
                self.add(np.argsort(x, axis=None, kind="stable"))
        elif name == "interp":
            self.add(np.searchsorted(operands[1], operands[0]))

    def fold(self, name: str, operands: tuple, kwargs: dict, value: Any) -> None:
        """maximum.reduce, .accumulate, .outer and so on."""
        x = np.asarray(operands[0])
        if name == "reduce":
            axis = _axis(operands, kwargs, default=0)
            self.add(x == _kept(value, x.shape, axis))
        elif name == "accumulate":
            self.add(x == value)
        elif name == "outer":
            self.add(np.sign(np.subtract.outer(x, operands[1])))
        elif name == "at":  # which of the new values are in
            self.add(np.equal(x[operands[1]], operands[2]))
        else:
            self.add(np.argsort(x, axis=None, kind="stable"))


def _axis(operands: tuple, kwargs: dict, place: int = 1, default: int | None = None) -> Any:
    return kwargs.get("axis", operands[place] if len(operands) > place else default)


def _kept(value: Any, shape: tuple[int, ...], axis: int | tuple[int, ...] | None) -> Any:
    """The result of a reduction, with its axes kept."""
    if axis is None:
        return value
    axes = {a % len(shape) for a in (axis if isinstance(axis, tuple) else (axis,))}
    return np.reshape(value, tuple(1 if i in axes else n for i, n in enumerate(shape)))
