"""Layer, RMS, group and weight normalisation."""

import numpy as np


def layernorm_forward(x, gamma, beta, *, eps=1e-3):
    mu = x.mean(axis=-1, keepdims=True)
    var = x.var(axis=-1, keepdims=True)
    rstd = 1 / np.sqrt(var + eps)
    xhat = (x - mu) * rstd
    cache = {"xhat": xhat, "rstd": rstd, "gamma": gamma}
    return xhat * gamma + beta, cache


def layernorm_backward(dout, cache):
    xhat, rstd, gamma = cache["xhat"], cache["rstd"], cache["gamma"]
    d_beta = dout.sum(axis=(0, 1))
    d_gamma = (dout * xhat).sum(axis=(0, 1))
    d_xhat = dout * gamma
    m1 = d_xhat.mean(axis=-1, keepdims=True)
    m2 = (d_xhat * xhat).mean(axis=-1, keepdims=True)
    d_x = rstd * (d_xhat - m1 - xhat * m2)
    return d_x, d_gamma, d_beta


def rmsnorm(x, g, eps=0.1):
    ms = (x * x).mean(axis=1, keepdims=True) + eps
    r = ms**-0.5
    return x * r * g, (x, g, r)


def rmsnorm_backward(dy, cache):
    x, g, r = cache
    D = x.shape[1]
    dg = np.sum(dy * x * r, axis=0)
    s = np.sum(dy * g * x, axis=1, keepdims=True)
    dx = dy * g * r - x * r**3 * s / D
    return dx, dg


def groupnorm_forward(x, gamma, beta, *, G=2, eps=1e-3):
    """x (N, C, H, W); gamma and beta (1, C, 1, 1)."""
    N, C, H, W = x.shape
    xg = x.reshape(N, G, -1)
    mean = xg.mean(axis=2, keepdims=True)
    std = np.sqrt(((xg - mean) ** 2).mean(axis=2, keepdims=True) + eps)
    xn = ((xg - mean) / std).reshape(x.shape)
    return gamma * xn + beta, {"xn": xn, "std": std, "gamma": gamma, "G": G}


def groupnorm_backward(dout, cache):
    xn, std, gamma, G = cache["xn"], cache["std"], cache["gamma"], cache["G"]
    N = dout.shape[0]
    dbeta = dout.sum(axis=(0, 2, 3), keepdims=True)
    dgamma = (dout * xn).sum(axis=(0, 2, 3), keepdims=True)
    dxn = (dout * gamma).reshape(N, G, -1)
    xn = xn.reshape(N, G, -1)
    size = xn.shape[2]
    sums = dxn.sum(axis=2, keepdims=True) + xn * (dxn * xn).sum(axis=2, keepdims=True)
    dx = (dxn - sums / size) / std
    return dx.reshape(dout.shape), dgamma, dbeta


def weightnorm(v, g):
    """Rows of v to length g."""
    n = np.sqrt((v**2).sum(axis=1))
    return v * (g / n)[:, None], (v, g, n)


def weightnorm_backward(dW, cache):
    v, g, n = cache
    dg = (dW * v).sum(axis=1) / n
    dv = (g / n)[:, None] * dW - (g * dg / n**2)[:, None] * v
    return dv, dg


def tokens(rng):
    n, t, d = rng.permutation([2, 3, 5, 7])[:3]
    return 2 * rng.normal(size=(n, t, d)) - 1, rng.normal(size=d), rng.normal(size=d)


def rows(rng):
    n, d = rng.permutation([3, 4, 5, 7])[:2]
    return rng.normal(size=(n, d)), rng.normal(size=d)


def images(rng):
    n, h, w = rng.permutation([2, 3, 5])
    gamma, beta = rng.normal(size=(2, 1, 4, 1, 1))
    return rng.normal(size=(n, 4, h, w)), gamma, beta


def weights(rng):
    m, d = rng.permutation([3, 4, 5, 7])[:2]
    return rng.normal(size=(m, d)), rng.normal(size=m)


CASES = {"layernorm": tokens, "rmsnorm": rows, "groupnorm": images, "weightnorm": weights}
