"""Very large, very small and saturated, with formulas that stand it."""

import numpy as np
from scipy.special import expit


def sigmoid(x):
    return expit(x), x


def sigmoid_backward(dy, x):
    """Both tails are exact: neither is one minus the other."""
    return dy * expit(x) * expit(-x)


def tanh(x):
    return np.tanh(x), x


def tanh_backward(dy, x):
    return dy / np.cosh(np.clip(x, -350, 350)) ** 2


def softplus(x):
    return np.log1p(np.exp(-np.abs(x))) + np.maximum(x, 0), x


def softplus_backward(dy, x):
    e = np.exp(-np.abs(x))
    return dy * np.where(x > 0, 1 / (1 + e), e / (1 + e))


def affine(x, w, b):
    return x @ w + b, (x, w)


def affine_backward(dy, cache):
    x, w = cache
    return dy @ w.T, x.T @ dy, dy.sum(0)


def length(x):
    """Safe from overflow: scaled by the largest entry."""
    m = np.abs(x).max()
    r = m * np.sqrt(((x / m) ** 2).sum())
    return r, (x, r)


def length_backward(dy, cache):
    x, r = cache
    return dy * (x / r)


def log_sum_exp(x):
    m = x.max(1, keepdims=True)
    return (m + np.log(np.exp(x - m).sum(1, keepdims=True)))[:, 0], x


def log_sum_exp_backward(dy, x):
    e = np.exp(x - x.max(1, keepdims=True))
    return dy[:, None] * e / e.sum(1, keepdims=True)


def mixed(tiny, huge):
    """One argument of size 1e-6, one of size 1e4."""
    return np.sin(huge / 1e4) * (1e6 * tiny) + huge, (tiny, huge)


def mixed_backward(dy, cache):
    tiny, huge = cache
    angle = huge / 1e4
    return dy * 1e6 * np.sin(angle), dy * (1 + 100 * np.cos(angle) * tiny)


def loss(pred, target):
    """Mean square in units of 1e-6."""
    d = pred - target
    return 1e12 * (d * d).mean(), d


def loss_backward(dy, d):
    g = (2e12 * dy / d.size) * d
    return g, -g


def apart(a, b):
    """Distances of points that are close to each other and far from the origin."""
    diff = a[:, None, :] - b[None, :, :]
    dist = np.sqrt((diff**2).sum(axis=2))
    return dist, diff / dist[:, :, None]


def apart_backward(g, unit):
    g = g[:, :, None] * unit
    return g.sum(axis=1), -g.sum(axis=0)


def wide(rng):
    x = rng.normal(size=(3, 7))
    x[0], x[1] = 40 * np.sign(x[0]), 12 * x[1]
    return (x,)


def far(rng):
    n, d, m = rng.permutation([2, 3, 5])
    return 1e4 * rng.normal(size=(n, d)), 1e-6 * rng.normal(size=(d, m)), rng.normal(size=m)


CASES = {
    "sigmoid": wide,
    "tanh": wide,
    "softplus": wide,
    "affine": far,
    "length": [lambda rng: (1e4 * rng.normal(size=5),), lambda rng: (1e-6 * rng.normal(size=5),)],
    "log_sum_exp": lambda rng: (1e3 + 20 * rng.normal(size=(3, 5)),),
    "mixed": lambda rng: (1e-6 * rng.normal(size=4), 1e4 * rng.normal(size=4)),
    "apart": lambda rng: (1e3 + rng.normal(size=(4, 3)), 1e3 + rng.normal(size=(5, 3))),
    "loss": lambda rng: tuple(1e-6 * rng.normal(size=(2, 3, 4))),
}
