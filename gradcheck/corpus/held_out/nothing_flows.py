"""Gradients that are zero, in part or as a whole, and are right to be."""
import numpy as np
from jaxtyping import Float

A = np.ndarray


def unused(x: Float[A, "N D"], spare: Float[A, " M"]):
    return np.sin(x), (x, spare)


def unused_backward(dy, cache):
    x, spare = cache
    return dy * np.cos(x), np.zeros_like(spare)


def steps(x: Float[A, "N D"]):
    """A staircase; its slope is zero wherever it has one."""
    return np.floor(3 * x), x.shape


def steps_backward(dy, shape):
    return np.zeros(shape)


def half_dead(x: Float[A, "N D"], w: Float[A, "D H"]):
    """All units of the second half have a bias so low that they never fire."""
    bias = np.where(np.arange(w.shape[1]) < w.shape[1] / 2, 0.0, -1e3)
    z = x @ w + bias
    return np.maximum(z, 0), (x, w, z)


def half_dead_backward(dy, cache):
    x, w, z = cache
    dz = np.where(z > 0, dy, 0)
    return dz @ w.T, x.T @ dz


def direction_count(x: Float[A, "N D"]):
    """Signs only, scaled by the constant number of columns."""
    return np.sign(x).sum(1) / x.shape[1], x


def direction_count_backward(dy, x):
    return x * 0.0


def annulled(x: Float[A, " N"], y: Float[A, " N"]):
    """x y + (x - y)^2 / 2 - x^2 / 2 - y^2 / 2: always zero."""
    return x * y + (x - y) ** 2 / 2 - x**2 / 2 - y**2 / 2, (x, y)


def annulled_backward(dz, cache):
    x, y = cache
    return dz * (y + (x - y) - x), dz * (x - (x - y) - y)


def first_rows(x: Float[A, "N D"]):
    """Only the first row and the last column are read."""
    return x[0].sum() * x[:, -1], x


def first_rows_backward(g, x):
    dx = np.zeros_like(x)
    dx[:, -1] += g * x[0].sum()
    dx[0] += g @ x[:, -1]
    return dx


def norm_of_unit(x: Float[A, "N D"]):
    """The length of a vector of length one."""
    u = x / np.linalg.norm(x, axis=1, keepdims=True)
    return (u**2).sum(1), (x, u)


def norm_of_unit_backward(dy, cache):
    x, u = cache
    return 0 * x * dy[:, None]
