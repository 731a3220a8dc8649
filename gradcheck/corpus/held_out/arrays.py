"""Cumulative, sorting and indexing ops for a toy autograd.

Every backward gets the upstream gradient `g` and what the forward saved.
"""
import numpy as np


def cumsum0(x):
    return x.cumsum(axis=0), None


def cumsum0_backward(g, _):
    return g[::-1].cumsum(axis=0)[::-1].copy()


def cumprod1(x):
    y = np.cumprod(x, axis=1)
    return y, (x, y)


def cumprod1_backward(g, saved):
    x, y = saved
    acc = np.cumsum((g * y)[:, ::-1], axis=1)[:, ::-1]
    return acc / x


def sort_rows(x):
    order = x.argsort(axis=1)
    return np.take_along_axis(x, order, 1), order


def sort_rows_backward(g, order):
    dx = np.empty(order.shape)
    np.put_along_axis(dx, order, g, 1)
    return dx


def topk_mean(x, k=2):
    """Mean of the k largest entries of every row."""
    idx = np.argpartition(x, -k, axis=1)[:, -k:]
    return np.take_along_axis(x, idx, 1).mean(1), (idx, x.shape, k)


def topk_mean_backward(g, saved):
    idx, shape, k = saved
    dx = np.zeros(shape)
    rows = np.arange(shape[0])[:, None]
    dx[rows, idx] = g[:, None] / k
    return dx


CASES = dict(
    cumsum0=lambda r: (r.standard_normal((4, 3)),),
    cumprod1=lambda r: (r.uniform(0.5, 1.8, (3, 5)) * r.choice([-1, 1], (3, 5)),),
    sort_rows=lambda r: (r.standard_normal((3, 6)),),
    topk_mean=lambda r: (r.standard_normal((4, 5)),),
)
