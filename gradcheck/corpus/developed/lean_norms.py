"""Normalisations whose backwards look as if they lacked something: what is left out is zero."""

import numpy as np


def batchnorm(x, gamma, beta):
    mu = x.mean(0)
    xc = x - mu
    inv = 1 / np.sqrt((xc * xc).mean(0) + 1e-3)
    return gamma * xc * inv + beta, (xc, inv, gamma)


def batchnorm_backward(dy, cache):
    """The variance moves with the mean by the sum of xc, which is zero, so that is not here."""
    xc, inv, gamma = cache
    dxhat = dy * gamma
    dvar = (dxhat * xc).sum(0) * -0.5 * inv**3
    dmu = -(dxhat * inv).sum(0)
    dx = dxhat * inv + (2 * xc * dvar + dmu) / len(dy)
    return dx, (dy * xc * inv).sum(0), dy.sum(0)


def layernorm(x, g):
    """By the matrix that takes means off."""
    D = x.shape[1]
    P = np.eye(D) - 1 / D
    c = x @ P
    r = np.sqrt((c * c).sum(1, keepdims=True) / D + 1e-2)
    return g * c / r, (P, c, r, g)


def layernorm_backward(dy, cache):
    P, c, r, g = cache
    D = c.shape[1]
    dc = dy * g
    dc = dc / r - c * (dc * c).sum(1, keepdims=True) / (D * r**3)
    return dc @ P, (dy * c / r).sum(0)


def centred_dense(x, W, b):
    """The bias is taken off again by the mean: its gradient is zero."""
    z = x @ W + b
    return np.tanh(z - z.mean(0)), (x, W, z)


def centred_dense_backward(dy, cache):
    x, W, z = cache
    t = np.tanh(z - z.mean(0))
    dz = dy * (1 - t * t)
    dz = dz - dz.mean(0)
    return dz @ W.T, x.T @ dz, np.zeros(W.shape[1])


def instance_norm(x):
    """x (C, N): works on x.T, under the same name."""
    x = x.T
    m, s = x.mean(axis=0), x.std(axis=0)
    x = (x - m) / s
    return x.T, (x, s)


def instance_norm_backward(dx, cache):
    x, s = cache
    dx = dx.T
    dx = dx - dx.mean(axis=0) - x * (dx * x).mean(axis=0)
    dx = dx / s
    return dx.T


def running_norm(x, mean, var, momentum=0.9):
    """Normalised by a mixture of old and new statistics; both are outputs too."""
    m = momentum * mean + (1 - momentum) * x.mean(0)
    v = momentum * var + (1 - momentum) * x.var(0)
    s = np.sqrt(v + 1e-2)
    return ((x - m) / s, m, v), (x, m, s, momentum)


def running_norm_backward(grads, cache):
    dy, dm, dv = grads
    x, m, s, k = cache
    dm = dm - (dy / s).sum(0)
    dv = dv - 0.5 * (dy * (x - m)).sum(0) / s**3
    rest = (1 - k) * (dm + 2 * (x - x.mean(0)) * dv) / len(x)
    return dy / s + rest, k * dm, k * dv


def rows(rng, positive=False):
    n, d = rng.permutation([3, 4, 5, 7])[:2]
    x, g, b = rng.normal(size=(n, d)) + 1, rng.normal(size=d), rng.normal(size=d)
    return x, g, b**2 + 0.1 if positive else b


def dense(rng):
    n, d, m = rng.permutation([3, 4, 5])
    return rng.normal(size=(n, d)), rng.normal(size=(d, m)), rng.normal(size=m)


CASES = {
    "batchnorm": rows,
    "layernorm": lambda rng: rows(rng)[:2],
    "centred_dense": dense,
    "instance_norm": lambda rng: rows(rng)[:1],
    "running_norm": lambda rng: rows(rng, True),
}
