import numpy as np


def bilinear_form(x, y, W, b):
    """z_bk = x_b^T W_k y_b + b_k"""
    z = np.einsum("bi,kij,bj->bk", x, W, y) + b
    return z, (x, y, W)


def bilinear_form_backward(dz, cache):
    x, y, W = cache
    dx = np.einsum("bk,kij,bj->bi", dz, W, y)
    dy = np.einsum("bk,kij,bi->bj", dz, W, x)
    dW = np.einsum("bk,bi,bj->kij", dz, x, y)
    db = dz.sum(0)
    return dx, dy, dW, db


def lowrank(u, v, s):
    """frobenius norm of M = sum_r s_r u_r v_r^T, and M itself; u (n, r), v (m, r), s (r,)"""
    M = (u * s) @ v.T
    fro = np.sqrt(np.sum(M * M))
    return (M, fro), {"u": u, "v": v, "s": s, "M": M, "fro": fro}


def lowrank_backward(douts, c):
    dM, dfro = douts
    G = dM + dfro * c["M"] / c["fro"]
    us = c["u"] * c["s"]
    dus = G @ c["v"]
    dv = G.T @ us
    du = dus * c["s"]
    ds = (dus * c["u"]).sum(axis=0)
    return du, dv, ds


def affine_clip(x, scale, shift, lo=-1.0, hi=1.5, leak=0.1):
    """x (N, C, L); scale (C, 1); shift (N, 1, 1): leaky hard clip of scale * x + shift"""
    t = scale * x + shift
    y = np.clip(t, lo, hi)
    out = y + leak * (t - y)
    inside = (t > lo) & (t < hi)
    return out, (x, scale, shift.shape, inside, leak)


def affine_clip_backward(dout, cache):
    x, scale, shift_shape, inside, leak = cache
    dt = np.where(inside, dout, leak * dout)
    dx = dt * scale
    dscale = (dt * x).sum(axis=(0, 2)).reshape(scale.shape)
    dshift = dt.sum(axis=(1, 2), keepdims=True)
    return dx, dscale, dshift


CASES = {
    "bilinear_form": [lambda r: (r.standard_normal((5, 3)), r.standard_normal((5, 4)),
                                 r.standard_normal((2, 3, 4)), r.standard_normal(2)),
                      lambda r: (r.standard_normal((4, 3)), r.standard_normal((4, 3)),
                                 r.standard_normal((2, 3, 3)), r.standard_normal(2))],
    "lowrank": lambda r: (r.standard_normal((4, 2)), r.standard_normal((5, 2)), r.standard_normal(2)),
    "affine_clip": lambda r: {"x": r.standard_normal((2, 3, 6)), "scale": r.uniform(0.5, 2, (3, 1)),
                              "shift": r.standard_normal((2, 1, 1))},
}
