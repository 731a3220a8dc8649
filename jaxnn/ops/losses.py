"""Losses: predictions and targets in, one number out."""

import jax
import jax.numpy as jnp
from jaxtyping import Float, Integer

from jaxnn.ops.activations import log_softmax
from jaxnn.shapes import expect

Array = jax.Array


def cross_entropy(
    logits: Float[Array, "*batch K"], labels: Integer[Array, "*batch"]
) -> Float[Array, ""]:
    """Mean cross-entropy of the softmax of logits against integer labels.

    Labels are checked where their values are known; a label out of range under `jax.jit` makes
    the loss NaN rather than wrong.

    >>> round(float(cross_entropy(jnp.array([[0.0, 0.0]]), jnp.array([1]))), 6)
    0.693147
    """
    expect(cross_entropy, logits, labels)
    K = logits.shape[-1]
    if not isinstance(labels, jax.core.Tracer) and (labels.min() < 0 or labels.max() >= K):
        raise ValueError(
            f"cross_entropy: labels run from {labels.min()} to {labels.max()}; wanted 0 to {K - 1} "
            f"for the {K} classes of logits; renumber the labels or widen the last layer"
        )
    log_p = log_softmax(logits)
    labels = jnp.where(labels < 0, K, labels)  # out of range, so that it fills and does not wrap
    picked = jnp.take_along_axis(log_p, labels[..., None], -1, mode="fill")
    return -picked.mean()


def mse(x: Float[Array, "*batch"], target: Float[Array, "*batch"]) -> Float[Array, ""]:
    """Mean squared error over all entries.

    >>> float(mse(jnp.array([1.0, 3.0]), jnp.array([0.0, 0.0])))
    5.0
    """
    expect(mse, x, target)
    r = x - target
    return (r * r).mean()
