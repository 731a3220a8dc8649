"""Transposed convolution (a.k.a. 'deconv') for the decoder."""
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view


def conv_transpose2d(x, w, b, stride=2, crop=1):
    """x: N,I,H,W   w: I,O,K,L (torch layout)   b: O"""
    N, I, H, W = x.shape
    _, O, K, L = w.shape
    full = np.zeros((N, O, (H - 1) * stride + K, (W - 1) * stride + L))
    for h in range(H):
        for v in range(W):
            full[:, :, h * stride:h * stride + K, v * stride:v * stride + L] += np.einsum(
                "ni,iokl->nokl", x[:, :, h, v], w)
    fh, fw = full.shape[-2:]
    y = full[:, :, crop:fh - crop, crop:fw - crop] + b.reshape(1, -1, 1, 1)
    return y, (x, w, stride, crop, (fh, fw))


def conv_transpose2d_backward(dy, cache):
    x, w, stride, crop, (fh, fw) = cache
    N, O = dy.shape[:2]
    K, L = w.shape[2:]
    dfull = np.zeros((N, O, fh, fw))
    dfull[:, :, crop:fh - crop, crop:fw - crop] = dy
    win = sliding_window_view(dfull, (K, L), axis=(2, 3))[:, :, ::stride, ::stride]
    dx = np.einsum("nohwkl,iokl->nihw", win, w)
    dw = np.einsum("nohwkl,nihw->iokl", win, x)
    db = dy.sum((0, 2, 3))
    return dx, dw, db


def deconv1d(x, w, stride=3):
    """one channel in, one out; x: (T,), w: (K,)"""
    T, K = x.size, w.size
    y = np.zeros((T - 1) * stride + K)
    for t in range(T):
        y[t * stride:t * stride + K] += x[t] * w
    return y, (x, w, stride)


def deconv1d_backward(dy, cache):
    x, w, stride = cache
    K = w.size
    dx = np.empty(x.shape)
    dw = np.zeros(w.shape)
    for t in range(x.size):
        g = dy[t * stride:t * stride + K]
        dx[t] = g @ w
        dw += g * x[t]
    return dx, dw


CASES = {
    "conv_transpose2d": lambda rng: (rng.standard_normal((2, 3, 3, 4)), rng.standard_normal((3, 2, 4, 3)), rng.standard_normal(2)),
    "deconv1d": [lambda rng: (rng.standard_normal(5), rng.standard_normal(4)),
                 lambda rng: (rng.standard_normal(4), rng.standard_normal(5), 2)],
}
