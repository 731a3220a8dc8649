"""Functions of other styles as pairs in the convention, and what of a module is such a function.

An adapter is a frozen dataclass of names: called with a module it makes the pair from it. It can be
pickled, so that the search for a repair makes it again in a process of its own.
"""

import ast
import inspect
import linecache
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from types import FunctionType, ModuleType
from typing import Any

import numpy as np

from gradcheck.layers import OUTPUTS, freed, positional, seeded
from gradcheck.subjects import Adapted, ContractError

BACKWARD = ("_backward", "_bwd", "_grad", "_back", "_vjp", "_prime", "_derivative", "_gradient")
FORWARD = ("", "_forward", "_fwd")
CACHES = {
    "cache",
    "caches",
    "ctx",
    "context",
    "res",
    "residuals",
    "saved",
    "memo",
    "tape",
    "memory",
}
TARGETS = ("y", "t", "target", "targets", "label", "labels", "y_true", "truth")
LOSS = ("loss", "cost", "objective", "criterion", "nll", "energy")


@dataclass(frozen=True)
class Pair:
    """Two functions of a module; `order` names what the backward takes.

    Of "dy", "dy0", "dy1" ..., "cache", "y", and numbers, which are arguments of the forward.
    """

    forward: str
    backward: str
    order: tuple[Any, ...] = ("dy", "cache")
    cached: bool = True  # whether the forward returns a cache last
    outputs: int = 1

    def __call__(self, module: ModuleType) -> Adapted:
        f, g = getattr(module, self.forward), getattr(module, self.backward)

        def forward(*arrays: Any, **config: Any) -> tuple[Any, Any]:
            arrays = tuple(map(freed, arrays))
            with seeded():
                found = f(*arrays, **config)
            y, cache = found, None
            if self.cached:
                if not isinstance(found, tuple) or len(found) != self.outputs + 1:
                    raise ContractError(
                        "shape",
                        f"{self.forward} returned {_count(found)}; wanted {self.outputs + 1}: "
                        f"{'y' if self.outputs == 1 else 'the outputs'}, and the cache last",
                    )
                *y, cache = found
                y = tuple(y) if self.outputs > 1 else y[0]
            return y, (cache, arrays, y)

        def backward(dy: Any, kept: Any) -> Any:
            cache, arrays, y = kept
            known = {"dy": dy, "cache": cache, "y": y}
            if self.outputs > 1:
                known |= {f"dy{k}": v for k, v in enumerate(dy)}
            given = [arrays[n] if isinstance(n, int) else known[n] for n in self.order]
            with seeded():
                found = g(*given)
            if any(n == "dy" or str(n).startswith("dy") for n in self.order):
                return found
            several = isinstance(found, (tuple, list))
            return tuple(dy * d for d in found) if several else dy * found

        return Adapted(forward, backward, (f,), (g,))


@dataclass(frozen=True)
class Closure:
    """A function that returns y and its pullback."""

    name: str

    def __call__(self, module: ModuleType) -> Adapted:
        f = getattr(module, self.name)

        def forward(*arrays: Any, **config: Any) -> tuple[Any, Any]:
            with seeded():
                return f(*arrays, **config)

        def backward(dy: Any, pullback: Any) -> Any:
            return pullback(dy)

        return Adapted(forward, backward, (f,), (f,))


def _count(found: Any) -> str:
    return f"{len(found)} values" if isinstance(found, tuple) else type(found).__name__


@dataclass(frozen=True)
class Unfolded:
    """A pair of which one argument is a dict of arrays: each of its entries is an argument."""

    how: Any
    place: int
    keys: tuple[str, ...]

    def __call__(self, module: ModuleType) -> Adapted:
        made = self.how(module)

        def forward(*arrays: Any, **config: Any) -> tuple[Any, Any]:
            return made.forward(*self.folded(arrays), **config)

        def backward(dy: Any, cache: Any) -> Any:
            found = made.backward(dy, cache)
            parts = found if isinstance(found, (tuple, list)) else (found,)
            return tuple(g for part in parts for g in self.spread(part))

        return Adapted(forward, backward, made.forwards, made.backwards)

    def folded(self, arrays: tuple) -> tuple:
        end = self.place + len(self.keys)
        held = dict(zip(self.keys, arrays[self.place : end], strict=True))
        return (*arrays[: self.place], held, *arrays[end:])

    def spread(self, part: Any) -> tuple:
        if not isinstance(part, dict):
            return (part,)
        names = [next((n for n in (k, f"d{k}", f"d_{k}") if n in part), None) for k in self.keys]
        return tuple(None if n is None else part[n] for n in names)


# ---- what the source of a function says


def tree(f: FunctionType) -> ast.FunctionDef | None:
    """The syntax tree of a function, None where its source is not to be had."""
    code = inspect.unwrap(f).__code__
    text = "".join(linecache.getlines(code.co_filename))
    return _functions(text).get((code.co_firstlineno, code.co_name))


@lru_cache(maxsize=64)
def _functions(text: str) -> dict[tuple[int, str], ast.FunctionDef]:
    """The functions of a source, by first line and name."""
    try:
        nodes = [n for n in ast.walk(ast.parse(text)) if isinstance(n, ast.FunctionDef)]
    except SyntaxError:
        return {}
    starts = [min([n.lineno, *(d.lineno for d in n.decorator_list)]) for n in nodes]
    return {(s, n.name): n for s, n in zip(starts, nodes, strict=True)}


def returns(f: Callable) -> list[ast.expr]:
    """What the return statements of a function return, those of functions inside it left out."""

    def within(node: ast.AST) -> Iterator[ast.expr]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Return) and child.value is not None:
                yield child.value
            if not isinstance(child, (ast.FunctionDef, ast.Lambda, ast.ClassDef)):
                yield from within(child)

    node = tree(f) if isinstance(f, FunctionType) else None
    return list(within(node)) if node else []


def arity(f: Callable) -> int | None:
    """How many values a function returns, as far as its source says."""
    found = returns(f)
    counts = {len(r.elts) if isinstance(r, ast.Tuple) else 1 for r in found}
    if len(counts) != 1:
        return None
    node = tree(f) if isinstance(f, FunctionType) else None
    if counts == {1} and node and any(_may_be_several(r, node) for r in found):
        return None
    return counts.pop()


def _may_be_several(value: ast.expr, function: ast.FunctionDef) -> bool:
    """Whether an expression may be a tuple: a call of other than NumPy, or a name for one."""
    if isinstance(value, ast.Call):
        called = ast.unparse(value.func).split(".")[0]
        names = [a.arg for a in function.args.args]
        return called not in ("np", "numpy", "jnp", "float", "math", "sum", *names)
    if isinstance(value, ast.Name):
        given = [
            n.value
            for n in ast.walk(function)
            if isinstance(n, ast.Assign)
            and any(isinstance(t, ast.Name) and t.id == value.id for t in n.targets)
        ]
        return any(not isinstance(g, ast.Name) and _may_be_several(g, function) for g in given)
    return not isinstance(value, (ast.BinOp, ast.UnaryOp, ast.Compare, ast.Constant))


def returned_names(f: Callable) -> list[str]:
    """The names in the last return of several values: of an expression the gradient in it, or all
    of its text."""

    def name(node: ast.expr) -> str:
        inside = [n.id for n in ast.walk(node) if isinstance(n, ast.Name)]
        return next(filter(is_gradient, inside), ast.unparse(node))

    for value in reversed(returns(f)):
        if isinstance(value, ast.Tuple):
            return [name(e) for e in value.elts]
    return []


def is_gradient(name: str) -> bool:
    """Whether something is called like a gradient.

    >>> [n for n in ("dW", "grads", "grad_w", "data", "loss", "d") if is_gradient(n)]
    ['dW', 'grads', 'grad_w', 'data']
    """
    low = name.lower()
    return name.isidentifier() and (
        (low.startswith("d") and len(low) > 1) or "grad" in low or low in ("g", "gw", "gx", "gb")
    )


def is_closure(f: Callable) -> bool:
    """Whether a function returns y and a function made inside it."""
    node = tree(f) if isinstance(f, FunctionType) else None
    inside = {n.name for n in ast.walk(node) if isinstance(n, ast.FunctionDef)} if node else set()
    for n in ast.walk(node) if node else ():
        if isinstance(n, ast.Assign) and isinstance(n.value, ast.Lambda):
            inside |= {t.id for t in n.targets if isinstance(t, ast.Name)}
    found = [
        isinstance(r, ast.Tuple)
        and len(r.elts) == 2
        and (
            isinstance(r.elts[1], ast.Lambda)
            or (isinstance(r.elts[1], ast.Name) and r.elts[1].id in inside)
        )
        for r in returns(f)
    ]
    return bool(found) and all(found)


def paired(
    name: str, f: Callable, backward_name: str, g: Callable, outputs: int | None
) -> Pair | None:
    """How two functions go together; None where they are a pair of the convention.

    `outputs` is how many values f returns, where that is known.
    """
    inputs = list(positional(f))
    required = [n for n, p in positional(g).items() if p.default is p.empty]
    pair = _ordered(inputs, required, outputs)
    if pair is None:
        return None
    order, cached, count = pair
    return Pair(name, backward_name, order, cached, count)


def _ordered(
    inputs: list[str], required: list[str], outputs: int | None
) -> tuple[tuple[Any, ...], bool, int] | None:
    """(what the backward takes, whether there is a cache, how many outputs).

    >>> _ordered(["x", "w"], ["dy", "cache"], 2), _ordered(["x"], ["cache", "dy"], 2)
    (None, (('cache', 'dy'), True, 1))
    >>> _ordered(["x"], ["dout", "x"], 1), _ordered(["x"], ["x"], 1)
    ((('dy', 0), False, 1), ((0,), False, 1))
    >>> _ordered(["x", "h"], ["dnext_h", "dnext_c", "cache"], 3)
    (('dy0', 'dy1', 'cache'), True, 2)
    """
    k = len(required)
    is_cache = [n.lower().strip("_") in CACHES or n.lower().endswith("cache") for n in required]
    if k == 2 and is_cache[0] and not is_cache[1]:
        return ("cache", "dy"), True, 1
    if k == 2 and (outputs in (2, None) or is_cache[1]):
        return None
    if k > 2 and outputs == k and sum(is_cache) == 1 and (is_cache[0] or is_cache[-1]):
        dys = tuple(f"dy{n}" for n in range(k - 1))
        return (("cache", *dys) if is_cache[0] else (*dys, "cache")), True, k - 1
    order: list[Any] = []
    for n, kept in zip(required, is_cache, strict=True):
        if n in inputs:
            order.append(inputs.index(n))
        elif kept:
            order.append("cache")
        elif "dy" not in order and (n[:1] in "dgvuD" or "grad" in n):
            order.append("dy")
        elif "y" not in order:
            order.append("y")
        else:
            return None
    strange = next((n for n, o in zip(required, order, strict=True) if o == "y"), "")
    if "dy" not in order and strange and k > 1:  # the one name that says nothing is dy
        if strange.lower() in TARGETS:  # of a loss that is elsewhere
            return None if outputs == 2 and k == 2 else ((), True, 1)
        order[order.index("y")] = "dy"
    if strange and k == 1 and len(strange) > 2 and strange not in OUTPUTS:
        return (), False, 1  # zero_grad(params), say, which is no gradient of zero
    return tuple(order), "cache" in order, 1


def elementwise(f: Callable, arrays: tuple) -> bool:
    """Whether each entry of y depends on the one entry of the argument alone."""
    (x,) = arrays
    with seeded():
        y = np.asarray(f(x.copy()))
        if y.shape != x.shape:
            return False
        moved = x + np.where(np.arange(x.size).reshape(x.shape) == 0, 0.5, 0.0)
        return bool(np.array_equal(np.asarray(f(moved)).ravel()[1:], y.ravel()[1:]))
