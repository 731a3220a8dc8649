"""Multi-head attention: several attentions side by side, each on its own projection.

Letters of the shapes: T queries, S keys, D features, N heads, H features of a head's queries and
keys, G of its values, M features out. Heads stand before time, (*batch, N, T, H), so that they are
one more batch axis of `attention`; in a weight matrix they are blocks of columns, or rows.
"""

import numpy as np
from jaxtyping import Bool, Float

from scratchnn.ops.affine import linear, linear_backward
from scratchnn.ops.attentions import attention, attention_backward
from scratchnn.shapes import expect

Array = np.ndarray


def project_heads(
    x: Float[Array, "*batch T D"],
    w: Float[Array, "D {heads}*H"],
    b: Float[Array, " {heads}*H"] | None = None,
    *,
    heads: int,
) -> tuple[Float[Array, "*batch N T H"], tuple]:
    """An affine map into heads, y_n = x w_n + b_n with one block of columns of w per head n.

        z = x w + b        y_nth = z_t,(nH + h)

    Every entry of z has one place in y, so dz is dy with its axes back, then `linear_backward`.

    Args:
        x: inputs.
        w: weights, one block of H columns per head.
        b: bias, likewise, or None for none.
        heads: number of heads.

    Returns:
        y, N = heads, and the cache of `project_heads_backward`.

    Raises:
        ValueError: shapes do not fit, or the columns of w do not divide into heads.
        TypeError: an array is not floating.

    Source: Vaswani et al., arXiv:1706.03762, section 3.2.2.

    >>> y, cache = project_heads(np.array([[1.0]]), np.array([[1.0, 2.0, 3.0, 4.0]]), heads=2)
    >>> y.tolist(), project_heads_backward(y, cache)[1].tolist()
    ([[[1.0, 2.0]], [[3.0, 4.0]]], [[1.0, 2.0, 3.0, 4.0]])
    """
    expect(project_heads, x, w, b, heads=heads)
    z, linear_cache = linear(x, w, b)
    y = z.reshape(*z.shape[:-1], heads, z.shape[-1] // heads).swapaxes(-2, -3)
    return y, (linear_cache,)


def project_heads_backward(dy: Array, cache: tuple) -> tuple[Array, Array, Array | None]:
    """dz is dy with its heads side by side again; then as for `linear`."""
    (linear_cache,) = cache
    dz = dy.swapaxes(-2, -3)
    dz = dz.reshape(*dz.shape[:-2], dz.shape[-2] * dz.shape[-1])
    return linear_backward(dz, linear_cache)


def merge_heads(x: Float[Array, "*batch N T H"]) -> tuple[Float[Array, "*batch T D"], tuple]:
    """The features of all heads side by side, y_t,(nH + h) = x_nth.

    Every entry has one place in y, so dx is dy with its axes back.

    Args:
        x: one block of features per head.

    Returns:
        y, D = N H, and the cache of `merge_heads_backward`.

    Raises:
        TypeError: x is not a floating array.
        ValueError: x has less than three axes, or an empty one.

    Source: Vaswani et al., arXiv:1706.03762, section 3.2.2.

    >>> y, cache = merge_heads(np.array([[[1.0, 2.0]], [[3.0, 4.0]]]))
    >>> y.tolist(), merge_heads_backward(y, cache).tolist()
    ([[1.0, 2.0, 3.0, 4.0]], [[[1.0, 2.0]], [[3.0, 4.0]]])
    """
    expect(merge_heads, x)
    *batch, N, T, H = x.shape
    return x.swapaxes(-2, -3).reshape(*batch, T, N * H), (N, H)


def merge_heads_backward(dy: Array, cache: tuple) -> Array:
    """dx_nth = dy_t,(nH + h)."""
    N, H = cache
    return dy.reshape(*dy.shape[:-1], N, H).swapaxes(-2, -3)


def grouped_attention(
    q: Float[Array, "*batch {groups}*N T D"],
    k: Float[Array, "*batch N S D"],
    v: Float[Array, "*batch N S M"],
    mask: Bool[Array, "*batch T S"] | None = None,
    *,
    groups: int = 1,
    causal: bool = False,
) -> tuple[Float[Array, "*batch {groups}*N T M"], tuple]:
    """Attention of groups of query heads that share a key and value head, one mask for all.

        y_n = attention(q_n, k_j, v_j, mask)        j = n // groups

    groups = 1 is multi-head attention; one key head in all is multi-query attention. k_j is used
    by all the query heads of its group, so its shares are summed, and v_j's likewise:

        dk_j = sum of dk_n over the n with n // groups = j

    Args:
        q: queries of every head.
        k: keys of every group.
        v: values of every group.
        mask: True where a query may attend to a key; None for everywhere.
        groups: query heads per key head.
        causal: whether query t may attend to the keys s <= t only, besides the mask.

    Returns:
        y and the cache of `grouped_attention_backward`.

    Raises:
        ValueError: shapes do not fit, or an axis is empty.
        TypeError: q, k or v is not floating, or the mask not boolean.

    Source: Ainslie et al., GQA, arXiv:2305.13245; multi-query, Shazeer, arXiv:1911.02150.

    >>> q, k, v = np.zeros((2, 1, 1)), np.zeros((1, 2, 1)), np.array([[[1.0], [3.0]]])
    >>> y, cache = grouped_attention(q, k, v, groups=2)
    >>> y.tolist(), grouped_attention_backward(np.ones((2, 1, 1)), cache)[2].tolist()
    ([[[2.0]], [[2.0]]], [[[1.0], [1.0]]])
    """
    expect(grouped_attention, q, k, v, mask, groups=groups)
    k_n, v_n = np.repeat(k, groups, axis=-3), np.repeat(v, groups, axis=-3)
    if mask is not None:
        mask = np.broadcast_to(mask[..., None, :, :], (*q.shape[:-1], k.shape[-2]))
    y, attention_cache = attention(q, k_n, v_n, mask, causal=causal)
    return y, (attention_cache, groups)


def grouped_attention_backward(dy: Array, cache: tuple) -> tuple[Array, Array, Array, None]:
    """dk_j and dv_j are sums over the query heads of group j."""
    attention_cache, groups = cache
    dq, dk_n, dv_n, _ = attention_backward(dy, attention_cache)
    dk, dv = _sum_groups(dk_n, groups), _sum_groups(dv_n, groups)
    return dq, dk, dv, None


def _sum_groups(x: Array, groups: int) -> Array:
    *batch, N, S, D = x.shape
    return x.reshape(*batch, N // groups, groups, S, D).sum(-3)


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
) -> tuple[Float[Array, "*batch T M"], tuple]:
    """Attention of several heads on projections of the inputs, projected back.

        y = merge(attention(q w_q + b_q, k w_k, v w_v + b_v)) w_o + b_o        head by head

    Backward is the chain of the parts' backwards, last to first. Self-attention gives x three
    times, so dx = dq + dk + dv is its caller's. Keys have no bias: it would add q_t b_k to all
    scores of query t alike, which softmax does not see; its gradient is zero.

    Args:
        q: what the queries are made of.
        k: what the keys are made of.
        v: what the values are made of.
        w_q: query weights, one block of H columns per head.
        w_k: key weights, one block of H columns per key head.
        w_v: value weights, one block of G columns per key head.
        w_o: output weights, one block of G rows per head.
        b_q: bias of the queries, or None for none.
        b_v: bias of the values, or None for none.
        b_o: bias of the outputs, or None for none.
        mask: True where a query may attend to a key; None for everywhere.
        heads: number of query heads.
        kv_heads: number of key and value heads, each shared by heads / kv_heads query heads in a
            row; by default one per query head.
        causal: whether query t may attend to the keys s <= t only, besides the mask.

    Returns:
        y and the cache of `multi_head_attention_backward`.

    Raises:
        ValueError: shapes do not fit, an axis is empty, or kv_heads does not divide heads.
        TypeError: an array is not floating, or the mask not boolean.

    Source: Vaswani et al., arXiv:1706.03762, section 3.2.2; grouped, arXiv:2305.13245.

    >>> x, w = np.array([[1.0, 2.0], [3.0, 4.0]]), np.eye(2)
    >>> y, cache = multi_head_attention(x, x, x, 0 * w, w, w, w, heads=2)
    >>> y.tolist()
    [[2.0, 3.0], [2.0, 3.0]]
    >>> [g.shape for g in multi_head_attention_backward(y, cache)[:7]]
    [(2, 2), (2, 2), (2, 2), (2, 2), (2, 2), (2, 2), (2, 2)]
    """
    kv_heads = heads if kv_heads is None else kv_heads
    if heads % kv_heads:
        raise ValueError(
            f"multi_head_attention: {heads} heads do not divide into {kv_heads} kv_heads; wanted a "
            "multiple; equal numbers share nothing"
        )
    arrays = (q, k, v, w_q, w_k, w_v, w_o, b_q, b_v, b_o, mask)
    expect(multi_head_attention, *arrays, heads=heads, kv_heads=kv_heads)
    q_n, q_cache = project_heads(q, w_q, b_q, heads=heads)
    k_n, k_cache = project_heads(k, w_k, heads=kv_heads)
    v_n, v_cache = project_heads(v, w_v, b_v, heads=kv_heads)
    y_n, attention_cache = grouped_attention(
        q_n, k_n, v_n, mask, groups=heads // kv_heads, causal=causal
    )
    merged, merge_cache = merge_heads(y_n)
    y, o_cache = linear(merged, w_o, b_o)
    return y, (q_cache, k_cache, v_cache, attention_cache, merge_cache, o_cache)


def multi_head_attention_backward(dy: Array, cache: tuple) -> tuple:
    """The backwards of the parts, last to first."""
    q_cache, k_cache, v_cache, attention_cache, merge_cache, o_cache = cache
    dmerged, dw_o, db_o = linear_backward(dy, o_cache)
    dy_n = merge_heads_backward(dmerged, merge_cache)
    dq_n, dk_n, dv_n, _ = grouped_attention_backward(dy_n, attention_cache)
    dq, dw_q, db_q = project_heads_backward(dq_n, q_cache)
    dk, dw_k, _ = project_heads_backward(dk_n, k_cache)
    dv, dw_v, db_v = project_heads_backward(dv_n, v_cache)
    return dq, dk, dv, dw_q, dw_k, dw_v, dw_o, db_q, db_v, db_o, None
