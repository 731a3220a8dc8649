"""Piecewise linear functions, entry by entry, each with a policy for its kinks."""

import jax
import jax.numpy as jnp
from jaxtyping import Float

from jaxnn.shapes import expect

Array = jax.Array


def clip(x: Float[Array, "*batch"], *, low: float, high: float) -> Float[Array, "*batch"]:
    """The nearest number in [low, high], y = min(max(x, low), high).

    Autodiff of `jnp.clip` gives 1/2 at the bounds; here they pass dy on whole.

    >>> clip(jnp.array([-2.0, -1.0, 0.5, 3.0]), low=-1.0, high=1.0).tolist()
    [-1.0, -1.0, 0.5, 1.0]
    """
    expect(clip, x)
    if not low <= high:
        raise ValueError(f"clip: low is {low} and high is {high}; wanted low <= high; swap them")
    return jnp.where((low <= x) & (x <= high), x, jnp.clip(x, low, high))


def maximum(x1: Float[Array, "*batch"], x2: Float[Array, "*batch"]) -> Float[Array, "*batch"]:
    """The larger of two arrays, entry by entry, y = max(x1, x2).

    Autodiff of `jnp.maximum` gives each half of a tie; here it goes to the first.

    >>> maximum(jnp.array([1.0, 2.0, 3.0]), jnp.array([3.0, 2.0, 1.0])).tolist()
    [3.0, 2.0, 3.0]
    """
    expect(maximum, x1, x2)
    return jnp.where(x1 >= x2, x1, x2)


def abs(x: Float[Array, "*batch"]) -> Float[Array, "*batch"]:
    """Absolute value, y = |x|.

    `jnp.abs` has derivative 1 at 0; here it is 0.

    >>> abs(jnp.array([-2.0, 0.0, 3.0])).tolist()
    [2.0, 0.0, 3.0]
    """
    expect(abs, x)
    return jnp.where(x == 0, 0, jnp.abs(x))
