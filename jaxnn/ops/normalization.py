"""Normalisations: shift and scale to mean 0 and variance 1."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from jaxnn.shapes import expect

Array = jax.Array


def standardize(
    x: Float[Array, "*batch"], *, axes: tuple[int, ...] = (-1,), eps: float = 1e-5
) -> tuple[Float[Array, "*batch"], Float[Array, "*kept"], Float[Array, "*kept"]]:
    """Mean 0 and variance 1 over some axes, x_hat = (x - mean) / sqrt(var + eps).

    `jax.nn.standardize` would take mean of squares less square of mean, which cancels; `jnp.var`
    takes a second pass.

    >>> x_hat, mean, var = standardize(jnp.array([[1.0, 3.0], [5.0, 5.0]]), eps=3.0)
    >>> x_hat.tolist(), mean.tolist(), var.tolist()
    ([[-0.5, 0.5], [0.0, 0.0]], [[2.0], [5.0]], [[1.0], [0.0]])
    """
    expect(standardize, x)
    check_eps("standardize", eps, x)
    if len({a % x.ndim for a in axes if -x.ndim <= a < x.ndim}) < len(axes):
        raise ValueError(
            f"standardize: axes are {axes}; wanted different ones of the {x.ndim} of x, "
            f"{-x.ndim} to {x.ndim - 1}; leave out what does not exist or is named twice"
        )
    mean = jnp.mean(x, axes, keepdims=True)
    var = jnp.var(x, axes, keepdims=True)
    return jax.nn.standardize(x, axes, mean, var, eps), mean, var


def batch_norm(
    x: Float[Array, "*batch C"],
    gamma: Float[Array, " C"],
    beta: Float[Array, " C"],
    *,
    eps: float = 1e-5,
) -> tuple[Float[Array, "*batch C"], Float[Array, " C"], Float[Array, " C"]]:
    """Batch normalisation, each channel over all other axes, y = gamma x_hat + beta.

    >>> x, gamma, beta = jnp.array([[1.0], [3.0]]), jnp.array([10.0]), jnp.array([7.0])
    >>> y, mean, var = batch_norm(x, gamma, beta, eps=3.0)
    >>> y.tolist(), mean.tolist(), var.tolist()
    ([[2.0], [12.0]], [2.0], [1.0])
    """
    expect(batch_norm, x, gamma, beta)
    x_hat, mean, var = standardize(x, axes=tuple(range(x.ndim - 1)), eps=eps)
    return gamma * x_hat + beta, mean.reshape(-1), var.reshape(-1)


def batch_norm_inference(
    x: Float[Array, "*batch C"],
    mean: Float[Array, " C"],
    var: Float[Array, " C"],
    gamma: Float[Array, " C"],
    beta: Float[Array, " C"],
    *,
    eps: float = 1e-5,
) -> Float[Array, "*batch C"]:
    """Batch normalisation with known statistics, y = gamma (x - mean) / sqrt(var + eps) + beta.

    Variances are checked where their values are known; one below -eps under `jax.jit` makes its
    channel NaN.

    >>> one = jnp.ones(1)
    >>> batch_norm_inference(jnp.array([[5.0]]), one, one, 10 * one, one, eps=3.0).tolist()
    [[21.0]]
    """
    expect(batch_norm_inference, x, mean, var, gamma, beta)
    check_eps("batch_norm_inference", eps, x)
    if not isinstance(var, jax.core.Tracer) and var.min() < 0:
        raise ValueError(
            f"batch_norm_inference: var goes down to {var.min()}; wanted variances, which are not "
            "negative; pass var, not its logarithm or a standard deviation with a sign"
        )
    return gamma * jax.nn.standardize(x, -1, mean, var, eps) + beta


def layer_norm(
    x: Float[Array, "*batch D"],
    gamma: Float[Array, " D"],
    beta: Float[Array, " D"],
    *,
    eps: float = 1e-5,
) -> Float[Array, "*batch D"]:
    """Layer normalisation, each row over its D features, y = gamma x_hat + beta.

    >>> x, gamma, beta = jnp.array([[1.0, 3.0]]), jnp.array([10.0, 2.0]), jnp.array([0.0, 7.0])
    >>> layer_norm(x, gamma, beta, eps=3.0).tolist()
    [[-5.0, 8.0]]
    """
    expect(layer_norm, x, gamma, beta)
    x_hat, _, _ = standardize(x, axes=(-1,), eps=eps)
    return gamma * x_hat + beta


def group_norm(
    x: Float[Array, "N *space {groups}*G"],
    gamma: Float[Array, " {groups}*G"],
    beta: Float[Array, " {groups}*G"],
    *,
    groups: int,
    eps: float = 1e-5,
) -> Float[Array, "N *space {groups}*G"]:
    """Group normalisation, each image over its space and G channels, y = gamma x_hat + beta.

    >>> x, gamma, beta = jnp.array([[1.0, 3.0, 8.0, 8.0]]), jnp.full(4, 10.0), jnp.arange(4.0)
    >>> group_norm(x, gamma, beta, groups=2, eps=3.0).tolist()
    [[-5.0, 6.0, 2.0, 3.0]]
    """
    if not isinstance(groups, (int, np.integer)) or groups < 1:  # before the shapes that hold it
        raise ValueError(
            f"group_norm: groups is {groups!r}; wanted an integer >= 1 that divides the channels"
        )
    expect(group_norm, x, gamma, beta, groups=groups)
    grouped = x.reshape(*x.shape[:-1], groups, -1)
    x_hat, _, _ = standardize(grouped, axes=(*range(1, x.ndim - 1), x.ndim), eps=eps)
    return gamma * x_hat.reshape(x.shape) + beta


def instance_norm(
    x: Float[Array, "N *space C"],
    gamma: Float[Array, " C"],
    beta: Float[Array, " C"],
    *,
    eps: float = 1e-5,
) -> Float[Array, "N *space C"]:
    """Instance normalisation, each image and channel over its space, y = gamma x_hat + beta.

    >>> x, gamma, beta = jnp.array([[[1.0], [3.0]]]), jnp.array([10.0]), jnp.array([7.0])
    >>> instance_norm(x, gamma, beta, eps=3.0).tolist()
    [[[2.0], [12.0]]]
    """
    expect(instance_norm, x, gamma, beta)
    x_hat, _, _ = standardize(x, axes=tuple(range(1, x.ndim - 1)), eps=eps)
    return gamma * x_hat + beta


def check_eps(what: str, eps: float, x: Array) -> None:
    """Refuse an eps that is not positive in the dtype of x."""
    # below the smallest normal number, a processor may take it for 0
    if not eps >= jnp.finfo(x.dtype).tiny:
        raise ValueError(
            f"{what}: eps is {eps}; wanted a positive {x.dtype}, without which a constant input "
            "would be divided by 0; take 1e-5"
        )
