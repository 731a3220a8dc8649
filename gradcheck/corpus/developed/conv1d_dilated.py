# WaveNet building block. Written by hand, no im2col, because T is small.
import numpy as np


def conv1d(x, w, b, stride=1, dilation=1):
    """x (N, C, T), w (O, C, K), b (O,), 'valid' cross-correlation."""
    N, C, T = x.shape
    O, _, K = w.shape
    Tout = (T - dilation * (K - 1) - 1) // stride + 1
    y = np.zeros((N, O, Tout))
    for t in range(Tout):
        for k in range(K):
            y[:, :, t] += x[:, :, t * stride + k * dilation] @ w[:, :, k].T
    y += b[None, :, None]
    return y, (x, w, stride, dilation)


def conv1d_backward(dy, cache):
    x, w, stride, dilation = cache
    dx = np.zeros_like(x)
    dw = np.zeros_like(w)
    for t in range(dy.shape[2]):
        for k in range(w.shape[2]):
            src = t * stride + k * dilation
            dx[:, :, src] += dy[:, :, t] @ w[:, :, k]
            dw[:, :, k] += dy[:, :, t].T @ x[:, :, src]
    db = dy.sum(axis=(0, 2))
    return dx, dw, db


def causal(x, w, dilation=2):
    """Depthwise causal conv: y[n,c,t] = sum_k w[c,k] x[n,c,t-k*dilation]"""
    K = w.shape[1]
    p = (K - 1) * dilation
    T = x.shape[2]
    xp = np.pad(x, ((0, 0), (0, 0), (p, 0)))
    y = sum(w[None, :, k, None] * xp[:, :, p - k * dilation:p - k * dilation + T] for k in range(K))
    return y, (xp, w, dilation, p, T)


def causal_backward(dy, cache):
    xp, w, dilation, p, T = cache
    dxp, dw = np.zeros_like(xp), np.empty_like(w)
    for k in range(w.shape[1]):
        lo = p - k * dilation
        dw[:, k] = (dy * xp[:, :, lo:lo + T]).sum(axis=(0, 2))
        dxp[:, :, lo:lo + T] += w[None, :, k, None] * dy
    return dxp[:, :, p:], dw


def gated(x, wf, wg):
    """1x1 'gated activation unit' tanh(wf x) * sigmoid(wg x)"""
    a = np.tanh(np.einsum('oc,nct->not', wf, x))
    s = 1 / (1 + np.exp(-np.einsum('oc,nct->not', wg, x)))
    return a * s, (x, wf, wg, a, s)


def gated_backward(dy, cache):
    x, wf, wg, a, s = cache
    df = dy * s * (1 - a ** 2)
    dg = dy * a * s * (1 - s)
    dx = np.einsum('oc,not->nct', wf, df)
    dx += np.einsum('oc,not->nct', wg, dg)
    return dx, np.einsum('not,nct->oc', df, x), np.einsum('not,nct->oc', dg, x)


CASES = {
    "conv1d": [
        lambda rng: (rng.standard_normal((2, 3, 9)), rng.standard_normal((4, 3, 3)), rng.standard_normal(4), 1, 2),
        lambda rng: (rng.standard_normal((2, 3, 10)), rng.standard_normal((4, 3, 3)), rng.standard_normal(4), 2, 1),
    ],
    "causal": lambda rng: (rng.standard_normal((2, 3, 8)), rng.standard_normal((3, 4)), 2),
    "gated": lambda rng: (rng.standard_normal((2, 3, 5)), rng.standard_normal((4, 3)), rng.standard_normal((4, 3))),
}
