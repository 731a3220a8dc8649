import numpy as np

# normalisations: unit rows, weight norm, RMS


def unit_rows(x, eps=1e-3):
    n = np.sqrt((x * x).sum(axis=1, keepdims=True) + eps)
    y = x / n
    return y, (y, n)


def unit_rows_backward(dy, cache):
    y, n = cache
    proj = (dy * y).sum(axis=1, keepdims=True)
    return (dy - y * proj) / n


def weightnorm_fwd(x, v, g, b):
    # w_k = g_k v_k / |v_k|, rows of v are output units
    norm = np.linalg.norm(v, axis=1)
    u = v / norm[:, None]
    w = g[:, None] * u
    out = x @ w.T + b
    return out, dict(x=x, u=u, w=w, g=g, norm=norm)


def weightnorm_bwd(dout, c):
    dx = dout @ c["w"]
    dw = dout.T @ c["x"]
    dg = (dw * c["u"]).sum(axis=1)
    radial = dg[:, None] * c["u"]
    dv = (c["g"] / c["norm"])[:, None] * (dw - radial)
    db = dout.sum(axis=0)
    return dx, dv, dg, db


def rmsnorm_forward(x, gain, eps=1e-2):
    """x: (batch, time, dim); gain: (dim,)"""
    ms = np.mean(x ** 2, axis=-1, keepdims=True)
    rstd = 1.0 / np.sqrt(ms + eps)
    xhat = x * rstd
    return xhat * gain, (x, xhat, rstd, gain)


def rmsnorm_backward(dy, cache):
    x, xhat, rstd, gain = cache
    dgain = (dy * xhat).sum(axis=(0, 1))
    dxhat = dy * gain
    c = (dxhat * xhat).mean(axis=-1, keepdims=True)
    dx = rstd * (dxhat - xhat * c)
    return dx, dgain


CASES = {
    "unit_rows": [lambda r: (r.standard_normal((4, 3)),), lambda r: (r.standard_normal((2, 5)),)],
    "weightnorm": lambda r: (r.standard_normal((5, 4)), r.standard_normal((3, 4)),
                             r.standard_normal(3), r.standard_normal(3)),
    "rmsnorm": lambda r: (r.standard_normal((2, 3, 5)), r.standard_normal(5)),
}
