"""
Decoder side attention for the translation project.

cross_attention : decoder states ask, encoder states answer, padded source tokens are hidden.
alibi_attention : one head over its own sequence, causal, with a learned slope.
"""
import numpy as np

NEG = -1e9


def _softmax_rows(scores):
    e = np.exp(scores - np.max(scores, axis=-1, keepdims=True))
    return e / np.sum(e, axis=-1, keepdims=True)


def _softmax_rows_backward(dprobs, probs):
    inner = np.sum(dprobs * probs, axis=-1, keepdims=True)
    return probs * (dprobs - inner)


def cross_attention(dec, enc, Wq, Wk, Wv, src_is_pad):
    """dec (N, T, D), enc (N, S, E), Wq (D, A), Wk (E, A), Wv (E, V), src_is_pad (N, S) bool."""
    query = dec @ Wq
    key = enc @ Wk
    value = enc @ Wv
    scale = 1.0 / np.sqrt(Wq.shape[1])
    scores = scale * (query @ key.transpose(0, 2, 1))
    scores = np.where(src_is_pad[:, None, :], NEG, scores)
    probs = _softmax_rows(scores)
    context = probs @ value
    cache = dict(dec=dec, enc=enc, Wq=Wq, Wk=Wk, Wv=Wv, pad=src_is_pad,
                 query=query, key=key, value=value, probs=probs, scale=scale)
    return context, cache


def cross_attention_backward(dcontext, cache):
    dec, enc = cache["dec"], cache["enc"]
    probs = cache["probs"]

    dprobs = dcontext @ cache["value"].transpose(0, 2, 1)
    dvalue = probs.transpose(0, 2, 1) @ dcontext

    dscores = _softmax_rows_backward(dprobs, probs)
    dscores = np.where(cache["pad"][:, None, :], 0.0, dscores)
    dscores = dscores * cache["scale"]

    dquery = dscores @ cache["key"]
    dkey = dscores.transpose(0, 2, 1) @ cache["query"]

    dWq = np.einsum("ntd,nta->da", dec, dquery)
    dWk = np.einsum("nse,nsa->ea", enc, dkey)
    dWv = np.einsum("nse,nsv->ev", enc, dvalue)

    ddec = dquery @ cache["Wq"].T
    denc = dkey @ cache["Wk"].T
    denc += dvalue @ cache["Wv"].T
    return ddec, denc, dWq, dWk, dWv


def alibi_attention(q, k, v, slope):
    """q, k (T, A), v (T, V), slope (1,): bias -slope * (i - j) for j <= i."""
    T, A = q.shape
    dist = np.arange(T)[:, None] - np.arange(T)[None, :]
    out = np.zeros_like(v)
    rows = []
    for i in range(T):
        s = k[:i + 1] @ q[i] / np.sqrt(A) - slope[0] * dist[i, :i + 1]
        p = _softmax_rows(s)
        rows.append(p)
        out[i] = p @ v[:i + 1]
    return out, (q, k, v, dist, rows)


def alibi_attention_backward(dout, cache):
    q, k, v, dist, rows = cache
    T, A = q.shape
    dq = np.zeros_like(q)
    dk = np.zeros_like(k)
    dv = np.zeros_like(v)
    dslope = np.zeros(1)
    for i in range(T):
        p = rows[i]
        past = slice(0, i + 1)
        dv[past] += np.outer(p, dout[i])
        dp = v[past] @ dout[i]
        ds = _softmax_rows_backward(dp, p)
        dslope[0] -= ds @ dist[i, past]
        dq[i] = ds @ k[past] / np.sqrt(A)
        dk[past] += ds[:, None] * q[i] / np.sqrt(A)
    return dq, dk, dv, dslope


def pooled(x, w, keep):
    """Mean over the valid tokens of x * w.  x (N, T, D), w (D,), keep (N, T) bool."""
    n = keep.sum(axis=1, keepdims=True)
    out = ((x * w) * keep[:, :, None]).sum(axis=1) / n
    return out, (x, w, keep, n)


def pooled_backward(dout, cache):
    x, w, keep, n = cache
    spread = (dout / n)[:, None, :] * keep[:, :, None]
    dx = spread * w
    dw = (spread * x).sum(axis=(0, 1))
    return dx, dw


def _pad(rng):
    pad = np.zeros((2, 5), dtype=bool)
    pad[0, 3:] = True
    pad[1, 4:] = True
    return pad


CASES = {
    "cross_attention": lambda rng: (
        rng.standard_normal((2, 3, 4)), rng.standard_normal((2, 5, 6)),
        rng.standard_normal((4, 7)), rng.standard_normal((6, 7)), rng.standard_normal((6, 8)), _pad(rng)),
    "alibi_attention": lambda rng: (
        rng.standard_normal((5, 3)), rng.standard_normal((5, 3)), rng.standard_normal((5, 4)),
        np.array([0.4])),
    "pooled": lambda rng: (rng.standard_normal((2, 5, 3)), rng.standard_normal(3), ~_pad(rng)),
}
