"""Losses that compute their gradient on the way forward and only scale it on the way back."""
import numpy as np
from scipy.special import expit, log_softmax


def xent(logits, labels):
    n = len(labels)
    logp = log_softmax(logits, axis=1)
    grad = np.exp(logp)
    grad[range(n), labels] -= 1
    return -logp[range(n), labels].mean(), grad / n


def xent_backward(dloss, ready):
    return dloss * ready, None


def xent_ignore(logits, labels):
    """Mean over the rows whose label is not -1."""
    valid = labels >= 0
    count = max(valid.sum(), 1)
    safe = np.where(valid, labels, 0)
    logp = log_softmax(logits, axis=1)
    loss = -(logp[np.arange(len(safe)), safe] * valid).sum() / count
    return loss, (np.exp(logp), valid, safe, count)


def xent_ignore_backward(d, cache):
    p, valid, safe, count = cache
    onehot = np.eye(p.shape[1])[safe]
    return d * (p - onehot) * valid[:, None] / count, None


def linear_bce(x, w, t):
    """Logistic regression from the inputs to the loss; t are probabilities."""
    z = x @ w
    loss = np.sum(np.logaddexp(0, z) - t * z)
    err = expit(z) - t
    return loss, (np.outer(err, w), err @ x, -z)


def linear_bce_backward(up, grads):
    return tuple(up * g for g in grads)


def smoothed_xent(logits, labels):
    """Label smoothing of 0.1, a loss for each row."""
    k = logits.shape[1]
    q = np.full(logits.shape, 0.1 / k)
    q[np.arange(len(q)), labels] += 0.9
    logp = log_softmax(logits, axis=1)
    return -(q * logp).sum(1), (np.exp(logp), q)


def smoothed_xent_backward(d, cache):
    p, q = cache
    return (p - q) * d[:, None], None  # the rows of q sum to one


def add_norm(x, r):
    """RMS norm of x + r, and the sum itself for the next block."""
    s = x + r
    inv = 1 / np.sqrt((s * s).mean(-1, keepdims=True) + 1e-3)
    return (s * inv, s), (s, inv)


def add_norm_backward(grads, cache):
    (dn, ds), (s, inv) = grads, cache
    both = ds + inv * (dn - s * inv**2 * (dn * s).mean(-1, keepdims=True))
    return both, both


def _labels(rng):
    n, k = rng.permutation([3, 4, 5, 7])[:2]
    return rng.normal(size=(n, k)), rng.integers(0, k, n)


def _some_ignored(rng):
    x, t = _labels(rng)
    t[::2] = -1
    return x, t


CASES = {
    "xent": _labels,
    "xent_ignore": _some_ignored,
    "linear_bce": lambda rng: (rng.normal(size=(5, 3)), rng.normal(size=3), rng.uniform(size=5)),
    "smoothed_xent": _labels,
    "add_norm": lambda rng: tuple(rng.normal(size=(2, rng.integers(2, 5), 3))),
}
