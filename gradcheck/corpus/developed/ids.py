"""Whole numbers that say where things go; they repeat."""

import numpy as np


def lookup(W, ids):
    return W[ids], (W.shape, ids)


def lookup_backward(dy, cache):
    """By a one-hot product."""
    (V, D), ids = cache
    hot = (ids.ravel()[:, None] == np.arange(V)).astype(np.float32)  # 0 and 1 are exact
    return hot.T @ dy.reshape(-1, D), None


def segment_sum(x, segment):
    y = np.zeros((segment.max() + 1, x.shape[1]))
    np.add.at(y, segment, x)
    return y, segment


def segment_sum_backward(dy, segment):
    return dy[segment]


def segment_mean(x, starts):
    """x cut at starts, which begin with 0."""
    size = np.diff(np.r_[starts, len(x)])
    return np.add.reduceat(x, starts) / size, size


def segment_mean_backward(dy, size):
    return np.repeat(dy / size, size), None


def histogram(weights, bins):
    return np.bincount(bins, weights, minlength=5), bins


def histogram_backward(dy, bins):
    return np.take(dy, bins)


def graph_conv(h, W, edges):
    """Each node sums what its neighbours send."""
    src, dst = edges
    m = (h @ W)[src]
    y = np.zeros((len(h), W.shape[1]))
    np.add.at(y, dst, m)
    return y, (h, W, src, dst)


def graph_conv_backward(dy, cache):
    h, W, src, dst = cache
    dm = dy[dst]
    dhW = np.zeros((len(h), W.shape[1]))
    for s, g in zip(src, dm, strict=True):
        dhW[s] += g
    return dhW @ W.T, h.T @ dhW, None


def unique_rows(W, ids):
    """Only the rows in use are ever touched."""
    used, inverse = np.unique(ids, return_inverse=True)
    small = np.tanh(W[used])
    return small[inverse.ravel()], (W.shape, used, inverse.ravel(), small)


def unique_rows_backward(dy, cache):
    shape, used, inverse, small = cache
    g = np.stack([np.bincount(inverse, col, len(used)) for col in dy.T], axis=1)
    dW = np.zeros(shape)
    dW[used] = g * (1 - small**2)
    return dW, None


def permute(x, order):
    return x[:, order], order


def permute_backward(dy, order):
    return dy[:, np.argsort(order)]


def table(rng):
    v, d = rng.permutation([3, 4, 5])[:2]
    ids = rng.integers(0, v, (2, 4))
    ids[0, :2] = 0
    return rng.normal(size=(v, d)), ids


def rows(rng):
    return rng.normal(size=(7, 3)), np.array([0, 2, 2, 1, 0, 2, 4])


def graph(rng):
    return rng.normal(size=(4, 3)), rng.normal(size=(3, 2)), rng.integers(0, 4, (2, 9))


CASES = {
    "lookup": table,
    "segment_sum": rows,
    "segment_mean": lambda rng: (rng.normal(size=9), np.array([0, 2, 3, 7])),
    "histogram": lambda rng: (rng.normal(size=8), rng.integers(0, 5, 8)),
    "graph_conv": graph,
    "unique_rows": lambda rng: (lambda W, ids: (W, ids[0]))(*table(rng)),
    "permute": lambda rng: (rng.normal(size=(2, 5)), rng.permutation(5)),
}
