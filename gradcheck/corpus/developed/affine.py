"""A dense layer, as in a first course."""

import numpy as np


def affine_forward(x, w, b):
    """x of shape (N, d_1, ..., d_k), w of shape (D, M), b of shape (M,)."""
    out = x.reshape(x.shape[0], -1) @ w + b
    return out, (x, w)


def affine_backward(dout, cache):
    x, w = cache
    rows = x.reshape(x.shape[0], -1)
    dx = (dout @ w.T).reshape(x.shape)
    dw = rows.T @ dout
    db = np.sum(dout, axis=0)
    return dx, dw, db


def relu_forward(x):
    return np.maximum(0, x), x


def relu_backward(dout, cache):
    x = cache
    dx = dout * (x > 0)
    return dx


def affine_relu_forward(x, w, b):
    a, fc_cache = affine_forward(x, w, b)
    out, relu_cache = relu_forward(a)
    return out, (fc_cache, relu_cache)


def affine_relu_backward(dout, cache):
    fc_cache, relu_cache = cache
    da = relu_backward(dout, relu_cache)
    return affine_backward(da, fc_cache)


def some(rng):
    n, m = rng.choice([2, 3, 5, 7], 2, replace=False)
    return rng.normal(size=(n, 2, 3)), rng.normal(size=(6, m)), rng.normal(size=m)


def one(rng):
    return (rng.normal(size=(int(rng.integers(2, 5)), 7)),)


CASES = {"affine": some, "relu": one, "affine_relu": some}
