"""Functions that call themselves, forward and backward."""

import numpy as np


def tree(leaves, w):
    """Folds leaves (L, D) in halves: node = tanh(left w[0] + right w[1])."""
    if len(leaves) == 1:
        return leaves[0] + 0.0, None
    half = len(leaves) // 2
    left, cl = tree(leaves[:half], w)
    right, cr = tree(leaves[half:], w)
    y = np.tanh(left * w[0] + right * w[1])
    return y, (left, right, cl, cr, w, y)


def tree_backward(dy, cache):
    def back(dy, cache):
        if cache is None:
            return dy[None], 0
        left, right, cl, cr, w, y = cache
        dz = dy * (1 - y * y)
        dl, wl = back(dz * w[0], cl)
        dr, wr = back(dz * w[1], cr)
        return np.concatenate([dl, dr]), wl + wr + np.stack([dz * left, dz * right])

    return back(dy, cache)


def horner(x, c):
    if len(c) == 1:
        return c[0] + 0 * x, (x, c, None, None)
    rest, inner = horner(x, c[1:])
    return c[0] + x * rest, (x, c, rest, inner)


def horner_backward(dy, cache):
    x, c, rest, inner = cache
    if rest is None:
        return 0 * x, np.array([dy.sum()])
    dx, dc = horner_backward(dy * x, inner)
    return dx + dy * rest, np.concatenate([[dy.sum()], dc])


def scan(x):
    """Running sums by doubling."""

    def up(v, step):
        return v if step >= len(v) else up(v + np.pad(v, (step, 0))[: len(v)], 2 * step)

    return up(x, 1), len(x)


def scan_backward(dy, n):
    return dy[::-1].cumsum()[::-1]


def determinant(A):
    """By the first row."""

    def minor(M, j):
        return np.delete(M[1:], j, axis=1)

    def det(M):
        if len(M) == 1:
            return M[0, 0]
        return sum((-1) ** j * M[0, j] * det(minor(M, j)) for j in range(len(M)))

    return np.float64(det(A)), A


def determinant_backward(dy, A):
    """The cofactors."""
    return dy * np.linalg.det(A) * np.linalg.inv(A).T


def fir(x, *, order=3):
    """Differences of differences."""
    return (x, order) if order == 0 else (fir(x[1:] - x[:-1], order=order - 1)[0], order)


def fir_backward(dy, order):
    for _ in range(order):
        dy = -np.diff(dy, prepend=0, append=0)
    return dy


def nested(x):
    """A list of lists, flattened by a generator."""

    def walk(v):
        if np.ndim(v) == 0:
            yield np.sin(v) + v * v
        else:
            for u in v:
                yield from walk(u)

    return np.array(list(walk(x))), x


def nested_backward(dy, x):
    return dy.reshape(x.shape) * (np.cos(x) + 2 * x)


CASES = {
    "tree": lambda rng: (rng.normal(size=(int(rng.integers(3, 7)), 4)), rng.normal(size=(2, 4))),
    "horner": lambda rng: (rng.normal(size=6), rng.normal(size=int(rng.integers(3, 6)))),
    "scan": lambda rng: (rng.normal(size=int(rng.integers(5, 12))),),
    "determinant": lambda rng: (rng.normal(size=(4, 4)),),
    "fir": lambda rng: (rng.normal(size=9),),
    "nested": lambda rng: (rng.normal(size=(2, 3, 4)),),
}
