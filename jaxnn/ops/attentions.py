"""Attention: every query reads a weighted mean of the values, weighted by how its key fits.

Letters of the shapes: T queries, S keys and as many values, D features of both queries and keys,
M features of the values.
"""

import math

import jax
import jax.numpy as jnp
from jaxtyping import Bool, Float

from jaxnn.shapes import expect

Array = jax.Array


def attention(
    q: Float[Array, "*batch T D"],
    k: Float[Array, "*batch S D"],
    v: Float[Array, "*batch S M"],
    mask: Bool[Array, "*batch T S"] | None = None,
    *,
    causal: bool = False,
    scale: float | None = None,
) -> Float[Array, "*batch T M"]:
    """Scaled dot-product attention, y = softmax(scale q k^T) v.

    `jax.nn.softmax` over no entries is all zeros, and so is its derivative.

    >>> q, k, v = jnp.zeros((2, 1)), jnp.zeros((2, 1)), jnp.array([[1.0], [3.0]])
    >>> attention(q, k, v, causal=True).tolist()
    [[1.0], [2.0]]
    """
    expect(attention, q, k, v, mask)
    T, S, D = q.shape[-2], k.shape[-2], q.shape[-1]
    scale = 1 / math.sqrt(D) if scale is None else scale
    s = scale * jnp.einsum("...td,...sd->...ts", q, k)
    if causal:
        past = jnp.tril(jnp.ones((T, S), bool))
        mask = past if mask is None else mask & past
    p = jax.nn.softmax(s, axis=-1, where=mask)
    return jnp.einsum("...ts,...sm->...tm", p, v)


def blockwise_attention(
    q: Float[Array, "*batch T D"],
    k: Float[Array, "*batch S D"],
    v: Float[Array, "*batch S M"],
    mask: Bool[Array, "*batch T S"] | None = None,
    *,
    causal: bool = False,
    scale: float | None = None,
    block: int = 128,
) -> Float[Array, "*batch T M"]:
    """`attention`, computed over blocks of keys, so that no T x S array is ever held.

    It is the plain form here, T x S array and all: what the blocks must add up to.

    >>> q, k, v = jnp.zeros((2, 1)), jnp.zeros((2, 1)), jnp.array([[1.0], [3.0]])
    >>> blockwise_attention(q, k, v, causal=True, block=1).tolist()
    [[1.0], [2.0]]
    """
    expect(blockwise_attention, q, k, v, mask)
    if block < 1:
        raise ValueError(
            f"blockwise_attention: block is {block}; wanted at least 1 key at a time; 128 is usual"
        )
    return attention(q, k, v, mask, causal=causal, scale=scale)
