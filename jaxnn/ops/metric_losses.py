"""Metric losses: vectors that should be near or far, one number out, the mean over the batch."""

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Float

from jaxnn.shapes import expect

Array = jax.Array


def cosine(
    x: Float[Array, "*batch D"], target: Float[Array, "*batch D"], *, eps: float = 1e-8
) -> Float[Array, ""]:
    """Mean cosine distance, 1 - cos of the angle between x and target.

    `optax.safe_norm` is max(|x|, eps) with derivative 0 up to eps, where that of a plain norm is
    NaN at 0.

    >>> float(cosine(jnp.array([[2.0, 0.0]]), jnp.array([[0.0, 4.0]])))
    1.0
    """
    expect(cosine, x, target)
    if not eps > 0:
        raise ValueError(f"cosine: eps is {eps!r}; wanted a positive number; 1e-8 is usual")
    u, v = (a / optax.safe_norm(a, eps, axis=-1, keepdims=True) for a in (x, target))
    return jnp.mean(1 - (u * v).sum(-1))


def triplet(
    anchor: Float[Array, "*batch D"],
    positive: Float[Array, "*batch D"],
    negative: Float[Array, "*batch D"],
    *,
    margin: float = 1.0,
) -> Float[Array, ""]:
    """Mean triplet loss: the positive should be nearer to the anchor than the negative by a margin.

    `optax.safe_norm` has derivative 0 at length 0, where that of a plain norm is NaN, and
    `jax.nn.relu` has derivative 0 at the kink.

    >>> a, p, n = jnp.zeros((1, 2)), jnp.array([[0.0, 2.0]]), jnp.array([[1.0, 0.0]])
    >>> float(triplet(a, p, n))
    2.0
    """
    expect(triplet, anchor, positive, negative)
    near, far = (optax.safe_norm(anchor - b, 0.0, axis=-1) for b in (positive, negative))
    return jnp.mean(jax.nn.relu(near - far + margin))
