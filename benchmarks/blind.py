"""Wrong gradients that well-known checkers accept with their defaults, and what gradcheck says."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from rich.console import Console

from benchmarks.machine import version
from benchmarks.peers import CHECKERS, case, quietly
from gradcheck import check
from gradcheck.subjects import pair

Array = np.ndarray
LARGEST = 2**18  # entries, where a size is looked for


def sine(x: Array) -> tuple[Array, None]:
    return np.sin(x), None


def sine_backward(dy: Array, cache: None) -> Array:
    return np.zeros_like(dy)  # should be dy cos(x)


def linear(x: Array, w: Array, b: Array) -> tuple[Array, tuple]:
    scale = x.dtype.type(1e3)
    return scale * (x @ w) + b, (x, w, scale)


def linear_backward(dy: Array, cache: tuple) -> tuple[Array, Array, Array]:
    x, w, scale = cache
    dx = scale * dy @ w.T
    dw = scale * x.T @ dy
    db = np.zeros_like(dy[0])  # should be dy.sum(axis=0)
    return dx, dw, db


def layer_norm(x: Array) -> tuple[Array, tuple]:
    centred = x - x.mean(axis=-1, keepdims=True)
    r = 1 / np.sqrt(np.mean(centred**2, axis=-1, keepdims=True) + 1e-5)
    return centred * r, (r,)


def layer_norm_backward(dy: Array, cache: tuple) -> Array:
    (r,) = cache
    return r * (dy - dy.mean(axis=-1, keepdims=True))  # less y mean(dy y): r varies too


def run(*, rounds: int, quick: bool, seed: int) -> list[dict[str, Any]]:
    """One row per demonstration; nothing is timed, whatever `rounds` is."""
    draw = np.random.default_rng(seed).standard_normal
    rows: list[dict[str, Any]] = []
    if CHECKERS["jax"].installed:
        dtypes = ("float32",) if quick else ("float32", "float64")
        rows += [zero_jvp(draw(LARGEST), dtype, seed) for dtype in dtypes]
        rows += [masked_bias((draw((5, 7)), draw((7, 3)), draw(3)), seed)]
    if CHECKERS["torch-fast"].installed:
        rows += [lost_term(draw((1 if quick else 20, 8, 64)), seed)]
    absent = {c.package for c in CHECKERS.values() if not c.installed}
    return rows + [{"absent": package} for package in sorted(absent & {"jax", "torch"})]


def zero_jvp(x: Array, dtype: str, seed: int) -> dict[str, Any]:
    """JAX multiplies its tolerances, absolute and relative, by the number of outputs."""
    import jax
    from jax.test_util import check_jvp

    def jvp(primals: tuple, tangents: tuple) -> tuple[Array, Array]:
        return np.sin(primals[0]), np.zeros_like(tangents[0])

    def accepts(n: int) -> bool:
        try:
            check_jvp(np.sin, jvp, (x[:n].astype(dtype),))
        except AssertionError:
            return False
        return True

    with jax.enable_x64(dtype == "float64"):
        n = least(accepts, sizes(LARGEST))
    given = x[: n or LARGEST].astype(dtype)
    return {
        "what": "sin(x) with a derivative of zero",
        "why": "its tolerances grow with the number of outputs",
        "at": f"{n} outputs, {dtype}" if n else None,
        "said": {"jax.test_util.check_jvp": "accepted" if n else "rejected"},
    } | ours(sine, sine_backward, (given,), seed)


def masked_bias(arrays: tuple, seed: int) -> dict[str, Any]:
    """JAX compares one number over all arguments, which the largest of them rules."""
    arrays = tuple(a.astype(np.float32) for a in arrays)
    subject = pair(linear, linear_backward, arrays)
    return {
        "what": "1000 x @ w + b with db = 0",
        "why": "one scalar is compared for all arguments together",
        "at": "5x7 @ 7x3, float32",
        "said": {"jax.test_util.check_vjp": quietly("jax", case(subject, "float32"), seed)},
    } | ours(linear, linear_backward, arrays, seed)


def lost_term(xs: Array, seed: int) -> dict[str, Any]:
    """Fast mode has directions without negative entries, and a tolerance that grows with size."""

    def said(checker: str, x: Array) -> str:
        return quietly(checker, case(pair(layer_norm, layer_norm_backward, (x,)), "float64"), seed)

    fast = [said("torch-fast", x) for x in xs]
    accepted = fast.count("accepted")
    return {
        "what": "layer norm that takes its variance for a constant",
        "why": f"{accepted} of {len(xs)} draws: directions without sign, a tolerance that grows",
        "at": "{}x{} entries, float64".format(*xs[0].shape),
        "said": {
            "torch gradcheck, fast_mode=True": max(fast, key=fast.count),
            "torch gradcheck": said("torch-slow", xs[0]),
        },
    } | ours(layer_norm, layer_norm_backward, (xs[0],), seed)


def sizes(most: int) -> Iterator[int]:
    """2, 4, 8, ... up to `most`.

    >>> list(sizes(9))
    [2, 4, 8]
    """
    n = 2
    while n <= most:
        yield n
        n *= 2


def least(accepts: Callable[[int], bool], tried: Iterator[int]) -> int | None:
    """The first of the sizes that is accepted, or None."""
    return next((n for n in tried if accepts(n)), None)


def ours(f: Callable, f_backward: Callable, arrays: tuple, seed: int) -> dict[str, Any]:
    report = check(f, f_backward, *arrays, seed=seed, diagnose=False)
    return {"gradcheck": report.verdict, "message": report.message}


def show(console: Console, rows: list[dict[str, Any]], rounds: int) -> None:
    """A paragraph for each."""
    for row in rows:
        if "absent" in row:
            console.print(f"\n{row['absent']} is not installed; it would be asked too")
            continue
        console.print(f"\n[bold]{row['what']}[/] ({row['at'] or 'at every size tried'})")
        for who, word in row["said"].items():
            console.print(f"  {who:33}{word}")
        if "accepted" in row["said"].values():
            console.print(f"  {'':33}({row['why']})", soft_wrap=True)
        console.print(f"  {'gradcheck':33}{row['gradcheck']}: {row['message']}", soft_wrap=True)
    versions = ", ".join(f"{p} {version(p)}" for p in ("jax", "torch") if version(p))
    console.print(f"\n{versions}; defaults everywhere. The least size is found by doubling.")
