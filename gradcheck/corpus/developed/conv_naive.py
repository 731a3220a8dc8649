"""Convolution and pooling with plain loops over pixels, images as (N, C, H, W)."""

import numpy as np


def conv_forward(x, w, b, stride=1, pad=0):
    N, C, H, W = x.shape
    F, _, HH, WW = w.shape
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    Ho = 1 + (H + 2 * pad - HH) // stride
    Wo = 1 + (W + 2 * pad - WW) // stride
    out = np.zeros((N, F, Ho, Wo))
    for i in range(Ho):
        for j in range(Wo):
            r, c = i * stride, j * stride
            window = xp[:, :, r : r + HH, c : c + WW]
            for f in range(F):
                out[:, f, i, j] = np.sum(window * w[f], axis=(1, 2, 3)) + b[f]
    return out, (x, xp, w, stride, pad)


def conv_backward(dout, cache):
    x, xp, w, stride, pad = cache
    N, C, H, W = x.shape
    F, _, HH, WW = w.shape
    dxp = np.zeros_like(xp)
    dw = np.zeros_like(w)
    db = np.sum(dout, axis=(0, 2, 3))
    for i in range(dout.shape[2]):
        for j in range(dout.shape[3]):
            r, c = i * stride, j * stride
            for f in range(F):
                g = dout[:, f, i, j][:, None, None, None]
                dw[f] += np.sum(xp[:, :, r : r + HH, c : c + WW] * g, axis=0)
                dxp[:, :, r : r + HH, c : c + WW] += w[f] * g
    dx = dxp[:, :, pad : pad + H, pad : pad + W]
    return dx, dw, db


def max_pool_forward(x, size=3, stride=2):
    N, C, H, W = x.shape
    Ho, Wo = (H - size) // stride + 1, (W - size) // stride + 1
    out = np.zeros((N, C, Ho, Wo))
    for n in range(N):
        for ch in range(C):
            for i in range(Ho):
                for j in range(Wo):
                    top, left = i * stride, j * stride
                    out[n, ch, i, j] = x[n, ch, top : top + size, left : left + size].max()
    return out, (x, size, stride)


def max_pool_backward(dout, cache):
    x, size, stride = cache
    dx = np.zeros_like(x)
    N, C, Ho, Wo = dout.shape
    for n in range(N):
        for ch in range(C):
            for i in range(Ho):
                for j in range(Wo):
                    r0, c0 = i * stride, j * stride
                    patch = x[n, ch, r0 : r0 + size, c0 : c0 + size]
                    r, c = np.unravel_index(np.argmax(patch), patch.shape)
                    dx[n, ch, r0 + r, c0 + c] += dout[n, ch, i, j]
    return dx


def avg_pool_forward(x, size=2, stride=1):
    H, W = x.shape[-2:]
    Ho, Wo = (H - size) // stride + 1, (W - size) // stride + 1
    out = np.zeros((*x.shape[:-2], Ho, Wo))
    for i in range(Ho):
        for j in range(Wo):
            h0, w0 = i * stride, j * stride
            out[..., i, j] = x[..., h0 : h0 + size, w0 : w0 + size].mean(axis=(-2, -1))
    return out, (x.shape, size, stride)


def avg_pool_backward(dout, cache):
    shape, size, stride = cache
    dx = np.zeros(shape)
    for i in range(dout.shape[-2]):
        for j in range(dout.shape[-1]):
            h0, w0 = i * stride, j * stride
            dx[..., h0 : h0 + size, w0 : w0 + size] += dout[..., i : i + 1, j : j + 1] / size**2
    return dx


def conv_case(stride, pad):
    def draw(rng):
        n, c, f = rng.permutation([1, 2, 3])
        x = rng.normal(size=(n, c, 5, 7))
        w, b = rng.normal(size=(f, c, 3, 2 + int(rng.integers(2)))), rng.normal(size=f)
        return x, w, b, stride, pad

    return draw


def image(rng):
    n, c = rng.permutation([1, 2, 3])[:2]
    return (rng.normal(size=(n, c, 7, 5)),)


CASES = {
    "conv": [conv_case(1, 1), conv_case(2, 1), conv_case(1, 0)],
    "max_pool": [image, lambda rng: (*image(rng), 3, 1)],
    "avg_pool": [image, lambda rng: (*image(rng), 3, 2)],
}
