"""Normalisations by length alone: scale to a fixed length, without a shift.

eps stands inside the root, so that a zero vector has the value 0 and a finite gradient, and no kink
lies between it and its neighbours.
"""

import numpy as np
from jaxtyping import Float

from scratchnn.ops.normalization import check_eps
from scratchnn.shapes import expect

Array = np.ndarray


def rms_norm(
    x: Float[Array, "*batch D"], gamma: Float[Array, " D"], *, eps: float = 1e-6
) -> tuple[Float[Array, "*batch D"], tuple]:
    """Root mean square normalisation of the last axis, y = gamma x / sqrt(mean(x^2) + eps).

        s = 1/D sum_d x_d^2      r = (s + eps)^(-1/2)      x_hat = r x      y = gamma x_hat

    x_d acts directly and through s, as in `standardize` without the path through the mean:

        dx_hat = gamma dy
        ds = sum_d dx_hat_d x_d dr/ds = -1/2 r^2 sum_d dx_hat_d x_hat_d        dr/ds = -1/2 r^3
        dx_d = r dx_hat_d + ds 2/D x_d = r (dx_hat_d - x_hat_d 1/D sum_e dx_hat_e x_hat_e)
        dgamma_d = sum dy_d x_hat_d        over the other axes

    Args:
        x: inputs, features last.
        gamma: scale of each feature.
        eps: added to the mean square, in squared units of x.

    Returns:
        y and the cache of `rms_norm_backward`.

    Raises:
        ValueError: shapes do not fit, an axis is empty, or eps is not positive.
        TypeError: an array is not floating.

    Source: Zhang and Sennrich, Root Mean Square Layer Normalization (2019), arXiv:1910.07467.

    >>> y, cache = rms_norm(np.array([[1.0, -1.0]]), np.array([10.0, 2.0]), eps=3.0)
    >>> y.tolist()
    [[5.0, -1.0]]
    >>> [g.tolist() for g in rms_norm_backward(np.array([[1.0, 0.0]]), cache)]
    [[[4.375, 0.625]], [0.5, 0.0]]
    """
    expect(rms_norm, x, gamma)
    check_eps("rms_norm", eps, x)
    r = 1 / np.sqrt((x * x).mean(-1, keepdims=True) + eps)
    x_hat = r * x
    return gamma * x_hat, (x_hat, r, gamma)


def rms_norm_backward(dy: Array, cache: tuple) -> tuple[Array, Array]:
    """dx_d = r (dx_hat_d - x_hat_d 1/D sum_e dx_hat_e x_hat_e) with dx_hat = gamma dy."""
    x_hat, r, gamma = cache
    dx_hat = gamma * dy
    dx = r * (dx_hat - x_hat * (dx_hat * x_hat).mean(-1, keepdims=True))
    dgamma = (dy * x_hat).reshape(-1, gamma.size).sum(0)
    return dx, dgamma


def l2_normalize(
    x: Float[Array, "*batch D"], *, eps: float = 1e-12
) -> tuple[Float[Array, "*batch D"], tuple]:
    """Unit length along the last axis, y = x / sqrt(|x|^2 + eps).

        r = (sum_d x_d^2 + eps)^(-1/2)        y = r x
        dx_d = r (dy_d - y_d sum_e dy_e y_e)

    `rms_norm` with a sum for the mean. Where eps is negligible this is dy / |x| less its part along
    x; at x = 0, y = 0 and dx = dy / sqrt(eps).

    Args:
        x: vectors along the last axis.
        eps: added to the squared length, in squared units of x.

    Returns:
        y and the cache of `l2_normalize_backward`.

    Raises:
        ValueError: x is empty or has no axis, or eps is not positive.
        TypeError: x is not a floating array.

    Source: Wang et al., NormFace (2017), arXiv:1704.06369, section 3.

    >>> y, cache = l2_normalize(np.array([[3.0, 4.0], [0.0, 0.0]]))
    >>> y.round(9).tolist(), l2_normalize_backward(np.eye(2), cache).round(9).tolist()
    ([[0.6, 0.8], [0.0, 0.0]], [[0.128, -0.096], [0.0, 1000000.0]])
    """
    expect(l2_normalize, x)
    check_eps("l2_normalize", eps, x)
    r = 1 / np.sqrt((x * x).sum(-1, keepdims=True) + eps)
    y = r * x
    return y, (y, r)


def l2_normalize_backward(dy: Array, cache: tuple) -> Array:
    """dx_d = r (dy_d - y_d sum_e dy_e y_e)."""
    y, r = cache
    dx = r * (dy - y * (dy * y).sum(-1, keepdims=True))
    return dx


def weight_norm(
    v: Float[Array, "*fan M"], g: Float[Array, " M"], *, eps: float = 1e-12
) -> tuple[Float[Array, "*fan M"], tuple]:
    """Weights by length and direction, y_m = g_m v_m / sqrt(|v_m|^2 + eps), column by column.

        u_m = l2_normalize(v_m)        y_m = g_m u_m

        dg_m = sum dy_m u_m            over all axes but the last
        du_m = g_m dy_m                dv_m as in `l2_normalize`

    so that, but for eps, dv_m is orthogonal to v_m: a step of descent never shortens v.

    Args:
        v: directions, outputs last: (D, M) for `linear`, (KH, KW, C, M) for `conv2d`.
        g: length of each output's weights.
        eps: added to the squared length, in squared units of v.

    Returns:
        y, the weights, and the cache of `weight_norm_backward`.

    Raises:
        ValueError: shapes do not fit, an axis is empty, or eps is not positive.
        TypeError: an array is not floating.

    Source: Salimans and Kingma, Weight Normalization (2016), arXiv:1602.07868.

    >>> y, cache = weight_norm(np.array([[3.0, 0.0], [4.0, 2.0]]), np.array([5.0, 7.0]))
    >>> y.round(9).tolist()
    [[3.0, 0.0], [4.0, 7.0]]
    >>> [g.round(9).tolist() for g in weight_norm_backward(np.ones((2, 2)), cache)]
    [[[0.16, 3.5], [-0.12, 0.0]], [1.4, 1.0]]
    """
    expect(weight_norm, v, g)
    check_eps("weight_norm", eps, v)
    M = g.size
    rows, part = l2_normalize(v.reshape(-1, M).T, eps=eps)  # one row per output
    u = rows.T.reshape(v.shape)
    return g * u, (u, g, part)


def weight_norm_backward(dy: Array, cache: tuple) -> tuple[Array, Array]:
    """dg_m = sum dy_m u_m,  dv from du = g dy."""
    u, g, part = cache
    M = g.size
    du = g * dy
    dv = l2_normalize_backward(du.reshape(-1, M).T, part).T.reshape(u.shape)
    dg = (dy * u).reshape(-1, M).sum(0)
    return dv, dg
