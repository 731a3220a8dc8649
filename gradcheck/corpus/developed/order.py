"""Sorting, ranking and picking."""

import numpy as np


def sort(x):
    order = np.argsort(x, axis=1, kind="stable")
    return np.take_along_axis(x, order, 1), order


def sort_backward(dy, order):
    dx = np.empty_like(dy)
    np.put_along_axis(dx, order, dy, 1)
    return dx


def median(x):
    order = np.argsort(x)
    n = len(x)
    middle = order[(n - 1) // 2], order[n // 2]
    return 0.5 * (x[middle[0]] + x[middle[1]]), (n, middle)


def median_backward(dy, cache):
    n, (i, j) = cache
    dx = np.zeros(n)
    dx[i] += dy / 2
    dx[j] += dy / 2
    return dx


def top_k(x, *, k=3):
    """The k largest in falling order, and where they were."""
    index = np.argpartition(-x, k)[:k]
    index = index[np.argsort(-x[index])]
    return (x[index], index), (x.size, index)


def top_k_backward(dys, cache):
    n, index = cache
    dx = np.zeros(n)
    dx[index] = dys[0]
    return dx


def cummax(x):
    y = np.maximum.accumulate(x)
    new = np.r_[True, y[1:] > y[:-1]]
    holder = np.maximum.accumulate(np.where(new, np.arange(len(x)), 0))
    return y, holder


def cummax_backward(dy, holder):
    return np.bincount(holder, weights=dy, minlength=len(dy))


def trimmed_mean(x):
    keep = np.sort(np.argsort(x)[1:-1])
    return x[keep].mean(), (keep, x.shape)


def trimmed_mean_backward(dy, cache):
    keep, shape = cache
    g = np.zeros(shape)
    g[keep] = dy / keep.size
    return g


def spread(x):
    """Largest less smallest of each column."""
    hi, lo = x.argmax(0), x.argmin(0)
    c = np.arange(x.shape[1])
    return x[hi, c] - x[lo, c], (hi, lo, x.shape)


def spread_backward(dy, cache):
    hi, lo, shape = cache
    c = np.arange(shape[1])
    dx = np.zeros(shape)
    dx[hi, c] += dy
    dx[lo, c] -= dy
    return dx


def vector(rng):
    return (rng.normal(size=int(rng.integers(6, 12))),)


def matrix(rng):
    return (rng.normal(size=rng.permutation([3, 5, 7])[:2]),)


CASES = {
    "sort": matrix,
    "median": [vector, lambda rng: (rng.integers(0, 4, 9) / 2,)],
    "top_k": vector,
    "cummax": vector,
    "trimmed_mean": vector,
    "spread": matrix,
}
