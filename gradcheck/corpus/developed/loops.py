"""The same few operations by every loop that NumPy knows, forward one way and backward another."""

import numpy as np


def matmul(a, b):
    """Three loops."""
    y = np.zeros((len(a), b.shape[1]))
    for i in range(y.shape[0]):
        for j in range(y.shape[1]):
            for k in range(len(b)):
                y[i, j] += a[i, k] * b[k, j]
    return y, (a, b)


def matmul_backward(dy, cache):
    a, b = cache
    return np.tensordot(dy, b, (1, 1)), np.einsum("ik,ij->kj", a, dy)


def contract(x, A, B):
    """One einsum forward, loops backward."""
    return np.einsum("ni,ijk,nk->nj", x, A, B, optimize=True), (x, A, B)


def contract_backward(dy, cache):
    x, A, B = cache
    dx, dA, dB = np.zeros_like(x), np.zeros_like(A), np.zeros_like(B)
    for n, g in enumerate(dy):
        for j, gj in enumerate(g):
            dx[n] += gj * (A[:, j] @ B[n])
            dB[n] += gj * (x[n] @ A[:, j])
            dA[:, j] += gj * np.multiply.outer(x[n], B[n])
    return dx, dA, dB


def bump(x):
    return np.vectorize(lambda v: float(np.exp(-v * v)))(x), x


def bump_backward(dy, x):
    dx = np.empty_like(x)
    it = np.nditer([x, dy], flags=["multi_index"])
    for v, g in it:
        dx[it.multi_index] = g * -2 * v * np.exp(-v * v)
    return dx


def rowwise(x, w):
    return np.apply_along_axis(lambda r: np.cumsum(r * w), 1, x), (x, w)


def rowwise_backward(dy, cache):
    x, w = cache
    back = np.flip(np.cumsum(np.flip(dy, 1), 1), 1)
    return back * w, (back * x).sum(0)


def strided_conv(x, k):
    """Windows by as_strided."""
    n = len(x) - len(k) + 1
    windows = np.lib.stride_tricks.as_strided(x, (n, len(k)), x.strides * 2)
    return windows @ k, (windows.copy(), k)


def strided_conv_backward(dy, cache):
    windows, k = cache
    dx = np.zeros(len(dy) + len(k) - 1)
    for i, w in enumerate(k):
        dx[i : i + len(dy)] += w * dy
    return dx, dy @ windows


def into(x, y):
    """Everything into one buffer of its own, by `out`."""
    buf = np.empty_like(x)
    np.multiply(x, y, out=buf)
    np.tanh(buf, out=buf)
    np.add(buf, x, out=buf)
    return buf, (x, y)


def into_backward(dz, cache):
    x, y = cache
    g = x * y
    np.cosh(g, out=g)
    np.square(g, out=g)
    np.divide(dz, g, out=g)
    return g * y + dz, np.multiply(g, x)


def table(x):
    """Functions out of a dict, one for each column."""
    fs = {0: np.sin, 1: np.exp, 2: np.arctan}
    return np.stack([fs[j % 3](x[:, j]) for j in range(x.shape[1])], 1), x


def table_backward(dy, x):
    d = [np.cos, np.exp, lambda v: 1 / (1 + v**2)]
    return np.column_stack([d[j % 3](c) * g for j, (c, g) in enumerate(zip(x.T, dy.T))])


def weighted(x, w):
    """A sum over pairs i < j of w[j - i] x[i] x[j], by comprehension."""
    n = len(x)
    pairs = [(i, j) for i in range(n) for j in range(i + 1, n)]
    return np.float64(sum(w[j - i] * x[i] * x[j] for i, j in pairs)), (x, w, pairs)


def weighted_backward(g, cache):
    x, w, pairs = cache
    dx, dw = [0.0] * len(x), [0.0] * len(w)
    for i, j in pairs:
        dx[i] += g * w[j - i] * x[j]
        dx[j] += g * w[j - i] * x[i]
        dw[j - i] += g * x[i] * x[j]
    return np.array(dx), np.array(dw)


def product(rng):
    i, j, k = rng.permutation([2, 3, 4])
    return rng.normal(size=(i, k)), rng.normal(size=(k, j))


def tensors(rng):
    n, i, j, k = rng.permutation([2, 3, 4, 5])
    return rng.normal(size=(n, i)), rng.normal(size=(i, j, k)), rng.normal(size=(n, k))


CASES = {
    "matmul": product,
    "contract": tensors,
    "bump": lambda rng: (rng.normal(size=(3, 4)),),
    "rowwise": lambda rng: (rng.normal(size=(3, 5)), rng.normal(size=5)),
    "strided_conv": lambda rng: (rng.normal(size=9), rng.normal(size=3)),
    "into": lambda rng: (rng.normal(size=(2, 5)), rng.normal(size=(2, 5))),
    "table": lambda rng: (rng.normal(size=(4, int(rng.integers(3, 6)))),),
    "weighted": lambda rng: (rng.normal(size=5), rng.normal(size=5)),
}
