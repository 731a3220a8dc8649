"""Inputs that are huge, tiny or exactly zero, and gradients that stay finite there."""
import numpy as np


def softplus(x):
    """log(1 + exp(x)), also where exp(x) is beyond the largest float."""
    return np.logaddexp(0, x), x


def softplus_backward(dy, x):
    half = 0.5 * x
    return dy * 0.5 * (1 + np.tanh(half))


def bce_with_logits(z, q):
    """Cross entropy of probabilities q and logits z, also far from zero."""
    return np.mean(np.maximum(z, 0) - z * q + np.log1p(np.exp(-np.abs(z)))), (z, q)


def bce_with_logits_backward(d, cache):
    z, q = cache
    e = np.exp(-np.abs(z))
    p = np.where(z >= 0, 1, e) / (1 + e)
    dz = d * (p - q) / z.size
    dq = -d * z / z.size
    return dz, dq


def unit_rows(v):
    """Rows at unit length; a row of zeros stays as it is."""
    n = np.linalg.norm(v, axis=1, keepdims=True)
    safe = np.where(n > 0, n, 1)
    return v / safe, (v, n, safe)


def unit_rows_backward(g, cache):
    v, n, safe = cache
    u = v / safe
    return (g - u * np.sum(g * u, axis=1, keepdims=True)) / safe


def weighted_mean(x, w):
    """Means of the rows (N, K) with weights in {0, 1}; a row without any gives zero."""
    total = w.sum(1)
    return (x * w).sum(1) / np.maximum(total, 1), (w, total)


def weighted_mean_backward(g, cache):
    w, total = cache
    share = g / np.maximum(total, 1)
    return share[:, None] * w, None


def logsumexp_rows(x):
    """log sum exp over the rows, for logits of any size."""
    m = x.max(axis=1)
    return m + np.log(np.exp(x - m[:, None]).sum(1)), x


def logsumexp_rows_backward(g, x):
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return g[:, None] * e / e.sum(1, keepdims=True)


def row_product(x):
    """The product over each row, in which zeros may stand."""
    return x.prod(axis=1), (x, x.prod(axis=1))


def row_product_backward(g, cache):
    x, y = cache
    dx = np.empty_like(x)
    for j in range(x.shape[1]):
        others = np.delete(x, j, axis=1).prod(axis=1)
        dx[:, j] = g * others
    return dx


def _rows_with_gap(rng):
    n, k = rng.integers(3, 6), rng.integers(2, 5)
    w = rng.integers(0, 2, (n, k))
    w[0], w[1] = 0, 1
    return rng.normal(size=(n, k)), w


def _with_zeros(rng):
    x = rng.normal(size=(rng.integers(3, 6), rng.integers(2, 5)))
    x[0, 1] = x[2, 0] = 0
    return (x,)


CASES = {
    "softplus": lambda rng: (np.append(rng.normal(size=rng.integers(2, 6)) * 3, [750.0, -750.0]),),
    "bce_with_logits": lambda rng: (
        rng.normal(size=(3, 4)) * np.array([1, 30, 900, 2]), rng.uniform(size=(3, 4))),
    "unit_rows": lambda rng: (rng.normal(size=rng.permutation([3, 4, 5])[:2]) * 1e-3,),
    "weighted_mean": _rows_with_gap,
    "logsumexp_rows": lambda rng: (
        rng.normal(size=(rng.integers(2, 5), rng.integers(3, 6))) + 1000,),
    "row_product": _with_zeros,
}
