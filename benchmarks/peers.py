"""The gradient checkers that are compared, each as a user would call it, with its defaults.

All of them get the same `Case`: a pair as a function of its float arrays alone.
"""

import importlib.util
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradcheck import check
from gradcheck.subjects import Subject, is_float

Array = np.ndarray
STEP = 1e-5  # of the course's code, and its rule of thumb for relative errors:
WRONG = 1e-2  # above it the gradient is probably wrong,
UNEASY = 1e-4  # above it one should feel uncomfortable


@dataclass(frozen=True)
class Case:
    """A pair at one point, its other arguments closed over.

    `forward(*arrays) -> (y, cache)`; y is a float array, or a tuple of them where `several`.
    `backward(dy, cache)` returns one gradient per float array.
    """

    forward: Callable[..., tuple[Any, Any]]
    backward: Callable[[Any, Any], tuple]
    arrays: tuple[Array, ...]
    subject: Subject
    several: bool


def case(subject: Subject, dtype: str) -> Case:
    """The case of a subject, its float arrays in the given dtype.

    Raises:
        ValueError: its numbers are too large for the dtype.

    >>> from gradcheck.subjects import pair
    >>> square = pair(lambda x, n: (x**n, x), None, (np.ones(2), 3))
    >>> case(square, "float32").arrays
    (array([1., 1.], dtype=float32),)
    """
    where = subject.floats
    with np.errstate(over="ignore"):
        point = tuple(a.astype(dtype) if is_float(a) else a for a in subject.arrays)
    if not all(np.isfinite(point[i]).all() for i in where):
        raise ValueError(f"{subject.name}: an argument is not finite in {dtype}")

    def forward(*arrays: Array) -> tuple[Any, Any]:
        given = list(point)
        for i, a in zip(where, arrays, strict=True):
            given[i] = a
        y, cache = subject.forward(*given, **subject.config)
        if not isinstance(y, tuple):
            return np.asarray(y), ((y,), cache)
        floats = tuple(v for v in map(np.asarray, y) if v.dtype.kind == "f")
        return floats, (y, cache)

    def backward(dy: Any, kept: Any) -> tuple:
        y, cache = kept
        given = iter(dy if isinstance(dy, tuple) else (dy,))
        every = tuple(
            _like(next(given), v) if np.asarray(v).dtype.kind == "f" else np.zeros(np.shape(v))
            for v in y
        )
        grads = subject.backward(every if several else every[0], cache)
        grads = tuple(grads) if isinstance(grads, (tuple, list)) else (grads,)
        slots = [i for i, a in enumerate(point) if a is None or isinstance(a, np.ndarray)]
        if len(grads) == len(slots):
            return tuple(g for i, g in zip(slots, grads, strict=True) if i in where)
        if len(grads) != len(where):
            raise ValueError(f"{len(grads)} gradients; wanted {len(slots)}")
        return grads

    copies = [a.copy() if isinstance(a, np.ndarray) else a for a in point]
    several = isinstance(subject.forward(*copies, **subject.config)[0], tuple)
    return Case(forward, backward, tuple(point[i].copy() for i in where), subject, several)


def _like(dy: Any, y: Any) -> Any:
    """dy in the form of y, which may be a scalar."""
    return np.asarray(dy) if isinstance(y, np.ndarray) else np.asarray(dy)[()]


# Each of these says "accepted", "rejected" or "unresolved"; what else it raises is a crash.


def ours(case: Case, seed: int) -> str:
    """`gradcheck.check` without a twin: numeric."""
    s, floats = case.subject, iter(case.arrays)
    arrays = tuple(next(floats) if is_float(a) else a for a in s.arrays)
    report = check(s.forward, s.backward, *arrays, config=s.config, seed=seed, diagnose=False)
    if report.verdict == "error":
        raise ValueError(report.message)
    words = {"pass": "accepted", "kink": "accepted", "fail": "rejected"}
    return words.get(report.verdict, report.verdict)


def torch_slow(case: Case, seed: int, fast_mode: bool = False) -> str:
    """`torch.autograd.gradcheck` of the pair as an autograd Function."""
    import torch
    from torch.autograd.gradcheck import GradcheckError, gradcheck

    inputs = tuple(torch.tensor(a, requires_grad=True) for a in case.arrays)
    try:
        gradcheck(function(case).apply, inputs, fast_mode=fast_mode)
    except GradcheckError:
        return "rejected"
    return "accepted"


def torch_fast(case: Case, seed: int) -> str:
    return torch_slow(case, seed, fast_mode=True)


def function(case: Case) -> Any:
    """The pair as a torch.autograd.Function that calls NumPy."""
    import torch

    def tensor(a: Any) -> Any:
        return None if a is None else torch.from_numpy(np.array(a, order="C"))

    class Pair(torch.autograd.Function):
        @staticmethod
        def forward(ctx, *inputs):
            y, ctx.kept = case.forward(*(x.detach().numpy() for x in inputs))
            return tuple(map(tensor, y)) if case.several else tensor(y)

        @staticmethod
        def backward(ctx, *dy):
            given = tuple(v.detach().numpy() for v in dy)
            return tuple(map(tensor, case.backward(given if case.several else given[0], ctx.kept)))

    return Pair


def jax_vjp(case: Case, seed: int) -> str:
    """`jax.test_util.check_vjp`, which takes plain NumPy functions."""
    import jax
    from jax.test_util import check_vjp

    def vjp(*arrays):
        y, kept = case.forward(*arrays)
        return y, lambda dy: case.backward(dy, kept)

    # with 64-bit floats off, float64 would be judged by the tolerance of float32
    with jax.enable_x64(case.arrays[0].dtype == np.float64):
        return _asserts(lambda: check_vjp(lambda *a: case.forward(*a)[0], vjp, case.arrays))


def hips_autograd(case: Case, seed: int) -> str:
    """`autograd.test_util.check_grads` of the pair as a primitive."""
    from autograd.extend import defvjp_argnums, primitive
    from autograd.test_util import check_grads

    kept: list = []

    @primitive
    def f(*arrays):
        y, cache = case.forward(*arrays)
        kept[:] = [cache]
        return y

    def maker(argnums, ans, args, kwargs):
        cache = kept[0]

        def vjp(dy):
            grads = case.backward(tuple(dy) if case.several else dy, cache)
            return tuple(grads[i] for i in argnums)

        return vjp

    defvjp_argnums(f, maker)
    argnums = tuple(range(len(case.arrays)))
    np.random.seed(seed)  # noqa: NPY002 - its directions are of the global generator
    return _asserts(lambda: check_grads(f, argnums, modes=["rev"], order=1)(*case.arrays))


def course(case: Case, seed: int) -> str:
    """Central differences at every entry, as taught in CS231n, written anew.

    The relative error is |g - n| / max(1e-8, |g| + |n|), the largest over all entries.
    """
    draw = np.random.default_rng(seed).standard_normal
    y, kept = case.forward(*case.arrays)
    outputs = y if case.several else (y,)
    dy = tuple(_like(draw(np.shape(v)).astype(np.asarray(v).dtype), v) for v in outputs)
    worst = 0.0
    for x, g in zip(case.arrays, case.backward(dy if case.several else dy[0], kept), strict=True):
        n = np.zeros_like(x)
        for at in np.ndindex(x.shape):
            old, sides = x[at], []
            for h in (STEP, -STEP):
                x[at] = old + h
                y = case.forward(*case.arrays)[0]
                sides.append([np.array(v) for v in (y if case.several else (y,))])
            x[at] = old
            terms = zip(*sides, dy, strict=True)
            n[at] = sum(np.sum((up - down) * v) for up, down, v in terms) / (2 * STEP)
        error = np.max(np.abs(g - n) / np.maximum(1e-8, np.abs(g) + np.abs(n)))
        worst = max(worst, error) if error == error else np.inf
    return "rejected" if worst > WRONG else "unresolved" if worst > UNEASY else "accepted"


def _asserts(check: Callable[[], Any]) -> str:
    try:
        check()
    except AssertionError:
        return "rejected"
    return "accepted"


@dataclass(frozen=True)
class Checker:
    """A checker, what it is called, and the package that holds it."""

    label: str
    package: str
    call: Callable[[Case, int], str]

    @property
    def installed(self) -> bool:
        return importlib.util.find_spec(self.package) is not None


CHECKERS = {
    "gradcheck": Checker("gradcheck", "gradcheck", ours),
    "torch-slow": Checker("torch gradcheck", "torch", torch_slow),
    "torch-fast": Checker("torch gradcheck, fast", "torch", torch_fast),
    "jax": Checker("JAX check_vjp", "jax", jax_vjp),
    "autograd": Checker("autograd check_grads", "autograd", hips_autograd),
    "course": Checker("CS231n's, written anew", "numpy", course),
}


def quietly(checker: str, case: Case, seed: int) -> str:
    """The word of one checker on one case, without the warnings on the way."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return CHECKERS[checker].call(case, seed)
