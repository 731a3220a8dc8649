"""Changes of shape that keep every entry."""

import math

import jax
from jaxtyping import Float

from jaxnn.shapes import expect

Array = jax.Array


def flatten(  # the shape strings are no expressions
    x: Float[Array, "N *rest"],  # noqa: F821
) -> Float[Array, "N D"]:
    """All axes after the first as one, in row-major order.

    >>> import jax.numpy as jnp
    >>> flatten(jnp.zeros((2, 3, 5))).shape
    (2, 15)
    """
    expect(flatten, x)
    N, *rest = x.shape
    return x.reshape(N, math.prod(rest))
