"""Classes that record a tape, of values with `data`, `grad` and a closure `_backward`, as pairs.

Each operation is checked alone: y.grad is given, `y._backward()` hands it on. A function of such
values is checked as a whole, by y.backward(), where it gives one number.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass, replace
from types import FunctionType, ModuleType
from typing import Any

import numpy as np

from gradcheck.adapters import tree
from gradcheck.layers import freed, seeded
from gradcheck.subjects import Adapted, ContractError, copied

Array = np.ndarray
BINARY = ("__add__", "__mul__", "__sub__", "__truediv__", "__matmul__", "__pow__")
# shapes of the operands of two: alike, a row to all rows, and of a product of matrices
SHAPES: tuple[tuple[tuple[int, ...], ...], ...] = (((3, 2), (3, 2)), ((5, 3), (3,)))
PRODUCTS: tuple[tuple[tuple[int, ...], ...], ...] = (((3, 2), (2, 5)), ((2, 5), (5, 3)))
SINGLE: tuple[tuple[tuple[int, ...], ...], ...] = (((3, 2),), ((5, 3),))


@dataclass(frozen=True)
class Tape:
    """An operation of a class that records, or with no class a function of its values.

    `numbers` is whether the values are single numbers; `power` an operand that is no value.
    """

    values: str
    name: str
    whole: bool = False
    numbers: bool = False
    power: float | None = None

    def __call__(self, module: ModuleType) -> Adapted:
        cls = getattr(module, self.values)
        f = getattr(module, self.name) if self.whole else vars(cls)[self.name]

        def run(arrays: tuple) -> tuple[Any, list]:
            given = [cls(float(a) if self.numbers else a) for a in copied(map(freed, arrays))]
            with seeded():
                return f(*given, *([] if self.power is None else [self.power])), given

        def forward(*arrays: Any) -> tuple[Any, Any]:
            y = np.asarray(run(arrays)[0].data, np.float64)
            return (y.copy() if y.shape else y[()]), arrays

        def gradients(out: Any, given: list, dy: Any, first: float) -> tuple:
            for v in given:
                v.grad = first if self.numbers else np.full(np.shape(v.data), first)
            if self.whole:
                out.backward()
                return tuple(dy * (np.asarray(v.grad) - first) for v in given)
            out.grad = float(dy) if self.numbers else np.array(dy)
            out._backward()
            return tuple(np.asarray(v.grad, np.float64) - first for v in given)

        def backward(dy: Any, arrays: tuple) -> tuple:
            # a new tape, as grads of one that was used stay behind
            found = gradients(*run(arrays), dy, 0.0)
            if not self.whole and not _alike(found, gradients(*run(arrays), dy, 1.0)):
                raise ContractError(
                    "overwrites-instead-of-accumulates",
                    f"{self.values}.{self.name} sets a grad, where it has to add to it: a value "
                    "that is used twice loses a part of its gradient",
                )
            return found

        # of a whole only the function itself is watched: its operations run in the order of a set
        return Adapted(forward, backward, (f,), (f,))


def _alike(a: tuple, b: tuple) -> bool:
    return all(
        np.shape(p) == np.shape(q) and np.allclose(p, q, rtol=1e-6, atol=1e-9)
        for p, q in zip(a, b, strict=True)
    )


def records(cls: type) -> bool:
    """Whether a class is one of values that record what they come from."""
    init = vars(cls).get("__init__")
    names = set(init.__code__.co_names) if isinstance(init, FunctionType) else set()
    return {"data", "grad", "_backward"} <= names


def operations(cls: type) -> Iterator[tuple[str, FunctionType]]:
    """The methods that give a value a `_backward`, with the values they take besides self."""
    for name, f in vars(cls).items():
        if isinstance(f, FunctionType) and name != "__init__" and (node := tree(f)):
            targets = [t for n in ast.walk(node) if isinstance(n, ast.Assign) for t in n.targets]
            if any(isinstance(t, ast.Attribute) and t.attr == "_backward" for t in targets):
                yield name, f


def points(tape: Tape, module: ModuleType, f: Any, seed: int) -> Iterator[tuple[Tape, tuple]]:
    """The operation, as it can be run, and arrays for it.

    Single numbers where it takes no arrays; positive ones where it is not finite.
    """
    required = f.__code__.co_argcount - len(f.__defaults__ or ())
    shapes = SINGLE if required == 1 else PRODUCTS if tape.name == "__matmul__" else SHAPES
    ways = [replace(tape, numbers=True)]
    if not _of_numbers(getattr(module, tape.values)):
        ways.insert(0, tape)
    if required == 2:
        ways += [replace(w, power=3.0) for w in ways]
    for way in ways:
        found = []
        for k, several in enumerate(shapes):
            rng = np.random.default_rng([seed, k])
            several = several[:1] if way.power is not None else several
            several = tuple(() for _ in several) if way.numbers else several
            arrays = tuple(np.asarray(rng.standard_normal(s)) for s in several)
            alike = len({np.shape(a) for a in arrays}) == 1 or tape.name == "__matmul__"
            for given in (arrays, tuple(np.abs(a) + 0.5 for a in arrays)):
                if _finite(way, module, given) and (alike or _hands_on(way, module, given)):
                    found.append((way, given))
                    break
        if found:
            yield from found
            return


def _of_numbers(cls: Any) -> bool:
    """Whether the values of a class are single numbers, by the grad that they begin with."""
    try:
        return np.ndim(cls(np.ones(2)).grad) == 0
    except Exception:
        return True


def _hands_on(tape: Tape, module: ModuleType, arrays: tuple) -> bool:
    """Whether an operation hands gradients on to operands of several shapes: it need not."""
    try:
        made = tape(module)
        y, cache = made.forward(*arrays)
        made.backward(np.ones_like(y), cache)
    except ContractError:
        return True
    except Exception:
        return False
    return True


def _finite(tape: Tape, module: ModuleType, arrays: tuple) -> bool:
    try:
        with np.errstate(all="ignore"):
            return bool(np.isfinite(tape(module).forward(*arrays)[0]).all())
    except Exception:
        return False
