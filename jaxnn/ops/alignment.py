"""Additive attention, which aligns a decoder with what its encoder has read."""

import jax
import jax.numpy as jnp
from jaxtyping import Bool, Float

from jaxnn.ops.activations import tanh
from jaxnn.shapes import expect

Array = jax.Array


def additive_attention(
    query: Float[Array, "*batch D"],
    keys: Float[Array, "*batch S E"],
    values: Float[Array, "*batch S M"],
    w_q: Float[Array, "D A"],
    w_k: Float[Array, "E A"],
    v: Float[Array, " A"],
    mask: Bool[Array, "*batch S"] | None = None,
) -> tuple[Float[Array, "*batch M"], Float[Array, "*batch S"]]:
    """Additive attention of one query over S places, scores v . tanh(query w_q + keys w_k).

    `jax.nn.softmax(where=mask)` gives zeros, and a zero derivative, where all places are masked.

    >>> query, keys, w = jnp.ones((1, 2)), jnp.ones((1, 3, 2)), jnp.ones((2, 4))
    >>> mask = jnp.array([[True, True, False]])
    >>> context, a = additive_attention(query, keys, 2 * keys, w, w, jnp.ones(4), mask)
    >>> context.tolist(), a.tolist()
    ([[2.0, 2.0]], [[0.5, 0.5, 0.0]])
    """
    expect(additive_attention, query, keys, values, w_q, w_k, v, mask)
    if mask is not None:
        keys, values = (jnp.where(mask[..., None], x, 0) for x in (keys, values))
    score = tanh((query @ w_q)[..., None, :] + keys @ w_k) @ v
    a = jax.nn.softmax(score, axis=-1, where=mask)
    context = jnp.einsum("...s,...sm->...m", a, values)
    return context, a
