"""Sums and products whose operands are stretched, and small reshapes."""

import numpy as np


def unbroadcast(g, shape):
    """Sums g over the axes along which an array of that shape was stretched."""
    while g.ndim > len(shape):
        g = g.sum(axis=0)
    for axis, size in enumerate(shape):
        if size == 1:
            g = g.sum(axis=axis, keepdims=True)
    return g


def add(a, b):
    return a + b, (a.shape, b.shape)


def add_backward(dy, cache):
    sa, sb = cache
    da = unbroadcast(dy, sa)
    db = unbroadcast(dy, sb)
    return np.array(da), np.array(db)


def mul(a, b):
    return a * b, (a, b)


def mul_backward(dy, cache):
    a, b = cache
    da = unbroadcast(dy * b, a.shape)
    db = unbroadcast(dy * a, b.shape)
    return da, db


def film(x, c, W):
    """x (N, T, D) scaled and shifted by what a condition c (N, E) says, W (E, 2D)."""
    s, b = np.split(c @ W, 2, axis=1)
    return (1 + s[:, None]) * x + b[:, None], (x, c, W, s)


def film_backward(dy, cache):
    x, c, W, s = cache
    ds = (dy * x).sum(axis=1)
    db = dy.sum(axis=1)
    dsb = np.concatenate([ds, db], axis=1)
    dx = dy * (1 + s[:, None])
    return dx, dsb @ W.T, c.T @ dsb


def divide(a, b):
    """a (N, D) by b (D,)."""
    return a / b, (a, b)


def divide_backward(dy, cache):
    a, b = cache
    da = dy / b
    db = np.sum(-dy * a / b**2, axis=0)
    return da, db


def power(x, k):
    """Positive x (N, D) to the power k (1, D)."""
    y = x**k
    return y, (x, k, y)


def power_backward(dy, cache):
    x, k, y = cache
    dx = dy * k * x ** (k - 1)
    dk = np.sum(dy * y * np.log(x), axis=0, keepdims=True)
    return dx, dk


def outer_sum(u, v, t):
    """tanh(u_i + v_j + t)"""
    y = np.tanh(u[:, None] + v[None, :] + t)
    return y, y


def outer_sum_backward(dy, y):
    g = dy * (1 - y**2)
    return g.sum(axis=1), g.sum(axis=0), np.asarray(g.sum())


def concat(a, b):
    """Side by side, after b was transposed."""
    return np.hstack([a, b.T]), a.shape[1]


def concat_backward(dy, k):
    return dy[:, :k].copy(), dy[:, k:].T.copy()


def stretched(rng):
    n, t, d = rng.permutation([2, 3, 4, 5])[:3]
    return rng.normal(size=(n, t, d)), rng.normal(size=(t, 1))


def conditioned(rng):
    n, t, d, e = rng.permutation([2, 3, 4, 5])
    return rng.normal(size=(n, t, d)), rng.normal(size=(n, e)), rng.normal(size=(e, 2 * d))


def positive(rng):
    n, d = rng.permutation([3, 4, 5])[:2]
    return rng.uniform(0.5, 2, (n, d)), rng.uniform(0.5, 3, (1, d))


CASES = {
    "add": stretched,
    "mul": stretched,
    "film": conditioned,
    "divide": lambda rng: (lambda x, k: (x, k[0]))(*positive(rng)),
    "power": positive,
    "outer_sum": lambda rng: (rng.normal(size=4), rng.normal(size=6), np.array(0.3)),
    "concat": lambda rng: (rng.normal(size=(3, 4)), rng.normal(size=(rng.choice([2, 5]), 3))),
}
