"""Attention: every query reads a weighted mean of the values, weighted by how its key fits.

Letters of the shapes: T queries, S keys and as many values, D features of both queries and keys,
M features of the values.
"""

import math

import numpy as np
from jaxtyping import Bool, Float

from scratchnn.ops.activations import softmax
from scratchnn.shapes import expect

Array = np.ndarray


def attention(
    q: Float[Array, "*batch T D"],
    k: Float[Array, "*batch S D"],
    v: Float[Array, "*batch S M"],
    mask: Bool[Array, "*batch T S"] | None = None,
    *,
    causal: bool = False,
    scale: float | None = None,
) -> tuple[Float[Array, "*batch T M"], tuple]:
    """Scaled dot-product attention, y = softmax(scale q k^T) v.

        s_ts = scale sum_d q_td k_sd        p_ts = softmax of s_t over the allowed s, else 0
        y_tm = sum_s p_ts v_sm

    Each value is read by every query, each weight by every feature of y:

        dv_sm = sum_t p_ts dy_tm            dp_ts = sum_m dy_tm v_sm
        ds_ts = p_ts (dp_ts - sum_r dp_tr p_tr)
        dq_td = scale sum_s ds_ts k_sd      dk_sd = scale sum_t ds_ts q_td

    Where p is 0, so is ds: what is masked gets no gradient. A query that may attend to nothing
    gives zeros and has zero gradients; its softmax over no keys would be 0/0.

    Args:
        q: queries.
        k: keys.
        v: values, one per key.
        mask: True where a query may attend to a key; None for everywhere.
        causal: whether query t may attend to the keys s <= t only, besides the mask.
        scale: of the scores; 1 / sqrt(D) by default, which keeps their variance at 1.

    Returns:
        y and the cache of `attention_backward`.

    Raises:
        ValueError: shapes do not fit, or an axis is empty.
        TypeError: q, k or v is not floating, or the mask not boolean.

    Source: Vaswani et al., Attention Is All You Need, arXiv:1706.03762, section 3.2.1.

    >>> q, k, v = np.zeros((2, 1)), np.zeros((2, 1)), np.array([[1.0], [3.0]])
    >>> y, cache = attention(q, k, v, causal=True)
    >>> y.tolist(), attention_backward(np.ones((2, 1)), cache)[2].tolist()
    ([[1.0], [2.0]], [[1.5], [0.5]])
    """
    expect(attention, q, k, v, mask)
    T, S, D = q.shape[-2], k.shape[-2], q.shape[-1]
    scale = 1 / math.sqrt(D) if scale is None else scale
    s = scale * (q @ k.mT)
    allowed = _allowed(mask, causal, T, np.arange(S))
    if allowed is None:
        p, _ = softmax(s)
    else:
        # a row without a key is computed as if it had them all, and then emptied
        none = ~allowed.any(-1, keepdims=True)
        p, _ = softmax(np.where(allowed | none, s, -np.inf))
        p = p * allowed
    return p @ v, (q, k, v, p, scale)


def attention_backward(dy: Array, cache: tuple) -> tuple[Array, Array, Array, None]:
    """ds_ts = p_ts (dp_ts - sum_r dp_tr p_tr) with dp = dy v^T, between two products."""
    q, k, v, p, scale = cache
    dv = p.mT @ dy
    dp = dy @ v.mT
    ds = p * (dp - (dp * p).sum(-1, keepdims=True))
    dq = scale * (ds @ k)
    dk = scale * (ds.mT @ q)
    return dq, dk, dv, None


def blockwise_attention(
    q: Float[Array, "*batch T D"],
    k: Float[Array, "*batch S D"],
    v: Float[Array, "*batch S M"],
    mask: Bool[Array, "*batch T S"] | None = None,
    *,
    causal: bool = False,
    scale: float | None = None,
    block: int = 128,
) -> tuple[Float[Array, "*batch T M"], tuple]:
    """`attention`, computed over blocks of keys, so that no T x S array is ever held.

    A running maximum m, sum z and output o are corrected as each block of keys arrives:

        m' = max(m, max_s s_ts)             c = exp(m - m')
        z' = c z + sum_s exp(s_ts - m')     o' = c o + sum_s exp(s_ts - m') v_s

    and y = o / z after the last block. What backward needs of all weights is one number per query,
    the log-sum-exp l = m + log z of its scores, since

        p_ts = exp(s_ts - l_t)              sum_r dp_tr p_tr = sum_m dy_tm y_tm

    so it computes the scores again, block by block, and goes on as `attention_backward` does.

    Args:
        q: queries.
        k: keys.
        v: values, one per key.
        mask: True where a query may attend to a key; None for everywhere.
        causal: whether query t may attend to the keys s <= t only, besides the mask.
        scale: of the scores; 1 / sqrt(D) by default.
        block: how many keys at a time; the last block holds what is left.

    Returns:
        y and the cache of `blockwise_attention_backward`.

    Raises:
        ValueError: shapes do not fit, an axis is empty, or block < 1.
        TypeError: q, k or v is not floating, or the mask not boolean.

    Source: Dao et al., FlashAttention, arXiv:2205.14135; the running softmax, Milakov and
    Gimelshein, Online normalizer calculation for softmax, arXiv:1805.02867.

    >>> q, k, v = np.zeros((2, 1)), np.zeros((2, 1)), np.array([[1.0], [3.0]])
    >>> y, cache = blockwise_attention(q, k, v, causal=True, block=1)
    >>> y.tolist(), blockwise_attention_backward(np.ones((2, 1)), cache)[2].tolist()
    ([[1.0], [2.0]], [[1.5], [0.5]])
    """
    expect(blockwise_attention, q, k, v, mask)
    if block < 1:
        raise ValueError(
            f"blockwise_attention: block is {block}; wanted at least 1 key at a time; 128 is usual"
        )
    scale = 1 / math.sqrt(q.shape[-1]) if scale is None else scale
    # below every score but finite, as -inf - -inf is no number
    m = np.full((*q.shape[:-1], 1), np.finfo(q.dtype).min / 2, q.dtype)
    z = np.zeros_like(m)
    o = np.zeros((*q.shape[:-1], v.shape[-1]), q.dtype)
    for keys in _blocks(k.shape[-2], block):
        s = _scores(q, k, mask, causal, scale, keys)
        m_next = np.maximum(m, s.max(-1, keepdims=True))
        c = np.exp(m - m_next)
        e = np.exp(s - m_next)
        z = c * z + e.sum(-1, keepdims=True)
        o = c * o + e @ v[..., keys, :]
        m = m_next
    z = np.where(z == 0, 1, z)  # a query without a key: y = 0 / 1
    y = o / z
    log_z = m + np.log(z)
    return y, (q, k, v, mask, causal, scale, block, y, log_z)


def blockwise_attention_backward(dy: Array, cache: tuple) -> tuple[Array, Array, Array, None]:
    """p_ts = exp(s_ts - l_t) again, block by block;  sum_r dp_tr p_tr = sum_m dy_tm y_tm."""
    q, k, v, mask, causal, scale, block, y, log_z = cache
    dq, dk, dv = np.zeros_like(q), np.empty_like(k), np.empty_like(v)
    dp_p = (dy * y).sum(-1, keepdims=True)
    for keys in _blocks(k.shape[-2], block):
        k_block, v_block = k[..., keys, :], v[..., keys, :]
        p = np.exp(_scores(q, k, mask, causal, scale, keys) - log_z)
        dv[..., keys, :] = p.mT @ dy
        dp = dy @ v_block.mT
        ds = p * (dp - dp_p)
        dq += scale * (ds @ k_block)
        dk[..., keys, :] = scale * (ds.mT @ q)
    return dq, dk, dv, None


def _allowed(mask: Array | None, causal: bool, T: int, keys: Array) -> Array | None:
    """Where the queries 0 to T - 1 may attend to these keys; None for everywhere."""
    if not causal:
        return mask
    past = np.arange(T)[:, None] >= keys
    return past if mask is None else mask & past


def _blocks(S: int, block: int) -> list[slice]:
    return [slice(start, min(start + block, S)) for start in range(0, S, block)]


def _scores(q, k, mask, causal, scale, keys):
    """Scores against one block of keys, -inf where not allowed."""
    s = scale * (q @ k[..., keys, :].mT)
    mask = None if mask is None else mask[..., keys]
    allowed = _allowed(mask, causal, q.shape[-2], np.arange(keys.start, keys.stop))
    return s if allowed is None else np.where(allowed, s, -np.inf)
