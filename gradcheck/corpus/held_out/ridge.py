"""Closed form ridge regression as a layer (meta-learning homework)."""
import numpy as np
from numpy.linalg import solve as _solve


def ridge(X, y, lam=0.3):
    """w = (X'X + lam I)^-1 X'y"""
    G = X.T @ X + lam * np.eye(X.shape[1])
    w = _solve(G, X.T @ y)
    return w, (X, y, G, w)


def ridge_backward(wbar, saved):
    X, y, G, w = saved
    u = _solve(G, wbar)
    res = y - X @ w
    Xbar = np.outer(res, u) - np.outer(X @ u, w)
    ybar = X @ u
    return Xbar, ybar


CASES = {
    "ridge": lambda rng: (rng.standard_normal((6, 3)), rng.standard_normal(6)),
}
