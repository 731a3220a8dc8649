"""Classification losses: scores and classes in, one number out, the mean over the batch."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Float, Integer

from jaxnn.ops.activations import log_softmax
from jaxnn.shapes import expect

Array = jax.Array


def cross_entropy(
    logits: Float[Array, "*batch K"],
    labels: Integer[Array, "*batch"],
    weights: Float[Array, " K"] | None = None,
    *,
    label_smoothing: float = 0.0,
    ignore_index: int | None = None,
) -> Float[Array, ""]:
    """Mean cross-entropy of the softmax of logits against integer labels.

    Labels and weights are checked where their values are known. Where they are traced, a label out
    of range makes the loss NaN rather than wrong, and where no row counts, or the weights of the
    labels add to 0, the loss is 0 and its gradient too.

    >>> round(float(cross_entropy(jnp.array([[0.0, 0.0]]), jnp.array([1]))), 6)
    0.693147
    """
    expect(cross_entropy, logits, labels, weights)
    a, K = _share("cross_entropy: label_smoothing", label_smoothing), logits.shape[-1]
    if _known(labels):
        own = np.asarray(labels)
        own = own if ignore_index is None else own[own != ignore_index]
        _in_range("cross_entropy", own, K, ignore_index)
        if weights is not None and _known(weights) and np.asarray(weights)[own].sum() == 0:
            raise ValueError(
                "cross_entropy: the weights of the labels add to 0; wanted a positive sum to "
                "divide by; give the classes that occur a positive weight"
            )
    logits, labels = jnp.asarray(logits), jnp.asarray(labels)
    keep = jnp.full(labels.shape, True) if ignore_index is None else labels != ignore_index
    labels = jnp.where(keep, jnp.where(labels < 0, K, labels), 0)  # K fills, -1 would wrap
    w = jnp.ones(K, logits.dtype) if weights is None else jnp.asarray(weights)
    w_own = w.at[labels].get(mode="fill", fill_value=jnp.nan)
    log_p = log_softmax(jnp.where(keep[..., None], logits, 0))
    picked = jnp.take_along_axis(log_p, labels[..., None], -1, mode="fill")[..., 0]
    loss = (1 - a) * w_own * picked
    if a:
        loss += a * (w * log_p).mean(-1)
    total, D = (jnp.where(keep, v, 0).sum() for v in (loss, w_own))
    return jnp.where(D == 0, 0, -total / jnp.where(D == 0, 1, D))


def soft_cross_entropy(
    logits: Float[Array, "*batch K"], targets: Float[Array, "*batch K"]
) -> Float[Array, ""]:
    """Mean cross-entropy of the softmax of logits against target distributions.

    >>> loss = soft_cross_entropy(jnp.array([[0.0, 0.0]]), jnp.array([[0.25, 0.75]]))
    >>> round(float(loss), 6)
    0.693147
    """
    expect(soft_cross_entropy, logits, targets)
    return optax.losses.softmax_cross_entropy(logits, targets).mean()


def binary_cross_entropy(
    logits: Float[Array, "*batch"], targets: Float[Array, "*batch"]
) -> Float[Array, ""]:
    """Mean cross-entropy of the sigmoid of logits against targets in [0, 1], over all entries.

    >>> round(float(binary_cross_entropy(jnp.array([0.0, 0.0]), jnp.array([1.0, 0.5]))), 6)
    0.693147
    """
    expect(binary_cross_entropy, logits, targets)
    return optax.losses.sigmoid_binary_cross_entropy(logits, targets).mean()


def kl_divergence(log_p: Float[Array, "*batch K"], q: Float[Array, "*batch K"]) -> Float[Array, ""]:
    """Mean Kullback-Leibler divergence KL(q || p) of targets q from predictions p = exp(log_p).

    The logarithm is taken of 1 where q is 0, so that its derivative is 0 and not infinite there.
    Targets are checked where their values are known; a negative one under `jax.jit` makes the loss
    NaN.

    >>> round(float(kl_divergence(jnp.log(jnp.array([[0.5, 0.5]])), jnp.array([[0.0, 1.0]]))), 6)
    0.693147
    """
    expect(kl_divergence, log_p, q)
    if _known(q) and (np.asarray(q) < 0).any():
        raise ValueError(
            f"kl_divergence: the smallest entry of q is {np.min(q):.4g}; wanted probabilities, 0 "
            "or more; the first argument holds logarithms, the second does not"
        )
    log_q = jnp.log(jnp.where(q == 0, 1, q))
    return (q * (log_q - log_p)).sum(-1).mean()


def hinge(
    scores: Float[Array, "*batch K"], labels: Integer[Array, "*batch"], *, margin: float = 1.0
) -> Float[Array, ""]:
    """Multi-class hinge loss, summed over the wrong classes, mean over the batch.

    `jax.nn.relu` has derivative 0 at the kink. Labels are checked where their values are known; a
    label out of range under `jax.jit` makes the loss NaN rather than wrong.

    >>> float(hinge(jnp.array([[3.0, 2.5, 2.0]]), jnp.array([0])))
    0.5
    """
    expect(hinge, scores, labels)
    K = scores.shape[-1]
    if _known(labels):
        _in_range("hinge", np.asarray(labels), K)
    labels = jnp.where(labels < 0, K, labels)  # out of range, so that it fills and does not wrap
    own = jnp.take_along_axis(scores, labels[..., None], -1, mode="fill")
    others = ~jax.nn.one_hot(labels, K, dtype=bool)
    return (others * jax.nn.relu(scores - own + margin)).sum(-1).mean()


def _share(what: str, a: float) -> float:
    """A configuration value from 0 to 1."""
    if not 0 <= a <= 1:
        raise ValueError(f"{what} is {a!r}; wanted a share from 0 to 1; 0.1 is usual")
    return a


def _known(x: Array) -> bool:
    """Whether the values of x can be looked at now."""
    return not isinstance(x, jax.core.Tracer)


def _in_range(op: str, labels: np.ndarray, K: int, ignore_index: int | None = None) -> None:
    """Whether there are labels, and all of them are classes."""
    if labels.size == 0:
        raise ValueError(
            f"{op}: every label is ignore_index, {ignore_index}; wanted at least one that counts; "
            "leave such a batch out"
        )
    if labels.min() < 0 or labels.max() >= K:
        scores = "logits" if op == "cross_entropy" else "scores"
        raise ValueError(
            f"{op}: labels run from {labels.min()} to {labels.max()}; wanted 0 to {K - 1} "
            f"for the {K} classes of {scores}; renumber the labels or widen the last layer"
        )
