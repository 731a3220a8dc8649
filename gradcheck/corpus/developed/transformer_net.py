"""Spatial transformer (Jaderberg et al. 2015), single channel-last image per sample, loops avoided."""
import numpy as np


def affine_grid(theta, H, W):
    """theta (N, 2, 3) -> grid (N, H, W, 2), normalised coordinates, last axis = (x, y)"""
    ys, xs = np.meshgrid(np.linspace(-1, 1, H), np.linspace(-1, 1, W), indexing="ij")
    base = np.stack([xs, ys, np.ones_like(xs)], axis=-1)
    return np.einsum("hwk,njk->nhwj", base, theta), base


def affine_grid_backward(dgrid, base):
    return np.einsum("nhwj,hwk->njk", dgrid, base)


def grid_sample(img, grid):
    """bilinear, align_corners, zeros outside.  img (N, H, W, C), grid (N, h, w, 2)"""
    N, H, W, C = img.shape
    x = (grid[..., 0] + 1) * (W - 1) / 2
    y = (grid[..., 1] + 1) * (H - 1) / 2
    x0 = np.floor(x).astype(int)
    y0 = np.floor(y).astype(int)
    fx, fy = x - x0, y - y0
    n = np.arange(N)[:, None, None]
    corners = []
    out = 0
    for iy, wy in ((y0, 1 - fy), (y0 + 1, fy)):
        for ix, wx in ((x0, 1 - fx), (x0 + 1, fx)):
            ok = (iy >= 0) & (iy < H) & (ix >= 0) & (ix < W)
            cy, cx = np.clip(iy, 0, H - 1), np.clip(ix, 0, W - 1)
            val = img[n, cy, cx] * ok[..., None]
            out = out + (wy * wx)[..., None] * val
            corners.append((cy, cx, wy, wx, ok, val))
    return out, (img.shape, n, corners)


def grid_sample_backward(dout, cache):
    shape, n, corners = cache
    N, H, W, C = shape
    dimg = np.zeros(shape)
    dx = 0.0
    dy = 0.0
    signs = [(-1, -1), (-1, 1), (1, -1), (1, 1)]     # d wy/d y, d wx/d x for each corner
    for (sy, sx), (cy, cx, wy, wx, ok, val) in zip(signs, corners):
        np.add.at(dimg, (n, cy, cx), dout * (wy * wx * ok)[..., None])
        dval = np.sum(dout * val, axis=-1)
        dx = dx + sx * wy * dval
        dy = dy + sy * wx * dval
    dgrid = np.stack([dx * (W - 1) / 2, dy * (H - 1) / 2], axis=-1)
    return dimg, dgrid


def shift1d(signal, delta):
    """fractional delay of a periodic signal, one delay per row: (B, T), (B,)"""
    k = np.floor(delta).astype(int)
    f = (delta - k)[:, None]
    B, T = signal.shape
    t = (np.arange(T)[None] - k[:, None]) % T
    rows = np.arange(B)[:, None]
    s0, s1 = signal[rows, t], signal[rows, (t - 1) % T]
    return (1 - f) * s0 + f * s1, (t, f, s0, s1)


def shift1d_backward(dy, cache):
    t, f, s0, s1 = cache
    B, T = dy.shape
    rows = np.arange(B)[:, None]
    dsig = np.zeros_like(dy)
    dsig[rows, t] += (1 - f) * dy
    dsig[rows, (t - 1) % T] += f * dy
    ddelta = (dy * (s1 - s0)).sum(axis=1)
    return dsig, ddelta


CASES = {
    "affine_grid": lambda rng: (rng.standard_normal((2, 2, 3)), 4, 5),
    "grid_sample": lambda rng: (rng.standard_normal((2, 4, 5, 3)), rng.uniform(-1.2, 1.2, (2, 3, 6, 2))),
    "shift1d": lambda rng: (rng.standard_normal((3, 7)), rng.uniform(-3, 3, 3)),
}
