"""Classification losses: scores and classes in, one number out, the mean over the batch."""

import numpy as np
from jaxtyping import Float, Integer
from scipy.special import expit

from scratchnn.ops.activations import log_softmax, log_softmax_backward
from scratchnn.shapes import expect

Array = np.ndarray


def cross_entropy(
    logits: Float[Array, "*batch K"],
    labels: Integer[Array, "*batch"],
    weights: Float[Array, " K"] | None = None,
    *,
    label_smoothing: float = 0.0,
    ignore_index: int | None = None,
) -> tuple[Float[Array, ""], tuple]:
    """Mean cross-entropy of the softmax of logits against integer labels.

    With p = softmax(logits), a = label_smoothing, w = weights (1 if absent), l = labels, and n over
    the rows whose label is not ignore_index:

        q_nk = (1 - a) [k = l_n] + a / K        D = sum_n w_l_n
        y = -1/D sum_nk q_nk w_k log p_nk

    It is a weighted mean: D is the number of rows that count where no weights are given. With
    g the gradient of log p, and log p_nk = logits_nk - log sum_j exp(logits_nj),

        g_nk = -dy/D q_nk w_k
        dlogits_nk = g_nk - p_nk sum_j g_nj,    without weights dy/D (p_nk - q_nk)

    w_k stands in the sum and, through every row of class k, in D (dy/dD = -y/D):

        dweights_k = -dy/D (sum_n q_nk log p_nk + y sum_n [k = l_n])

    The log-softmax is taken directly: the logarithm of a softmax is -inf where it underflows.

    Args:
        logits: unnormalised log-probabilities of the K classes.
        labels: the true class of each, 0 to K - 1, or ignore_index.
        weights: of the classes, or None for 1 each.
        label_smoothing: the share of each target that is spread over all K classes, 0 to 1.
        ignore_index: rows with this label count for nothing; None for no such label.

    Returns:
        y, the mean loss in nats, and the cache of `cross_entropy_backward`.

    Raises:
        ValueError: shapes do not fit, a label is out of range, every row is ignored, or the weights
            of the labels add to 0.
        TypeError: logits are not floating, or labels not integers.

    Source: Bishop, Pattern Recognition and Machine Learning (2006), section 4.3.4; label smoothing:
    Szegedy et al., Rethinking the Inception Architecture, arXiv:1512.00567.

    >>> y, cache = cross_entropy(np.array([[0.0, 0.0]]), np.array([1]))
    >>> float(y - np.log(2)), cross_entropy_backward(1.0, cache)[0].tolist()
    (0.0, [[0.5, -0.5]])
    """
    expect(cross_entropy, logits, labels, weights)
    a, K = _share("cross_entropy: label_smoothing", label_smoothing), logits.shape[-1]
    keep = np.full(labels.shape, True) if ignore_index is None else labels != ignore_index
    own = labels[keep]
    _in_range("cross_entropy", own, K, ignore_index)
    w = np.ones(K, logits.dtype) if weights is None else weights
    D = w[own].sum()
    if D == 0:
        raise ValueError(
            "cross_entropy: the weights of the labels add to 0; wanted a positive sum to "
            "divide by; give the classes that occur a positive weight"
        )
    log_p, _ = log_softmax(logits[keep])
    y = -(1 - a) * (w[own] / D * log_p[np.arange(own.size), own]).sum()
    if a:
        y = y - a / K * (w / D * log_p).sum()
    return y, (keep, own, log_p, w, weights is not None, a, D, y)


def cross_entropy_backward(dy: Array | float, cache: tuple) -> tuple[Array, None, Array | None]:
    """g_nk = -dy/D q_nk w_k;  dlogits_nk = g_nk - p_nk sum_j g_nj;  dweights from the sum and D."""
    keep, own, log_p, w, has_weights, a, D, y = cache
    N, K = log_p.shape
    one_hot = (own[:, None] == np.arange(K)).astype(log_p.dtype)
    q = (1 - a) * one_hot + a / K
    g = (-dy / D) * q * w
    dlogits = np.zeros((*keep.shape, K), log_p.dtype)
    dlogits[keep] = log_softmax_backward(g, (log_p,))
    if not has_weights:
        return dlogits, None, None
    term = one_hot.T @ ((1 - a) * log_p[np.arange(N), own] + y)
    if a:
        term = term + a / K * log_p.sum(0)
    dweights = (-dy / D) * term
    return dlogits, None, dweights


def soft_cross_entropy(
    logits: Float[Array, "*batch K"], targets: Float[Array, "*batch K"]
) -> tuple[Float[Array, ""], tuple]:
    """Mean cross-entropy of the softmax of logits against target distributions.

        y = -1/N sum_nk targets_nk log p_nk        p = softmax(logits)

    where n runs over all leading axes, N rows in all. With g the gradient of log p,

        g_nk = -dy/N targets_nk
        dlogits_nk = g_nk - p_nk sum_j g_nj = dy/N (p_nk sum_j targets_nj - targets_nk)
        dtargets_nk = -dy/N log p_nk

    Targets need not add to 1, and the gradient does not assume that they do. The log-softmax is
    taken directly: the logarithm of a softmax is -inf where it underflows.

    Args:
        logits: unnormalised log-probabilities of the K classes, finite.
        targets: the probability that each class should have.

    Returns:
        y, the mean loss in nats, and the cache of `soft_cross_entropy_backward`.

    Source: Hinton, Vinyals and Dean, Distilling the Knowledge in a Neural Network,
    arXiv:1503.02531.

    >>> y, cache = soft_cross_entropy(np.array([[0.0, 0.0]]), np.array([[0.25, 0.75]]))
    >>> float(y - np.log(2)), soft_cross_entropy_backward(1.0, cache)[0].tolist()
    (0.0, [[0.25, -0.25]])
    """
    expect(soft_cross_entropy, logits, targets)
    log_p, _ = log_softmax(logits)
    y = -(targets * log_p).sum(-1).mean()
    return y, (log_p, targets)


def soft_cross_entropy_backward(dy: Array | float, cache: tuple) -> tuple[Array, Array]:
    """g = -dy/N targets;  dlogits_nk = g_nk - p_nk sum_j g_nj;  dtargets = -dy/N log p."""
    log_p, targets = cache
    N = log_p[..., 0].size
    dlogits = log_softmax_backward((-dy / N) * targets, (log_p,))
    dtargets = (-dy / N) * log_p
    return dlogits, dtargets


def binary_cross_entropy(
    logits: Float[Array, "*batch"], targets: Float[Array, "*batch"]
) -> tuple[Float[Array, ""], tuple]:
    """Mean cross-entropy of the sigmoid of logits against targets in [0, 1], over all entries.

    With z = logits, t = targets and N entries,

        -log sigmoid(z) = softplus(-z)        -log(1 - sigmoid(z)) = softplus(z)
        y = 1/N sum_i (1 - t_i) softplus(z_i) + t_i softplus(-z_i)

    As softplus' = sigmoid, and softplus(-z) - softplus(z) = -z,

        dlogits_i = dy/N ((1 - t_i) sigmoid(z_i) - t_i sigmoid(-z_i))
        dtargets_i = -dy/N z_i

    Taken together these are softplus(z) - t z and sigmoid(z) - t; kept apart, nothing cancels where
    the loss is small, and nothing overflows where the logits are large.

    Args:
        logits: log-odds of the positive class.
        targets: the probability that it should have; 0 or 1 for hard labels.

    Returns:
        y, the mean loss in nats, and the cache of `binary_cross_entropy_backward`.

    Source: Bishop, Pattern Recognition and Machine Learning (2006), section 4.3.2.

    >>> y, cache = binary_cross_entropy(np.array([0.0, 0.0]), np.array([1.0, 0.5]))
    >>> float(y - np.log(2))
    0.0
    >>> [g.tolist() for g in binary_cross_entropy_backward(1.0, cache)]
    [[-0.25, 0.0], [-0.0, -0.0]]
    """
    expect(binary_cross_entropy, logits, targets)
    z, t = logits, targets
    y = ((1 - t) * np.logaddexp(0, z) + t * np.logaddexp(0, -z)).mean()
    return y, (z, t)


def binary_cross_entropy_backward(dy: Array | float, cache: tuple) -> tuple[Array, Array]:
    """dlogits = dy/N ((1 - t) sigmoid(z) - t sigmoid(-z));  dtargets = -dy/N z."""
    z, t = cache
    dlogits = (dy / z.size) * ((1 - t) * expit(z) - t * expit(-z))
    dtargets = (-dy / z.size) * z
    return dlogits, dtargets


def kl_divergence(
    log_p: Float[Array, "*batch K"], q: Float[Array, "*batch K"]
) -> tuple[Float[Array, ""], tuple]:
    """Mean Kullback-Leibler divergence KL(q || p) of targets q from predictions p = exp(log_p).

        y = 1/N sum_nk q_nk (log q_nk - log_p_nk)

    where n runs over all leading axes, N rows in all, and 0 log 0 = 0.

        dlog_p_nk = -dy/N q_nk
        dq_nk = dy/N (log q_nk + 1 - log_p_nk)

    At q_nk = 0 the derivative of q log q is -inf; its share is fixed to 0 there, so that
    dq_nk = -dy/N log_p_nk. Log-probabilities come in, as `log_softmax` gives them, because the
    logarithm of a softmax is -inf where it underflows.

    Args:
        log_p: predicted log-probabilities, finite.
        q: target probabilities.

    Returns:
        y, in nats, and the cache of `kl_divergence_backward`.

    Raises:
        ValueError: shapes do not fit, or a target is negative.
        TypeError: an array is not floating.

    Source: Kullback and Leibler, On Information and Sufficiency (1951),
    doi:10.1214/aoms/1177729694.

    >>> log_p, q = np.log(np.array([[0.5, 0.5]])), np.array([[0.0, 1.0]])
    >>> y, cache = kl_divergence(log_p, q)
    >>> float(y - np.log(2)), kl_divergence_backward(1.0, cache)[0].tolist()
    (0.0, [[-0.0, -1.0]])
    """
    expect(kl_divergence, log_p, q)
    if (q < 0).any():
        raise ValueError(
            f"kl_divergence: the smallest entry of q is {q.min():.4g}; wanted probabilities, 0 or "
            "more; the first argument holds logarithms, the second does not"
        )
    log_q = np.log(np.where(q == 0, 1, q))  # 0 log 0 = 0
    y = (q * (log_q - log_p)).sum(-1).mean()
    return y, (log_p, log_q, q)


def kl_divergence_backward(dy: Array | float, cache: tuple) -> tuple[Array, Array]:
    """dlog_p = -dy/N q;  dq = dy/N (log q + [q > 0] - log_p)."""
    log_p, log_q, q = cache
    N = q[..., 0].size
    dlog_p = (-dy / N) * q
    dq = (dy / N) * (log_q + (q > 0) - log_p)
    return dlog_p, dq


def hinge(
    scores: Float[Array, "*batch K"], labels: Integer[Array, "*batch"], *, margin: float = 1.0
) -> tuple[Float[Array, ""], tuple]:
    """Multi-class hinge loss, summed over the wrong classes, mean over the batch.

    With l = labels and n over all leading axes, N rows in all,

        m_nk = scores_nk - scores_n,l_n + margin        for k other than l_n
        y = 1/N sum_n sum_k max(m_nk, 0)

    Every class that violates the margin is pushed down, the right class up by as much:

        dscores_nk = dy/N [m_nk > 0]                    for k other than l_n
        dscores_n,l_n = -sum_k dscores_nk

    At the kink m = 0 the subgradient is fixed to 0.

    Args:
        scores: of the K classes.
        labels: the true class of each, 0 to K - 1.
        margin: by which the right score should exceed the others.

    Returns:
        y, in units of the scores, and the cache of `hinge_backward`.

    Raises:
        ValueError: shapes do not fit, or a label is out of range.
        TypeError: scores are not floating, or labels not integers.

    Source: Weston and Watkins, Support Vector Machines for Multi-Class Pattern Recognition,
    ESANN 1999.

    >>> y, cache = hinge(np.array([[3.0, 2.5, 2.0]]), np.array([0]))
    >>> float(y), hinge_backward(1.0, cache)[0].tolist()
    (0.5, [[-1.0, 1.0, 0.0]])
    """
    expect(hinge, scores, labels)
    _in_range("hinge", labels, scores.shape[-1])
    m = scores - np.take_along_axis(scores, labels[..., None], -1) + margin
    np.put_along_axis(m, labels[..., None], 0, -1)
    y = np.maximum(m, 0).sum(-1).mean()
    return y, ((m > 0).astype(m.dtype), labels)


def hinge_backward(dy: Array | float, cache: tuple) -> tuple[Array, None]:
    """dscores_nk = dy/N [m_nk > 0], and minus their sum at k = l_n."""
    violated, labels = cache
    dscores = (dy / labels.size) * violated
    np.put_along_axis(dscores, labels[..., None], -dscores.sum(-1, keepdims=True), -1)
    return dscores, None


def _share(what: str, a: float) -> float:
    """A configuration value from 0 to 1."""
    if not 0 <= a <= 1:
        raise ValueError(f"{what} is {a!r}; wanted a share from 0 to 1; 0.1 is usual")
    return a


def _in_range(op: str, labels: Array, K: int, ignore_index: int | None = None) -> None:
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
