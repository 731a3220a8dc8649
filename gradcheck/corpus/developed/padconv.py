"""Padding modes with an adjoint each, and a small 1-D correlation on top."""
import numpy as np


def _index(n, p, mode):
    i = np.arange(-p, n + p)
    if mode == "edge":
        return np.clip(i, 0, n - 1)
    if mode == "circular":
        return i % n
    if mode == "reflect":
        i = np.abs(i)
        return np.where(i > n - 1, 2 * (n - 1) - i, i)
    raise ValueError(mode)


def pad2(x, p=2):
    """reflect padding of rows, circular padding of columns; x is (H, W)"""
    H, W = x.shape
    ri = _index(H, p, "reflect")
    ci = _index(W, p, "circular")
    return x[np.ix_(ri, ci)], (H, W, p)


def pad2_backward(dy, cache):
    H, W, p = cache
    rows = dy[p:p + H].copy()
    for k in range(1, p + 1):
        rows[k] += dy[p - k]
        rows[H - 1 - k] += dy[p + H - 1 + k]
    dx = rows[:, p:p + W].copy()
    dx[:, W - p:] += rows[:, :p]
    dx[:, :p] += rows[:, p + W:]
    return dx


def conv_edge(x, w, b, dil=2):
    """x (B, C, T), w (O, C, K) dilated correlation with 'same' edge padding"""
    B, C, T = x.shape
    O, _, K = w.shape
    p = dil * (K - 1) // 2
    xp = x[:, :, _index(T, p, "edge")]
    y = np.zeros((B, O, T)) + b[None, :, None]
    for k in range(K):
        y += np.einsum("oc,bct->bot", w[:, :, k], xp[:, :, k * dil:k * dil + T])
    return y, {"xp": xp, "w": w, "T": T, "p": p, "dil": dil}


def conv_edge_backward(dy, cache):
    xp, w, T, p, dil = (cache[n] for n in ("xp", "w", "T", "p", "dil"))
    dw = np.zeros_like(w)
    dxp = np.zeros_like(xp)
    for k in range(w.shape[2]):
        lo = k * dil
        dw[:, :, k] = np.einsum("bot,bct->oc", dy, xp[:, :, lo:lo + T])
        dxp[:, :, lo:lo + T] += np.einsum("oc,bot->bct", w[:, :, k], dy)
    dx = dxp[:, :, p:p + T].copy()
    dx[:, :, 0] += dxp[:, :, :p].sum(axis=2)
    dx[:, :, -1] += dxp[:, :, p + T:].sum(axis=2)
    db = dy.sum(axis=(0, 2))
    return dx, dw, db


CASES = {
    "pad2": [lambda r: (r.standard_normal((4, 5)),), lambda r: (r.standard_normal((5, 3)),)],
    "conv_edge": lambda r: (r.standard_normal((2, 3, 7)), r.standard_normal((4, 3, 5)), r.standard_normal(4)),
}
