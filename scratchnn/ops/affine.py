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


def bilinear(
    x1: Float[Array, "*batch I"],
    x2: Float[Array, "*batch J"],
    w: Float[Array, "I J K"],
    b: Float[Array, " K"] | None = None,
) -> tuple[Float[Array, "*batch K"], tuple]:
    """Bilinear map of the last axes of two inputs, y_k = x1^T w_k x2 + b_k.

        y_nk = sum_ij x1_ni w_ijk x2_nj + b_k

    Each factor's gradient is dy times the other two, summed over the indices it does not have:

        dx1_ni = sum_jk dy_nk w_ijk x2_nj
        dx2_nj = sum_ik dy_nk w_ijk x1_ni
        dw_ijk = sum_n  dy_nk x1_ni x2_nj
        db_k   = sum_n  dy_nk

    where n runs over all leading axes.

    Args:
        x1: first inputs.
        x2: second inputs, one for each of the first.
        w: weights, one matrix I x J per output; the output axis is last, as in `linear`.
        b: bias, or None for none.

    Returns:
        y and the cache of `bilinear_backward`.

    Raises:
        ValueError: shapes do not fit, or an axis is empty.
        TypeError: an array is not floating.

    Source: Tenenbaum and Freeman, Separating Style and Content with Bilinear Models (2000),
    doi:10.1162/089976600300015349.

    >>> x1, x2 = np.array([[1.0, 2.0]]), np.array([[3.0]])
    >>> y, cache = bilinear(x1, x2, np.array([[[1.0]], [[10.0]]]), np.array([0.5]))
    >>> y
    array([[63.5]])
    >>> [g.tolist() for g in bilinear_backward(np.array([[1.0]]), cache)]
    [[[3.0, 30.0]], [[21.0]], [[[3.0]], [[6.0]]], [1.0]]
    """
    expect(bilinear, x1, x2, w, b)
    y = np.einsum("...i,ijk,...j->...k", x1, w, x2, optimize=True)
    if b is not None:
        y = y + b
    return y, (x1, x2, w, b is not None)


def bilinear_backward(dy: Array, cache: tuple) -> tuple[Array, Array, Array, Array | None]:
    """dx1 = sum_jk dy w x2,  dx2 = sum_ik dy w x1,  dw = sum_n dy x1 x2,  db = sum_n dy."""
    x1, x2, w, has_bias = cache
    dx1 = np.einsum("...k,ijk,...j->...i", dy, w, x2, optimize=True)
    dx2 = np.einsum("...k,ijk,...i->...j", dy, w, x1, optimize=True)
    rows, rows1, rows2 = (a.reshape(-1, a.shape[-1]) for a in (dy, x1, x2))  # leading axes as one
    dw = np.einsum("nk,ni,nj->ijk", rows, rows1, rows2, optimize=True)
    db = rows.sum(0) if has_bias else None
    return dx1, dx2, dw, db
