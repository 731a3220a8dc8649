import numpy as np


def cdist(X, Y, eps=1e-6):
    """Euclidean distances between rows of X (n, d) and rows of Y (m, d)."""
    sq = (X ** 2).sum(1)[:, None] + (Y ** 2).sum(1)[None, :] - 2 * X @ Y.T
    D = np.sqrt(sq + eps)
    return D, (X, Y, D)


def cdist_backward(dD, cache):
    X, Y, D = cache
    G = dD / D
    dX = G.sum(axis=1)[:, None] * X - G @ Y
    dY = G.sum(axis=0)[:, None] * Y - G.T @ X
    return dX, dY


def rbf(X, Z, log_ell, log_var):
    """k(x, z) = s2 * exp(-0.5 sum_d (x_d - z_d)^2 / l_d^2), ARD lengthscales in log space"""
    ell = np.exp(log_ell)
    diff = X[:, None, :] - Z[None, :, :]
    u = diff / ell
    K = np.exp(log_var) * np.exp(-0.5 * np.sum(u * u, axis=-1))
    return K, {"u": u, "ell": ell, "K": K}


def rbf_backward(dK, cache):
    u, ell, K = cache["u"], cache["ell"], cache["K"]
    W = dK * K
    dpair = -W[:, :, None] * u / ell
    dX = dpair.sum(axis=1)
    dZ = -dpair.sum(axis=0)
    dlog_ell = np.einsum("nm,nmd->d", W, u ** 2)
    dlog_var = W.sum()
    return dX, dZ, dlog_ell, np.asarray(dlog_var)


def self_potential(P, q):
    """sum over pairs i<j of q_i q_j / r_ij  (Coulomb energy); P is (n, 3)"""
    n = len(q)
    R = P[:, None] - P[None]
    r2 = (R * R).sum(-1) + np.eye(n)
    inv = (1 - np.eye(n)) / np.sqrt(r2)
    energy = 0.5 * q @ inv @ q
    return energy, (R, inv, q)


def self_potential_backward(dE, cache):
    R, inv, q = cache
    dq = dE * (inv @ q)
    coef = np.outer(q, q) * inv ** 3
    dP = -dE * np.sum(coef[:, :, None] * R, axis=1)
    return dP, dq


CASES = {
    "cdist": lambda r: (r.standard_normal((4, 3)), r.standard_normal((5, 3))),
    "rbf": lambda r: (r.standard_normal((4, 2)), r.standard_normal((3, 2)),
                      0.3 * r.standard_normal(2), np.array(0.2)),
    "self_potential": lambda r: (2 * r.standard_normal((5, 3)), r.standard_normal(5)),
}
