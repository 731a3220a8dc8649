"""Normalizations: each sample brought to mean 0 and variance 1."""

import jax
import jax.numpy as jnp
from jaxtyping import Float

from jaxnn.shapes import expect

Array = jax.Array


def layer_norm(
    x: Float[Array, "*batch D"],
    gamma: Float[Array, " D"],
    beta: Float[Array, " D"],
    *,
    eps: float = 1e-5,
) -> Float[Array, "*batch D"]:
    """Layer normalization over the last axis, y = gamma n + beta with n = (x - mean) / std.

    >>> layer_norm(jnp.array([[1.0, 3.0]]), jnp.ones(2), jnp.zeros(2), eps=0.0).tolist()
    [[-1.0, 1.0]]
    """
    expect(layer_norm, x, gamma, beta)
    n = (x - x.mean(-1, keepdims=True)) / jnp.sqrt(x.var(-1, keepdims=True) + eps)
    return gamma * n + beta
