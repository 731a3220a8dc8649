"""seq_tools: the odds and ends of the speech model (reference for the fixed-point port).

No autograd here. Every function keeps what its backward needs in the second return value.
"""
import numpy as np

_WORK = {}


def _buffer(name, like):
    """A scratch array that is reused between calls (saves a lot of time in long runs)."""
    buf = _WORK.get(name)
    if buf is None or buf.shape != like.shape:
        buf = _WORK[name] = np.empty_like(like)
    buf.fill(0.0)
    return buf


def conv_full(x, k):
    """y = np.convolve(x_c, k) for every channel; x (C, T), k (K,) -> (C, T + K - 1)"""
    return np.stack([np.convolve(row, k) for row in x]), (x, k)


def conv_full_backward(dy, saved):
    x, k = saved
    dx = np.stack([np.convolve(row, k[::-1], "valid") for row in dy])
    dk = sum(np.convolve(g, row[::-1], "valid") for g, row in zip(dy, x))
    return dx, dk


def bahdanau(query, keys, Wq, Wk, v):
    """Additive attention. query (D,), keys (S, E), Wq (D, A), Wk (E, A), v (A,) -> context (E,)"""
    t = np.tanh(query @ Wq + keys @ Wk)
    score = t @ v
    p = np.exp(score - score.max())
    p /= p.sum()
    return p @ keys, (query, keys, Wq, Wk, v, t, p)


def bahdanau_backward(dctx, saved):
    query, keys, Wq, Wk, v, t, p = saved
    dkeys = _buffer("dkeys", keys)
    dkeys += np.outer(p, dctx)
    dp = keys @ dctx
    dscore = p * (dp - p @ dp)
    dv = dscore @ t
    da = np.outer(dscore, v)
    np.multiply(da, 1 - t ** 2, out=da)
    dWk = keys.T @ da
    dkeys += da @ Wk.T
    dsum = da.sum(axis=0)
    dWq = np.outer(query, dsum)
    dquery = Wq @ dsum
    return dquery, dkeys.copy(), dWq, dWk, dv


def unit_rows(x):
    """x / |x| per row; a row of zeros stays zero (and gets no gradient)."""
    n = np.sqrt((x * x).sum(axis=1, keepdims=True))
    n_safe = np.where(n == 0, 1.0, n)
    return x / n_safe, (x, n, n_safe)


def unit_rows_backward(dy, saved):
    x, n, n_safe = saved
    u = x / n_safe
    dx = (dy - u * (u * dy).sum(axis=1, keepdims=True)) / n_safe
    return dx * (n > 0)


CASES = {
    "conv_full": lambda rng: (rng.standard_normal((2, 6)), rng.standard_normal(4)),
    "bahdanau": lambda rng: (rng.standard_normal(3), rng.standard_normal((5, 4)), rng.standard_normal((3, 6)),
                             rng.standard_normal((4, 6)), rng.standard_normal(6)),
    "unit_rows": lambda rng: (rng.standard_normal((4, 3)),),
}
