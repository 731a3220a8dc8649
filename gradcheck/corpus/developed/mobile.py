import numpy as np

# depthwise + pointwise convolution ("separable"), NHWC, and hard-swish, as in MobileNetV3


def depthwise(x, w, pad=1):
    n, h, wd, c = x.shape
    kh, kw, _ = w.shape
    xp = np.zeros((n, h + 2 * pad, wd + 2 * pad, c), x.dtype)
    xp[:, pad:pad + h, pad:pad + wd] = x
    oh = h + 2 * pad - kh + 1
    ow = wd + 2 * pad - kw + 1
    y = np.zeros((n, oh, ow, c))
    for i in range(kh):
        for j in range(kw):
            y += xp[:, i:i + oh, j:j + ow] * w[i, j]
    return y, (xp, w, pad, x.shape)


def depthwise_backward(dy, cache):
    xp, w, pad, xs = cache
    _, oh, ow, _ = dy.shape
    gx = np.zeros_like(xp)
    gw = np.zeros_like(w)
    for i in range(w.shape[0]):
        for j in range(w.shape[1]):
            gx[:, i:i + oh, j:j + ow] += dy * w[i, j]
            gw[i, j] = np.sum(dy * xp[:, i:i + oh, j:j + ow], axis=(0, 1, 2))
    return gx[:, pad:pad + xs[1], pad:pad + xs[2]], gw


def pointwise(x, w, b):
    return np.matmul(x, w) + b, (x, w)


def pointwise_backward(dy, cache):
    x, w = cache
    c_in, c_out = w.shape
    dx = np.matmul(dy, w.T)
    dw = x.reshape(-1, c_in).T @ dy.reshape(-1, c_out)
    db = dy.reshape(-1, c_out).sum(0)
    return dx, dw, db


def hardswish(x):
    r6 = np.clip(x + 3, 0, 6)
    return x * r6 / 6, x


def hardswish_backward(dy, x):
    r6 = np.clip(x + 3.0, 0.0, 6.0)
    inside = (x > -3) & (x < 3)
    return dy * (r6 + x * inside) / 6.0


CASES = {
    "depthwise": lambda g: (g.standard_normal((2, 4, 5, 3)), g.standard_normal((3, 2, 3)), 1),
    "pointwise": lambda g: (g.standard_normal((2, 3, 4, 5)), g.standard_normal((5, 6)), g.standard_normal(6)),
    "hardswish": lambda g: (3 * g.standard_normal((5, 6)),),
}
