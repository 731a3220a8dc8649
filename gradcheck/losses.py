"""Functions and methods that return a loss and its gradients together, as pairs.

The forward is the function's first value; the backward runs it again and multiplies its gradients
by dy. Parameters may be arguments, global arrays of the module, a dict of arrays, or `self.params`.
"""

import ast
import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FunctionType, ModuleType
from typing import Any

import numpy as np

from gradcheck.adapters import LOSS, is_gradient, returned_names, returns
from gradcheck.layers import freed, methods, seeded
from gradcheck.subjects import Adapted, ContractError, is_float

Array = np.ndarray


class LossError(ValueError):
    """A loss whose gradients cannot be told apart, and why."""


@dataclass(frozen=True)
class Loss:
    """A function `f(*given) -> (loss, gradients ...)`; calling this with its module makes the pair.

    After the `given` arguments come `parameters`: globals of the module, or with `owner` entries of
    its dict `holder`. `gradients` says for each differentiated array where its gradient is: a place
    among the values, and perhaps a key there. `owner` is a class, with its constructor's arguments.
    """

    name: str
    given: int
    parameters: tuple[str, ...] = ()
    gradients: tuple[tuple[Any, ...], ...] = ()
    options: tuple[tuple[str, Any], ...] = ()
    owner: str = ""
    holder: str = "params"
    arguments: tuple = ()
    settings: tuple[tuple[str, Any], ...] = ()  # of the constructor, by name
    sizes: tuple[tuple[str, int], ...] = ()  # global numbers of the module that go with the arrays

    def __call__(self, module: ModuleType) -> Adapted:
        def forward(*arrays: Any, **config: Any) -> tuple[Any, Any]:
            y = self.values(module, arrays, config)[0]
            return (y.copy() if isinstance(y, np.ndarray) else y), (arrays, config)

        def backward(dy: Any, cache: Any) -> tuple:
            found = self.values(module, *copy.deepcopy(cache))
            return tuple(None if g is None else dy * g for g in self.picked(found))

        cls = getattr(module, self.owner) if self.owner else None
        watched = methods(cls, self.name) if cls else (getattr(module, self.name),)
        return Adapted(forward, backward, watched, watched)

    def values(self, module: ModuleType, arrays: tuple, config: dict[str, Any]) -> tuple:
        """What the function returns.

        Raises:
            ContractError: it is no tuple of a loss and gradients.
        """
        given = [*map(freed, arrays)]
        first, options = given[: self.given], {**dict(self.options), **config}
        own = dict(zip(self.parameters, given[self.given :], strict=True))
        with seeded():
            if self.owner:
                cls = getattr(module, self.owner)
                made = cls(*copy.deepcopy(self.arguments), **copy.deepcopy(dict(self.settings)))
                getattr(made, self.holder).update(own)
                found = getattr(made, self.name)(*first, **options)
            else:
                with _globals(module, {**dict(self.sizes), **own}):
                    found = getattr(module, self.name)(*first, **options)
        if not isinstance(found, tuple) or len(found) < 2:
            what = f"{len(found)} values" if isinstance(found, tuple) else type(found).__name__
            raise ContractError("shape", f"{self.name} returned {what}; wanted (loss, gradients)")
        return found

    def picked(self, found: tuple) -> list[Any]:
        """The gradients, in order."""
        values = []
        for path in self.gradients:
            value: Any = found
            for part in path:
                try:
                    value = value[part]
                except (KeyError, IndexError, TypeError):
                    value = None
                    break
            values.append(np.asarray(value) if isinstance(value, float) else value)
        return values


@contextmanager
def _globals(module: ModuleType, values: dict[str, Any]) -> Iterator[None]:
    before = {k: getattr(module, k) for k in values}
    try:
        for k, v in values.items():
            setattr(module, k, v)
        yield
    finally:
        for k, v in before.items():
            setattr(module, k, v)


def is_loss(name: str, f: Callable) -> bool:
    """Whether a function returns a loss and gradients, by what its last return names.

    >>> is_loss("f", lambda x: x)
    False
    """
    if not isinstance(f, FunctionType):
        return False
    several = [r for r in returns(f) if isinstance(r, ast.Tuple) and len(r.elts) > 1]
    if not several:
        return False
    names = returned_names(f)
    first = names[0].lower()
    said = any(w in first or w in name.lower() for w in LOSS) or first in ("j", "l", "err", "error")
    return said and any(is_gradient(n) for n in names[1:])


def parameters_of(module: ModuleType, f: Any) -> list[str]:
    """Global float arrays that a function reads, or those it calls, and returns gradients of."""
    read: set[str] = set()
    queue: list[Any] = [f]
    seen: set[int] = set()
    while queue:
        g = queue.pop()
        if id(g) in seen:
            continue
        seen.add(id(g))
        read |= set(g.__code__.co_names)
        called = [vars(module).get(n) for n in g.__code__.co_names]
        queue += [c for c in called if isinstance(c, FunctionType) and c.__module__ == f.__module__]
    own = [n for n in vars(module) if n in read and is_float(vars(module)[n])]
    listed = [n[1:].lstrip("_") for n in returned_names(f) if n.startswith("d")]
    in_dict = any("grads" in n.lower() for n in returned_names(f))
    return [n for n in listed if n in own] or (own if in_dict else [])


def resized(module: ModuleType, f: FunctionType, rng: np.random.Generator) -> dict[int, int]:
    """Small sizes, pairwise distinct, for the axes of the global parameters of a loss."""
    shapes = [getattr(module, n).shape for n in parameters_of(module, f)]
    lengths = list(dict.fromkeys(k for shape in shapes for k in shape if k > 1))
    primes = [int(p) for p in rng.permutation((2, 3, 5, 7, 11, 13)[: max(len(lengths), 3)])]
    return dict(zip(lengths, primes, strict=False))


def numbers_of(module: ModuleType, f: FunctionType) -> dict[str, int]:
    """Global whole numbers that a function reads."""
    names = [n for n in f.__code__.co_names if type(vars(module).get(n)) is int]
    return {n: vars(module)[n] for n in names}


def matched(
    found: tuple, names: list[str], arrays: list[Any], listed: list[str]
) -> tuple[tuple[Any, ...] | None, ...]:
    """Where the gradient of each array is among the values of a loss; None where it has none.

    Args:
        found: what the function returned: the loss first.
        names: of the arrays.
        arrays: themselves; what is no float array has no gradient.
        listed: the names in its return statement.

    By name, then by shape, then by order.
    """
    paths: dict[int, tuple[Any, ...]] = {}
    floats = [i for i, a in enumerate(arrays) if is_float(a)]
    left: list[int] = []
    for k, value in enumerate(found[1:], 1):
        if isinstance(value, dict):
            for i in floats:
                key = next(
                    (c for c in (names[i], f"d{names[i]}", f"grad_{names[i]}") if c in value), None
                )
                if key is not None:
                    paths.setdefault(i, (k, key))
            continue
        if isinstance(value, (tuple, list)) and len(value) == len(floats):
            paths |= {i: (k, j) for j, i in enumerate(floats)}
            continue
        said = listed[k].lower().replace("_", "") if k < len(listed) else ""
        of = [i for i in floats if i not in paths and said in _called(names[i])]
        if of:
            paths[of[0]] = (k,)
        elif k >= len(listed) or is_gradient(listed[k]):
            left.append(k)
    for k in left:
        value = found[k]
        alike = [i for i in floats if i not in paths and np.shape(value) == arrays[i].shape]
        if len(alike) == 1 or (alike and len(left) == 1):
            paths[alike[0]] = (k,)
        elif (
            left == [k] and not paths and np.ndim(value)
        ):  # of another shape: the check will say so
            weights = [i for i in floats if names[i].lower() in ("w", "theta", "weights", "params")]
            paths[(weights or floats)[0]] = (k,)
    return tuple(paths.get(i) for i in range(len(arrays)))


def _called(name: str) -> tuple[str, ...]:
    low = name.lower().replace("_", "")
    return (f"d{low}", f"grad{low}", f"{low}grad", f"g{low}", f"dl{low}", f"dj{low}", f"d{low}s")
