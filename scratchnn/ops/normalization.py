"""Normalisations: shift and scale to mean 0 and variance 1.

Batch, layer, group and instance norm differ only in the axes over which mean and variance are
taken; `standardize` holds their common derivation. In all of them eps stands inside the root, so
that a constant input has a finite value, y = beta, and a finite gradient.
"""

import numpy as np
from jaxtyping import Float

from scratchnn.shapes import expect

Array = np.ndarray


def standardize(
    x: Float[Array, "*batch"], *, axes: tuple[int, ...] = (-1,), eps: float = 1e-5
) -> tuple[tuple[Float[Array, "*batch"], Float[Array, "*kept"], Float[Array, "*kept"]], tuple]:
    """Mean 0 and variance 1 over some axes, x_hat = (x - mean) / sqrt(var + eps).

    With i and j running over the n entries along `axes`,

        mean = 1/n sum_i x_i        var = 1/n sum_i (x_i - mean)^2
        r = (var + eps)^(-1/2)      x_hat_i = r (x_i - mean)

    x_i acts on three paths: directly, through mean and through var. All x_hat_j hold mean and r,
    and mean and var are outputs too, with cotangents dmean_out and dvar_out:

        dmean = dmean_out - r sum_j dx_hat_j
        dvar  = dvar_out + sum_j dx_hat_j (x_j - mean) dr/dvar        dr/dvar = -1/2 r^3
              = dvar_out - 1/2 r^2 sum_j dx_hat_j x_hat_j

    var holds mean as well, but that share is -2/n sum_j (x_j - mean) = 0. Finally, with
    dmean/dx_i = 1/n and dvar/dx_i = 2/n (x_i - mean) = 2/n x_hat_i / r,

        dx_i = r dx_hat_i + dmean / n + dvar 2/n x_hat_i / r

    so that without dmean_out and dvar_out, dx sums to 0 over the axes and is orthogonal to x_hat up
    to a share of eps. The variance is biased (1/n), and taken in a second pass over x - mean: mean
    of squares less square of mean would cancel where the mean is large.

    Args:
        x: any shape.
        axes: those that mean and variance are taken over.
        eps: added to the variance, in squared units of x.

    Returns:
        (x_hat, mean, var), mean and var with length 1 along `axes`, and the cache of
        `standardize_backward`.

    Raises:
        ValueError: x is empty, an axis does not exist or is named twice, or eps is not positive.
        TypeError: x is not a floating array.

    Source: Ioffe and Szegedy, Batch Normalization (2015), arXiv:1502.03167, section 3.

    >>> (x_hat, mean, var), cache = standardize(np.array([[1.0, 3.0], [5.0, 5.0]]), eps=3.0)
    >>> x_hat.tolist(), mean.tolist(), var.tolist()
    ([[-0.5, 0.5], [0.0, 0.0]], [[2.0], [5.0]], [[1.0], [0.0]])
    >>> standardize_backward((np.array([[1.0, 0.0], [0.0, 0.0]]), 0.0, 0.0), cache).tolist()
    [[0.1875, -0.1875], [0.0, 0.0]]
    """
    expect(standardize, x)
    check_eps("standardize", eps, x)
    if len({a % x.ndim for a in axes if -x.ndim <= a < x.ndim}) < len(axes):
        raise ValueError(
            f"standardize: axes are {axes}; wanted different ones of the {x.ndim} of x, "
            f"{-x.ndim} to {x.ndim - 1}; leave out what does not exist or is named twice"
        )
    mean = x.mean(axes, keepdims=True)
    centred = x - mean
    var = (centred * centred).mean(axes, keepdims=True)
    r = 1 / np.sqrt(var + eps)
    x_hat = r * centred
    return (x_hat, mean, var), (x_hat, r, axes)


def standardize_backward(dy: tuple[Array, Array | float, Array | float], cache: tuple) -> Array:
    """dx_i = r dx_hat_i + dmean / n + dvar 2/n x_hat_i / r: directly, through mean, through var."""
    x_hat, r, axes = cache
    dx_hat, dmean_out, dvar_out = dy
    n = x_hat.size // r.size
    dmean = dmean_out - r * dx_hat.sum(axes, keepdims=True)
    dvar = dvar_out - r * r / 2 * (dx_hat * x_hat).sum(axes, keepdims=True)
    dx = r * dx_hat + dmean / n + (2 * dvar / (n * r)) * x_hat
    return dx


def batch_norm(
    x: Float[Array, "*batch C"],
    gamma: Float[Array, " C"],
    beta: Float[Array, " C"],
    *,
    eps: float = 1e-5,
) -> tuple[tuple[Float[Array, "*batch C"], Float[Array, " C"], Float[Array, " C"]], tuple]:
    """Batch normalisation, each channel over all other axes, y = gamma x_hat + beta.

        x_hat, mean, var = standardize(x) over all axes but the last

        dgamma_c = sum dy_c x_hat_c        dbeta_c = sum dy_c        over those axes
        dx_hat = gamma dy                  dx as in `standardize`

    A batch of one row has variance 0: y = beta there, and y does not depend on x.

    Args:
        x: inputs, channels last: rows (N, C), images (N, H, W, C).
        gamma: scale of each channel.
        beta: shift of each channel.
        eps: added to the variance, in squared units of x.

    Returns:
        (y, mean, var), mean and biased variance of each channel, and the cache of
        `batch_norm_backward`.

    Raises:
        ValueError: shapes do not fit, an axis is empty, or eps is not positive.
        TypeError: an array is not floating.

    Source: Ioffe and Szegedy, Batch Normalization (2015), arXiv:1502.03167.

    >>> x, gamma, beta = np.array([[1.0], [3.0]]), np.array([10.0]), np.array([7.0])
    >>> (y, mean, var), cache = batch_norm(x, gamma, beta, eps=3.0)
    >>> y.tolist(), mean.tolist(), var.tolist()
    ([[2.0], [12.0]], [2.0], [1.0])
    >>> dy = np.array([[1.0], [0.0]])
    >>> [g.tolist() for g in batch_norm_backward((dy, 0.0, 0.0), cache)]
    [[[1.875], [-1.875]], [-0.5], [1.0]]
    """
    expect(batch_norm, x, gamma, beta)
    (x_hat, mean, var), part = standardize(x, axes=tuple(range(x.ndim - 1)), eps=eps)
    y = gamma * x_hat + beta
    return (y, mean.reshape(-1), var.reshape(-1)), (x_hat, gamma, part)


def batch_norm_backward(
    dy: tuple[Array, Array | float, Array | float], cache: tuple
) -> tuple[Array, Array, Array]:
    """dgamma = sum dy x_hat,  dbeta = sum dy,  dx from dx_hat = gamma dy, dmean and dvar."""
    x_hat, gamma, part = cache
    dy_rows, dmean, dvar = dy
    dgamma = (dy_rows * x_hat).reshape(-1, gamma.size).sum(0)
    dbeta = dy_rows.reshape(-1, gamma.size).sum(0)
    dx = standardize_backward((gamma * dy_rows, dmean, dvar), part)
    return dx, dgamma, dbeta


def batch_norm_inference(
    x: Float[Array, "*batch C"],
    mean: Float[Array, " C"],
    var: Float[Array, " C"],
    gamma: Float[Array, " C"],
    beta: Float[Array, " C"],
    *,
    eps: float = 1e-5,
) -> tuple[Float[Array, "*batch C"], tuple]:
    """Batch normalisation with known statistics, y = gamma (x - mean) / sqrt(var + eps) + beta.

        r = (var + eps)^(-1/2)        x_hat = r (x - mean)        y = gamma x_hat + beta

    mean and var no longer depend on x, so of the three paths of `standardize` the direct one
    remains, and the other two end in gradients of their own:

        dx_hat = gamma dy      dx = r dx_hat      dmean_c = -sum dx_c
        dvar_c = -1/2 r_c^2 sum dx_hat_c x_hat_c
        dgamma_c = sum dy_c x_hat_c               dbeta_c = sum dy_c

    with sums over all axes but the last.

    Args:
        x: inputs, channels last.
        mean: of each channel, as a rule a running one.
        var: variance of each channel, likewise.
        gamma: scale of each channel.
        beta: shift of each channel.
        eps: added to the variance, in squared units of x.

    Returns:
        y and the cache of `batch_norm_inference_backward`.

    Raises:
        ValueError: shapes do not fit, an axis is empty, a variance is negative, or eps is not
            positive.
        TypeError: an array is not floating.

    Source: Ioffe and Szegedy, Batch Normalization (2015), arXiv:1502.03167, section 3.1.

    >>> one = np.ones(1)
    >>> y, cache = batch_norm_inference(np.array([[5.0]]), one, one, 10 * one, one, eps=3.0)
    >>> y.tolist()
    [[21.0]]
    >>> [g.tolist() for g in batch_norm_inference_backward(np.array([[1.0]]), cache)]
    [[[5.0]], [-5.0], [-2.5], [2.0], [1.0]]
    """
    expect(batch_norm_inference, x, mean, var, gamma, beta)
    check_eps("batch_norm_inference", eps, x)
    if var.min() < 0:
        raise ValueError(
            f"batch_norm_inference: var goes down to {var.min()}; wanted variances, which are not "
            "negative; pass var, not its logarithm or a standard deviation with a sign"
        )
    r = 1 / np.sqrt(var + eps)
    x_hat = r * (x - mean)
    return gamma * x_hat + beta, (x_hat, r, gamma)


def batch_norm_inference_backward(dy: Array, cache: tuple) -> tuple[Array, ...]:
    """dx = r gamma dy,  dmean = -sum dx,  dvar = -1/2 r^2 sum dx_hat x_hat."""
    x_hat, r, gamma = cache
    C = gamma.size
    dx_hat = gamma * dy
    dx = r * dx_hat
    dmean = -dx.reshape(-1, C).sum(0)
    dvar = -r * r / 2 * (dx_hat * x_hat).reshape(-1, C).sum(0)
    dgamma = (dy * x_hat).reshape(-1, C).sum(0)
    dbeta = dy.reshape(-1, C).sum(0)
    return dx, dmean, dvar, dgamma, dbeta


def layer_norm(
    x: Float[Array, "*batch D"],
    gamma: Float[Array, " D"],
    beta: Float[Array, " D"],
    *,
    eps: float = 1e-5,
) -> tuple[Float[Array, "*batch D"], tuple]:
    """Layer normalisation, each row over its D features, y = gamma x_hat + beta.

        x_hat = standardize(x) over the last axis

        dgamma_d = sum dy_d x_hat_d        dbeta_d = sum dy_d        over the other axes
        dx_hat = gamma dy                  dx as in `standardize`

    gamma differs along the axis of the means, so it belongs inside them: gamma dy is averaged.

    Args:
        x: inputs, features last.
        gamma: scale of each feature.
        beta: shift of each feature.
        eps: added to the variance, in squared units of x.

    Returns:
        y and the cache of `layer_norm_backward`.

    Raises:
        ValueError: shapes do not fit, an axis is empty, or eps is not positive.
        TypeError: an array is not floating.

    Source: Ba, Kiros and Hinton, Layer Normalization (2016), arXiv:1607.06450.

    >>> x, gamma, beta = np.array([[1.0, 3.0]]), np.array([10.0, 2.0]), np.array([0.0, 7.0])
    >>> y, cache = layer_norm(x, gamma, beta, eps=3.0)
    >>> y.tolist()
    [[-5.0, 8.0]]
    >>> [g.tolist() for g in layer_norm_backward(np.array([[1.0, 0.0]]), cache)]
    [[[1.875, -1.875]], [-0.5, 0.0], [1.0, 0.0]]
    """
    expect(layer_norm, x, gamma, beta)
    (x_hat, _, _), part = standardize(x, axes=(-1,), eps=eps)
    return gamma * x_hat + beta, (x_hat, gamma, part)


def layer_norm_backward(dy: Array, cache: tuple) -> tuple[Array, Array, Array]:
    """dgamma = sum dy x_hat,  dbeta = sum dy,  dx from dx_hat = gamma dy."""
    x_hat, gamma, part = cache
    dgamma = (dy * x_hat).reshape(-1, gamma.size).sum(0)
    dbeta = dy.reshape(-1, gamma.size).sum(0)
    dx = standardize_backward((gamma * dy, 0.0, 0.0), part)
    return dx, dgamma, dbeta


def group_norm(
    x: Float[Array, "N *space {groups}*G"],
    gamma: Float[Array, " {groups}*G"],
    beta: Float[Array, " {groups}*G"],
    *,
    groups: int,
    eps: float = 1e-5,
) -> tuple[Float[Array, "N *space {groups}*G"], tuple]:
    """Group normalisation, each image over its space and G channels, y = gamma x_hat + beta.

        x as (N, S, groups, G)        x_hat = standardize(x) over S and G

        dgamma_c = sum dy_c x_hat_c        dbeta_c = sum dy_c        over all axes but the last
        dx_hat = gamma dy                  dx as in `standardize`

    where S is all of space. One group is layer norm of the whole image, G = 1 is instance norm.

    Args:
        x: images, channels last; or rows, without space.
        gamma: scale of each channel.
        beta: shift of each channel.
        groups: number of groups of neighbouring channels; it divides them.
        eps: added to the variance, in squared units of x.

    Returns:
        y and the cache of `group_norm_backward`.

    Raises:
        ValueError: shapes do not fit, an axis is empty, groups < 1, or eps is not positive.
        TypeError: an array is not floating.

    Source: Wu and He, Group Normalization (2018), arXiv:1803.08494.

    >>> x, gamma, beta = np.array([[1.0, 3.0, 8.0, 8.0]]), np.full(4, 10.0), np.arange(4.0)
    >>> y, cache = group_norm(x, gamma, beta, groups=2, eps=3.0)
    >>> y.tolist()
    [[-5.0, 6.0, 2.0, 3.0]]
    >>> group_norm_backward(np.array([[1.0, 0.0, 0.0, 0.0]]), cache)[0].tolist()
    [[1.875, -1.875, 0.0, 0.0]]
    """
    if not isinstance(groups, (int, np.integer)) or groups < 1:  # before the shapes that hold it
        raise ValueError(
            f"group_norm: groups is {groups!r}; wanted an integer >= 1 that divides the channels"
        )
    expect(group_norm, x, gamma, beta, groups=groups)
    N, C = x.shape[0], x.shape[-1]
    (x_hat, _, _), part = standardize(x.reshape(N, -1, groups, C // groups), axes=(1, 3), eps=eps)
    y = gamma * x_hat.reshape(x.shape) + beta
    return y, (x_hat, gamma, part)


def group_norm_backward(dy: Array, cache: tuple) -> tuple[Array, Array, Array]:
    """dgamma = sum dy x_hat,  dbeta = sum dy,  dx from dx_hat = gamma dy, group by group."""
    x_hat, gamma, part = cache  # x_hat: N S groups G
    dgamma = (dy.reshape(-1, gamma.size) * x_hat.reshape(-1, gamma.size)).sum(0)
    dbeta = dy.reshape(-1, gamma.size).sum(0)
    dx_hat = (gamma * dy).reshape(x_hat.shape)
    dx = standardize_backward((dx_hat, 0.0, 0.0), part).reshape(dy.shape)
    return dx, dgamma, dbeta


def instance_norm(
    x: Float[Array, "N *space C"],
    gamma: Float[Array, " C"],
    beta: Float[Array, " C"],
    *,
    eps: float = 1e-5,
) -> tuple[Float[Array, "N *space C"], tuple]:
    """Instance normalisation, each image and channel over its space, y = gamma x_hat + beta.

        x_hat = standardize(x) over all axes but the first and the last

        dgamma_c = sum dy_c x_hat_c        dbeta_c = sum dy_c        over all axes but the last
        dx_hat = gamma dy                  dx as in `standardize`

    An image of one pixel has variance 0: y = beta there, and y does not depend on x.

    Args:
        x: images, channels last.
        gamma: scale of each channel.
        beta: shift of each channel.
        eps: added to the variance, in squared units of x.

    Returns:
        y and the cache of `instance_norm_backward`.

    Raises:
        ValueError: shapes do not fit, an axis is empty, or eps is not positive.
        TypeError: an array is not floating.

    Source: Ulyanov, Vedaldi and Lempitsky, Instance Normalization (2016), arXiv:1607.08022.

    >>> x, gamma, beta = np.array([[[1.0], [3.0]]]), np.array([10.0]), np.array([7.0])
    >>> y, cache = instance_norm(x, gamma, beta, eps=3.0)
    >>> y.tolist()
    [[[2.0], [12.0]]]
    >>> instance_norm_backward(np.array([[[1.0], [0.0]]]), cache)[0].tolist()
    [[[1.875], [-1.875]]]
    """
    expect(instance_norm, x, gamma, beta)
    (x_hat, _, _), part = standardize(x, axes=tuple(range(1, x.ndim - 1)), eps=eps)
    return gamma * x_hat + beta, (x_hat, gamma, part)


def instance_norm_backward(dy: Array, cache: tuple) -> tuple[Array, Array, Array]:
    """dgamma = sum dy x_hat,  dbeta = sum dy,  dx from dx_hat = gamma dy."""
    x_hat, gamma, part = cache
    dgamma = (dy * x_hat).reshape(-1, gamma.size).sum(0)
    dbeta = dy.reshape(-1, gamma.size).sum(0)
    dx = standardize_backward((gamma * dy, 0.0, 0.0), part)
    return dx, dgamma, dbeta


def check_eps(what: str, eps: float, x: Array) -> None:
    """Refuse an eps that is not positive in the dtype of x."""
    # below the smallest normal number, a processor may take it for 0
    if not eps >= np.finfo(x.dtype).tiny:
        raise ValueError(
            f"{what}: eps is {eps}; wanted a positive {x.dtype}, without which a constant input "
            "would be divided by 0; take 1e-5"
        )
