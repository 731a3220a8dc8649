"""Wan et al. 2013, DropConnect"""
import numpy as np


def dropconnect(x, w, b, keep=0.5, seed=4):
    m = np.random.default_rng(seed).binomial(1, keep, w.shape) / keep
    return x @ (w * m) + b, (x, w, m)


def dropconnect_backward(dy, cache):
    x, w, m = cache
    return dy @ (w * m).T, (x.T @ dy) * m, dy.sum(0)


CASES = {
    "dropconnect": lambda rng: (rng.standard_normal((5, 4)), rng.standard_normal((4, 3)), rng.standard_normal(3)),
}
