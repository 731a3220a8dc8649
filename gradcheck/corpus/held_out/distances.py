"""Distances and similarities between all rows of two tables."""
import numpy as np


def sqdist_forward(X, Y):
    XX = (X**2).sum(1)[:, None]
    YY = (Y**2).sum(1)
    return XX - 2 * X @ Y.T + YY, (X, Y)


def sqdist_backward(G, cache):
    X, Y = cache
    gX = 2 * (G.sum(1)[:, None] * X - G @ Y)
    gY = 2 * (G.sum(0)[:, None] * Y - G.T @ X)
    return gX, gY


def cosine_forward(q, docs):
    """Similarity of one query (D,) to docs (N, D)."""
    nq = np.linalg.norm(q)
    nd = np.linalg.norm(docs, axis=1)
    sim = docs @ q / (nd * nq)
    return sim, (q, docs, nq, nd, sim)


def cosine_backward(ds, cache):
    q, docs, nq, nd, sim = cache
    dq = (ds / nd) @ docs / nq - (ds @ sim) * q / nq**2
    ddocs = np.outer(ds / nd, q / nq) - (ds * sim / nd**2)[:, None] * docs
    return dq, ddocs


def rbf_forward(points, anchors, log_width):
    """exp(-|p - a|^2 / (2 s^2)) with a width for each anchor."""
    diff = points[:, None] - anchors[None]
    d2 = (diff**2).sum(-1)
    prec = np.exp(-2 * log_width)
    K = np.exp(-0.5 * d2 * prec)
    return K, {"diff": diff, "d2": d2, "prec": prec, "K": K}


def rbf_backward(dK, cache):
    diff, d2, prec, K = (cache[k] for k in ("diff", "d2", "prec", "K"))
    dE = dK * K
    ddiff = -dE[..., None] * prec[:, None] * diff
    dpoints = ddiff.sum(axis=1)
    danchors = -ddiff.sum(axis=0)
    dlog_width = (dE * d2 * prec).sum(axis=0)
    return dpoints, danchors, dlog_width


def soft_assign(X, C):
    """Soft k-means: softmax over the centres of minus the squared distances."""
    d = ((X[:, None, :] - C) ** 2).sum(2)
    z = np.exp(d.min(1, keepdims=True) - d)
    r = z / z.sum(1, keepdims=True)
    return r, (X, C, r)


def soft_assign_backward(dr, cache):
    X, C, r = cache
    inner = np.sum(dr * r, axis=1, keepdims=True)
    dd = -r * (dr - inner)
    dX = 2 * np.einsum("nk,nkd->nd", dd, X[:, None] - C)
    dC = -2 * np.einsum("nk,nkd->kd", dd, X[:, None] - C)
    return dX, dC


def mahalanobis(x, mu, L):
    """|L' (x - mu)|, rows of x; L (D, D) lower triangular, its upper half unused."""
    c = x - mu
    z = c @ np.tril(L)
    dist = np.sqrt((z**2).sum(1))
    return dist, (c, L, z, dist)


def mahalanobis_backward(g, cache):
    c, L, z, dist = cache
    gz = (g / dist)[:, None] * z
    gL = np.tril(c.T @ gz)
    gx = gz @ np.tril(L).T
    return gx, -gx.sum(axis=0), gL


def _two_tables(rng):
    n, m, d = rng.permutation([2, 3, 5])
    return rng.normal(size=(n, d)), rng.normal(size=(m, d))


def _query(rng):
    X, _ = _two_tables(rng)
    return rng.normal(size=X.shape[1]), X


def _rbf(rng):
    X, Y = _two_tables(rng)
    return X, Y, 0.3 * rng.normal(size=len(Y))


def _maha(rng):
    n, d = rng.permutation([3, 4, 5])[:2]
    return rng.normal(size=(n, d)), rng.normal(size=d), rng.normal(size=(d, d))


CASES = {
    "sqdist": _two_tables,
    "cosine": _query,
    "rbf": _rbf,
    "soft_assign": _two_tables,
    "mahalanobis": _maha,
}
