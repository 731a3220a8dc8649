"""Padding modes for the texture-synthesis code (1-D and 2-D), with their adjoints."""
import numpy as np


def reflect_pad(x, p):
    """pads the last axis with numpy's 'reflect' (border sample not repeated)"""
    return np.pad(x, [(0, 0)] * (x.ndim - 1) + [(p, p)], mode="reflect"), (x.shape[-1], p)


def reflect_pad_backward(dy, cache):
    n, p = cache
    dx = dy[..., p:p + n].copy()
    dx[..., 1:p + 1] += dy[..., :p][..., ::-1]
    dx[..., n - p - 1:n - 1] += dy[..., p + n:][..., ::-1]
    return dx


def replicate_pad(x, top, bottom, left, right):
    """edge padding of (..., H, W)"""
    lead = [(0, 0)] * (x.ndim - 2)
    y = np.pad(x, lead + [(top, bottom), (left, right)], mode="edge")
    return y, (x.shape, top, bottom, left, right)


def replicate_pad_backward(dy, cache):
    shape, t, b, l, r = cache
    h, w = shape[-2:]
    rows = np.clip(np.arange(h + t + b) - t, 0, h - 1)
    cols = np.clip(np.arange(w + l + r) - l, 0, w - 1)
    dx = np.zeros(shape)
    for i, src_i in enumerate(rows):
        for j, src_j in enumerate(cols):
            dx[..., src_i, src_j] += dy[..., i, j]
    return dx


def wrap_conv(x, k):
    """circular 1-D correlation along the last axis: y[t] = sum_s k[s] x[(t+s) mod T]"""
    y = np.zeros_like(x)
    for s, ks in enumerate(k):
        y += ks * np.roll(x, -s, axis=-1)
    return y, (x, k)


def wrap_conv_backward(dy, cache):
    x, k = cache
    dx = np.zeros_like(x)
    dk = np.zeros_like(k)
    for s in range(len(k)):
        dx += k[s] * np.roll(dy, s, axis=-1)
        dk[s] = (dy * np.roll(x, -s, axis=-1)).sum()
    return dx, dk


CASES = {
    "reflect_pad": lambda rng: (rng.standard_normal((2, 3, 6)), 2),
    "replicate_pad": lambda rng: (rng.standard_normal((2, 4, 5)), 1, 2, 3, 1),
    "wrap_conv": lambda rng: (rng.standard_normal((4, 6)), rng.standard_normal(3)),
}
