"""Terms that are zero for every input and are therefore not there."""
import numpy as np


def batch_norm(x, gamma, beta):
    mu, var = x.mean(0), x.var(0)
    inv = 1 / np.sqrt(var + 0.05)
    xhat = (x - mu) * inv
    return gamma * xhat + beta, (x - mu, inv, gamma, xhat)


def batch_norm_backward(dy, cache):
    xmu, inv, gamma, xhat = cache
    dxhat = dy * gamma
    dvar = -0.5 * (dxhat * xmu).sum(0) * inv**3
    dmu = -dxhat.sum(0) * inv  # the variance's share is a sum of x - mu, which is zero
    dx = dxhat * inv + dvar * 2 * xmu / len(xmu) + dmu / len(xmu)
    return dx, (dy * xhat).sum(0), dy.sum(0)


def batch_norm_long(x):
    mu = x.mean(0)
    c = x - mu
    sd = np.sqrt((c**2).mean(0) + 0.05)
    return c / sd, (c, sd)


def batch_norm_long_backward(dy, cache):
    c, sd = cache
    dsd = -(dy * c).sum(0) / sd**2
    dc = dy / sd
    dmu = -(dc.sum(0) + (dsd * c / sd / len(c)).sum(0))  # the second is zero, and is there
    return dc + dsd * c / sd / len(c) + dmu / len(c)


def attend(q, k, bias, v):
    """Attention with a bias on the query side of the scores, which softmax does not see."""
    s = q @ k.T + bias[:, None]
    a = np.exp(s - s.max(1, keepdims=True))
    a /= a.sum(1, keepdims=True)
    return a @ v, (q, k, v, a, bias)


def attend_backward(dout, cache):
    q, k, v, a, bias = cache
    da = dout @ v.T
    ds = a * (da - (a * da).sum(1, keepdims=True))
    return ds @ k, ds.T @ q, np.zeros_like(bias), a.T @ dout


def shifted_softmax(x, c):
    """Softmax of the rows of x + c, c one number a row."""
    z = np.exp(x - x.max(1, keepdims=True))
    p = z / z.sum(1, keepdims=True)
    return p, (p, c)


def shifted_softmax_backward(dy, cache):
    p, c = cache
    return p * (dy - (p * dy).sum(1, keepdims=True)), 0 * c


def centred_dot(x, w):
    """(x - mean x) . (w - mean w): only one of the two needs its mean taken off."""
    return (x - x.mean()) @ w, (x, w)


def centred_dot_backward(dy, cache):
    x, w = cache
    return dy * (w - w.mean()), dy * (x - x.mean())


def _bn(rng):
    n, d = rng.choice([4, 5, 6, 7], 2, replace=False)
    return rng.normal(size=(n, d)), rng.normal(size=d), rng.normal(size=d)


def _att(rng):
    t, s, d, e = rng.permutation([2, 3, 4, 5])
    return rng.normal(size=(t, d)), rng.normal(size=(s, d)), rng.normal(size=t), rng.normal(size=(s, e))


CASES = {
    "batch_norm": _bn,
    "batch_norm_long": lambda rng: _bn(rng)[:1],
    "attend": _att,
    "shifted_softmax": lambda rng: (rng.normal(size=(4, rng.integers(2, 6))), rng.normal(size=(4, 1))),
    "centred_dot": lambda rng: tuple(rng.normal(size=(2, rng.integers(3, 9)))),
}
