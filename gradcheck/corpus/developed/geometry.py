"""Interpolation, resampling, rotation; outputs that come in pairs."""

import numpy as np


def interpolate(values, at):
    """Linear interpolation of values (K, D) at positions between 0 and K - 1."""
    low = np.floor(at).astype(int)
    f = (at - low)[:, None]
    y = (1 - f) * values[low] + f * values[low + 1]
    return y, (values, low, f)


def interpolate_backward(dy, cache):
    values, low, f = cache
    dvalues = np.zeros_like(values)
    np.add.at(dvalues, low, (1 - f) * dy)
    np.add.at(dvalues, low + 1, f * dy)
    dat = np.sum((values[low + 1] - values[low]) * dy, axis=1)
    return dvalues, dat


def upsample(x, *, r=2, s=3):
    """Each pixel of x (N, H, W) becomes a block of r by s."""
    return x.repeat(r, axis=1).repeat(s, axis=2), (r, s)


def upsample_backward(dy, cache):
    r, s = cache
    N, H, W = dy.shape
    return dy.reshape(N, H // r, r, W // s, s).sum(axis=(2, 4))


def rotary(x, angles):
    """The two halves of x (T, 2D) turned by angles (T, D)."""
    c, s = np.cos(angles), np.sin(angles)
    a, b = np.split(x, 2, axis=1)
    return np.concatenate([a * c - b * s, a * s + b * c], axis=1), (a, b, c, s)


def rotary_backward(dy, cache):
    a, b, c, s = cache
    du, dv = np.split(dy, 2, axis=1)
    da = du * c + dv * s
    db = dv * c - du * s
    dangles = dv * (a * c - b * s) - du * (a * s + b * c)
    return np.concatenate([da, db], axis=1), dangles


def polar(x, y):
    """Radius and angle."""
    r = np.sqrt(x * x + y * y)
    phi = np.arctan2(y, x)
    return (r, phi), (x, y, r)


def polar_backward(grads, cache):
    gr, gphi = grads
    x, y, r = cache
    gx = gr * x / r - gphi * y / r**2
    gy = gr * y / r + gphi * x / r**2
    return gx, gy


def moments(x):
    """Mean and variance of the columns."""
    mean = x.mean(axis=0)
    centred = x - mean
    return (mean, (centred**2).mean(axis=0)), centred


def moments_backward(grads, centred):
    dmean, dvar = grads
    N = len(centred)
    dx = dmean / N + 2 * centred * dvar / N
    return dx


def resize(x, R, C):
    """Bilinear resampling of an image by two matrices: R x C'."""
    half = R @ x
    return half @ C.T, (x, R, C, half)


def resize_backward(dy, cache):
    x, R, C, half = cache
    dhalf = dy @ C
    dC = dy.T @ half
    dR = dhalf @ x.T
    dx = R.T @ dhalf
    return dx, dR, dC


def crop_and_pad(x, *, top=2, left=1, pad=2):
    """Rows from `top` and columns from `left` on, then zeros all around."""
    return np.pad(x[top:, left:], pad), (x.shape, top, left, pad)


def crop_and_pad_backward(dy, cache):
    shape, top, left, pad = cache
    dx = np.zeros(shape)
    dx[top:, left:] = dy[pad:-pad, pad:-pad]
    return dx


def points(rng):
    k, d, n = rng.permutation([3, 4, 5])
    return rng.normal(size=(k, d)), rng.uniform(0, k - 1, n + 3)


def turned(rng):
    t, d = rng.permutation([2, 3, 5])[:2]
    return rng.normal(size=(t, 2 * d)), rng.normal(size=(t, d))


def resampled(rng):
    h, w, a, b = rng.permutation([2, 3, 4, 5])
    return rng.normal(size=(h, w)), rng.uniform(size=(a, h)), rng.uniform(size=(b, w))


CASES = {
    "interpolate": points,
    "upsample": lambda rng: (rng.normal(size=rng.permutation([2, 3, 4])),),
    "rotary": turned,
    "polar": lambda rng: tuple(rng.normal(size=(2, int(rng.integers(4, 9))))),
    "moments": lambda rng: (rng.normal(size=rng.permutation([3, 4, 5])[:2]) + 1,),
    "resize": resampled,
    "crop_and_pad": lambda rng: (rng.normal(size=rng.permutation([4, 5, 6])[:2]),),
}
