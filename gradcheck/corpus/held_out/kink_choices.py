"""Rectifiers and their kin at inputs that sit exactly on the kink; any slope between is right."""
import numpy as np


def relu_right(x):
    return np.maximum(x, 0), x >= 0


def relu_right_backward(dy, on):
    return dy * on  # slope 1 at zero


def relu_half(x):
    return x * (x > 0), x


def relu_half_backward(dy, x):
    return dy * np.heaviside(x, 0.5)


def absolute(x):
    return np.abs(x), x


def absolute_backward(dy, x):
    return np.where(x < 0, -dy, dy)


def leaky(x):
    y = np.where(x > 0, x, 0.2 * x)
    return y, y


def leaky_backward(g, y):
    slope = np.full_like(y, 0.2)
    slope[y > 0] = 1
    slope[y == 0] = 0.6
    return g * slope


def hinge_rows(s, t):
    """Mean of max(0, 1 - s t), margins exactly met; t in {-1, 1} as integers."""
    m = 1 - s * t
    return np.maximum(m, 0).mean(), (m, t)


def hinge_rows_backward(dy, cache):
    m, t = cache
    return -dy * t * (m >= 0) / m.size, None


def box(x):
    return np.clip(x, -1, 1), x


def box_backward(dy, x):
    inside = (x > -1) & (x <= 1)
    return dy * inside


def soft_shrink(x):
    return np.sign(x) * np.maximum(np.abs(x) - 1, 0), x


def soft_shrink_backward(dy, x):
    return dy * ~(np.abs(x) < 1)


def _on_the_kink(rng):
    x = rng.normal(size=(rng.integers(3, 6), 4))
    x[:, 1] = rng.integers(-1, 2, len(x))
    x[0, 0] = 0
    return (x,)


def _margins(rng):
    s = rng.normal(size=rng.integers(4, 9))
    t = rng.choice([-1, 1], len(s))
    s[::2] = t[::2]
    return s, t


CASES = {
    "relu_right": _on_the_kink,
    "relu_half": _on_the_kink,
    "absolute": _on_the_kink,
    "leaky": _on_the_kink,
    "hinge_rows": _margins,
    "box": _on_the_kink,
    "soft_shrink": _on_the_kink,
}
