"""The autodiff oracle: `jax.vjp` of a twin, compiled once per op, configuration and shapes.

64-bit floats are switched on for the call alone, and the compiler is told to be quick rather than
clever: a check compiles often and runs seldom.
"""

import importlib.util
from collections.abc import Callable
from functools import cache, partial
from typing import Any

import numpy as np

FAST = {
    "xla_backend_optimization_level": 0,
    "xla_llvm_disable_expensive_passes": True,
    # of XLA in JAX 0.10: it aborts the process on some dilated convolutions of one-entry windows
    "xla_disable_hlo_passes": "algsimp",
}
# entries of all arguments together, from which running costs more than compiling well
LARGE = 4096


def available() -> bool:
    """Whether JAX is installed."""
    return importlib.util.find_spec("jax") is not None


def value_and_pullback(
    twin: Callable, config: dict[str, Any], arrays: tuple, dy: Any
) -> tuple[Any, tuple]:
    """(y, gradients) of a twin, as NumPy arrays; None for arrays without a derivative."""
    import jax

    with jax.enable_x64(True):
        entries = sum(np.size(a) for a in arrays)
        run = _compiled(twin, tuple(sorted(config.items())), entries >= LARGE)
        y, grads = run(arrays, dy)
        grads = tuple(
            None if g is None or g.dtype == jax.dtypes.float0 else np.asarray(g) for g in grads
        )
        return jax.tree.map(np.asarray, y), grads


def forward(twin: Callable, config: dict[str, Any]) -> Callable:
    """The twin's forward, compiled: NumPy arrays to NumPy arrays, in 64 bits."""
    import jax

    run = jax.jit(partial(twin, **config), compiler_options=options())

    def called(*arrays: Any) -> Any:
        with jax.enable_x64(True):
            return jax.tree.map(np.asarray, run(*arrays))

    return called


def options(entries: int = 0) -> dict[str, Any] | None:
    """How the compiler is to work here: cleverly where there is much to compute."""
    import jax

    if jax.default_backend() != "cpu":
        return None
    return FAST if entries < LARGE else {"xla_disable_hlo_passes": "algsimp"}


@cache
def _compiled(twin: Callable, config: tuple[tuple[str, Any], ...], large: bool) -> Callable:
    import jax

    def run(arrays, dy):
        y, pullback = jax.vjp(partial(twin, **dict(config)), *arrays)
        return y, pullback(dy)

    return jax.jit(run, compiler_options=options(LARGE * large))
