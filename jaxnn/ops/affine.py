"""Affine maps."""

import jax
import jax.numpy as jnp
from jaxtyping import Float

from jaxnn.shapes import expect

Array = jax.Array


def linear(
    x: Float[Array, "*batch D"], w: Float[Array, "D M"], b: Float[Array, " M"] | None = None
) -> Float[Array, "*batch M"]:
    """Affine map of the last axis, y = x w + b.

    Autodiff transposes the product: dx = dy w^T, dw = x^T dy, db = sum of dy.

    >>> linear(jnp.array([[1.0, 2.0]]), jnp.array([[1.0], [10.0]]), jnp.array([0.5])).tolist()
    [[21.5]]
    """
    expect(linear, x, w, b)
    y = x @ w
    if b is not None:
        y = y + b
    return y


def bilinear(
    x1: Float[Array, "*batch I"],
    x2: Float[Array, "*batch J"],
    w: Float[Array, "I J K"],
    b: Float[Array, " K"] | None = None,
) -> Float[Array, "*batch K"]:
    """Bilinear map of the last axes of two inputs, y_k = x1^T w_k x2 + b_k.

    >>> x1, x2, w = jnp.array([[1.0, 2.0]]), jnp.array([[3.0]]), jnp.array([[[1.0]], [[10.0]]])
    >>> bilinear(x1, x2, w, jnp.array([0.5])).tolist()
    [[63.5]]
    """
    expect(bilinear, x1, x2, w, b)
    y = jnp.einsum("...i,ijk,...j->...k", x1, w, x2)
    if b is not None:
        y = y + b
    return y
