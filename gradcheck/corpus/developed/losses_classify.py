"""Classification losses.  labels are integer arrays and get no gradient.

    loss, cache = f(logits, labels)
    dlogits = f_backward(dloss, cache)
"""
import numpy as np


def _softmax(z):
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def _sigm(z):
    return 0.5 * (1 + np.tanh(0.5 * z))


def bce_with_logits(logits, labels):
    # max(z, 0) - z*y + log(1 + exp(-|z|))
    z, y = logits, labels
    per = np.maximum(z, 0) - z * y + np.log1p(np.exp(-np.abs(z)))
    return per.mean(), (z, y)


def bce_with_logits_backward(dloss, cache):
    z, y = cache
    return dloss * (_sigm(z) - y) / z.size


def smoothed_ce(logits, labels, eps=0.1):
    n, k = logits.shape
    p = _softmax(logits)
    target = np.full((n, k), eps / k)
    target[np.arange(n), labels] += 1 - eps
    loss = -(target * np.log(p)).sum() / n
    return loss, (p, labels, eps)


def smoothed_ce_backward(dloss, cache):
    p, labels, eps = cache
    n, k = p.shape
    grad = p.copy()
    grad -= eps / k
    grad[np.arange(n), labels] -= 1 - eps
    grad *= dloss / n
    return grad


def focal(logits, labels, gamma=2.0, alpha=0.25):
    """binary focal loss, summed"""
    s = np.where(labels == 1, 1.0, -1.0)
    w = np.where(labels == 1, alpha, 1 - alpha)
    pt = _sigm(s * logits)
    logpt = -np.logaddexp(0, -s * logits)
    return np.sum(-w * (1 - pt) ** gamma * logpt), (s, w, pt, logpt, gamma)


def focal_backward(dloss, cache):
    s, w, pt, logpt, gamma = cache
    # d pt / d logit = s pt (1-pt),   d logpt / d logit = s (1-pt)
    modulating = gamma * (1 - pt) ** (gamma - 1) * logpt
    dpt = w * modulating
    dlogpt = -w * (1 - pt) ** gamma
    dz = dpt * pt * (1 - pt) + dlogpt * (1 - pt)
    return dloss * dz * s


def soft_ce(logits, target):
    """cross entropy with a float target (distillation): gradients for both; targets need not sum to one"""
    p = _softmax(logits)
    logp = np.log(p)
    return -np.mean(np.sum(target * logp, axis=1)), (p, logp, target)


def soft_ce_backward(dloss, cache):
    p, logp, target = cache
    n = len(p)
    dlogp = -target * dloss / n
    dlogits = dlogp - p * dlogp.sum(axis=1, keepdims=True)
    return dlogits, -logp * dloss / n


CASES = {
    "bce_with_logits": [lambda rng: (2 * rng.standard_normal((4, 5)), rng.integers(0, 2, (4, 5))),
                        lambda rng: (np.array([900., -850., 1.5]), np.array([1, 0, 1]))],
    "smoothed_ce": lambda rng: (rng.standard_normal((4, 5)), rng.integers(0, 5, 4)),
    "focal": lambda rng: (rng.standard_normal(9), rng.integers(0, 2, 9)),
    "soft_ce": lambda rng: (rng.standard_normal((4, 5)), rng.uniform(0, 1, (4, 5))),
}
