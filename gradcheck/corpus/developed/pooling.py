"""Pooling zoo.  All tensors are (N, C, H, W)."""
import numpy as np


def maxpool(x, size=2, stride=2):
    n, c, h, w = x.shape
    oh = 1 + (h - size) // stride
    ow = 1 + (w - size) // stride
    out = np.zeros((n, c, oh, ow))
    for i in range(oh):
        for j in range(ow):
            out[:, :, i, j] = x[:, :, i*stride:i*stride+size, j*stride:j*stride+size].max(axis=(2, 3))
    return out, (x, out, size, stride)


def maxpool_backward(dout, cache):
    x, out, size, stride = cache
    dx = np.zeros_like(x)
    for i in range(out.shape[2]):
        for j in range(out.shape[3]):
            rows = slice(i*stride, i*stride+size)
            cols = slice(j*stride, j*stride+size)
            window = x[:, :, rows, cols]
            winner = window == out[:, :, i:i+1, j:j+1]
            dx[:, :, rows, cols] += winner * dout[:, :, i:i+1, j:j+1]
    return dx


def avgpool(x, size=2, stride=2):
    n, c, h, w = x.shape
    oh = 1 + (h - size) // stride
    ow = 1 + (w - size) // stride
    out = np.stack([x[:, :, i*stride:i*stride+size, j*stride:j*stride+size].mean(axis=(2, 3))
                    for i in range(oh) for j in range(ow)], axis=-1)
    return out.reshape(n, c, oh, ow), (x.shape, size, stride)


def avgpool_backward(dout, cache):
    shape, size, stride = cache
    dx = np.zeros(shape)
    share = dout / (size * size)
    for i in range(dout.shape[2]):
        for j in range(dout.shape[3]):
            dx[:, :, i*stride:i*stride+size, j*stride:j*stride+size] += share[:, :, i, j][:, :, None, None]
    return dx


def global_avgmax(x):
    """concatenates global average and global max ('AdaptiveConcatPool' of fastai, order: max first)"""
    n, c, h, w = x.shape
    flat = x.reshape(n, c, h * w)
    arg = flat.argmax(axis=2)
    mx = np.take_along_axis(flat, arg[..., None], axis=2)[..., 0]
    av = flat.mean(axis=2)
    return np.concatenate([mx, av], axis=1), (x.shape, arg)


def global_avgmax_backward(dout, cache):
    (n, c, h, w), arg = cache
    dmx, dav = dout[:, :c], dout[:, c:]
    dflat = np.repeat(dav[:, :, None], h * w, axis=2) / (h * w)
    N, C = np.ogrid[:n, :c]
    dflat[N, C, arg] += dmx
    return dflat.reshape(n, c, h, w)


def lp_pool(x, p=3.0):
    """Generalised mean over the spatial positions, GeM with |x|"""
    m = np.mean(np.abs(x) ** p, axis=(2, 3))
    return m ** (1 / p), (x, m, p)


def lp_pool_backward(dout, cache):
    x, m, p = cache
    hw = x.shape[2] * x.shape[3]
    dm = dout * m ** (1 / p - 1) / p
    dx = dm[:, :, None, None] * p * np.abs(x) ** (p - 1) * np.sign(x) / hw
    return dx


CASES = {
    "maxpool": [lambda rng: (rng.standard_normal((2, 3, 4, 6)),),
                lambda rng: (rng.standard_normal((2, 3, 5, 7)), 3, 2)],
    "avgpool": [lambda rng: (rng.standard_normal((2, 3, 4, 6)),),
                lambda rng: (rng.standard_normal((2, 3, 5, 7)), 3, 2)],
    "global_avgmax": lambda rng: (rng.standard_normal((2, 3, 4, 5)),),
    "lp_pool": [lambda rng: (rng.standard_normal((2, 3, 4, 5)), 3.0),
                lambda rng: (np.maximum(rng.standard_normal((2, 3, 4, 5)), 0), 3.0)]   # after a ReLU,
}
