"""Textbook functions whose gradients are written in a form that no textbook uses."""
import numpy as np
from jaxtyping import Float

A = np.ndarray


def logistic(x: Float[A, "N D"]):
    return 0.5 + 0.5 * np.tanh(x / 2), x


def logistic_backward(dy, x):
    return dy / (2 + np.exp(x) + np.exp(-x))


def layer_norm(x: Float[A, "N D"]):
    m, s = x.mean(1, keepdims=True), x.std(1, keepdims=True)
    sd = np.sqrt(s * s + 0.01)
    return (x - m) / sd, (x, sd)


def layer_norm_backward(dy, cache):
    x, sd = cache
    D = x.shape[1]
    P = np.eye(D) - np.full((D, D), 1 / D)  # the projection that centres
    rows = []
    for r, v, g in zip(sd[:, 0], x @ P, dy):
        rows.append(P @ (np.eye(D) / r - np.outer(v, v) / (D * r**3)) @ g)
    return np.array(rows)


def softmax(z: Float[A, "N K"]):
    e = np.exp(z - z.max(1, keepdims=True))
    p = e / e.sum(1, keepdims=True)
    return p, p


def softmax_backward(dy, p):
    J = np.einsum("ni,ij->nij", p, np.eye(p.shape[1])) - p[:, :, None] * p[:, None, :]
    return (J @ dy[:, :, None])[:, :, 0]


def affine(x: Float[A, "N I"], w: Float[A, "I O"], b: Float[A, " O"]):
    return x @ w + b, (x, w)


def affine_backward(g, cache):
    x, w = cache
    ones = np.ones(len(x))
    dw = np.kron(x.T, np.eye(w.shape[1])) @ g.ravel()
    return np.inner(g, w), dw.reshape(w.shape), ones @ g


def log_det(m: Float[A, "N N"]):
    """log |det(m + 5 I)|."""
    m = m + 5 * np.eye(len(m))
    return np.linalg.slogdet(m)[1], m


def log_det_backward(dy, m):
    return dy * np.linalg.solve(m.T, np.eye(len(m)))


def solve(m: Float[A, "N N"], b: Float[A, "N K"]):
    m = m + 6 * np.eye(len(m))
    y = np.linalg.solve(m, b)
    return y, (m, y)


def solve_backward(dy, cache):
    m, y = cache
    db = np.linalg.inv(m).T @ dy
    return -np.einsum("ik,jk->ij", db, y), db


def circular_conv(x: Float[A, " N"], k: Float[A, " N"]):
    return np.fft.ifft(np.fft.fft(x) * np.fft.fft(k)).real, (x, k)


def circular_conv_backward(dy, cache):
    x, k = cache
    f = np.fft.fft(dy)
    return (np.fft.ifft(f * np.fft.fft(k).conj()).real, np.fft.ifft(f * np.fft.fft(x).conj()).real)


def cosine(a: Float[A, " D"], b: Float[A, " D"]):
    """Cosine as a difference of squares of unit vectors."""
    u, v = a / np.linalg.norm(a), b / np.linalg.norm(b)
    return 1 - 0.5 * np.sum((u - v) ** 2), (a, b, u, v)


def cosine_backward(dy, cache):
    a, b, u, v = cache
    c = u @ v
    return dy * (v - c * u) / np.sqrt(a @ a), dy * (u - c * v) / np.sqrt(b @ b)
