"""Additive attention and an attention-pooling classifier head with an entropy term, padded batches."""
import numpy as np


def additive(query, keys, W, U, b, v, mask):
    """score_s = v . tanh(W q + U k_s + b);  mask (N, S) is 1.0 on real positions (an int array)."""
    pre = (query @ W)[:, None, :] + keys @ U + b
    th = np.tanh(pre)
    e = th @ v
    e = np.where(mask == 1, e, -np.inf)
    e = e - e.max(axis=1, keepdims=True)
    alpha = np.exp(e)
    alpha /= alpha.sum(axis=1, keepdims=True)
    context = np.sum(alpha[:, :, None] * keys, axis=1)
    cache = {"query": query, "keys": keys, "W": W, "U": U, "v": v, "th": th, "alpha": alpha}
    return (context, alpha), cache


def additive_backward(douts, cache):
    dcontext, dalpha_out = douts
    query, keys, W, U, v = (cache[n] for n in ("query", "keys", "W", "U", "v"))
    th, alpha = cache["th"], cache["alpha"]

    dalpha = np.sum(dcontext[:, None, :] * keys, axis=2) + dalpha_out
    dkeys = alpha[:, :, None] * dcontext[:, None, :]

    de = alpha * (dalpha - np.sum(alpha * dalpha, axis=1, keepdims=True))

    dv = np.sum(de[:, :, None] * th, axis=(0, 1))
    dpre = de[:, :, None] * v * (1 - th ** 2)

    db = dpre.sum(axis=(0, 1))
    dq_proj = dpre.sum(axis=1)
    dW = query.T @ dq_proj
    dquery = dq_proj @ W.T
    dU = np.einsum("nsk,nsa->ka", keys, dpre)
    dkeys += dpre @ U.T
    return dquery, dkeys, dW, dU, db, dv, None


def pool(x, w, lengths, beta=0.1):
    """x (N, T, D), w (D,).  Softmax pooling over the valid steps; second output is the mean entropy."""
    N, T, D = x.shape
    ok = np.arange(T) < lengths[:, None]
    s = np.where(ok, x @ w / beta ** 0.5, -1e9)
    a = np.exp(s - s.max(1, keepdims=True)) * ok
    a = a / a.sum(1, keepdims=True)
    loga = np.log(np.where(ok, a, 1.0))
    ent = -(a * loga).sum() / N
    return (np.einsum("nt,ntd->nd", a, x), ent), (x, w, a, loga, beta)


def pool_backward(d, cache):
    dpooled, dent = d
    x, w, a, loga, beta = cache
    N = len(x)
    da = np.einsum("nd,ntd->nt", dpooled, x)
    da = da - dent * (loga + 1) / N
    ds = a * (da - (a * da).sum(1, keepdims=True))
    ds = ds / np.sqrt(beta)
    dx = a[:, :, None] * dpooled[:, None, :] + ds[:, :, None] * w
    dw = np.einsum("nt,ntd->d", ds, x)
    return dx, dw, None


CASES = {
    "additive": lambda r: (r.standard_normal((2, 3)), r.standard_normal((2, 5, 4)), r.standard_normal((3, 6)),
                           r.standard_normal((4, 6)), r.standard_normal(6), r.standard_normal(6),
                           np.array([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]])),
    "pool": [lambda r: (.5 * r.standard_normal((2, 5, 3)), .5 * r.standard_normal(3), np.array([5, 3])),
             lambda r: (.5 * r.standard_normal((3, 4, 2)), .5 * r.standard_normal(2), np.array([2, 4, 3]))],
}
