# adjoints of dense linear algebra (after Giles 2008), used by the calibration code
import numpy as np
from numpy.linalg import cholesky, inv, slogdet, solve as _solve


def solve(A, B):
    X = _solve(A, B)
    return X, (A, X)


def solve_backward(Xbar, saved):
    A, X = saved
    Bbar = _solve(A.T, Xbar)
    Abar = -Bbar @ X.T
    return Abar, Bbar


def inverse(A):
    C = inv(A)
    return C, C


def inverse_backward(Cbar, C):
    return -C.T @ Cbar @ C.T


def logdet(A):
    """log |det A| of each matrix in a batch (N, D, D)"""
    return slogdet(A)[1], A


def logdet_backward(g, A):
    G = inv(A).transpose(0, 2, 1)
    return g[:, None, None] * G


def chol(S):
    """Lower Cholesky factor of the symmetric part of S."""
    L = cholesky((S + S.T) / 2)
    return L, L


def chol_backward(Lbar, L):
    P = np.tril(L.T @ np.tril(Lbar))
    P[np.diag_indices_from(P)] *= 0.5
    M = _solve(L.T, P)              # L^-T P
    M = _solve(L.T, M.T).T          # ... L^-1
    return (M + M.T) / 2


def _spd(rng, n):
    a = rng.standard_normal((n, n))
    return a @ a.T + n * np.eye(n)


CASES = {
    "solve": lambda rng: (3 * np.eye(4) + rng.standard_normal((4, 4)), rng.standard_normal((4, 3))),
    "inverse": lambda rng: (2.5 * np.eye(3) + rng.standard_normal((3, 3)),),
    "logdet": lambda rng: (3 * np.eye(3) + rng.standard_normal((2, 3, 3)),),
    "chol": lambda rng: (_spd(rng, 4),),
}
