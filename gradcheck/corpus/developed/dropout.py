"""Dropout in its variants. Masks are given, as 0 and 1, so that both passes see the same one."""

import numpy as np


def dropout_forward(x, mask, *, keep=0.7):
    """Inverted: scaled in training, so that nothing is to be done at test time."""
    scaled = mask / keep
    return x * scaled, scaled


def dropout_backward(dout, cache):
    scaled = cache
    dx = dout * scaled
    return dx


def plain_dropout_forward(x, mask, *, keep=0.7, train=True):
    """As first published: not scaled in training, scaled by `keep` at test time."""
    out = x * mask if train else x * keep
    return out, (mask, keep, train)


def plain_dropout_backward(dout, cache):
    mask, keep, train = cache
    if train:
        dx = dout * mask
    else:
        dx = dout * keep
    return dx


def drop_path(x, branch, gate, *, survival=0.8):
    """x plus a residual branch that some samples skip."""
    g = gate.reshape(-1, 1, 1) / survival
    return x + g * branch, g


def drop_path_backward(d_out, g):
    d_branch = d_out * g
    d_x = d_out
    return d_x.copy(), d_branch


def dropconnect(x, W, mask, *, keep=0.6):
    """A dense layer that drops weights."""
    Wm = W * mask / keep
    return x @ Wm, (x, Wm, mask, keep)


def dropconnect_backward(dy, cache):
    x, Wm, mask, keep = cache
    dx = dy @ Wm.T
    dWm = x.T @ dy
    dW = dWm * mask / keep
    return dx, dW


def spatial_dropout(x, mask, *, p=0.3):
    """Whole channels of x (N, C, H, W) by mask (N, C)."""
    m = mask[:, :, None, None]
    return x * m / (1 - p), (m, p)


def spatial_dropout_backward(dy, cache):
    m, p = cache
    return dy * m / (1 - p)


def noisy_mlp(x, w1, w2, mask, *, keep=0.5):
    h = np.tanh(x @ w1)
    u = mask / keep
    hd = h * u
    return hd @ w2, (x, w1, w2, h, u, hd)


def noisy_mlp_backward(dy, cache):
    x, w1, w2, h, u, hd = cache
    dw2 = hd.T @ dy
    dh = (dy @ w2.T) * u
    da = dh * (1 - h**2)
    return da @ w1.T, x.T @ da, dw2


def mask_like(rng, *shape):
    m = rng.integers(0, 2, shape)
    m.flat[:2] = 0, 1
    return m


def flat(rng):
    n, d = rng.permutation([3, 4, 5, 7])[:2]
    return rng.normal(size=(n, d)), mask_like(rng, n, d)


def paths(rng):
    n, t, d = rng.permutation([3, 4, 5])
    return rng.normal(size=(n, t, d)), rng.normal(size=(n, t, d)), mask_like(rng, n)


def dense(rng):
    n, d, m = rng.permutation([2, 3, 5, 7])[:3]
    return rng.normal(size=(n, d)), rng.normal(size=(d, m)), mask_like(rng, d, m)


def maps(rng):
    n, c, h, w = rng.permutation([2, 3, 4, 5])
    return rng.normal(size=(n, c, h, w)), mask_like(rng, n, c)


def mlp(rng):
    n, d, h, m = rng.permutation([2, 3, 5, 7])
    w1, w2 = rng.normal(size=(d, h)) / 2, rng.normal(size=(h, m))
    return rng.normal(size=(n, d)), w1, w2, mask_like(rng, n, h)


CASES = {
    "dropout": flat,
    "plain_dropout": [flat, lambda rng: dict(zip(("x", "mask"), flat(rng)), train=False)],
    "drop_path": paths,
    "dropconnect": dense,
    "spatial_dropout": maps,
    "noisy_mlp": mlp,
}
