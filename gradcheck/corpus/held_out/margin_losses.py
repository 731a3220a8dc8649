import numpy as np


def svm_loss(x, y, delta=1.0):
    N = x.shape[0]
    correct = x[np.arange(N), y]
    margins = np.maximum(0, x - correct[:, np.newaxis] + delta)
    margins[np.arange(N), y] = 0
    loss = np.sum(margins) / N
    return loss, (margins, y)


def svm_loss_backward(dloss, cache):
    margins, y = cache
    N = margins.shape[0]
    dx = np.zeros_like(margins)
    dx[margins > 0] = 1
    num_pos = np.sum(margins > 0, axis=1)
    dx[np.arange(N), y] -= num_pos
    dx /= N
    return dx * dloss, None


def huber(pred, target, delta=0.8):
    r = pred - target
    a = np.abs(r)
    l = np.where(a <= delta, 0.5 * r * r, delta * (a - 0.5 * delta))
    return l.mean(), (r, delta)


def huber_backward(dl, cache):
    r, delta = cache
    g = np.where(np.abs(r) <= delta, r, delta * np.sign(r))
    g = dl * g / r.size
    return g, -g


def kl_div(logits, q):
    """KL(q || softmax(logits)), batchmean; q rows are probabilities."""
    z = logits - logits.max(1)[:, None]
    logp = z - np.log(np.exp(z).sum(1))[:, None]
    loss = (q * (np.log(q) - logp)).sum() / len(q)
    return loss, (logp, q)


def kl_div_backward(dl, cache):
    logp, q = cache
    n = len(q)
    mass = q.sum(axis=1, keepdims=True)
    dlogits = dl * (np.exp(logp) * mass - q) / n
    dq = dl * (np.log(q) + 1 - logp) / n
    return dlogits, dq


CASES = {
    "svm_loss": [lambda r: (r.standard_normal((5, 4)), r.integers(0, 4, 5)),
                 lambda r: (2 * r.standard_normal((7, 3)), r.integers(0, 3, 7))],
    "huber": lambda r: (r.standard_normal((4, 3)), r.standard_normal((4, 3))),
    "kl_div": lambda r: (r.standard_normal((3, 5)), r.uniform(0.1, 1.0, (3, 5))),
}
