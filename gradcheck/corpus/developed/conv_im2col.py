"""Convolutions without loops over pixels: im2col and col2im, scipy.signal, and one-dimensional ones."""

import numpy as np
from scipy.signal import convolve2d, correlate2d


def im2col(x, kh, kw, s):
    """(N, H, W, C) to rows of windows, (N, ho, wo, kh * kw * C)."""
    N, H, W, C = x.shape
    ho, wo = (H - kh) // s + 1, (W - kw) // s + 1
    col = np.empty((N, ho, wo, kh, kw, C))
    for a in range(kh):
        for b in range(kw):
            col[:, :, :, a, b] = x[:, a : a + s * ho : s, b : b + s * wo : s]
    return col.reshape(N, ho, wo, -1)


def col2im(col, shape, kh, kw, s):
    N, H, W, C = shape
    ho, wo = col.shape[1:3]
    col = col.reshape(N, ho, wo, kh, kw, C)
    x = np.zeros(shape)
    for a in range(kh):
        for b in range(kw):
            x[:, a : a + s * ho : s, b : b + s * wo : s] += col[:, :, :, a, b]
    return x


def conv2d(x, w, b, *, stride=1):
    """x (N, H, W, C), w (kh, kw, C, K), b (K,)."""
    kh, kw, C, K = w.shape
    col = im2col(x, kh, kw, stride)
    out = col @ w.reshape(-1, K) + b
    return out, {"col": col, "x_shape": x.shape, "w": w, "stride": stride}


def conv2d_backward(dout, cache):
    col, w = cache["col"], cache["w"]
    kh, kw, C, K = w.shape
    dw = np.tensordot(col, dout, axes=([0, 1, 2], [0, 1, 2])).reshape(w.shape)
    dcol = dout @ w.reshape(-1, K).T
    dx = col2im(dcol, cache["x_shape"], kh, kw, cache["stride"])
    return dx, dw, dout.sum((0, 1, 2))


def filter2d(x, k):
    """One image, one kernel, valid cross-correlation."""
    return correlate2d(x, k, mode="valid"), (x, k)


def filter2d_backward(dy, cache):
    x, k = cache
    dx = convolve2d(dy, k, mode="full")
    dk = correlate2d(x, dy, mode="valid")
    return dx, dk


def fir(x, h):
    """A finite impulse response: y[t] = sum_k h[k] x[t - k], all of it."""
    return np.convolve(x, h), (x, h)


def fir_backward(dy, cache):
    x, h = cache
    dx = np.correlate(dy, h, mode="valid")
    dh = np.correlate(dy, x, mode="valid")
    return dx, dh


def causal(x, w):
    """x (T, C), w (K, C, D): y[t] = sum_k x[t - k] w[k], nothing before the first step."""
    T, K = len(x), len(w)
    y = np.zeros((T, w.shape[2]))
    for k in range(K):
        y[k:] += x[: T - k] @ w[k]
    return y, (x, w)


def causal_backward(dy, cache):
    x, w = cache
    T, K = len(x), len(w)
    dx, dw = np.zeros_like(x), np.zeros_like(w)
    for k in range(K):
        dx[: T - k] += dy[k:] @ w[k].T
        dw[k] = x[: T - k].T @ dy[k:]
    return dx, dw


def depthwise(x, k):
    """x (H, W, C), k (3, 3, C), same size out."""
    H, W, C = x.shape
    xp = np.pad(x, ((1, 1), (1, 1), (0, 0)))
    y = sum(k[i, j] * xp[i : i + H, j : j + W] for i in range(3) for j in range(3))
    return y, (xp, k)


def depthwise_backward(dy, cache):
    xp, k = cache
    H, W, C = dy.shape
    dxp, dk = np.zeros_like(xp), np.zeros_like(k)
    for i in range(3):
        for j in range(3):
            dk[i, j] = np.einsum("hwc,hwc->c", xp[i : i + H, j : j + W], dy)
            dxp[i : i + H, j : j + W] += k[i, j] * dy
    return dxp[1:-1, 1:-1], dk


def images(rng, stride):
    n, c, k = rng.permutation([1, 2, 3])
    w, b = rng.normal(size=(2, 3, c, k)), rng.normal(size=k)
    return dict(x=rng.normal(size=(n, 6, 7, c)), w=w, b=b, stride=stride)


def sequence(rng):
    c, d = rng.permutation([2, 3, 4])[:2]
    return rng.normal(size=(int(rng.integers(5, 9)), c)), rng.normal(size=(3, c, d))


CASES = {
    "conv2d": [lambda rng: images(rng, 1), lambda rng: images(rng, 2)],
    "filter2d": lambda rng: (rng.normal(size=(6, int(rng.integers(7, 9)))), rng.normal(size=(3, 2))),
    "fir": lambda rng: (rng.normal(size=int(rng.integers(7, 12))), rng.normal(size=4)),
    "causal": sequence,
    "depthwise": lambda rng: (rng.normal(size=(5, 4, c := int(rng.integers(1, 4)))), rng.normal(size=(3, 3, c))),
}
