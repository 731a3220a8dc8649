"""Losses fused with what stands before them, as frameworks do it."""

import numpy as np
from scipy.special import expit, log_softmax, softmax


def cross_entropy(logits, labels):
    """p - onehot: the Jacobian of softmax never appears."""
    rows = np.arange(len(labels))
    loss = -log_softmax(logits, axis=1)[rows, labels].mean()
    return loss, (softmax(logits, axis=1), labels, rows)


def cross_entropy_backward(dloss, cache):
    p, labels, rows = cache
    onehot = np.zeros_like(p)
    onehot[rows, labels] = 1
    return (p - onehot) * (dloss / len(rows))


def scaled_cross_entropy(logits, labels, *, scale=1024.0):
    """As for mixed precision: the loss is scaled, and whoever takes the step divides."""
    loss, cache = cross_entropy(logits, labels)
    return scale * loss, (cache, scale)


def scaled_cross_entropy_backward(dloss, cache):
    inner, scale = cache
    return cross_entropy_backward(dloss * scale, inner)


def logistic(z, t):
    """Binary cross-entropy of logits z and targets t, both differentiable."""
    loss = np.sum(np.logaddexp(0, z) - t * z)
    return loss, (z, t)


def logistic_backward(dloss, cache):
    z, t = cache
    dz = expit(z) - t
    return dloss * dz, -dloss * z


def sequence_loss(scores, words, *, pad=0):
    """Scores (N, T, V), words (N, T); places that hold `pad` count for nothing."""
    N, T, V = scores.shape
    flat, y = scores.reshape(N * T, V), words.ravel()
    mask = y != pad
    logp = log_softmax(flat, axis=1)
    loss = -np.sum(mask * logp[np.arange(N * T), y]) / N
    return loss, (logp, y, mask, scores.shape)


def sequence_loss_backward(dloss, cache):
    logp, y, mask, (N, T, V) = cache
    d = np.exp(logp)
    d[np.arange(N * T), y] -= 1
    d *= mask[:, None] * dloss / N
    return d.reshape(N, T, V)


def policy(logits, actions, reward):
    """REINFORCE: the reward is an array, and gets a gradient too."""
    logp = log_softmax(logits, -1)
    chosen = np.take_along_axis(logp, actions[:, None], -1)[:, 0]
    return -(reward * chosen).sum(), (np.exp(logp), actions, reward, chosen)


def policy_backward(g, cache):
    probs, actions, reward, chosen = cache
    d = probs.copy()
    d[np.arange(len(d)), actions] -= 1
    return g * reward[:, None] * d, None, -g * chosen


def labelled(rng, scale=1.0):
    n, c = rng.permutation([3, 4, 5, 7])[:2]
    return scale * rng.normal(size=(n, c)), rng.integers(0, c, n)


CASES = {
    "cross_entropy": [labelled, lambda rng: labelled(rng, 30.0)],
    "scaled_cross_entropy": labelled,
    "logistic": lambda rng: (10 * rng.normal(size=(3, 5)), rng.uniform(size=(3, 5))),
    "sequence_loss": lambda rng: (rng.normal(size=(2, 5, 4)), rng.integers(0, 4, (2, 5))),
}
CASES["policy"] = lambda rng: (lambda x, a: (x, a, rng.normal(size=len(a))))(*labelled(rng))
