# normalisation layers for my from-scratch transformer
import numpy as np


def rmsnorm(x, g, eps=1e-6):
    r = 1.0 / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + eps)
    return x * r * g, (x, g, r)


def rmsnorm_backward(dy, cache):
    x, g, r = cache
    n = x.shape[-1]
    xhat = x * r
    dg = np.sum(dy * xhat, axis=tuple(range(x.ndim - 1)))
    t = dy * g
    dx = r * (t - xhat * np.sum(t * xhat, axis=-1, keepdims=True) / n)
    return dx, dg


def layernorm(x, gamma, beta, eps=1e-5):
    mu = x.mean(-1, keepdims=True)
    xc = x - mu
    var = (xc ** 2).mean(-1, keepdims=True)
    istd = (var + eps) ** -0.5
    xn = xc * istd
    return gamma * xn + beta, {"xn": xn, "istd": istd, "gamma": gamma}


def layernorm_backward(dout, c):
    xn, istd, gamma = c["xn"], c["istd"], c["gamma"]
    lead = tuple(range(dout.ndim - 1))
    dbeta = dout.sum(lead)
    dgamma = (dout * xn).sum(lead)
    dxn = dout * gamma
    m1 = dxn.mean(-1, keepdims=True)
    m2 = (dxn * xn).mean(-1, keepdims=True)
    dx = istd * (dxn - m1 - xn * m2)
    return dx, dgamma, dbeta


def zscore_time(x):
    """standardise each channel along time with the *unbiased* std; x (T, C)"""
    T = len(x)
    mu = x.mean(axis=0)
    sd = x.std(axis=0, ddof=1)
    return (x - mu) / sd, (x, mu, sd)


def zscore_time_backward(dz, cache):
    x, mu, sd = cache
    T = len(x)
    dsd = -np.sum(dz * (x - mu), axis=0) / sd ** 2
    dx = dz / sd + dsd * (x - mu) / (sd * (T - 1))
    dmu = -np.sum(dz, axis=0) / sd
    dx += dmu / T
    return dx


def scalenorm_block(x, W, s):
    """y = x + (s * x / |x|) @ W, ScaleNorm of Nguyen & Salazar; s (1,)"""
    ln = np.linalg.norm(x, axis=1, keepdims=True)
    u = x / ln
    return x + (s * u) @ W, (u, ln, W, s)


def scalenorm_block_backward(dy, cache):
    u, ln, W, s = cache
    dW = (s * u).T @ dy
    dn = dy @ W.T
    ds = np.array([np.sum(dn * u)])
    du = s * dn
    dx = (du - u * (du * u).sum(axis=1, keepdims=True)) / ln
    dx = dx + dy
    return dx, dW, ds


CASES = {
    "rmsnorm": lambda rng: (rng.standard_normal((2, 3, 5)), rng.standard_normal(5)),
    "layernorm": lambda rng: (rng.standard_normal((4, 3, 6)), rng.standard_normal(6), rng.standard_normal(6)),
    "zscore_time": lambda rng: (rng.standard_normal((5, 3)) * 2 + 1,),
    "scalenorm_block": lambda rng: (rng.standard_normal((3, 4)), rng.standard_normal((4, 4)), np.array([1.7])),
}
