"""Affine maps."""

import numpy as np
from jaxtyping import Float

from scratchnn.shapes import expect

Array = np.ndarray


def linear(
    x: Float[Array, "*batch D"], w: Float[Array, "D M"], b: Float[Array, " M"] | None = None
) -> tuple[Float[Array, "*batch M"], tuple]:
    """Affine map of the last axis, y = x w + b.

        y_nm = sum_d x_nd w_dm + b_m

    The loss depends on each x_nd, w_dm and b_m through every y that holds it:

        dx_nd = sum_m dy_nm w_dm        dx = dy w^T
        dw_dm = sum_n x_nd dy_nm        dw = x^T dy
        db_m  = sum_n dy_nm             db = sum of dy over the batch

    where n runs over all leading axes.

    Args:
        x: inputs.
        w: weights, one column per output.
        b: bias, or None for none.

    Returns:
        y and the cache of `linear_backward`.

    Raises:
        ValueError: shapes do not fit, or an axis is empty.
        TypeError: an array is not floating.

    Source: Goodfellow, Bengio and Courville, Deep Learning (2016), section 6.5.

    >>> y, cache = linear(np.array([[1.0, 2.0]]), np.array([[1.0], [10.0]]), np.array([0.5]))
    >>> y
    array([[21.5]])
    >>> [g.tolist() for g in linear_backward(np.array([[1.0]]), cache)]
    [[[1.0, 10.0]], [[1.0], [2.0]], [1.0]]
    """
    expect(linear, x, w, b)
    y = x @ w
    if b is not None:
        y = y + b
    return y, (x, w, b is not None)


def linear_backward(dy: Array, cache: tuple) -> tuple[Array, Array, Array | None]:
    """dx = dy w^T,  dw = x^T dy,  db = sum of dy over the batch."""
    x, w, has_bias = cache
    D, M = w.shape
    rows = dy.reshape(-1, M)  # all leading axes as one
    dx = dy @ w.T
    dw = x.reshape(-1, D).T @ rows
    db = rows.sum(0) if has_bias else None
    return dx, dw, db
