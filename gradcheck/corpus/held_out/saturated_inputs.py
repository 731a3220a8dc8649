"""Inputs far out, where slopes are tiny or exactly zero in floating point."""
import numpy as np
from scipy.special import erf, expit


def tanh_layer(x, w):
    y = np.tanh(x @ w)
    return y, (x, w)


def tanh_layer_backward(dy, cache):
    x, w = cache
    e = np.exp(-2 * np.abs(x @ w))
    dz = dy * 4 * e / (1 + e) ** 2
    return dz @ w.T, x.T @ dz


def sigmoid(x):
    return expit(x), x


def sigmoid_backward(dy, x):
    return dy * expit(x) * expit(-x)


def peaked_softmax(z):
    e = np.exp(z - z.max(1, keepdims=True))
    p = e / e.sum(1, keepdims=True)
    return p, p


def peaked_softmax_backward(dp, p):
    return p * (dp - (p * dp).sum(1, keepdims=True))


def exact_gelu(x):
    cdf = 0.5 * (1 + erf(x / np.sqrt(2)))
    return x * cdf, (x, cdf)


def exact_gelu_backward(g, cache):
    x, cdf = cache
    return g * (cdf + x * np.exp(-0.5 * x * x) / np.sqrt(2 * np.pi))


def gauss_bump(x, mu):
    """exp(-(x - mu)^2), with x so far from mu that most of it is zero."""
    d = x - mu
    y = np.exp(-d * d)
    return y, (d, y)


def gauss_bump_backward(dy, cache):
    d, y = cache
    g = -2 * d * y * dy
    return g, -g


def stuck_gate(x, keep):
    """A product with a gate that is wide open or shut."""
    k = expit(keep)
    return x * k, (x, keep, k)


def stuck_gate_backward(dy, cache):
    x, keep, k = cache
    return dy * k, dy * x * k * expit(-keep)


def _far(rng):
    return (rng.choice([-1, 1], (4, 3)) * 10.0 ** rng.uniform(0, 2.5, (4, 3)),)


CASES = {
    "tanh_layer": lambda rng: (rng.normal(size=(4, 3)) * 6, rng.normal(size=(3, 2)) * 3),
    "sigmoid": _far,
    "peaked_softmax": lambda rng: (rng.normal(size=(3, 5)) * 12,),
    "exact_gelu": lambda rng: (rng.uniform(-9, 9, (5, 2)),),
    "gauss_bump": lambda rng: (rng.normal(size=6) * 9, rng.normal(size=6)),
    "stuck_gate": lambda rng: (rng.normal(size=5), np.append(rng.normal(size=2), [40.0, -40.0, 800.0])),
}
