"""Code over other arrays than NumPy's: custom rules of JAX, Functions of torch, CuPy.

Arrays are converted where they go in and come out. Code over `jax.numpy` is run over NumPy where it
gives the same there, so that every operation of it can be watched.
"""

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from types import FunctionType, ModuleType
from typing import Any

import numpy as np

from gradcheck.layers import freed
from gradcheck.subjects import Adapted, is_float

Array = np.ndarray


@dataclass(frozen=True)
class Bordered:
    """A pair made by another adapter, over the arrays of a library: jax, cupy, or numpy for jax."""

    how: Any
    library: str

    def __call__(self, module: ModuleType) -> Adapted:
        made = self.how(module)

        def forward(*arrays: Any, **config: Any) -> tuple[Any, Any]:
            with _within(module, self.library):
                given = (_into(freed(a), self.library) for a in arrays)
                y, cache = made.forward(*given, **config)
                return _out(y), cache

        def backward(dy: Any, cache: Any) -> Any:
            with _within(module, self.library):
                return _out(made.backward(_into(dy, self.library), cache))

        return Adapted(forward, backward, made.forwards, made.backwards)


@dataclass(frozen=True)
class Rule:
    """A `jax.custom_vjp` or `jax.custom_jvp` of a module; `held` arguments are not differentiated.

    A rule for tangents is transposed: it is run for every entry of the arguments.
    """

    name: str
    held: tuple[tuple[int, Any], ...] = ()

    def __call__(self, module: ModuleType) -> Adapted:
        rule = getattr(module, self.name)
        count = len(self.held)
        static = [v for _, v in self.held]

        def whole(arrays: tuple) -> list[Any]:
            given, held = list(arrays), dict(self.held)
            return [held[k] if k in held else given.pop(0) for k in range(len(arrays) + count)]

        if is_vjp(rule):

            def forward(*arrays: Any) -> tuple[Any, Any]:
                return rule.fwd(*whole(arrays))

            def backward(dy: Any, cache: Any) -> Any:
                return rule.bwd(*static, cache, dy)

            return Adapted(forward, backward, (rule.fwd,), (rule.bwd,))

        def value(*arrays: Any) -> tuple[Any, Any]:
            return rule.fun(*whole(arrays)), arrays

        def transposed(dy: Any, arrays: tuple) -> tuple:
            return tuple(
                _against(rule.jvp, static, arrays, k, dy)
                for k, a in enumerate(arrays)
                if np.asarray(a).dtype.kind == "f"
            )

        return Adapted(value, transposed, (rule.fun,), (rule.jvp,))


def _against(jvp: Callable, static: list, arrays: tuple, k: int, dy: Any) -> Array:
    """<dy, the tangent of y> for a tangent in each entry of one argument."""
    zeros = [np.zeros_like(np.asarray(a)) for a in arrays]
    found = np.zeros(np.shape(arrays[k]))
    length = 1.75  # not 1, so that what is not linear shows
    for at in np.ndindex(found.shape):
        tangents = list(zeros)
        tangents[k] = zeros[k].copy()
        tangents[k][at] = length
        _, moved = jvp(*static, arrays, tuple(tangents))
        both = zip(dy, moved, strict=True) if isinstance(moved, tuple) else [(dy, moved)]
        found[at] = sum(float(np.sum(np.asarray(v) * np.asarray(m))) for v, m in both) / length
    return found


def is_rule(thing: Any) -> bool:
    """Whether something is a custom rule of JAX with its rule given."""
    given = getattr(thing, "fwd", None) if is_vjp(thing) else getattr(thing, "jvp", None)
    ours = type(thing).__name__ in ("custom_vjp", "custom_jvp")
    return ours and type(thing).__module__.startswith("jax") and isinstance(given, FunctionType)


def is_vjp(thing: Any) -> bool:
    return type(thing).__name__ == "custom_vjp"


def library(module: ModuleType) -> str:
    """The library, other than NumPy, whose arrays the functions of a module take."""
    for value in vars(module).values():
        if isinstance(value, ModuleType) and value.__name__ in ("jax.numpy", "cupy"):
            return "jax" if value.__name__ == "jax.numpy" else "cupy"
    return ""


_same: dict[tuple[str, str], bool] = {}  # by module and name: to find out takes a compiler


def runs_the_same(how: Any, module: ModuleType, name: str, arrays: tuple) -> bool:
    """Whether code over jax.numpy gives the same over NumPy."""
    key = module.__name__, name
    if key not in _same:
        _same[key] = _compared(how, module, arrays)
    return _same[key]


def _compared(how: Any, module: ModuleType, arrays: tuple) -> bool:
    found = []
    for name in ("numpy", "jax"):
        try:
            with np.errstate(all="ignore"):
                made = Bordered(how, name)(module)
                y, cache = made.forward(*copy.deepcopy(arrays))
                several = isinstance(y, tuple)
                rng = np.random.default_rng(0)
                dy = tuple(rng.normal(size=np.shape(v)) for v in (y if several else (y,)))
                grads = made.backward(dy if several else dy[0], cache)
        except Exception:
            return name == "jax"  # where JAX raises too, the check will say so
        outputs = y if several else (y,)
        found.append([*outputs, *(grads if isinstance(grads, tuple) else (grads,))])
    return len(found[0]) == len(found[1]) and all(
        np.shape(a) == np.shape(b) and (a is None or np.allclose(a, b, 1e-9, 1e-12, equal_nan=True))
        for a, b in zip(*found, strict=True)
    )


def twin_of(rule: Any, held: tuple[tuple[int, Any], ...], arrays: tuple) -> Callable | None:
    """The function that a rule is for, where JAX can differentiate it by itself."""
    from gradcheck import autodiff

    primal = _primal(rule, held, len(arrays))
    try:
        import jax

        with jax.enable_x64(True):
            y = jax.eval_shape(primal, *arrays)
        dy = jax.tree.map(lambda s: np.ones(s.shape), y)
        _, grads = autodiff.value_and_pullback(primal, {}, arrays, dy)
    except Exception:
        return None
    return primal if all(g is None or np.isfinite(g).all() for g in grads) else None


@cache  # one function for all shapes, which are compiled once each
def _primal(rule: Any, held: tuple[tuple[int, Any], ...], count: int) -> Callable:
    places = dict(held)

    def primal(*given: Any) -> Any:
        rest = list(given)
        return rule.fun(
            *(places[k] if k in places else rest.pop(0) for k in range(count + len(held)))
        )

    return primal


@contextmanager
def _within(module: ModuleType, name: str) -> Iterator[None]:
    """Double precision in JAX; NumPy in the place of jax.numpy, where that is wanted."""
    if name not in ("jax", "numpy"):
        yield
        return
    import jax
    import jax.numpy

    moved = [k for k, v in vars(module).items() if v is jax.numpy] if name == "numpy" else []
    with jax.enable_x64(True):
        try:
            for k in moved:
                setattr(module, k, np)
            yield
        finally:
            for k in moved:
                setattr(module, k, jax.numpy)


def _into(value: Any, name: str) -> Any:
    if isinstance(value, tuple):
        return tuple(_into(v, name) for v in value)
    if name == "numpy" or not isinstance(value, (np.ndarray, np.generic)):
        return value
    if name == "cupy":
        import cupy

        return cupy.asarray(value)
    import jax.numpy

    return jax.numpy.asarray(value)


def _out(value: Any) -> Any:
    if isinstance(value, (tuple, list)):
        return tuple(map(_out, value))
    if value is None or isinstance(value, (np.ndarray, float, int)):
        return value
    return (
        value.get() if hasattr(value, "get") and not isinstance(value, dict) else np.asarray(value)
    )


# ---- torch


class Context:
    """What a Function of torch is handed as ctx."""

    def __init__(self) -> None:
        self.saved_tensors: tuple = ()
        self.needs_input_grad: tuple = ()

    def save_for_backward(self, *tensors: Any) -> None:
        self.saved_tensors = tensors

    def mark_dirty(self, *tensors: Any) -> None: ...

    def mark_non_differentiable(self, *tensors: Any) -> None: ...

    def set_materialize_grads(self, value: bool) -> None: ...

    save_for_forward = save_for_backward


@dataclass(frozen=True)
class Function:
    """A `torch.autograd.Function` of a module, run without the tape, in double precision."""

    name: str

    def __call__(self, module: ModuleType) -> Adapted:
        import torch

        cls = getattr(module, self.name)
        setup = cls.setup_context if "setup_context" in vars(cls) else None

        def forward(*arrays: Any) -> tuple[Any, Any]:
            ctx = Context()
            given = [_tensor(freed(a)) for a in arrays]
            ctx.needs_input_grad = tuple(is_float(a) for a in arrays)
            with torch.no_grad():
                if setup:
                    y = cls.forward(*given)
                    setup(ctx, tuple(given), y)
                else:
                    y = cls.forward(ctx, *given)
            return _array(y), ctx

        def backward(dy: Any, ctx: Any) -> Any:
            ctx = copy.deepcopy(ctx)
            dys = tuple(map(_tensor, dy if isinstance(dy, tuple) else (dy,)))
            with torch.no_grad():
                return _array(cls.backward(ctx, *dys))

        forwards = tuple(f for f in (setup, cls.forward) if f)
        return Adapted(forward, backward, forwards, (cls.backward,))


def is_function(thing: Any) -> bool:
    """Whether something is a Function of torch with its own backward."""
    names = [f"{c.__module__}.{c.__name__}" for c in getattr(thing, "__mro__", ())[1:]]
    return "torch.autograd.function.Function" in names and "backward" in vars(thing)


def _tensor(value: Any) -> Any:
    import torch

    if isinstance(value, (np.ndarray, np.floating)):
        return torch.from_numpy(np.array(value))
    return value


def _array(value: Any) -> Any:
    if isinstance(value, (tuple, list)):
        return tuple(map(_array, value))
    return value.detach().numpy() if hasattr(value, "detach") else value
