import numpy as np


def spec_dropout(x, gain, drop=0.25, seed=11):
    """Drop whole channels: x (T, C), gain (C,)"""
    keep = 1.0 - drop
    on = (np.random.default_rng(seed).random(x.shape[1]) < keep).astype(x.dtype)
    on[0] = 1.0
    return x * (on * gain / keep), (x, gain, on, keep)


def spec_dropout_backward(dy, saved):
    x, gain, on, keep = saved
    scaled = dy * on
    scaled /= keep
    dgain = np.einsum("tc,tc->c", scaled, x)
    return scaled * gain, dgain


def highway(x, Wt, bt, Wh):
    """y = g * tanh(x Wh) + (1 - g) * x with g = sigmoid(x Wt + bt)"""
    g = 1 / (1 + np.exp(-(x @ Wt + bt)))
    c = np.tanh(x @ Wh)
    return g * c + (1 - g) * x, (x, Wt, Wh, g, c)


def highway_backward(dy, saved):
    x, Wt, Wh, g, c = saved
    dx = dy * (1 - g)
    dg = dy * (c - x) * g * (1 - g)
    dc = dy * g * (1 - c * c)
    dx += dg @ Wt.T
    dx += dc @ Wh.T
    return dx, x.T @ dg, np.sum(dg, axis=0), x.T @ dc


CASES = {
    "spec_dropout": lambda rng: (rng.standard_normal((5, 6)), rng.uniform(0.5, 1.5, 6)),
    "highway": lambda rng: (rng.standard_normal((3, 4)), rng.standard_normal((4, 4)), rng.standard_normal(4), rng.standard_normal((4, 4))),
}
