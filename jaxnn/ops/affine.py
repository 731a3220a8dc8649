"""Affine maps."""

import jax
from jaxtyping import Float

from jaxnn.shapes import expect

Array = jax.Array


def linear(
    x: Float[Array, "*batch D"], w: Float[Array, "D M"], b: Float[Array, " M"] | None = None
) -> Float[Array, "*batch M"]:
    """Affine map of the last axis, y = x w + b.

    Autodiff transposes the product: dx = dy w^T, dw = x^T dy, db = sum of dy.

    >>> import jax.numpy as jnp
    >>> linear(jnp.array([[1.0, 2.0]]), jnp.array([[1.0], [10.0]]), jnp.array([0.5])).tolist()
    [[21.5]]
    """
    expect(linear, x, w, b)
    y = x @ w
    if b is not None:
        y = y + b
    return y
