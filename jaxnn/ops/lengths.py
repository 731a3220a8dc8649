"""Normalisations by length alone: scale to a fixed length, without a shift."""

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Float

from jaxnn.ops.normalization import check_eps
from jaxnn.shapes import expect

Array = jax.Array


def rms_norm(
    x: Float[Array, "*batch D"], gamma: Float[Array, " D"], *, eps: float = 1e-6
) -> Float[Array, "*batch D"]:
    """Root mean square normalisation of the last axis, y = gamma x / sqrt(mean(x^2) + eps).

    >>> rms_norm(jnp.array([[1.0, -1.0]]), jnp.array([10.0, 2.0]), eps=3.0).tolist()
    [[5.0, -1.0]]
    """
    expect(rms_norm, x, gamma)
    check_eps("rms_norm", eps, x)
    return gamma * x * lax.rsqrt(jnp.mean(jnp.square(x), -1, keepdims=True) + eps)


def l2_normalize(x: Float[Array, "*batch D"], *, eps: float = 1e-12) -> Float[Array, "*batch D"]:
    """Unit length along the last axis, y = x / sqrt(|x|^2 + eps).

    Not `x / jnp.linalg.norm(x)`, whose derivative at 0 is NaN.

    >>> l2_normalize(jnp.array([[3.0, 4.0], [0.0, 0.0]])).round(6).tolist()
    [[0.6000000238418579, 0.800000011920929], [0.0, 0.0]]
    """
    expect(l2_normalize, x)
    check_eps("l2_normalize", eps, x)
    return x * lax.rsqrt(jnp.sum(jnp.square(x), -1, keepdims=True) + eps)


def weight_norm(
    v: Float[Array, "*fan M"], g: Float[Array, " M"], *, eps: float = 1e-12
) -> Float[Array, "*fan M"]:
    """Weights by length and direction, y_m = g_m v_m / sqrt(|v_m|^2 + eps), column by column.

    >>> weight_norm(jnp.array([[0.0], [2.0]]), jnp.array([7.0])).round(5).tolist()
    [[0.0], [7.0]]
    """
    expect(weight_norm, v, g)
    check_eps("weight_norm", eps, v)
    return v * (g * lax.rsqrt(jnp.sum(jnp.square(v), tuple(range(v.ndim - 1))) + eps))
