"""Which smooth piece of a function a point lies on: a fingerprint of every decision it takes.

Comparisons, integer and boolean results, and the choices inside max, abs, clip, sort and their
like are hashed while the instrumented source runs. Two points with equal fingerprints took the
same branch everywhere, so a difference quotient between them does not cross a kink.
"""

import hashlib
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np

from gradcheck.instrument import Hook, Site
from gradcheck.rounding import is_decision

_PAIRS = {"maximum", "minimum", "fmax", "fmin", "copysign", "hypot"}
_EXTREMA = {"max", "min", "amax", "amin", "nanmax", "nanmin", "ptp"}
_SIGNS = {"abs", "absolute", "fabs", "sign", "heaviside"}
_ORDER = {"sort", "sorted", "median", "nanmedian", "percentile", "quantile", "partition", "norm"}
_STEPS = {"floor", "ceil", "rint", "round", "around", "trunc", "fix", "int", "floordiv", "fmod"}


class Fingerprint(Hook):
    """Hashes the decisions of a run."""

    def __init__(self):
        self.hash = hashlib.blake2b(digest_size=16)

    def add(self, value: Any) -> None:
        self.hash.update(np.ascontiguousarray(value).tobytes())

    def digest(self) -> bytes:
        return self.hash.digest()

    def compare(self, site: Site, value: Any) -> Any:
        if is_decision(value):
            self.add(value)
        return value

    def call(self, site: Site, f: Callable, *args: Any, **kwargs: Any) -> Any:
        name = getattr(f, "__name__", "")
        owner = getattr(f, "__self__", None)
        if hasattr(f, "__code__"):
            return f(*args, **kwargs)
        operands = (owner, *args) if isinstance(owner, np.ndarray) else args
        value = f(*args, **kwargs)
        with suppress(TypeError, ValueError):  # a namesake that is no array function
            self.decide(name, owner, operands, kwargs, value)
        return self.compare(site, value)

    def decide(self, name: str, owner: Any, operands: tuple, kwargs: dict, value: Any) -> None:
        if isinstance(owner, np.ufunc) and owner.__name__ in _PAIRS:  # maximum.reduce and so on
            self.add(np.asarray(value)[..., None] == np.asarray(operands[0]).ravel())
        elif name in _PAIRS and len(operands) > 1:
            self.add(np.sign(np.subtract(operands[0], operands[1])))
        elif name in _EXTREMA and operands:
            if len(operands) > 1 and not isinstance(operands[0], np.ndarray):
                self.add(np.equal(operands, value))  # the builtin, of several scalars
            else:
                x = np.asarray(operands[0])
                axis = kwargs.get("axis", operands[1] if len(operands) > 1 else None)
                kept = value if axis is None else np.reshape(value, _kept(x.shape, axis))
                self.add(x == kept)
        elif name in _SIGNS and operands:
            self.add(np.sign(operands[0]))
        elif name == "clip":
            bounds = [*operands[1:3], *(kwargs.get(k) for k in ("a_min", "a_max", "min", "max"))]
            for bound in bounds:
                if bound is not None:
                    self.add(np.sign(np.subtract(operands[0], bound)))
        elif name in _ORDER and operands:
            self.add(np.argsort(np.asarray(operands[0]), axis=None, kind="stable"))
        elif name in _STEPS:
            self.add(value)


def _kept(shape: tuple[int, ...], axis: int | tuple[int, ...]) -> tuple[int, ...]:
    axes = {a % len(shape) for a in (axis if isinstance(axis, tuple) else (axis,))}
    return tuple(1 if i in axes else n for i, n in enumerate(shape))
