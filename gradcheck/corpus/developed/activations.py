"""Activations. y, cache = f(x) and dx = f_backward(dy, cache)."""

from math import pi, sqrt

import numpy as np
from jaxtyping import Float
from scipy.special import erf, expit

C = sqrt(2 / pi)


def leaky_relu(x: Float[np.ndarray, "N D"], *, slope=0.1):
    return np.where(x > 0, x, slope * x), (x, slope)


def leaky_relu_backward(dy, cache):
    x, slope = cache
    return np.where(x > 0, dy, slope * dy)


def elu(x: Float[np.ndarray, "N D"], *, alpha=0.7):
    y = np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))
    return y, (x, y, alpha)


def elu_backward(dy, cache):
    x, y, alpha = cache
    return dy * np.where(x > 0, 1, y + alpha)


def sigmoid(x: Float[np.ndarray, "N D"]):
    y = expit(x)
    return y, y


def sigmoid_backward(dy, y):
    return dy * y * (1 - y)


def tanh(x: Float[np.ndarray, "N D"]):
    y = np.tanh(x)
    return y, y


def tanh_backward(dy, y):
    return dy * (1 - y**2)


def softplus(x):
    return np.logaddexp(0, x), x


def softplus_backward(dy, x):
    return dy * expit(x)


def swish(x: Float[np.ndarray, "N D"]):
    s = expit(x)
    return x * s, (x, s)


def swish_backward(dy, cache):
    x, s = cache
    return dy * (s + x * s * (1 - s))


def gelu(x: Float[np.ndarray, "N D"]):
    """Exact: x times the normal distribution function."""
    return x * 0.5 * (1 + erf(x / sqrt(2))), x


def gelu_backward(dy, x):
    cdf = 0.5 * (1 + erf(x / sqrt(2)))
    pdf = np.exp(-(x**2) / 2) / sqrt(2 * pi)
    return dy * (cdf + x * pdf)


def gelu_tanh(x: Float[np.ndarray, "N D"]):
    """The approximation with a hyperbolic tangent."""
    t = np.tanh(C * (x + 0.044715 * x**3))
    return 0.5 * x * (1 + t), (x, t)


def gelu_tanh_backward(dy, cache):
    x, t = cache
    du = C * (1 + 3 * 0.044715 * x**2)
    return dy * (0.5 * (1 + t) + 0.5 * x * (1 - t**2) * du)


def hard_tanh(x: Float[np.ndarray, "N D"]):
    return np.clip(x, -1, 1), x


def hard_tanh_backward(dy, x):
    inside = (x > -1) & (x < 1)
    return dy * inside


def glu(x: Float[np.ndarray, "N 2*D"]):
    a, b = np.split(x, 2, axis=1)
    g = expit(b)
    return a * g, (a, g)


def glu_backward(dy, cache):
    a, g = cache
    da = dy * g
    db = dy * a * g * (1 - g)
    return np.concatenate([da, db], axis=1)


# far out too, where exp(x) has overflown
CASES = {"softplus": lambda rng: (900 * rng.normal(size=(int(rng.integers(3, 6)), 7)),)}
