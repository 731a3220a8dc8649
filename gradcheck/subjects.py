"""What is checked: a pair of functions, its inputs, and the twin where there is one."""

import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import ModuleType
from typing import Any

import numpy as np

from gradcheck.instrument import Prepared, prepare
from gradcheck.rounding import UNITS

Array = np.ndarray


@dataclass(frozen=True)
class Adapted:
    """Code of another style as a pair: two functions in the convention, and what they run.

    `forwards` and `backwards` are the user's own functions that give y and the gradients.
    """

    forward: Callable
    backward: Callable
    forwards: tuple[Callable, ...]
    backwards: tuple[Callable, ...]


@dataclass(frozen=True)
class Subject:
    """One pair at one point.

    `forward(*arrays, **config) -> (y, cache)` and `backward(dy, cache) -> gradients`; `watch`
    names the functions whose source is the user's, where these two are wrapped. `adapt` makes the
    pair from its module, where it is not two functions of it; it can be pickled.
    """

    name: str
    forward: Callable
    backward: Callable
    arrays: tuple
    names: tuple[str, ...]
    config: dict[str, Any] = field(default_factory=dict)
    twin: Callable | None = None
    axes: dict[str, Any] = field(default_factory=dict)
    file: str | None = None
    watch: tuple = ()
    keeps_dtype: bool = False  # whether float32 in, float32 out is promised
    given: str = "float64"  # the coarsest dtype of the arrays, before they were made float64
    adapt: Callable[[ModuleType], Adapted] | None = None
    notes: tuple[str, ...] = ()  # what else is to be said of it

    @cached_property
    def floats(self) -> list[int]:
        """Positions of the arguments that are differentiated."""
        return [i for i, a in enumerate(self.arrays) if is_float(a)]

    @cached_property
    def functions(self) -> Prepared:
        """The functions of the pair, ready to be watched."""
        roots = () if self.adapt else (self.forward, self.backward)  # which are not the user's
        return prepare([*roots, *self.watch])

    def case(self) -> dict[str, Any]:
        config = {k: v if _is_plain(v) else repr(v) for k, v in self.config.items()}
        return {
            "axes": self.axes,
            "config": config,
            "dtype": self.arrays[self.floats[0]].dtype.name,
        }

    def run(self, arrays: tuple | None = None) -> "Forward":
        """The forward on copies of the arrays."""
        result = self.forward(*copied(self.arrays if arrays is None else arrays), **self.config)
        if nothing(result if not isinstance(result, tuple) else result[0]):
            raise _unfinished(self, "forward", (self.watch or (self.forward,))[0])
        if not (isinstance(result, tuple) and len(result) == 2):
            what = f"{len(result)} values" if isinstance(result, tuple) else type(result).__name__
            raise ContractError("shape", f"{self.name} returned {what}; wanted the pair (y, cache)")
        y, cache = result
        return Forward(y if isinstance(y, tuple) else (y,), cache, not isinstance(y, tuple))

    def gradients(self, dy: tuple, ran: "Forward") -> tuple:
        """The gradients of the float arguments, in order."""
        dy = copied(dy)
        grads = self.backward(dy[0] if ran.single else dy, ran.cache)
        if nothing(grads):
            raise _unfinished(self, "backward", (self.watch or (self.backward,))[-1])
        grads = tuple(grads) if isinstance(grads, (tuple, list)) else (grads,)
        slots = [i for i, a in enumerate(self.arrays) if a is None or isinstance(a, np.ndarray)]
        while len(grads) > len(slots) and grads[-1] is None:  # of an argument that was not given
            grads = grads[:-1]
        if len(grads) == len(slots):
            return tuple(g for i, g in zip(slots, grads, strict=True) if i in self.floats)
        if len(grads) == len(self.floats):
            return grads
        if len(grads) == len(self.arrays):  # slots for what is no array, too
            return tuple(grads[i] for i in self.floats)
        wanted = ", ".join("d" + self.names[i] for i in slots)
        backward = getattr(self.backward, "__name__", "the backward")
        raise ContractError(
            "shape",
            f"{backward} returned {len(grads)} gradients; wanted {len(slots)}, one per array "
            f"argument: {wanted}",
        )


@dataclass(frozen=True)
class Forward:
    """What a forward returned: its outputs, always as a tuple, and its cache."""

    y: tuple
    cache: Any
    single: bool


def made_of(subject: Subject, made: Adapted) -> Subject:
    """The subject with these functions."""
    watch = (*made.forwards, *made.backwards) if subject.adapt else ()
    return replace(subject, forward=made.forward, backward=made.backward, watch=watch)


class ContractError(Exception):
    """The pair broke its contract in a way that leaves nothing to compare; where, if not as a
    whole."""

    def __init__(self, kind: str, message: str, line: int | None = None):
        super().__init__(message)
        self.kind, self.line = kind, line


def nothing(result: Any) -> bool:
    """Whether a function has returned None for everything, as what is still to be written does.

    >>> nothing(None), nothing((None, None)), nothing(()), nothing((None, 1.0))
    (True, True, False, False)
    """
    several = isinstance(result, (tuple, list))
    return result is None or (several and len(result) > 0 and all(r is None for r in result))


def _unfinished(subject: Subject, half: str, f: Callable) -> ContractError:
    line = getattr(getattr(f, "__code__", None), "co_firstlineno", None)
    message = f"{subject.name}: the {half} is not implemented: it returns None"
    return ContractError("not-implemented", message, line)


def _is_plain(v: Any) -> bool:
    """Whether JSON can hold v, which it cannot where v is infinite."""
    return isinstance(v, (int, str)) or (isinstance(v, float) and math.isfinite(v))


def is_float(a: Any) -> bool:
    """Whether a is a floating array; bfloat16, which NumPy does not know, too."""
    return isinstance(a, np.ndarray) and (a.dtype.kind == "f" or a.dtype.name in UNITS)


def copied(values: Any) -> tuple:
    """Copies of arrays, laid out in memory as they are; everything else as it is."""
    return tuple(v.copy(order="K") if isinstance(v, np.ndarray) else v for v in values)


def on_grid(a: Any) -> Any:
    """A float array as float64 holding float32 values, so that short steps from it are exact."""
    if not is_float(a):
        return a
    with np.errstate(over="ignore"):
        rounded = np.asarray(a, np.float32).astype(np.float64)
    return rounded if np.isfinite(rounded).all() else np.asarray(a, np.float64)


def in_single(subject: Subject) -> Subject:
    """The subject with float32 arrays, for code that takes no others.

    Entries are rounded to 2^-11 of the scale of their array, so that steps down to 2^-14 are exact.
    """

    def rounded(a: Any) -> Any:
        if not is_float(a):
            return a
        unit = 2.0 ** (math.floor(math.log2(float(np.sqrt(np.mean(a * a))) or 1.0)) - 11)
        return np.asarray(np.round(a / unit) * unit, np.float32)

    return replace(subject, arrays=tuple(map(rounded, subject.arrays)))


def pair(
    f: Callable,
    f_backward: Callable,
    arrays: tuple,
    config: dict[str, Any] | None = None,
    twin: Callable | None = None,
    name: str | None = None,
    axes: dict[str, Any] | None = None,
) -> Subject:
    """The subject of an explicit pair, its argument names read from the signature of f.

    Raises:
        ValueError: no argument is a float array, or one is not finite or empty.
    """
    arrays = tuple(np.asarray(a) if isinstance(a, list) else a for a in arrays)
    name = name or str(getattr(f, "__name__", "f"))
    parameters = [
        p.name
        for p in inspect.signature(f).parameters.values()
        if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
    ]
    names = tuple(parameters[: len(arrays)])
    names += tuple(f"argument {i}" for i in range(len(names), len(arrays)))
    for n, a in zip(names, arrays, strict=True):
        if is_float(a) and not np.isfinite(a.astype(np.float64)).all():
            raise ValueError(
                f"{name}: {n} holds {int((~np.isfinite(a)).sum())} non-finite entries; wanted "
                "finite numbers; no derivative exists there"
            )
        if isinstance(a, np.ndarray) and a.size == 0:
            raise ValueError(f"{name}: {n} has shape {a.shape}, an empty array; wanted entries")
    if not any(map(is_float, arrays)):
        kinds = ", ".join(
            f"{n} {getattr(a, 'dtype', type(a).__name__)}"
            for n, a in zip(names, arrays, strict=True)
        )
        raise ValueError(
            f"{name}: no argument is a float array (got {kinds or 'none'}); wanted at least one to "
            "differentiate; convert with .astype('float64')"
        )
    file = getattr(getattr(f, "__code__", None), "co_filename", None)
    coarsest = max((a.dtype for a in arrays if is_float(a)), key=lambda t: UNITS.get(t.name, 0.0))
    return Subject(
        name,
        f,
        f_backward,
        tuple(map(on_grid, arrays)),
        names,
        config or {},
        twin,
        axes or {},
        file,
        given=coarsest.name,
    )
