"""Attention: one head with a mask, self-attention of several heads, and the additive kind."""

import math

import numpy as np


def softmax(s):
    s = s - s.max(-1, keepdims=True)
    e = np.exp(s)
    return e / e.sum(-1, keepdims=True)


def attention(q, k, v, mask):
    """q (N, T, D), k (N, S, D), v (N, S, M); where mask (T, S) is False nothing is seen."""
    scale = 1 / math.sqrt(q.shape[-1])
    s = (q @ k.transpose(0, 2, 1)) * scale
    s = np.where(mask, s, -1e9)
    p = softmax(s)
    return p @ v, (q, k, v, mask, p, scale)


def attention_backward(dout, cache):
    q, k, v, mask, p, scale = cache
    dv = p.transpose(0, 2, 1) @ dout
    dp = dout @ v.transpose(0, 2, 1)
    ds = p * (dp - np.sum(p * dp, axis=-1, keepdims=True))
    ds = np.where(mask, ds, 0) * scale
    dq = ds @ k
    dk = ds.transpose(0, 2, 1) @ q
    return dq, dk, dv, None


def self_attention(x, Wq, Wk, Wv, *, heads=2):
    """Causal, x (T, D), all weights (D, D); heads are split off the last axis."""
    T, D = x.shape

    def split(a):
        return a.reshape(T, heads, D // heads).transpose(1, 0, 2)

    q, k, v = split(x @ Wq), split(x @ Wk), split(x @ Wv)
    s = np.einsum("htd,hsd->hts", q, k) / np.sqrt(D / heads)
    s[:, np.triu(np.ones((T, T), bool), 1)] = -np.inf
    p = softmax(s)
    y = np.einsum("hts,hsd->htd", p, v).transpose(1, 0, 2).reshape(T, D)
    return y, dict(x=x, W=(Wq, Wk, Wv), q=q, k=k, v=v, p=p)


def self_attention_backward(dy, c):
    x, (Wq, Wk, Wv), q, k, v, p = (c[n] for n in ("x", "W", "q", "k", "v", "p"))
    heads, T, d = q.shape

    def merge(a):
        return a.transpose(1, 0, 2).reshape(T, heads * d)

    gy = dy.reshape(T, heads, d).transpose(1, 0, 2)
    gv = np.einsum("hts,htd->hsd", p, gy)
    gp = np.einsum("htd,hsd->hts", gy, v)
    gs = p * (gp - (gp * p).sum(-1, keepdims=True)) / np.sqrt(d)
    gq = merge(np.einsum("hts,hsd->htd", gs, k))
    gk = merge(np.einsum("hts,htd->hsd", gs, q))
    gv = merge(gv)
    gx = gq @ Wq.T + gk @ Wk.T + gv @ Wv.T
    return gx, x.T @ gq, x.T @ gk, x.T @ gv


def additive(query, keys, W, U, w):
    """Scores w . tanh(W query + U keys); the mean of the keys under their softmax."""
    a = np.tanh(query @ W + keys @ U)
    p = softmax(a @ w)
    return p @ keys, (query, keys, W, U, w, a, p)


def additive_backward(dy, cache):
    query, keys, W, U, w, a, p = cache
    dp = keys @ dy
    dscores = p * (dp - p @ dp)
    dw = a.T @ dscores
    da = np.outer(dscores, w) * (1 - a**2)
    dW = np.outer(query, da.sum(axis=0))
    dU = keys.T @ da
    dquery = W @ da.sum(axis=0)
    dkeys = np.outer(p, dy) + da @ U.T
    return dquery, dkeys, dW, dU, dw


def masked(rng):
    n, t, s, d, m = rng.permutation([2, 3, 4, 5, 6])
    mask = rng.random((t, s)) < 0.6
    mask[:, 0] = True
    mask[0, 1] = False
    return tuple(rng.normal(size=z) for z in ((n, t, d), (n, s, d), (n, s, m))) + (mask,)


def heads(rng):
    t, d = rng.choice([3, 5, 7]), rng.choice([4, 6])
    return tuple(rng.normal(size=z) for z in ((t, d), (d, d), (d, d), (d, d)))


def keyed(rng):
    s, d, h, q = rng.permutation([2, 3, 4, 5, 6])[:4]
    return tuple(rng.normal(size=z) for z in ((q,), (s, d), (q, h), (d, h), (h,)))


CASES = {"attention": masked, "self_attention": heads, "additive": keyed}
