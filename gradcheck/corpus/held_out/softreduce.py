"""Soft reductions and weighted averages."""
import numpy as np


def logsumexp(x, log_w):
    """log sum_j exp(x_ij + log_w_j)"""
    z = x + log_w
    m = z.max(axis=1, keepdims=True)
    e = np.exp(z - m)
    tot = e.sum(axis=1, keepdims=True)
    return (m + np.log(tot))[:, 0], (e, tot)


def logsumexp_backward(dy, cache):
    e, tot = cache
    dx = dy[:, None] * e / tot
    dlog_w = dx.sum(axis=0)
    return dx, dlog_w


def softmin_pool(cost, feat, mask, temp=0.8):
    """weights softmin(cost / temp) over the unmasked entries; returns the weighted mean of feat"""
    s = np.where(mask, -cost / temp, -np.inf)
    s = s - s.max(axis=1, keepdims=True)
    p = np.exp(s)
    p = p / p.sum(axis=1, keepdims=True)
    out = np.einsum("bj,bjd->bd", p, feat)
    return out, (p, feat, temp)


def softmin_pool_backward(dout, cache):
    p, feat, temp = cache
    dfeat = p[:, :, None] * dout[:, None, :]
    dp = np.einsum("bd,bjd->bj", dout, feat)
    ds = p * (dp - (p * dp).sum(axis=1, keepdims=True))
    dcost = -ds / temp
    return dcost, dfeat, None


def masked_stats(x, mask):
    """mean and variance over valid time steps: x (B, T, D), mask (B, T) boolean"""
    m = mask[:, :, None].astype(float)
    cnt = m.sum(axis=1)
    mean = (x * m).sum(axis=1) / cnt
    xc = (x - mean[:, None, :]) * m
    var = (xc ** 2).sum(axis=1) / cnt
    return (mean, var), (m, cnt, xc)


def masked_stats_backward(grads, cache):
    dmean, dvar = grads
    m, cnt, xc = cache
    g = (dmean / cnt)[:, None, :] * m
    g = g + 2 * xc * (dvar / cnt)[:, None, :]
    return g, None


CASES = {
    "logsumexp": lambda r: (2 * r.standard_normal((4, 3)), r.standard_normal(3)),
    "softmin_pool": lambda r: (r.standard_normal((3, 5)), r.standard_normal((3, 5, 2)),
                               np.array([[1, 1, 0, 1, 1], [0, 1, 1, 0, 1], [1, 1, 1, 1, 1]], dtype=bool)),
    "masked_stats": lambda r: (r.standard_normal((3, 5, 2)),
                               np.array([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1], [1, 1, 0, 0, 0]], dtype=bool)),
}
