"""Normalizations: each sample brought to mean 0 and variance 1."""

import numpy as np
from jaxtyping import Float

from scratchnn.shapes import expect

Array = np.ndarray


def layer_norm(
    x: Float[Array, "*batch D"],
    gamma: Float[Array, " D"],
    beta: Float[Array, " D"],
    *,
    eps: float = 1e-5,
) -> tuple[Float[Array, "*batch D"], tuple]:
    """Layer normalization over the last axis, y = gamma n + beta with n = (x - mean) / std.

        mu = mean_d x_d     v = mean_d (x_d - mu)^2     r = 1 / sqrt(v + eps)     n = (x - mu) r
        dn = dy gamma       dgamma = sum dy n           dbeta = sum dy            over the batch
        dx = r (dn - mean_d dn_d - n mean_d dn_d n_d)

    The last two terms are the shares of the mean and of the variance, which read every x_d.
    The variance is taken in two passes: mean x^2 - mu^2 would cancel.

    Args:
        x: features on the last axis.
        gamma: scale of each feature.
        beta: shift of each feature.
        eps: added to the variance, so that constant features give zeros.

    Returns:
        y and the cache of `layer_norm_backward`.

    Raises:
        ValueError: shapes do not fit, or an axis is empty.
        TypeError: an array is not floating.

    Source: Ba, Kiros and Hinton, Layer Normalization, arXiv:1607.06450.

    >>> y, cache = layer_norm(np.array([[1.0, 3.0]]), np.ones(2), np.zeros(2), eps=0.0)
    >>> y.tolist(), [g.tolist() for g in layer_norm_backward(np.array([[1.0, 0.0]]), cache)]
    ([[-1.0, 1.0]], [[[0.0, 0.0]], [-1.0, 0.0], [1.0, 0.0]])
    """
    expect(layer_norm, x, gamma, beta)
    centred = x - x.mean(-1, keepdims=True)
    r = 1 / np.sqrt((centred * centred).mean(-1, keepdims=True) + eps)
    n = centred * r
    return gamma * n + beta, (n, r, gamma)


def layer_norm_backward(dy: Array, cache: tuple) -> tuple[Array, Array, Array]:
    """dx = r (dn - mean_d dn_d - n mean_d dn_d n_d) with dn = dy gamma."""
    n, r, gamma = cache
    D = gamma.size
    dn = dy * gamma
    dx = r * (dn - dn.mean(-1, keepdims=True) - n * (dn * n).mean(-1, keepdims=True))
    dgamma = (dy * n).reshape(-1, D).sum(0)
    dbeta = dy.reshape(-1, D).sum(0)
    return dx, dgamma, dbeta
