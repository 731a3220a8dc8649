"""Gradients that are zero, all of them or some, and arguments that have none."""

import numpy as np


def shifted(z, c):
    """Softmax does not see what is added to a whole row."""
    s = z + c[:, None]
    e = np.exp(s - s.max(1, keepdims=True))
    p = e / e.sum(1, keepdims=True)
    return p, p


def shifted_backward(dp, p):
    dz = p * (dp - (p * dp).sum(1, keepdims=True))
    return dz, np.zeros(len(p))


def first(a, b):
    return np.sin(a), (a, b.shape)


def first_backward(dy, cache):
    a, shape = cache
    return dy * np.cos(a), np.zeros(shape)


def rounded(x, w):
    """Whole numbers of x: flat almost everywhere."""
    r = np.floor(x)
    return r * w, r


def rounded_backward(dy, r):
    return np.zeros_like(r), dy * r


def select(mask, a, b):
    return np.where(mask, a, b), mask


def select_backward(dy, mask):
    return None, dy * mask, dy * ~mask


def biased(x, w, b=None):
    """The bias may be missing."""
    y = x @ w
    return (y if b is None else y + b), (x, w, b)


def biased_backward(dy, cache):
    x, w, b = cache
    return dy @ w.T, x.T @ dy, None if b is None else dy.sum(0)


def last_step(xs, lengths):
    """The last valid row of each sequence; the others get nothing."""
    n = np.arange(len(xs))
    return xs[n, lengths - 1], (xs.shape, n, lengths)


def last_step_backward(dy, cache):
    shape, n, lengths = cache
    dx = np.zeros(shape)
    dx[n, lengths - 1] = dy
    return dx


def dead(x, w):
    """No unit is ever on."""
    z = np.maximum(x @ w - 100, 0)
    return z.sum(1) + x[:, 0], (x, w, z)


def dead_backward(dy, cache):
    x, w, z = cache
    dz = dy[:, None] * (z > 0)
    dx = dz @ w.T
    dx[:, 0] += dy
    return dx, x.T @ dz


def repeat(x, times, name="copies"):
    """A number and a word among the arguments."""
    return np.stack([x] * times), times


def repeat_backward(dy, times):
    return sum(dy[k] for k in range(times))


def pair(rng):
    n, d = rng.permutation([2, 3, 5])[:2]
    return rng.normal(size=(n, d)), rng.normal(size=n)


def layer(rng):
    n, d, m = rng.permutation([2, 3, 5])
    return rng.normal(size=(n, d)), rng.normal(size=(d, m)), rng.normal(size=m)


def halves(rng):
    return 3 * rng.normal(size=8), rng.normal(size=8)


CASES = {
    "shifted": pair,
    "first": pair,
    "rounded": halves,
    "select": lambda rng: (rng.random(8) < 0.5, *halves(rng)),
    "biased": [layer, lambda rng: (*layer(rng)[:2], None)],
    "last_step": lambda rng: (rng.normal(size=(4, 5, 2)), rng.integers(1, 6, 4)),
    "dead": lambda rng: layer(rng)[:2],
    "repeat": lambda rng: (rng.normal(size=(2, 3)), 3),
}
