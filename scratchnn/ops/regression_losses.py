"""Regression losses: predictions and targets in, one number out, the mean over all entries."""

import numpy as np
from jaxtyping import Float

from scratchnn.shapes import expect

Array = np.ndarray


def mse(
    x: Float[Array, "*batch"], target: Float[Array, "*batch"]
) -> tuple[Float[Array, ""], tuple]:
    """Mean squared error over all entries.

        y = 1/N sum_i (x_i - target_i)^2

        dx_i = dy 2/N (x_i - target_i)        dtarget = -dx

    Args:
        x: predictions.
        target: what they should have been.

    Returns:
        y, in squared units of x, and the cache of `mse_backward`.

    Raises:
        ValueError: shapes differ, or are empty.
        TypeError: an array is not floating.

    Source: Bishop, Pattern Recognition and Machine Learning (2006), section 1.1.

    >>> y, cache = mse(np.array([1.0, 3.0]), np.array([0.0, 0.0]))
    >>> float(y), [g.tolist() for g in mse_backward(1.0, cache)]
    (5.0, [[1.0, 3.0], [-1.0, -3.0]])
    """
    expect(mse, x, target)
    r = x - target
    return (r * r).mean(), (r,)


def mse_backward(dy: Array | float, cache: tuple) -> tuple[Array, Array]:
    """dx_i = dy 2/N r_i with r = x - target;  dtarget = -dx."""
    (r,) = cache
    dx = dy * (2 / r.size) * r
    return dx, -dx


def l1(x: Float[Array, "*batch"], target: Float[Array, "*batch"]) -> tuple[Float[Array, ""], tuple]:
    """Mean absolute error over all entries.

        y = 1/N sum_i |x_i - target_i|

        dx_i = dy/N sign(x_i - target_i)        dtarget = -dx

    At the kink x_i = target_i the subgradient is fixed to 0.

    Args:
        x: predictions.
        target: what they should have been.

    Returns:
        y, in units of x, and the cache of `l1_backward`.

    Raises:
        ValueError: shapes differ, or are empty.
        TypeError: an array is not floating.

    Source: Bishop, Pattern Recognition and Machine Learning (2006), section 1.5.5.

    >>> y, cache = l1(np.array([1.0, -3.0, 0.0, 0.0]), np.zeros(4))
    >>> float(y), l1_backward(1.0, cache)[0].tolist()
    (1.0, [0.25, -0.25, 0.0, 0.0])
    """
    expect(l1, x, target)
    r = x - target
    return np.abs(r).mean(), (r,)


def l1_backward(dy: Array | float, cache: tuple) -> tuple[Array, Array]:
    """dx_i = dy/N sign(r_i) with r = x - target;  dtarget = -dx."""
    (r,) = cache
    dx = (dy / r.size) * np.sign(r)
    return dx, -dx


def huber(
    x: Float[Array, "*batch"], target: Float[Array, "*batch"], *, delta: float = 1.0
) -> tuple[Float[Array, ""], tuple]:
    """Mean Huber loss over all entries: quadratic up to delta, linear beyond.

    With r = x - target and s_i = min(|r_i|, delta),

        y = 1/N sum_i s_i (|r_i| - s_i / 2)

    that is r_i^2 / 2 near 0 and delta (|r_i| - delta / 2) beyond. Both pieces have the slope
    delta sign(r_i) where they meet, so there is no kink:

        dx_i = dy/N clip(r_i, -delta, delta)        dtarget = -dx

    Args:
        x: predictions.
        target: what they should have been.
        delta: the error from which the loss is linear, in units of x.

    Returns:
        y, in squared units of x, and the cache of `huber_backward`.

    Raises:
        ValueError: shapes differ or are empty, or delta is not positive.
        TypeError: an array is not floating.

    Source: Huber, Robust Estimation of a Location Parameter (1964),
    doi:10.1214/aoms/1177703732.

    >>> y, cache = huber(np.array([1.0, -5.0]), np.zeros(2), delta=2.0)
    >>> float(y), huber_backward(1.0, cache)[0].tolist()
    (4.25, [0.5, -1.0])
    """
    expect(huber, x, target)
    if not delta > 0:
        raise ValueError(
            f"huber: delta is {delta!r}; wanted a positive number; 1 is usual, l1 is its limit at 0"
        )
    r = x - target
    s = np.minimum(np.abs(r), delta)
    return (s * (np.abs(r) - s / 2)).mean(), (r, delta)


def huber_backward(dy: Array | float, cache: tuple) -> tuple[Array, Array]:
    """dx_i = dy/N clip(r_i, -delta, delta) with r = x - target;  dtarget = -dx."""
    r, delta = cache
    dx = (dy / r.size) * np.clip(r, -delta, delta)
    return dx, -dx
