import numpy as np
from types import SimpleNamespace as Ctx

EPS = 1e-5


def instance_norm(x, g, b):
    m = x.mean((2, 3), keepdims=True)
    r = 1 / np.sqrt(x.var((2, 3), keepdims=True) + EPS)
    xn = (x - m) * r
    return xn * g[:, None, None] + b[:, None, None], Ctx(xn=xn, r=r, g=g)


def instance_norm_backward(dy, c):
    dxn = dy * c.g[:, None, None]
    avg = lambda t: t.mean((2, 3), keepdims=True)
    dx = c.r * (dxn - avg(dxn) - c.xn * avg(dxn * c.xn))
    return dx, (dy * c.xn).sum((0, 2, 3)), dy.sum((0, 2, 3))


def group_norm(x, g, b, groups=2):
    n, ch, h, w = x.shape
    xg = x.reshape(n, groups, -1)
    m = xg.mean(-1, keepdims=True)
    r = 1 / np.sqrt(((xg - m) ** 2).mean(-1, keepdims=True) + EPS)
    xn = ((xg - m) * r).reshape(x.shape)
    y = xn * g.reshape(1, ch, 1, 1) + b.reshape(1, ch, 1, 1)
    return y, Ctx(xn=xn, r=r, g=g, groups=groups)


def group_norm_backward(dy, c):
    n, ch, h, w = dy.shape
    dg = np.einsum("nchw,nchw->c", dy, c.xn)
    db = np.einsum("nchw->c", dy)
    dxn = (dy * c.g.reshape(1, ch, 1, 1)).reshape(n, c.groups, -1)
    xn = c.xn.reshape(n, c.groups, -1)
    k = ch // c.groups * h * w
    dx = k * dxn
    dx -= dxn.sum(-1, keepdims=True)
    dx -= xn * np.sum(dxn * xn, -1, keepdims=True)
    dx *= c.r / k
    return dx.reshape(dy.shape), dg, db


def weight_norm(x, v, g):
    """Salimans & Kingma: w_o = g_o * v_o / |v_o|, then a plain linear map"""
    nrm = np.linalg.norm(v, axis=1)
    u = v / nrm[:, None]
    w = g[:, None] * u
    return x @ w.T, Ctx(x=x, u=u, nrm=nrm, g=g, w=w)


def weight_norm_backward(dy, c):
    dx = dy @ c.w
    dw = dy.T @ c.x
    dg = (dw * c.u).sum(1)
    dv = (c.g / c.nrm)[:, None] * (dw - dg[:, None] * c.u)
    return dx, dv, dg


CASES = {
    "instance_norm": lambda r: (r.standard_normal((2, 3, 4, 5)), r.standard_normal(3), r.standard_normal(3)),
    "group_norm": lambda r: (r.standard_normal((3, 4, 2, 5)), r.standard_normal(4), r.standard_normal(4)),
    "weight_norm": lambda r: (r.standard_normal((6, 3)), r.standard_normal((4, 3)), r.standard_normal(4)),
}
