import numpy as np


def _corners(gx, gy, H, W):
    x0 = np.floor(gx).astype(int)
    y0 = np.floor(gy).astype(int)
    return np.clip(x0, 0, W - 2), np.clip(y0, 0, H - 2)


def bilinear(img, gx, gy):
    """Sample img (C, H, W) at pixel coordinates gx, gy (N,) -> (C, N)."""
    C, H, W = img.shape
    x0, y0 = _corners(gx, gy, H, W)
    x1, y1 = x0 + 1, y0 + 1
    wx = gx - x0
    wy = gy - y0
    a = img[:, y0, x0]
    b = img[:, y0, x1]
    c = img[:, y1, x0]
    d = img[:, y1, x1]
    out = a * (1 - wx) * (1 - wy) + b * wx * (1 - wy) + c * (1 - wx) * wy + d * wx * wy
    return out, (img.shape, x0, y0, x1, y1, wx, wy, a, b, c, d)


def bilinear_backward(dout, cache):
    shape, x0, y0, x1, y1, wx, wy, a, b, c, d = cache
    dimg = np.zeros(shape)
    ch = np.arange(shape[0])[:, None]
    np.add.at(dimg, (ch, y0, x0), dout * (1 - wx) * (1 - wy))
    np.add.at(dimg, (ch, y0, x1), dout * wx * (1 - wy))
    np.add.at(dimg, (ch, y1, x0), dout * (1 - wx) * wy)
    np.add.at(dimg, (ch, y1, x1), dout * wx * wy)
    dwx = dout * ((b - a) * (1 - wy) + (d - c) * wy)
    dwy = dout * ((c - a) * (1 - wx) + (d - b) * wx)
    return dimg, dwx.sum(axis=0), dwy.sum(axis=0)


def warp1d(sig, flow):
    """Backward warp of a signal (B, T) by a displacement field, clamped at the ends."""
    B, T = sig.shape
    pos = np.arange(T) + flow
    inside = (pos > 0) & (pos < T - 1)
    p = np.clip(pos, 0, T - 1)
    i = np.minimum(p.astype(int), T - 2)
    t = p - i
    rows = np.arange(B)[:, None]
    left, right = sig[rows, i], sig[rows, i + 1]
    return left + t * (right - left), (rows, i, t, left, right, inside)


def warp1d_backward(dy, cache):
    rows, i, t, left, right, inside = cache
    dsig = np.zeros_like(dy)
    np.add.at(dsig, (rows, i), dy * (1 - t))
    np.add.at(dsig, (rows, i + 1), dy * t)
    dflow = dy * (right - left) * inside
    return dsig, dflow


CASES = {
    "bilinear": lambda r: (r.standard_normal((2, 4, 5)), r.uniform(0.1, 3.9, 7), r.uniform(0.1, 2.9, 7)),
    "warp1d": lambda r: (r.standard_normal((3, 6)), 1.6 * r.standard_normal((3, 6))),
}
