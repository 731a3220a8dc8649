"""Gradients that are dy itself, parts of it, or views into one array; caches that hold y."""

import numpy as np


def identity(x):
    return x, None


def identity_backward(dy, cache):
    return dy


def transpose(x):
    return x.T, ()


def transpose_backward(dy, cache):
    return dy.T


def add(a, b):
    return a + b, None


def add_backward(dy, _):
    return dy, dy


def flip(x):
    return x[:, ::-1], {}


def flip_backward(dy, cache):
    return dy[:, ::-1]


def split(x):
    k = x.shape[1] // 2
    return (x[:, :k], x[:, k:]), x.shape


def split_backward(dys, shape):
    return np.concatenate(dys, axis=1)


def join(a, b, c):
    return np.concatenate([a, b, c]), (len(a), len(a) + len(b))


def join_backward(dy, ends):
    da, db, dc = np.split(dy, ends)
    return da, db, dc


def mean(x):
    return x.mean(axis=1), x.shape


def mean_backward(dy, shape):
    """A read-only view with stride zero."""
    return np.broadcast_to(dy[:, None] / shape[1], shape)


def diagonal(x):
    return np.diagonal(x).copy(), x.shape


def diagonal_backward(dy, shape):
    dx = np.zeros(shape)
    np.fill_diagonal(dx, dy)
    return dx


def flatten(x):
    y = x.reshape(len(x), -1)
    return y, (y, x.shape)


def flatten_backward(dy, cache):
    y, shape = cache
    return dy.reshape(shape)


def patches(x):
    """Windows of three as a strided view that overlaps itself."""
    return np.lib.stride_tricks.sliding_window_view(x, 3), len(x)


def patches_backward(dy, n):
    dx = np.zeros(n)
    windows = np.lib.stride_tricks.sliding_window_view(dx, 3, writeable=True)
    for row, g in zip(windows, dy, strict=True):
        row += g  # writes through to dx
    return dx


def exp_forward(x):
    y = np.exp(x)
    return y, y


def exp_backward(dy, y):
    return dy * y


def residual_tanh(x):
    y = np.tanh(x)
    return x + y, (y,)


def residual_tanh_backward(dy, cache):
    (y,) = cache
    g = dy.copy()
    g += dy
    g -= dy * y * y
    return g


def m(rng):
    return (rng.normal(size=rng.permutation([2, 3, 4, 5])[:2]),)


def cube(rng):
    return (rng.normal(size=rng.permutation([2, 3, 4])),)


CASES = {
    **dict.fromkeys(["identity", "transpose", "flip", "mean", "exp", "residual_tanh"], m),
    "add": lambda rng: (rng.normal(size=(2, 3)), rng.normal(size=(2, 3))),
    "split": lambda rng: (rng.normal(size=(3, 7)),),
    "join": lambda rng: tuple(rng.normal(size=(k, 2)) for k in rng.permutation([1, 3, 4])),
    "diagonal": lambda rng: (rng.normal(size=(4, 4)),),
    "flatten": cube,
    "patches": lambda rng: (rng.normal(size=7),),
}
