"""Losses for the language model, for float32 *and* float64 inputs. Labels are ints, -1 = padding."""
import numpy as np


def masked_xent(logits, labels):
    """Mean cross entropy over the tokens that are not padding. logits (N, T, V), labels (N, T)."""
    valid = labels >= 0
    safe = np.where(valid, labels, 0)
    m = logits.max(axis=-1, keepdims=True)
    logZ = m + np.log(np.exp(logits - m).sum(axis=-1, keepdims=True))
    logp = logits - logZ
    picked = np.take_along_axis(logp, safe[..., None], axis=-1)[..., 0]
    count = max(int(valid.sum()), 1)
    return float(-(picked * valid).sum() / count), (logp, safe, valid, count)


def masked_xent_backward(dloss, cache):
    logp, safe, valid, count = cache
    d = np.exp(logp)
    n, t = np.indices(safe.shape)
    d[n, t, safe] -= 1.0
    d *= valid[..., None]
    d *= dloss / count
    return d


def smooth_xent(logits, y, eps=0.1):
    """Label smoothing, summed over rows."""
    z = logits - logits.max(1, keepdims=True)
    logp = z - np.log(np.exp(z).sum(1, keepdims=True))
    K = logits.shape[1]
    q = np.full(logits.shape, eps / K)
    q[np.arange(len(y)), y] += 1 - eps
    return float(-(q * logp).sum()), (q, logp)


def smooth_xent_backward(dl, cache):
    q, logp = cache
    return dl * (np.exp(logp) - q)


def bce_logits(z, t, pos_weight=2.5):
    """mean of  -[w t log s(z) + (1 - t) log(1 - s(z))], stable; t ints in {0, 1}, same shape as z"""
    sp = np.logaddexp(0, -z)                    # -log s(z)
    loss = pos_weight * t * sp + (1 - t) * (sp + z)
    return float(loss.mean()), (z, t, pos_weight)


def bce_logits_backward(dl, cache):
    z, t, w = cache
    s = 0.5 * (1 + np.tanh(0.5 * z))
    return dl * (w * t * (s - 1) + (1 - t) * s) / z.size


def info_nce(a, b, log_tau):
    """Rows of a and b are positives of each other (a_i, b_i); one direction. log_tau (1,)"""
    it = np.exp(-log_tau[0])
    S = a @ b.T * it
    P = np.exp(S - S.max(1, keepdims=True))
    P /= P.sum(1, keepdims=True)
    n = len(a)
    return float(-np.log(np.diag(P)).mean()), (a, b, it, S, P, n)


def info_nce_backward(dl, cache):
    a, b, it, S, P, n = cache
    dS = dl * (P - np.eye(n)) / n
    da = dS @ b * it
    db = dS.T @ a * it
    dlt = np.array([-(dS * S).sum()])
    return da, db, dlt


def _labels(rng):
    y = rng.integers(0, 6, (2, 4))
    y[0, 3] = y[1, 1] = -1
    return y


CASES = {
    "masked_xent": lambda rng: (rng.standard_normal((2, 4, 6)), _labels(rng)),
    "smooth_xent": lambda rng: (rng.standard_normal((3, 5)), rng.integers(0, 5, 3)),
    "bce_logits": [lambda rng: (rng.standard_normal((4, 3)), rng.integers(0, 2, (4, 3))),
                   lambda rng: (np.array([[-900.0, 1.5], [0.3, 800.0]]), np.array([[0, 1], [0, 1]]))],
    "info_nce": lambda rng: (rng.standard_normal((4, 3)), rng.standard_normal((4, 3)), np.array([0.3])),
}
