import numpy as np


def affine(x, w, b):
    """x: (N, d1, ..., dk), w: (D, M), b: (M,)"""
    out = x.reshape(x.shape[0], -1).dot(w) + b
    cache = (x, w, b)
    return out, cache


def affine_backward(dout, cache):
    x, w, b = cache
    N = x.shape[0]
    dx = dout.dot(w.T).reshape(x.shape)
    dw = x.reshape(N, -1).T.dot(dout)
    db = np.sum(dout, axis=0)
    return dx, dw, db


def affine_sigmoid(x, w, b):
    a = x @ w.T + b          # w is (out, in) here
    s = 1.0 / (1.0 + np.exp(-a))
    return s, (x, w, s)


def affine_sigmoid_backward(ds, cache):
    x, w, s = cache
    da = ds * s * (1 - s)
    gx = da @ w
    gw = da.T @ x
    gb = da.sum(0)
    return gx, gw, gb


def prelu(x, alpha):
    # one slope per channel, x is (N, C)
    neg = x < 0
    return np.where(neg, alpha * x, x), (x, alpha, neg)


def prelu_backward(dout, cache):
    x, alpha, neg = cache
    dx = np.where(neg, alpha * dout, dout)
    dalpha = np.sum(dout * x * neg, axis=0)
    return dx, dalpha


CASES = {
    "affine": [lambda r: (r.standard_normal((4, 2, 3)), r.standard_normal((6, 5)), r.standard_normal(5)),
               lambda r: (r.standard_normal((3, 7)), r.standard_normal((7, 2)), r.standard_normal(2))],
    "affine_sigmoid": lambda r: (r.standard_normal((5, 3)), r.standard_normal((4, 3)), r.standard_normal(4)),
    "prelu": lambda r: (r.standard_normal((6, 4)), r.uniform(0.05, 0.4, 4)),
}
