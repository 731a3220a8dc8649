import numpy as np


def cosine(a, b, eps=1e-8):
    """Row by row cosine similarity -> (N,)"""
    na = np.linalg.norm(a, axis=1)
    nb = np.linalg.norm(b, axis=1)
    num = np.einsum("nd,nd->n", a, b)
    sim = num / (na * nb + eps)
    return sim, (a, b, na, nb, sim, eps)


def cosine_backward(g, cache):
    a, b, na, nb, sim, eps = cache
    den = na * nb + eps
    k = (g / den)[:, None]
    w = (g * sim / den)[:, None]
    da = k * b - w * (nb / na)[:, None] * a
    db = k * a - w * (na / nb)[:, None] * b
    return da, db


def rbf_gram(X, Z, log_ell, log_sf):
    """ARD squared exponential kernel. X (N, D), Z (M, D), log_ell (D,), log_sf (1,)"""
    ell = np.exp(log_ell)
    diff = X[:, None, :] - Z[None, :, :]
    K = np.exp(2 * log_sf[0]) * np.exp(-0.5 * np.sum((diff / ell) ** 2, axis=-1))
    return K, (diff, ell, K)


def rbf_gram_backward(dK, cache):
    diff, ell, K = cache
    G = dK * K
    weighted = G[:, :, None] * diff / ell ** 2
    dX = -weighted.sum(axis=1)
    dZ = weighted.sum(axis=0)
    dlog_ell = (weighted * diff).sum(axis=(0, 1))
    dlog_sf = np.array([2.0 * G.sum()])
    return dX, dZ, dlog_ell, dlog_sf


def mahalanobis(x, mu, P):
    """d_n = sqrt((x_n - mu)^T P (x_n - mu)), P not assumed symmetric."""
    r = x - mu
    Pr = r @ P.T
    d = np.sqrt((r * Pr).sum(1))
    return d, (r, Pr, P, d)


def mahalanobis_backward(dd, cache):
    r, Pr, P, d = cache
    dq = dd / (2 * d)
    dr = dq[:, None] * (Pr + r @ P)
    dP = np.einsum("n,ni,nj->ij", dq, r, r)
    return dr, -dr.sum(axis=0), dP


def pdist_matrix(X):
    """All Euclidean distances between rows (diagonal zero)."""
    sq = (X ** 2).sum(1)
    D2 = np.maximum(sq[:, None] + sq[None, :] - 2 * X @ X.T, 0)
    np.fill_diagonal(D2, 0)
    D = np.sqrt(D2)
    return D, (X, D)


def pdist_matrix_backward(dD, cache):
    X, D = cache
    safe = np.where(D > 0, D, 1.0)
    W = np.where(D > 0, dD / safe, 0.0)
    S = W + W.T
    return S.sum(axis=1)[:, None] * X - S @ X


CASES = {
    "cosine": lambda rng: (rng.standard_normal((4, 3)), rng.standard_normal((4, 3))),
    "rbf_gram": lambda rng: (rng.standard_normal((4, 2)), rng.standard_normal((5, 2)), rng.normal(0, .3, 2), np.array([.2])),
    "mahalanobis": lambda rng: (rng.standard_normal((6, 3)), rng.standard_normal(3),
                                3 * np.eye(3) + 0.5 * rng.standard_normal((3, 3))),
    "pdist_matrix": lambda rng: (rng.standard_normal((5, 3)),),
}
