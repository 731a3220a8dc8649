"""PReLU / maxout / GLU / GELU / CReLU for the ablation table."""
import numpy as np
from math import sqrt, pi


def prelu(x, a):
    # a: (C,), x: (N, C, L)
    neg = x < 0
    return np.where(neg, a[:, None] * x, x), (x, a, neg)


def prelu_backward(dy, cache):
    x, a, neg = cache
    dx = dy.copy()
    dx[neg] *= np.broadcast_to(a[:, None], x.shape)[neg]
    da = np.sum(dy * x * neg, axis=(0, 2))
    return dx, da


def maxout(x, W, b):
    # W: (pieces, in, out)
    z = np.einsum('ni,kio->kno', x, W) + b[:, None, :]
    k = z.argmax(axis=0)
    return z.max(axis=0), (x, W, k)


def maxout_backward(dy, cache):
    x, W, k = cache
    pieces = W.shape[0]
    onehot = (np.arange(pieces)[:, None, None] == k)
    dz = onehot * dy
    dW = np.einsum('ni,kno->kio', x, dz)
    db = dz.sum(axis=1)
    dx = np.einsum('kno,kio->ni', dz, W)
    return dx, dW, db


def glu(x):
    a, g = np.split(x, 2, axis=-1)
    s = 1 / (1 + np.exp(-g))
    return a * s, (a, s)


def glu_backward(dy, cache):
    a, s = cache
    return np.concatenate([dy * s, dy * a * s * (1 - s)], axis=-1)


def gelu(x):
    u = sqrt(2 / pi) * (x + 0.044715 * x ** 3)
    t = np.tanh(u)
    return 0.5 * x * (1 + t), (x, t)


def gelu_backward(dy, cache):
    x, t = cache
    du = sqrt(2 / pi) * (1 + 3 * 0.044715 * x ** 2)
    return dy * (0.5 * (1 + t) + 0.5 * x * (1 - t ** 2) * du)


CASES = {
    "prelu": lambda rng: (rng.standard_normal((2, 3, 4)), rng.uniform(.1, .5, 3)),
    "maxout": lambda rng: (rng.standard_normal((5, 3)), rng.standard_normal((2, 3, 4)), rng.standard_normal((2, 4))),
    "glu": lambda rng: (rng.standard_normal((3, 8)),),
    "gelu": lambda rng: (2 * rng.standard_normal((3, 5)),),
}
