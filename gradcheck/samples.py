"""What a wrong gradient is named from: a point, its gradients, the true ones, how y came about.

The truth is a matrix here, not a gradient: J holds the derivative of every entry of y by every
entry of an argument, so that the share of each output in a gradient can be told apart.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from gradcheck.instrument import Hook, Site, watching
from gradcheck.subjects import Forward, Subject

Array = np.ndarray
TOLERANCE = 1e-6  # of the largest entry: what differences and rounding leave far below
MOST = 600  # entries of all arguments together, above which no matrix is made


@dataclass(frozen=True)
class Operation:
    """One operation as it ran: its operands, an array whose method it is first, and its result."""

    site: Site
    f: Callable | None  # None for an assignment
    given: tuple
    options: dict[str, Any]
    result: Any


@dataclass(frozen=True)
class Sample:
    """One point at which gradients are wrong.

    `gradients` are those of the backward by argument, None where it gave none; `jacobians` have a
    row for each entry of all outputs and a column for each entry of the argument.
    """

    subject: Subject
    dy: tuple
    ran: Forward
    gradients: dict[str, Array | None]
    jacobians: dict[str, Array]

    @cached_property
    def truths(self) -> dict[str, Array]:
        return {name: self.truth(name, self.dy) for name in self.jacobians}

    def truth(self, name: str, dy: tuple) -> Array:
        """The right gradient for some dy."""
        flat = np.concatenate([np.ravel(v) for v in dy])
        return (flat @ self.jacobians[name]).reshape(self.array(name).shape)

    def array(self, name: str) -> Array:
        return self.subject.arrays[self.subject.names.index(name)]

    @cached_property
    def wrong(self) -> list[str]:
        """The arguments whose gradient is missing, misshapen or off."""
        return [n for n, g in self.gradients.items() if g is None or not same(g, self.truths[n])]

    @cached_property
    def sizes(self) -> dict[str, int]:
        """What a factor may be: sizes of axes, numbers of entries, whole options; by name."""
        found: dict[str, int] = {}
        arrays = dict(zip(self.subject.names, self.subject.arrays, strict=True))
        outputs = self.ran.y if len(self.ran.y) > 1 else self.ran.y[:1]
        arrays |= {"y" if self.ran.single else f"y[{k}]": v for k, v in enumerate(outputs)}
        for name, a in arrays.items():
            if isinstance(a, np.ndarray):
                found |= {f"{name}.shape[{k}]": n for k, n in enumerate(a.shape)}
                found[f"{name}.size"] = a.size
        found |= {k: v for k, v in self.subject.config.items() if type(v) is int}
        return {k: n for k, n in found.items() if n > 1}

    @cached_property
    def scalars(self) -> dict[str, float]:
        """Single numbers in scope: options, arrays without axes, and floats of the cache."""
        found = {k: float(v) for k, v in self.subject.config.items() if isinstance(v, float)}
        for name, a in zip(self.subject.names, self.subject.arrays, strict=True):
            if isinstance(a, np.ndarray) and a.size == 1 and a.dtype.kind == "f":
                found[name] = float(a.reshape(()))
        found |= {f"cache[{k}]": v for k, v in enumerate(leaves(self.ran.cache, float))}
        return found

    @cached_property
    def tape(self) -> list[Operation]:
        """The operations of the forward, in order."""
        hook = Tape()
        with np.errstate(all="ignore"), watching(self.subject.functions, hook):
            self.subject.run()
        return hook.operations


@dataclass
class Tape(Hook):
    """Keeps every operation that gives a float array or number; `still` results never move."""

    operations: list[Operation] = field(default_factory=list)
    still: dict[int, Any] = field(default_factory=dict)
    last: Any = None

    def call(self, site: Site, f: Callable, /, *args: Any, **kwargs: Any) -> Any:
        result = f(*args, **kwargs)
        if id(site) in self.still:
            self.last = self.still[id(site)]
            return self.last
        self.keep(site, f, args, kwargs, result)
        return result

    def assign(self, site: Site, value: Any) -> Any:
        if value is not self.last:  # or else it is known from its operation
            self.keep(site, None, (value,), {}, value)
        return value

    def keep(self, site: Site, f: Callable | None, args: tuple, kwargs: dict, result: Any) -> None:
        if is_number(result):
            self.last = result
            given = tuple(np.array(a) if is_number(a) else a for a in operands(f, args))
            self.operations.append(Operation(site, f, given, kwargs, np.array(result)))


def take(subject: Subject, dy: tuple) -> Sample | None:
    """The sample at a subject's point; None where y or the arguments have too many entries.

    Raises:
        Whatever the functions raise.
    """
    ran = subject.run()
    entries = sum(subject.arrays[i].size for i in subject.floats)
    if entries > MOST or entries * sum(np.size(v) for v in ran.y) > 2**18:
        return None
    grads = subject.gradients(dy, subject.run())
    names = [subject.names[i] for i in subject.floats]
    gradients = {n: None if g is None else np.array(g) for n, g in zip(names, grads, strict=True)}
    jacobians = {subject.names[i]: jacobian(subject, i) for i in subject.floats}
    return Sample(subject, dy, ran, gradients, jacobians)


def jacobian(subject: Subject, i: int) -> Array:
    """dy/dx by central differences, a column per entry of argument i.

    >>> from gradcheck.subjects import pair
    >>> def double(x):
    ...     return 2 * x, None
    >>> jacobian(pair(double, lambda dy, cache: 2 * dy, (np.ones(2),)), 0).round(6).tolist()
    [[2.0, 0.0], [0.0, 2.0]]
    """
    x, moved = subject.arrays[i], list(subject.arrays)
    h = step(x)

    def at(place: tuple, t: float) -> Array:
        moved[i] = x.copy()
        moved[i][place] += t
        return np.concatenate([np.ravel(v) for v in subject.run(tuple(moved)).y])

    columns = [(at(p, h) - at(p, -h)) / (2 * h) for p in np.ndindex(x.shape)]
    return np.nan_to_num(np.stack(columns, axis=1))


def step(x: Array) -> float:
    """A step whose error is some 1e-10 either way, by truncation and by rounding."""
    return float(2.0 ** (np.floor(np.log2(float(np.max(np.abs(x))) or 1.0)) - 17))


def operands(f: Callable | None, args: tuple) -> tuple:
    """What an operation works on; an array whose method f is comes first."""
    owner = getattr(f, "__self__", None)
    return (owner, *args) if isinstance(owner, np.ndarray) else args


def is_number(a: Any) -> bool:
    """Whether a is a float array or a float."""
    return isinstance(a, float) or (isinstance(a, np.ndarray) and a.dtype.kind == "f")


def leaves(value: Any, kind: type) -> list[Any]:
    """All values of one type in nested tuples, lists and dicts."""
    if isinstance(value, kind):
        return [value]
    if isinstance(value, dict):
        value = list(value.values())
    return (
        [v for part in value for v in leaves(part, kind)]
        if isinstance(value, (tuple, list))
        else []
    )


def same(a: Any, b: Array, scale: float | None = None) -> bool:
    """Whether a is b to TOLERANCE of b's largest entry.

    >>> same(np.ones(2), np.array([1.0, 1.0 + 1e-9])), same(np.ones(2), np.ones(3))
    (True, False)
    """
    if np.shape(a) != np.shape(b):
        return False
    scale = float(np.max(np.abs(b), initial=0.0)) if scale is None else scale
    return bool(np.max(np.abs(np.subtract(a, b)), initial=0.0) <= TOLERANCE * (scale or 1.0))
