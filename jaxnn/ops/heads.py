"""Multi-head attention: several attentions side by side, each on its own projection.

Letters of the shapes: T queries, S keys, D features, N heads, H features of a head's queries and
keys, G of its values, M features out. Heads stand before time, (*batch, N, T, H), so that they are
one more batch axis of `attention`; in a weight matrix they are blocks of columns, or rows.
"""

import math

import jax
import jax.numpy as jnp
from jaxtyping import Bool, Float

from jaxnn.ops.affine import linear
from jaxnn.shapes import expect

Array = jax.Array


def project_heads(
    x: Float[Array, "*batch T D"],
    w: Float[Array, "D {heads}*H"],
    b: Float[Array, " {heads}*H"] | None = None,
    *,
    heads: int,
) -> Float[Array, "*batch N T H"]:
    """An affine map into heads, y_n = x w_n + b_n with one block of columns of w per head n.

    >>> project_heads(jnp.array([[1.0]]), jnp.array([[1.0, 2.0, 3.0, 4.0]]), heads=2).tolist()
    [[[1.0, 2.0]], [[3.0, 4.0]]]
    """
    expect(project_heads, x, w, b, heads=heads)
    D, H = w.shape[0], w.shape[1] // heads
    y = jnp.einsum("...td,dnh->...nth", x, w.reshape(D, heads, H))
    if b is not None:
        y = y + b.reshape(heads, 1, H)
    return y


def merge_heads(x: Float[Array, "*batch N T H"]) -> Float[Array, "*batch T D"]:
    """The features of all heads side by side, y_t,(nH + h) = x_nth.

    >>> merge_heads(jnp.array([[[1.0, 2.0]], [[3.0, 4.0]]])).tolist()
    [[1.0, 2.0, 3.0, 4.0]]
    """
    expect(merge_heads, x)
    *batch, N, T, H = x.shape
    return jnp.einsum("...nth->...tnh", x).reshape(*batch, T, N * H)


def grouped_attention(
    q: Float[Array, "*batch {groups}*N T D"],
    k: Float[Array, "*batch N S D"],
    v: Float[Array, "*batch N S M"],
    mask: Bool[Array, "*batch T S"] | None = None,
    *,
    groups: int = 1,
    causal: bool = False,
) -> Float[Array, "*batch {groups}*N T M"]:
    """Attention of groups of query heads that share a key and value head, one mask for all.

    Nothing is repeated here: the query heads of a group are an axis g of their own.

    >>> q, k, v = jnp.zeros((2, 1, 1)), jnp.zeros((1, 2, 1)), jnp.array([[[1.0], [3.0]]])
    >>> grouped_attention(q, k, v, groups=2).tolist()
    [[[2.0]], [[2.0]]]
    """
    expect(grouped_attention, q, k, v, mask, groups=groups)
    *batch, N, S, M = v.shape
    T, D = q.shape[-2:]
    s = jnp.einsum("...ngtd,...nsd->...ngts", q.reshape(*batch, N, groups, T, D), k)
    if mask is not None:
        mask = mask[..., None, None, :, :]
    if causal:
        past = jnp.tril(jnp.ones((T, S), bool))
        mask = past if mask is None else mask & past
    p = jax.nn.softmax(s / math.sqrt(D), axis=-1, where=mask)
    return jnp.einsum("...ngts,...nsm->...ngtm", p, v).reshape(*batch, N * groups, T, M)


def multi_head_attention(
    q: Float[Array, "*batch T D"],
    k: Float[Array, "*batch S D"],
    v: Float[Array, "*batch S D"],
    w_q: Float[Array, "D {heads}*H"],
    w_k: Float[Array, "D {kv_heads}*H"],
    w_v: Float[Array, "D {kv_heads}*G"],
    w_o: Float[Array, "{heads}*G M"],
    b_q: Float[Array, " {heads}*H"] | None = None,
    b_v: Float[Array, " {kv_heads}*G"] | None = None,
    b_o: Float[Array, " M"] | None = None,
    mask: Bool[Array, "*batch T S"] | None = None,
    *,
    heads: int,
    kv_heads: int | None = None,
    causal: bool = False,
) -> Float[Array, "*batch T M"]:
    """Attention of several heads on projections of the inputs, projected back.

    >>> x, w = jnp.array([[1.0, 2.0], [3.0, 4.0]]), jnp.eye(2)
    >>> multi_head_attention(x, x, x, 0 * w, w, w, w, heads=2).tolist()
    [[2.0, 3.0], [2.0, 3.0]]
    """
    kv_heads = heads if kv_heads is None else kv_heads
    if heads % kv_heads:
        raise ValueError(
            f"multi_head_attention: {heads} heads do not divide into {kv_heads} kv_heads; wanted a "
            "multiple; equal numbers share nothing"
        )
    arrays = (q, k, v, w_q, w_k, w_v, w_o, b_q, b_v, b_o, mask)
    expect(multi_head_attention, *arrays, heads=heads, kv_heads=kv_heads)
    q_n = project_heads(q, w_q, b_q, heads=heads)
    k_n = project_heads(k, w_k, heads=kv_heads)
    v_n = project_heads(v, w_v, b_v, heads=kv_heads)
    y_n = grouped_attention(q_n, k_n, v_n, mask, groups=heads // kv_heads, causal=causal)
    return linear(merge_heads(y_n), w_o, b_o)
