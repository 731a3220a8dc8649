"""Teacher-forced character model: embedding -> tanh RNN -> logits through the SAME embedding
matrix (weight tying) -> cross entropy averaged over the positions that are not padding."""
import numpy as np

PAD = -1


def charlm(E, Wx, Wh, bh, bo, ids, targets):
    B, T = ids.shape
    H = Wh.shape[0]
    h = np.zeros((B, T + 1, H))          # h[:, -1] stays zero: index -1 is the initial state
    probs = np.zeros((B, T, E.shape[0]))
    total, count = 0.0, (targets != PAD).sum()
    for t in range(T):
        h[:, t] = np.tanh(E[ids[:, t]] @ Wx + h[:, t - 1] @ Wh + bh)
        logits = h[:, t] @ E.T + bo
        logits = logits - logits.max(axis=1, keepdims=True)
        p = np.exp(logits)
        p = p / p.sum(axis=1, keepdims=True)
        probs[:, t] = p
        for n in range(B):
            if targets[n, t] != PAD:
                total -= np.log(p[n, targets[n, t]])
    return total / count, (E, Wx, Wh, ids, targets, h, probs, count)


def charlm_backward(dloss, cache):
    E, Wx, Wh, ids, targets, h, probs, count = cache
    B, T = ids.shape
    dE = np.zeros_like(E)
    dWx, dWh = np.zeros_like(Wx), np.zeros_like(Wh)
    dbh = np.zeros(Wh.shape[0])
    dbo = np.zeros(E.shape[0])
    dh_next = np.zeros((B, Wh.shape[0]))
    for t in reversed(range(T)):
        dlogits = probs[:, t].copy()
        for n in range(B):
            if targets[n, t] == PAD:
                dlogits[n] = 0
            else:
                dlogits[n, targets[n, t]] -= 1
        dlogits *= dloss / count
        dbo += dlogits.sum(axis=0)
        dE += dlogits.T @ h[:, t]                      # output use of E
        dh = dlogits @ E + dh_next
        da = (1 - h[:, t] ** 2) * dh
        dbh += da.sum(axis=0)
        dWx += E[ids[:, t]].T @ da
        dWh += h[:, t - 1].T @ da
        np.add.at(dE, ids[:, t], da @ Wx.T)            # input use of E
        dh_next = da @ Wh.T
    return dE, dWx, dWh, dbh, dbo, None, None


def xent(logits, y, smoothing=0.1):
    """Label-smoothed cross entropy per sequence: summed over time, averaged over the batch."""
    B, T, V = logits.shape
    z = logits - logits.max(-1, keepdims=True)
    logp = z - np.log(np.exp(z).sum(-1, keepdims=True))
    q = np.full(logits.shape, smoothing / V)
    q[np.arange(B)[:, None], np.arange(T), y] += 1 - smoothing
    return -(q * logp).sum() / B, (logp, q, B)


def xent_backward(g, cache):
    logp, q, B = cache
    return g * (np.exp(logp) - q) / B, None


def _data(r):
    ids = np.array([[1, 3, 1, 0], [2, 2, 4, 5], [0, 3, 3, 3]])
    tg = np.array([[3, 1, 0, 2], [2, 4, 5, -1], [5, 3, -1, -1]])
    E = r.standard_normal((6, 5))
    return (E, .4 * r.standard_normal((5, 5)), .4 * r.standard_normal((5, 5)), r.standard_normal(5),
            r.standard_normal(6), ids, tg)


CASES = {"charlm": _data,
         "xent": lambda r: (r.standard_normal((2, 3, 5)), r.integers(0, 5, (2, 3)))}
