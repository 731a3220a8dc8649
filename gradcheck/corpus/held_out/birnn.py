"""Bidirectional tanh RNN (outputs concatenated) and a two-layer stacked ReLU RNN with a fixed
inter-layer dropout mask.  Time first."""
import numpy as np


def _run(x, W, U, b, reverse=False):
    T, N, _ = x.shape
    H = U.shape[0]
    h = np.zeros((T, N, H))
    order = range(T - 1, -1, -1) if reverse else range(T)
    last = np.zeros((N, H))
    for t in order:
        last = np.tanh(x[t] @ W + last @ U + b)
        h[t] = last
    return h


def bidir(x, Wf, Uf, bf, Wb, Ub, bb):
    hf = _run(x, Wf, Uf, bf)
    hb = _run(x, Wb, Ub, bb, reverse=True)
    return np.concatenate([hf, hb], axis=2), (x, hf, hb, Wf, Uf, Wb, Ub)


def bidir_backward(dy, cache):
    x, hf, hb, Wf, Uf, Wb, Ub = cache
    T = x.shape[0]
    H = hf.shape[2]
    dx = np.zeros_like(x)

    # forward direction: unroll from the end
    dyf = dy[..., :H]
    dWf = np.zeros_like(Wf)
    dUf = np.zeros_like(Uf)
    dbf = np.zeros(H)
    carry = np.zeros_like(hf[0])
    for t in range(T - 1, -1, -1):
        d = (dyf[t] + carry) * (1 - hf[t] ** 2)
        dWf += x[t].T @ d
        dbf += d.sum(0)
        if t > 0:
            dUf += hf[t - 1].T @ d
        dx[t] += d @ Wf.T
        carry = d @ Uf.T

    # backward direction: unroll from the start
    dyb = dy[..., H:]
    dWb = np.zeros_like(Wb)
    dUb = np.zeros_like(Ub)
    dbb = np.zeros(hb.shape[2])
    carry = np.zeros_like(hb[0])
    for t in range(T):
        e = (dyb[t] + carry) * (1 - hb[t] ** 2)
        dWb += x[t].T @ e
        dbb += e.sum(0)
        if t < T - 1:
            dUb += hb[t + 1].T @ e
        dx[t] += e @ Wb.T
        carry = e @ Ub.T
    return dx, dWf, dUf, dbf, dWb, dUb, dbb


def stacked(x, W1, U1, W2, U2, keep=0.75):
    T, N, _ = x.shape
    h1 = [np.zeros((N, len(U1)))]
    h2 = [np.zeros((N, len(U2)))]
    drop = np.random.default_rng(7).random((N, len(U1))) < keep      # same mask at every step
    for t in range(T):
        h1.append(np.maximum(0, x[t] @ W1 + h1[-1] @ U1))
        h2.append(np.tanh((h1[-1] * drop / keep) @ W2 + h2[-1] @ U2))
    return np.stack(h2[1:]), dict(x=x, h1=h1, h2=h2, drop=drop, keep=keep, W=(W1, W2), U=(U1, U2))


def stacked_backward(dy, cache):
    x, h1, h2, drop, keep = (cache[k] for k in ("x", "h1", "h2", "drop", "keep"))
    (W1, W2), (U1, U2) = cache["W"], cache["U"]
    dx = np.zeros_like(x)
    dW1, dU1, dW2, dU2 = (np.zeros_like(p) for p in (W1, U1, W2, U2))
    n1 = np.zeros_like(h1[0])
    n2 = np.zeros_like(h2[0])
    for t in range(len(x), 0, -1):              # h[0] is the initial state
        a2 = (dy[t - 1] + n2) * (1 - h2[t] ** 2)
        dW2 += (h1[t] * drop / keep).T @ a2
        dU2 += h2[t - 1].T @ a2
        n2 = a2 @ U2.T
        dh1 = (a2 @ W2.T) * drop / keep + n1
        a1 = dh1 * (h1[t] > 0)
        dW1 += x[t - 1].T @ a1
        dU1 += h1[t - 1].T @ a1
        n1 = a1 @ U1.T
        dx[t - 1] = a1 @ W1.T
    return dx, dW1, dU1, dW2, dU2


CASES = {
    "bidir": lambda r: (r.standard_normal((4, 2, 3)),
                        .5 * r.standard_normal((3, 5)), .5 * r.standard_normal((5, 5)), r.standard_normal(5),
                        .5 * r.standard_normal((3, 6)), .4 * r.standard_normal((6, 6)), r.standard_normal(6)),
    "stacked": lambda r: (r.standard_normal((4, 3, 2)), r.standard_normal((2, 6)), .5 * r.standard_normal((6, 6)),
                          .4 * r.standard_normal((6, 5)), .4 * r.standard_normal((5, 5))),
}
