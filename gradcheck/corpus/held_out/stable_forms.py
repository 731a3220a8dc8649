"""The stable form of small formulas, with inputs at which the obvious form loses its digits."""
import numpy as np


def log_sigmoid(x):
    return -np.logaddexp(0, -x), (x,)


def log_sigmoid_backward(dy, cache):
    (x,) = cache
    e = np.exp(-np.abs(x))
    return dy * np.where(x >= 0, e, 1) / (1 + e)


def decay(rate, t):
    """1 - exp(-rate t) for small rates (N,) at the times t (T,)."""
    return -np.expm1(-np.outer(rate, t)), (rate, t)


def decay_backward(g, cache):
    rate, t = cache
    left = np.exp(-np.outer(rate, t))
    g_rate = (g * left) @ t
    g_t = rate @ (g * left)
    return g_rate, g_t


def sqrt_gap(x):
    """sqrt(x + 1) - sqrt(x) for large x."""
    a, b = np.sqrt(x + 1), np.sqrt(x)
    return 1 / (a + b), (a, b)


def sqrt_gap_backward(dy, cache):
    a, b = cache
    return -0.5 * dy / (a * b * (a + b))


def versine(theta):
    """1 - cos(theta), divided by theta, for small angles."""
    half = np.sin(theta / 2)
    return 2 * half**2 / theta, (theta,)


def versine_backward(dy, cache):
    (theta,) = cache
    half = np.sin(theta / 2)
    return dy * (np.sin(theta) - 2 * half**2 / theta) / theta


def offset_norm(x):
    """Rows centred and scaled; their common offset is large."""
    c = x - x.mean(1, keepdims=True)
    inv = 1 / np.sqrt((c**2).mean(1, keepdims=True) + 0.1)
    return c * inv, (x, inv)


def offset_norm_backward(dy, cache):
    x, inv = cache
    c = x - x.mean(1, keepdims=True)
    slope = (dy * c).mean(1, keepdims=True) * inv**3
    return inv * (dy - dy.mean(1, keepdims=True)) - c * slope


CASES = {
    "log_sigmoid": lambda rng: (rng.uniform(26, 33, rng.permutation([2, 3, 5])[:2]),),
    "decay": lambda rng: (rng.uniform(1, 9, rng.integers(2, 5)) * 1e-3, rng.uniform(1, 2, 5)),
    "sqrt_gap": lambda rng: (rng.uniform(1, 9, rng.integers(3, 7)) * 1e7,),
    "versine": lambda rng: (rng.uniform(1, 5, rng.integers(3, 7)) * 1e-4,),
    "offset_norm": lambda rng: (rng.normal(size=rng.permutation([3, 4, 5])[:2]) + 3e4,),
}
