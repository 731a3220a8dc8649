"""Positions inside attention: rotation of pairs, linear biases, relative tables."""
import numpy as np


def _angles(T, half):
    return np.outer(np.arange(T), 100.0 ** (-np.arange(half) / half))


def rope_forward(q):
    """q (T, 2 h): the first half of the columns is paired with the second."""
    T, D = q.shape
    ang = _angles(T, D // 2)
    a, b = np.split(q, 2, axis=1)
    out = np.hstack([a * np.cos(ang) - b * np.sin(ang), a * np.sin(ang) + b * np.cos(ang)])
    return out, ang


def rope_backward(dout, ang):
    c, s = np.cos(ang), np.sin(ang)
    d1, d2 = np.split(dout, 2, axis=1)
    da = d1 * c + d2 * s
    db = d2 * c - d1 * s
    return np.hstack([da, db])


def alibi_forward(scores, slopes):
    """scores (H, T, S) minus slope times distance, then a softmax over S."""
    T, S = scores.shape[1:]
    dist = np.abs(np.arange(T)[:, None] - np.arange(S))
    z = scores - slopes[:, None, None] * dist
    p = np.exp(z - z.max(2, keepdims=True))
    p /= p.sum(2, keepdims=True)
    return p, (p, dist)


def alibi_backward(dp, cache):
    p, dist = cache
    dz = p * (dp - np.sum(p * dp, axis=2, keepdims=True))
    dslopes = -np.einsum("hts,ts->h", dz, dist)
    return dz, dslopes


def relative_forward(q, table):
    """q (T, D) against table[t - s + T - 1] (2 T - 1, D), for all t and s."""
    T = len(q)
    idx = np.arange(T)[:, None] - np.arange(T) + T - 1
    return np.einsum("td,tsd->ts", q, table[idx]), (q, table, idx)


def relative_backward(g, cache):
    q, table, idx = cache
    dq = np.einsum("ts,tsd->td", g, table[idx])
    dtable = np.zeros_like(table)
    np.add.at(dtable, idx, g[:, :, None] * q[:, None, :])
    return dq, dtable


def fourier_features(x, B):
    """cos and sin of 2 pi x B, side by side: x (N, I), B (I, M)."""
    ph = 2 * np.pi * x @ B
    return np.concatenate([np.cos(ph), np.sin(ph)], axis=1), (x, B, ph)


def fourier_features_backward(dy, cache):
    x, B, ph = cache
    m = ph.shape[1]
    dph = dy[:, m:] * np.cos(ph) - dy[:, :m] * np.sin(ph)
    dph *= 2 * np.pi
    return dph @ B.T, x.T @ dph


def _q(rng):
    return (rng.normal(size=(rng.integers(3, 6), 2 * rng.integers(2, 5))),)


def _heads(rng):
    H, T, S = rng.permutation([2, 3, 4])
    return rng.normal(size=(H, T, S)), rng.uniform(0.1, 1, H)


def _rel(rng):
    T, D = rng.permutation([3, 4, 5])[:2]
    return rng.normal(size=(T, D)), rng.normal(size=(2 * T - 1, D))


def _ff(rng):
    N, I, M = rng.permutation([2, 3, 5])
    return rng.normal(size=(N, I)) / 4, rng.normal(size=(I, M)) / 2


CASES = {"rope": _q, "alibi": _heads, "relative": _rel, "fourier_features": _ff}
