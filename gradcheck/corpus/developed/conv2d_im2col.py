"""Assignment 3: 2-D convolution through im2col. Solution key (do not hand out)."""
import numpy as np


def _patches(x, kh, kw, s):
    n, c, h, w = x.shape
    oh, ow = (h - kh) // s + 1, (w - kw) // s + 1
    cols = np.empty((n, c, kh, kw, oh, ow), dtype=x.dtype)
    for i in range(kh):
        for j in range(kw):
            cols[:, :, i, j] = x[:, :, i:i + s * oh:s, j:j + s * ow:s]
    return cols


def _unpatches(cols, shape, s):
    """adjoint of _patches"""
    n, c, kh, kw, oh, ow = cols.shape
    out = np.zeros(shape)
    for i in range(kh):
        for j in range(kw):
            out[:, :, i:i + s * oh:s, j:j + s * ow:s] += cols[:, :, i, j]
    return out


def conv2d(x, kernel, bias, stride=1, pad=0):
    xp = np.pad(x, [(0, 0), (0, 0), (pad, pad), (pad, pad)], mode="constant")
    o, c, kh, kw = kernel.shape
    cols = _patches(xp, kh, kw, stride)
    n, _, _, _, oh, ow = cols.shape
    mat = cols.transpose(0, 4, 5, 1, 2, 3).reshape(n * oh * ow, c * kh * kw)
    y = mat @ kernel.reshape(o, -1).T + bias
    y = y.reshape(n, oh, ow, o).transpose(0, 3, 1, 2)
    cache = {"mat": mat, "kernel": kernel, "xp_shape": xp.shape, "stride": stride, "pad": pad}
    return y, cache


def conv2d_backward(dy, cache):
    mat, kernel, pad = cache["mat"], cache["kernel"], cache["pad"]
    o, c, kh, kw = kernel.shape
    n, _, oh, ow = dy.shape
    dflat = dy.transpose(0, 2, 3, 1).reshape(-1, o)
    dbias = dflat.sum(axis=0)
    dkernel = (dflat.T @ mat).reshape(kernel.shape)
    dmat = dflat @ kernel.reshape(o, -1)
    dcols = dmat.reshape(n, oh, ow, c, kh, kw).transpose(0, 3, 4, 5, 1, 2)
    dxp = _unpatches(dcols, cache["xp_shape"], cache["stride"])
    H, W = dxp.shape[2:]
    dx = dxp[:, :, pad:H - pad, pad:W - pad]
    return dx, dkernel, dbias


def conv_relu(x, kernel):
    """valid conv followed by ReLU, output stored for the backward pass"""
    o, c, kh, kw = kernel.shape
    cols = _patches(x, kh, kw, 1)
    pre = np.tensordot(cols, kernel, axes=([1, 2, 3], [1, 2, 3])).transpose(0, 3, 1, 2)
    return np.maximum(pre, 0), (cols, kernel, x.shape, pre)


def conv_relu_backward(dy, cache):
    cols, kernel, shape, pre = cache
    dpre = np.where(pre > 0, dy, 0)
    dkernel = np.tensordot(dpre, cols, axes=([0, 2, 3], [0, 4, 5]))
    dcols = np.tensordot(kernel, dpre, axes=([0], [1])).transpose(3, 0, 1, 2, 4, 5)
    return _unpatches(dcols, shape, 1), dkernel


CASES = {
    "conv2d": [
        lambda rng: (rng.standard_normal((2, 3, 5, 6)), rng.standard_normal((4, 3, 3, 2)), rng.standard_normal(4), 1, 1),
        lambda rng: (rng.standard_normal((2, 2, 7, 5)), rng.standard_normal((3, 2, 3, 3)), rng.standard_normal(3), 2, 1),
    ],
    "conv_relu": lambda rng: (rng.standard_normal((2, 3, 5, 4)), rng.standard_normal((4, 3, 2, 2))),
}
