"""Regression losses: predictions and targets in, one number out, the mean over all entries."""

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Float

from jaxnn.shapes import expect

Array = jax.Array


def mse(x: Float[Array, "*batch"], target: Float[Array, "*batch"]) -> Float[Array, ""]:
    """Mean squared error over all entries.

    >>> float(mse(jnp.array([1.0, 3.0]), jnp.array([0.0, 0.0])))
    5.0
    """
    expect(mse, x, target)
    r = x - target
    return jnp.mean(r * r)


def l1(x: Float[Array, "*batch"], target: Float[Array, "*batch"]) -> Float[Array, ""]:
    """Mean absolute error over all entries.

    `jax.nn.relu` has derivative 0 at the kink, so that |r| = relu(r) + relu(-r) has too; autodiff
    of `jnp.abs` would give 1.

    >>> float(l1(jnp.array([1.0, -3.0, 0.0, 0.0]), jnp.zeros(4)))
    1.0
    """
    expect(l1, x, target)
    r = x - target
    return jnp.mean(jax.nn.relu(r) + jax.nn.relu(-r))


def huber(
    x: Float[Array, "*batch"], target: Float[Array, "*batch"], *, delta: float = 1.0
) -> Float[Array, ""]:
    """Mean Huber loss over all entries: quadratic up to delta, linear beyond.

    >>> float(huber(jnp.array([1.0, -5.0]), jnp.zeros(2), delta=2.0))
    4.25
    """
    expect(huber, x, target)
    if not delta > 0:
        raise ValueError(
            f"huber: delta is {delta!r}; wanted a positive number; 1 is usual, l1 is its limit at 0"
        )
    return jnp.mean(optax.losses.huber_loss(x, target, delta=delta))
