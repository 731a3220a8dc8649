"""Products, lengths, angles and distances."""

import numpy as np


def bilinear(x, A, z):
    """One number per row: x_n A z_n."""
    return np.einsum("ni,ij,nj->n", x, A, z), (x, A, z)


def bilinear_backward(dy, cache):
    x, A, z = cache
    dx = np.einsum("n,ij,nj->ni", dy, A, z)
    dA = np.einsum("n,ni,nj->ij", dy, x, z)
    dz = np.einsum("n,ij,ni->nj", dy, A, x)
    return dx, dA, dz


def cosine(a, b):
    na, nb = np.linalg.norm(a, axis=1), np.linalg.norm(b, axis=1)
    cos = (a * b).sum(axis=1) / (na * nb)
    return cos, (a, b, na, nb, cos)


def cosine_backward(dcos, cache):
    a, b, na, nb, cos = cache
    g = (dcos / (na * nb))[:, None]
    da = g * b - (dcos * cos / na**2)[:, None] * a
    db = g * a - (dcos * cos / nb**2)[:, None] * b
    return da, db


def normalize(x):
    n = np.sqrt(np.sum(x**2, axis=1, keepdims=True))
    y = x / n
    return y, (y, n)


def normalize_backward(dy, cache):
    y, n = cache
    along = np.sum(dy * y, axis=1, keepdims=True)
    return (dy - y * along) / n


def distances(a, b):
    """All Euclidean distances between the rows of a (N, D) and of b (M, D)."""
    diff = a[:, None, :] - b[None, :, :]
    dist = np.sqrt((diff**2).sum(axis=2))
    return dist, (diff, dist)


def distances_backward(g, cache):
    diff, dist = cache
    ddiff = (g / dist)[:, :, None] * diff
    return ddiff.sum(axis=1), -ddiff.sum(axis=0)


def gram(X):
    """X X', centred over its rows."""
    Xc = X - X.mean(axis=0)
    return Xc @ Xc.T, Xc


def gram_backward(G, Xc):
    dXc = (G + G.T) @ Xc
    return dXc - dXc.mean(axis=0)


def quadratic(x, A, b):
    """x'Ax / 2 - b'x, A any square matrix."""
    return 0.5 * x @ A @ x - b @ x, (x, A, b)


def quadratic_backward(dy, cache):
    x, A, b = cache
    dx = 0.5 * (A + A.T) @ x - b
    dA = 0.5 * np.outer(x, x)
    return dy * dx, dy * dA, -dy * x


def pca_score(X, W):
    """tanh of a projection and its reconstruction, two outputs."""
    s = np.tanh(X @ W)
    return (s, s @ W.T), (X, W, s)


def pca_score_backward(dys, cache):
    ds, dr = dys
    X, W, s = cache
    ds = ds + dr @ W
    dz = ds * (1 - s * s)
    dW = dr.T @ s + X.T @ dz
    return dz @ W.T, dW


def rows(rng):
    n, m, d = rng.permutation([2, 3, 4, 5, 7])[:3]
    return rng.normal(size=(n, d)), rng.normal(size=(m, d))


def square(rng):
    n, d = rng.permutation([3, 4, 5])[:2]
    return rng.normal(size=(n, d)), rng.normal(size=(d, d)), rng.normal(size=(n, d))


def form(rng):
    d = int(rng.integers(3, 8))
    return rng.normal(size=d), rng.normal(size=(d, d)), rng.normal(size=d)


CASES = {
    "bilinear": square,
    "cosine": lambda rng: tuple(rng.normal(size=(2, 4, int(rng.choice([3, 5, 7]))))),
    "normalize": lambda rng: rows(rng)[:1],
    "distances": rows,
    "gram": lambda rng: rows(rng)[:1],
    "quadratic": form,
    "pca_score": lambda rng: (rng.normal(size=(5, 3)), rng.normal(size=(3, int(rng.choice([2, 4]))))),
}
