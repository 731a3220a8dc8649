"""Losses: predictions and targets in, one number out."""

import numpy as np
from jaxtyping import Float, Integer

from scratchnn.ops.activations import log_softmax
from scratchnn.shapes import expect

Array = np.ndarray


def cross_entropy(
    logits: Float[Array, "*batch K"], labels: Integer[Array, "*batch"]
) -> tuple[Float[Array, ""], tuple]:
    """Mean cross-entropy of the softmax of logits against integer labels.

        y = -1/N sum_n log p_n,labels_n        p = softmax(logits)

    With log p_nk = logits_nk - log sum_j exp(logits_nj),

        dlogits_nk = dy/N (p_nk - [k = labels_n])

    The log-softmax is taken directly: the logarithm of a softmax is -inf where it underflows.

    Args:
        logits: unnormalised log-probabilities of the K classes.
        labels: the true class of each, 0 to K - 1.

    Returns:
        y, the mean loss in nats, and the cache of `cross_entropy_backward`.

    Raises:
        ValueError: shapes do not fit, an axis is empty, or a label is out of range.
        TypeError: logits are not floating, or labels not integers.

    Source: Bishop, Pattern Recognition and Machine Learning (2006), section 4.3.4.

    >>> y, cache = cross_entropy(np.array([[0.0, 0.0]]), np.array([1]))
    >>> float(y - np.log(2)), cross_entropy_backward(1.0, cache)[0].tolist()
    (0.0, [[0.5, -0.5]])
    """
    expect(cross_entropy, logits, labels)
    K = logits.shape[-1]
    if labels.min() < 0 or labels.max() >= K:
        raise ValueError(
            f"cross_entropy: labels run from {labels.min()} to {labels.max()}; wanted 0 to {K - 1} "
            f"for the {K} classes of logits; renumber the labels or widen the last layer"
        )
    log_p, _ = log_softmax(logits)
    picked = np.take_along_axis(log_p, labels[..., None], -1)
    return -picked.mean(), (log_p, labels)


def cross_entropy_backward(dy: Array | float, cache: tuple) -> tuple[Array, None]:
    """dlogits_nk = dy/N (p_nk - [k = labels_n])."""
    log_p, labels = cache
    p = np.exp(log_p)
    one_hot = np.zeros_like(p)
    np.put_along_axis(one_hot, labels[..., None], 1, -1)
    dlogits = (dy / labels.size) * (p - one_hot)
    return dlogits, None


def mse(
    x: Float[Array, "*batch"], target: Float[Array, "*batch"]
) -> tuple[Float[Array, ""], tuple]:
    """Mean squared error over all entries.

        y = 1/N sum_i (x_i - target_i)^2

        dx_i = dy 2/N (x_i - target_i)        dtarget = -dx

    Args:
        x: predictions.
        target: what they should have been.

    Returns:
        y, in squared units of x, and the cache of `mse_backward`.

    Raises:
        ValueError: shapes differ, or are empty.
        TypeError: an array is not floating.

    Source: Bishop, Pattern Recognition and Machine Learning (2006), section 1.1.

    >>> y, cache = mse(np.array([1.0, 3.0]), np.array([0.0, 0.0]))
    >>> float(y), [g.tolist() for g in mse_backward(1.0, cache)]
    (5.0, [[1.0, 3.0], [-1.0, -3.0]])
    """
    expect(mse, x, target)
    r = x - target
    return (r * r).mean(), (r,)


def mse_backward(dy: Array | float, cache: tuple) -> tuple[Array, Array]:
    """dx_i = dy 2/N r_i with r = x - target;  dtarget = -dx."""
    (r,) = cache
    dx = dy * (2 / r.size) * r
    return dx, -dx
