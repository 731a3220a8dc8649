"""Tables that are looked up, and tables that are used twice."""

import numpy as np


def embedding(W, ids):
    """Rows of W (V, D) by ids of any shape."""
    return W[ids], (W.shape, ids)


def embedding_backward(dout, cache):
    shape, ids = cache
    dW = np.zeros(shape)
    np.add.at(dW, ids, dout)
    return dW, None


def bag(W, bags):
    """The mean of the rows of each bag; bags (N, L)."""
    return W[bags].mean(axis=1), (W, bags)


def bag_backward(dy, cache):
    W, bags = cache
    N, L = bags.shape
    dW = np.zeros_like(W)
    for n in range(N):
        for k in bags[n]:
            dW[k] += dy[n] / L
    return dW


def positions(x, P, scale):
    """x (N, T, D) plus learned positions P (T, D) times a scalar."""
    return x + scale * P, (P, scale)


def positions_backward(dy, cache):
    P, scale = cache
    dP = scale * dy.sum(axis=0)
    dscale = np.sum(dy * P)
    return dy.copy(), dP, np.array(dscale)


def tied_lm(E, ids, W):
    """Logits by the same table E (V, D) that embeds: tanh(E[ids] W) E'."""
    e = E[ids]
    h = np.tanh(e @ W)
    return h @ E.T, (E, ids, W, e, h)


def tied_lm_backward(dlogits, cache):
    E, ids, W, e, h = cache
    dE = dlogits.T @ h
    da = (dlogits @ E) * (1 - h**2)
    dW = e.T @ da
    de = da @ W.T
    np.add.at(dE, ids, de)
    return dE, None, dW


def gather(x, index):
    """x[n, index[n, k]] for each row n."""
    return np.take_along_axis(x, index, axis=1), (x, index)


def gather_backward(dy, cache):
    x, index = cache
    dx = np.zeros_like(x)
    row = np.arange(len(x))[:, None]
    np.add.at(dx, (row, index), dy)
    return dx, None


def table(rng):
    v, d = rng.permutation([3, 4, 5, 7])[:2]
    ids = rng.integers(0, v, (2, 6))
    ids[0, :3] = 1  # ids repeat
    return rng.normal(size=(v, d)), ids


def placed(rng):
    n, t, d = rng.permutation([2, 3, 4])
    return rng.normal(size=(n, t, d)), rng.normal(size=(t, d)), np.array(rng.normal())


def language_model(rng):
    E, ids = table(rng)
    d = E.shape[1]
    return E, ids[0], rng.normal(size=(d, d))


def indexed(rng):
    x = rng.normal(size=(3, int(rng.integers(4, 8))))
    index = rng.integers(0, x.shape[1], (3, 5))
    index[:, 1] = index[:, 0]
    return x, index


CASES = {
    "embedding": table,
    "bag": table,
    "positions": placed,
    "tied_lm": language_model,
    "gather": indexed,
}
