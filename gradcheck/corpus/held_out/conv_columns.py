import numpy as np


def indices(C, H, W, kh, kw, p, s):
    oh = (H + 2 * p - kh) // s + 1
    ow = (W + 2 * p - kw) // s + 1
    i0 = np.tile(np.repeat(np.arange(kh), kw), C)
    i1 = s * np.repeat(np.arange(oh), ow)
    j0 = np.tile(np.arange(kw), kh * C)
    j1 = s * np.tile(np.arange(ow), oh)
    i = i0.reshape(-1, 1) + i1.reshape(1, -1)
    j = j0.reshape(-1, 1) + j1.reshape(1, -1)
    k = np.repeat(np.arange(C), kh * kw).reshape(-1, 1)
    return k, i, j, oh, ow


def im2col(x, kh, kw, p, s):
    N, C, H, W = x.shape
    xp = np.pad(x, ((0, 0), (0, 0), (p, p), (p, p)))
    k, i, j, oh, ow = indices(C, H, W, kh, kw, p, s)
    cols = xp[:, k, i, j]                       # N, C*kh*kw, oh*ow
    return cols.transpose(1, 2, 0).reshape(C * kh * kw, -1), oh, ow


def col2im(cols, shape, kh, kw, p, s):
    N, C, H, W = shape
    xp = np.zeros((N, C, H + 2 * p, W + 2 * p))
    k, i, j, oh, ow = indices(C, H, W, kh, kw, p, s)
    c = cols.reshape(C * kh * kw, -1, N).transpose(2, 0, 1)
    np.add.at(xp, (slice(None), k, i, j), c)
    return xp[:, :, p:H + p, p:W + p]


def conv2d_fwd(x, w, b, p=1, s=1):
    F, C, kh, kw = w.shape
    N = x.shape[0]
    cols, oh, ow = im2col(x, kh, kw, p, s)
    out = w.reshape(F, -1) @ cols + b[:, None]
    out = out.reshape(F, oh, ow, N).transpose(3, 0, 1, 2)
    return out, (x.shape, w, cols, p, s)


def conv2d_bwd(dout, cache):
    xshape, w, cols, p, s = cache
    F, C, kh, kw = w.shape
    db = dout.sum(axis=(0, 2, 3))
    d2 = dout.transpose(1, 2, 3, 0).reshape(F, -1)
    dw = (d2 @ cols.T).reshape(w.shape)
    dcols = w.reshape(F, -1).T @ d2
    dx = col2im(dcols, xshape, kh, kw, p, s)
    return dx, dw, db


def conv1x1(x, w):
    """pointwise convolution, x (N, C, H, W), w (F, C)"""
    return np.einsum('nchw,fc->nfhw', x, w), (x, w)


def conv1x1_backward(g, cache):
    x, w = cache
    return np.einsum('nfhw,fc->nchw', g, w), np.einsum('nfhw,nchw->fc', g, x)


CASES = {
    "conv2d_fwd": lambda r: (r.standard_normal((2, 3, 5, 4)), r.standard_normal((4, 3, 3, 2)), r.standard_normal(4)),
    "conv1x1": [lambda r: (r.standard_normal((2, 3, 4, 5)), r.standard_normal((6, 3))),
                lambda r: (r.standard_normal((1, 4, 3, 2)), r.standard_normal((5, 4)))],
}
