"""Pairs of which each breaks one thing, to see that it is found and what is said of it."""

import numpy as np

from gradcheck import check


def normal(*shape, seed=5):
    return np.random.default_rng(seed).standard_normal(shape)


X, W, B = normal(4, 3), normal(3, 5, seed=6), normal(5, seed=7)


def affine(x, w, b):
    return x @ w + b, (x, w)


def affine_backward(dy, cache):
    x, w = cache
    return dy @ w.T, x.T @ dy, dy.sum(0)


def edited(edit):
    def backward(dy, cache):
        return edit(*affine_backward(dy, cache))

    return backward


def square(x):
    return x * x, x


def relu(x):
    return np.maximum(x, 0), x


def writes_dy(dy, x):
    dy[x < 0] = 0
    return dy


def empties_cache(dy, cache):
    x = cache.pop()
    return 2 * x * dy


def unseeded(x):
    mask = np.random.default_rng().random(x.shape) < 0.5
    return x * mask, mask


BUFFER = np.zeros((4, 3))


def reuses(dy, x):
    return np.multiply(2 * x, dy, out=BUFFER)


def unfinished(dy, x):
    raise NotImplementedError


def crashes(dy, x):
    raise ValueError("sizes 4 and 3 do not fit")


def overflows(x):
    return np.sqrt((x * x).sum(-1)), x


def overflows_backward(dy, x):
    return x * dy[:, None] / np.sqrt((x * x).sum(-1))[:, None]


PAIRS = {
    "sign": (affine, edited(lambda dx, dw, db: (dx, -dw, db)), X, W, B),
    "mean for sum": (affine, edited(lambda dx, dw, db: (dx, dw, db / 4)), X, W, B),
    "transposed": (affine, edited(lambda dx, dw, db: (dx, dw.T, db)), X, W[:, :3], B[:3]),
    "one entry": (affine, edited(lambda dx, dw, db: (dx, dw, db * (1, 1, 1.5, 1, 1))), X, W, B),
    "shape": (affine, edited(lambda dx, dw, db: (dx, dw.T, db)), X, W, B),
    "two of three": (affine, edited(lambda dx, dw, db: (dx, dw)), X, W, B),
    "none": (affine, edited(lambda dx, dw, db: (dx, None, db)), X, W, B),
    "integers": (affine, edited(lambda dx, dw, db: (dx, dw, np.rint(db).astype(int))), X, W, B),
    "nan": (affine, edited(lambda dx, dw, db: (dx / 0.0, dw, db)), X, W, B),
    "no upstream": (square, lambda dy, x: 2 * x, X),
    "not linear": (square, lambda dy, x: 2 * x * dy * np.abs(dy), X),
    "writes dy": (relu, writes_dy, X),
    "not twice": (lambda x: (x * x, [x]), empties_cache, X),
    "unseeded": (unseeded, lambda dy, mask: dy * mask, X),
    "buffer": (square, reuses, X),
    "unfinished": (square, unfinished, X),
    "crash": (square, crashes, X),
    "forward crash": (lambda x: crashes(x, x), crashes, X),
    "no cache": (lambda x: x * x, lambda dy, x: 2 * x * dy, X),
    "half precision": (overflows, overflows_backward, (300 * X).astype(np.float16)),
    "vacuous": (relu, lambda dy, x: dy * (x > 0), -np.abs(X)),
    "saturated": (lambda x: (np.abs(np.tanh(x)), x), lambda dy, x: dy / np.cosh(x) ** 2, 15 + X),
    "another subgradient": (relu, lambda dy, x: dy * (x >= 0), np.round(X)),
    "blind": (
        lambda x, w: (x * w, (x, w)),
        lambda dy, c: (dy * c[1], dy * c[0]),
        X,
        np.ones((4, 3)),
    ),
    "pass": (affine, affine_backward, X, W, B),
}


def reports():
    """The report of every pair, by name."""
    return {name: check(f, b, *arrays, diagnose=False) for name, (f, b, *arrays) in PAIRS.items()}
