import numpy as np
from types import SimpleNamespace as NS


def embed_gather(table, idx, scale=1.7):
    return scale * table[idx], NS(idx=idx, shape=table.shape, scale=scale)


def embed_gather_backward(dout, c):
    dtable = np.zeros(c.shape)
    np.add.at(dtable, c.idx, c.scale * dout)
    return dtable, None


def segmean(x, seg, w, nseg=4):
    """weighted mean of the rows of x in each segment; empty segments give 0"""
    num = np.zeros((nseg, x.shape[1]))
    den = np.zeros(nseg)
    np.add.at(num, seg, w[:, None] * x)
    np.add.at(den, seg, w)
    safe = np.where(den > 0, den, 1.0)
    mean = num / safe[:, None]
    return mean, NS(x=x, seg=seg, w=w, den=safe, mean=mean)


def segmean_backward(dm, c):
    dnum = dm / c.den[:, None]
    per_row = dnum[c.seg]
    dx = c.w[:, None] * per_row
    centred = c.x - c.mean[c.seg]
    dw = (per_row * centred).sum(axis=1)
    return dx, None, dw


def topk_pool(x, coef):
    """sorted (descending) top-k of each row, dotted with k coefficients"""
    k = coef.shape[0]
    order = np.argsort(-x, axis=1)[:, :k]
    top = np.take_along_axis(x, order, axis=1)
    return top @ coef, NS(order=order, top=top, coef=coef, shape=x.shape)


def topk_pool_backward(dy, c):
    dcoef = c.top.T @ dy
    dtop = dy[:, None] * c.coef
    dx = np.zeros(c.shape)
    np.put_along_axis(dx, c.order, dtop, axis=1)
    return dx, dcoef


CASES = {
    "embed_gather": lambda r: (r.standard_normal((5, 3)), np.array([[1, 4, 1, 0], [2, 1, 0, 2]])),
    "segmean": lambda r: (r.standard_normal((6, 3)), np.array([0, 2, 2, 3, 0, 2]), r.uniform(0.3, 2.0, 6)),
    "topk_pool": [lambda r: (r.standard_normal((4, 6)), r.standard_normal(3)),
                  lambda r: (r.standard_normal((5, 4)), r.standard_normal(2))],
}
