"""Derivatives of a few matrix functions (notation after Giles 2008)."""
import numpy as np


def solve(A, B):
    X = np.linalg.solve(A, B)
    return X, (A, X)


def solve_backward(dX, cache):
    A, X = cache
    dB = np.linalg.solve(A.T, dX)
    dA = -dB @ X.T
    return dA, dB


def logdet(A, jitter=0.1):
    """log det of the batch A A^T + jitter I, shape (b, n, m) -> (b,)."""
    K = A @ A.swapaxes(-1, -2) + jitter * np.eye(A.shape[-2])
    sign, val = np.linalg.slogdet(K)
    return val, {"A": A, "K": K}


def logdet_backward(dval, cache):
    Kinv = np.linalg.inv(cache["K"])
    dK = dval[:, None, None] * Kinv
    return 2 * dK @ cache["A"]


def mahalanobis(x, mu, P):
    """0.5 * (x - mu)^T P^{-1} (x - mu) per row of x; P any invertible matrix."""
    Pinv = np.linalg.inv(P)
    d = x - mu
    q = 0.5 * np.einsum("bi,ij,bj->b", d, Pinv, d)
    return q, (d, Pinv)


def mahalanobis_backward(dq, cache):
    d, Pinv = cache
    S = 0.5 * (Pinv + Pinv.T)
    g = dq[:, None] * (d @ S)
    dx = g
    dmu = -g.sum(axis=0)
    dPinv = 0.5 * np.einsum("b,bi,bj->ij", dq, d, d)
    dP = -Pinv.T @ dPinv @ Pinv.T
    return dx, dmu, dP


CASES = {
    "solve": lambda r: (r.standard_normal((4, 4)) + 3 * np.eye(4), r.standard_normal((4, 3))),
    "logdet": lambda r: (r.standard_normal((2, 3, 5)),),
    "mahalanobis": lambda r: (r.standard_normal((5, 3)), r.standard_normal(3),
                              r.standard_normal((3, 3)) + 3 * np.eye(3)),
}
