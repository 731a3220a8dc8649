"""Additive attention, which aligns a decoder with what its encoder has read."""

import numpy as np
from jaxtyping import Bool, Float

from scratchnn.ops.activations import softmax, softmax_backward, tanh, tanh_backward
from scratchnn.ops.affine import linear, linear_backward
from scratchnn.shapes import expect

Array = np.ndarray


def additive_attention(
    query: Float[Array, "*batch D"],
    keys: Float[Array, "*batch S E"],
    values: Float[Array, "*batch S M"],
    w_q: Float[Array, "D A"],
    w_k: Float[Array, "E A"],
    v: Float[Array, " A"],
    mask: Bool[Array, "*batch S"] | None = None,
) -> tuple[tuple[Float[Array, "*batch M"], Float[Array, "*batch S"]], tuple]:
    """Additive attention of one query over S places, scores v . tanh(query w_q + keys w_k).

        q = query w_q    k = keys w_k    t_s = tanh(q + k_s)    score_s = t_s . v
        a = softmax(score) over the places where mask, 0 elsewhere
        context = sum_s a_s values_s

    a is used by context and is an output itself, of cotangent da_out; q is used at every place:

        da_s = da_out_s + dcontext . values_s where mask, else 0        dvalues_s = a_s dcontext
        dscore_s = a_s (da_s - sum_j da_j a_j)
        dt_s = dscore_s v    dv = sum_s dscore_s t_s
        dk_s = dt_s tanh'(q + k_s)    dq = sum_s dk_s
        dquery = dq w_q^T    dw_q = query^T dq    dkeys = dk w_k^T    dw_k = keys^T dk

    A query whose places are all masked attends to nothing: context, a and its gradients are zero.
    Masked scores are set to half the lowest float, which no score is far from by more than a float
    holds, so the shifted softmax has no inf - inf. Masked keys and values are replaced by zero:
    whatever stands in the padding, NaN too, reaches nothing.

    Args:
        query: what asks, the state of the decoder.
        keys: what it is compared with, one for each place.
        values: what is mixed.
        w_q: weights of the query.
        w_k: weights of the keys.
        v: weights of the A comparisons.
        mask: the places that may be attended to; all, if absent.

    Returns:
        (context, a): the mixed value and the weights, which sum to 1 or are all 0; and the cache of
        `additive_attention_backward`.

    Raises:
        ValueError: shapes do not fit, or an axis is empty.
        TypeError: an array is not floating, or the mask not boolean.

    Source: Bahdanau, Cho and Bengio, Neural Machine Translation by Jointly Learning to Align and
    Translate (2014), arXiv:1409.0473.

    >>> query, keys, w = np.ones((1, 2)), np.ones((1, 3, 2)), np.ones((2, 4))
    >>> mask = np.array([[True, True, False]])
    >>> (context, a), cache = additive_attention(query, keys, 2 * keys, w, w, np.ones(4), mask)
    >>> context.tolist(), a.tolist()
    ([[2.0, 2.0]], [[0.5, 0.5, 0.0]])
    >>> additive_attention_backward((context, a), cache)[2].tolist()
    [[[1.0, 1.0], [1.0, 1.0], [0.0, 0.0]]]
    """
    expect(additive_attention, query, keys, values, w_q, w_k, v, mask)
    m = np.ones(keys.shape[:-1], bool) if mask is None else mask
    keys, values = np.where(m[..., None], keys, 0), np.where(m[..., None], values, 0)
    q, q_cache = linear(query, w_q)
    k, k_cache = linear(keys, w_k)
    t, t_cache = tanh(q[..., None, :] + k)
    score = np.where(m, t @ v, np.finfo(t.dtype).min / 2)
    a, a_cache = softmax(score)
    a = np.where(m, a, 0)
    context = (a[..., None] * values).sum(-2)
    return (context, a), (values, v, m, a, t, q_cache, k_cache, t_cache, a_cache)


def additive_attention_backward(dy: tuple[Array, Array], cache: tuple) -> tuple:
    """context = sum_s a_s values_s, then the softmax, then the scores, then both products."""
    dcontext, da_out = dy
    values, v, m, a, t, q_cache, k_cache, t_cache, a_cache = cache
    dvalues = a[..., None] * dcontext[..., None, :]
    da = np.where(m, da_out + (dcontext[..., None, :] * values).sum(-1), 0)
    dscore = softmax_backward(da, a_cache)
    dv = np.tensordot(dscore, t, axes=dscore.ndim)
    dk = tanh_backward(dscore[..., None] * v, t_cache)
    dq = dk.sum(-2)
    dquery, dw_q, _ = linear_backward(dq, q_cache)
    dkeys, dw_k, _ = linear_backward(dk, k_cache)
    return dquery, dkeys, dvalues, dw_q, dw_k, dv, None
