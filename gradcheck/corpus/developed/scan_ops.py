"""Prefix scans along time (axis 0)."""
import numpy as np


def revcumsum(a):
    return np.flip(np.cumsum(np.flip(a, 0), axis=0), 0)


def cumsum_ex(x, gain):
    """Exclusive prefix sum, scaled per column: y[t] = gain * sum_{s<t} x[s]."""
    s = np.cumsum(x, axis=0) - x
    return s * gain, (s, gain)


def cumsum_ex_backward(dy, cache):
    s, gain = cache
    dgain = np.sum(dy * s, axis=0)
    ds = dy * gain
    dx = revcumsum(ds) - ds
    return dx, dgain


def cumprod(x):
    p = np.cumprod(x, axis=0)
    return p, (x, p)


def cumprod_backward(dp, cache):
    x, p = cache
    # dx_t = (1/x_t) sum_{s>=t} dp_s p_s
    acc = revcumsum(dp * p)
    return acc / x


def linscan(a, b, h0):
    """h[t] = a[t] * h[t-1] + b[t];  returns all states and the last one"""
    T = len(b)
    hs = np.empty((T + 1,) + h0.shape)
    hs[0] = h0
    for t in range(T):
        hs[t + 1] = a[t] * hs[t] + b[t]
    return (hs[1:].copy(), hs[-1].copy()), (a, hs)


def linscan_backward(dys, cache):
    dall, dlast = dys
    a, hs = cache
    T = len(a)
    da = np.zeros_like(a)
    db = np.zeros(hs[1:].shape)
    dh = dlast.copy()
    for t in reversed(range(T)):
        dh = dh + dall[t]
        db[t] = dh
        da[t] = dh * hs[t]
        dh = dh * a[t]
    return da, db, dh


CASES = {
    "cumsum_ex": lambda r: (r.standard_normal((5, 3)), r.standard_normal(3)),
    "cumprod": lambda r: (r.uniform(0.5, 1.5, (6, 2)) * np.sign(r.standard_normal((6, 2))),),
    "linscan": lambda r: (r.uniform(0.2, 1.3, (5, 3)), r.standard_normal((5, 3)), r.standard_normal(3)),
}
