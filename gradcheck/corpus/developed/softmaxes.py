"""Softmax and its relatives, over rows."""

import numpy as np


def softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    p = e / e.sum(axis=1, keepdims=True)
    return p, p


def softmax_backward(dp, p):
    inner = (dp * p).sum(axis=1, keepdims=True)
    dz = p * (dp - inner)
    return dz


def log_softmax(z):
    z = z - np.max(z, axis=1, keepdims=True)
    logp = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
    return logp, logp


def log_softmax_backward(dlogp, logp):
    return dlogp - np.exp(logp) * dlogp.sum(axis=1, keepdims=True)


def logsumexp(z):
    m = z.max(axis=1)
    lse = m + np.log(np.exp(z - m[:, None]).sum(axis=1))
    return lse, (z, lse)


def logsumexp_backward(dlse, cache):
    z, lse = cache
    return dlse[:, None] * np.exp(z - lse[:, None])


def softmax_loss(x, y):
    """Mean cross-entropy of scores x (N, C) and labels y (N,)."""
    N = x.shape[0]
    probs, _ = softmax(x)
    loss = -np.log(probs[np.arange(N), y]).mean()
    return loss, (probs, y)


def softmax_loss_backward(dloss, cache):
    probs, y = cache
    N = probs.shape[0]
    dx = probs.copy()
    dx[np.arange(N), y] -= 1
    dx /= N
    return dx * dloss


def smoothed_loss(x, y, w, *, smooth=0.1, ignore=0):
    """Class-weighted cross-entropy, summed; rows that are labelled `ignore` do not count."""
    N, C = x.shape
    logp, _ = log_softmax(x)
    t = np.full((N, C), smooth / C)
    t[np.arange(N), y] += 1 - smooth
    keep = (y != ignore)[:, None]
    loss = -(keep * t * w * logp).sum()
    return loss, (logp, t, w, keep)


def smoothed_loss_backward(dloss, cache):
    logp, t, w, keep = cache
    g = -dloss * keep * t
    dw = (g * logp).sum(axis=0)
    dlogp = g * w
    dx = dlogp - np.exp(logp) * dlogp.sum(axis=1, keepdims=True)
    return dx, dw


def mixture(z, experts):
    """y_nd = sum_k softmax(z)_nk experts_nkd"""
    p, _ = softmax(z)
    y = np.einsum("nk,nkd->nd", p, experts)
    return y, (p, experts)


def mixture_backward(dy, cache):
    p, experts = cache
    dexperts = p[:, :, None] * dy[:, None, :]
    dp = (experts * dy[:, None, :]).sum(axis=-1)
    dz = p * dp
    dz -= p * dz.sum(axis=1, keepdims=True)
    return dz, dexperts


def scores(rng, offset=0.0):
    n, c = rng.permutation([3, 4, 5, 7])[:2]
    return (offset + rng.normal(size=(n, c)),)


def labelled(rng):
    (x,) = scores(rng)
    y = rng.integers(0, x.shape[1], x.shape[0])
    y[0] = 1
    return x, y


CASES = {
    "softmax": scores,
    "log_softmax": scores,
    "logsumexp": lambda rng: scores(rng, 800.0),
    "softmax_loss": labelled,
    "smoothed_loss": lambda rng: (*(xy := labelled(rng)), rng.uniform(0.5, 2, xy[0].shape[1])),
    "mixture": lambda rng: (rng.normal(size=(5, 3)), rng.normal(size=(5, 3, rng.choice([2, 4, 7])))),
}
