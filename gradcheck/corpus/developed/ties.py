"""Kinks and ties met on purpose: the inputs are small integers. Each choice here is a subgradient."""

import numpy as np


def relu_forward(x):
    return np.where(x >= 0, x, 0.0), x


def relu_backward(dout, x):
    """One at zero."""
    return np.where(x >= 0, dout, 0.0)


def absolute(x):
    return np.abs(x), x


def absolute_backward(dy, x):
    return dy * np.where(x < 0, -1, 1)


def l1_forward(x, target):
    d = x - target
    return np.abs(d).sum(), d


def l1_backward(dloss, d):
    """Half a step to the right at zero."""
    g = dloss * np.sign(d + 0.5 * (d == 0)) * np.where(d == 0, 0.5, 1)
    return g, -g


def max_pool_forward(x):
    """2 by 2 windows of x (H, W) at every place."""
    H, W = x.shape
    shifted = np.stack([x[i : H - 1 + i, j : W - 1 + j] for i in (0, 1) for j in (0, 1)])
    y = shifted.max(axis=0)
    return y, (shifted == y)


def max_pool_backward(dy, won):
    """Winners share."""
    share = dy * won / won.sum(axis=0)
    H, W = dy.shape
    dx = np.zeros((H + 1, W + 1))
    for k in range(4):
        i, j = divmod(k, 2)
        dx[i : H + i, j : W + j] += share[k]
    return dx


def rowmax(x):
    """The last of the maxima takes all."""
    last = x.shape[1] - 1 - np.argmax(x[:, ::-1], axis=1)
    return x[np.arange(len(x)), last], (x.shape, last)


def rowmax_backward(dy, cache):
    shape, last = cache
    dx = np.zeros(shape)
    dx[range(shape[0]), last] = dy
    return dx


def maximum(a, b):
    return np.maximum(a, b), np.sign(a - b)


def maximum_backward(dy, s):
    return dy * (1 + s) / 2, dy * (1 - s) / 2


def hinge(s, t):
    """t is -1 or 1."""
    return np.maximum(0, 1 - t * s).sum(), (s, t)


def hinge_backward(dloss, cache):
    s, t = cache
    return -dloss * t * (t * s <= 1), None


def clipped(x):
    return np.clip(x, -1, 1), (np.abs(x) <= 1)


def clipped_backward(dy, inside):
    return dy * inside


def small(rng, *shape):
    return rng.integers(-2, 3, shape).astype(float)


CASES = {
    "relu": lambda rng: (small(rng, 3, 5),),
    "absolute": lambda rng: (small(rng, 7),),
    "l1": lambda rng: (small(rng, 3, 4), small(rng, 3, 4)),
    "max_pool": lambda rng: (small(rng, 4, 5),),
    "rowmax": lambda rng: (small(rng, 3, 6),),
    "maximum": lambda rng: (small(rng, 5), small(rng, 5)),
    "hinge": lambda rng: (small(rng, 8), rng.choice([-1, 1], 8)),
    "clipped": lambda rng: (small(rng, 2, 6),),
}
