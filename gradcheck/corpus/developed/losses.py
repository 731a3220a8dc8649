"""Losses. Each returns a number and what its backward wants, in a dict."""

import numpy as np


def mse(pred, target):
    diff = pred - target
    return np.mean(diff**2), {"diff": diff}


def mse_backward(dloss, cache):
    diff = cache["diff"]
    dpred = dloss * 2 * diff / diff.size
    return dpred, -dpred


def mae(pred, target):
    diff = pred - target
    return np.mean(np.abs(diff)), {"sign": np.sign(diff)}


def mae_backward(dloss, cache):
    sign = cache["sign"]
    dpred = dloss * sign / sign.size
    dtarget = -dpred
    return dpred, dtarget


def huber(pred, target, *, delta=0.8):
    r = pred - target
    small = np.abs(r) <= delta
    loss = np.where(small, 0.5 * r**2, delta * (np.abs(r) - 0.5 * delta))
    return loss.sum(), dict(r=r, small=small, delta=delta)


def huber_backward(dloss, c):
    g = np.where(c["small"], c["r"], c["delta"] * np.sign(c["r"]))
    return dloss * g, -dloss * g


def hinge(scores, y):
    """Multiclass SVM loss, margin 1, mean over rows."""
    N = len(y)
    correct = scores[np.arange(N), y][:, np.newaxis]
    margins = np.maximum(0, scores - correct + 1.0)
    margins[np.arange(N), y] = 0
    return margins.sum() / N, {"margins": margins, "y": y}


def hinge_backward(dloss, cache):
    margins, y = cache["margins"], cache["y"]
    N = margins.shape[0]
    dx = np.zeros_like(margins)
    dx[margins > 0] = 1
    dx[np.arange(N), y] -= np.sum(margins > 0, axis=1)
    return dloss * dx / N, None


def bce(p, t):
    """Of probabilities p and targets t, both strictly between 0 and 1."""
    loss = -np.sum(t * np.log(p) + (1 - t) * np.log(1 - p))
    return loss, {"p": p, "t": t}


def bce_backward(dloss, cache):
    p, t = cache["p"], cache["t"]
    dp = dloss * (p - t) / (p * (1 - p))
    dt = dloss * (np.log(1 - p) - np.log(p))
    return dp, dt


def ridge(X, y, w, b, *, reg=0.3):
    err = X @ w + b - y
    loss = 0.5 * np.sum(err**2) / len(y) + 0.5 * reg * w @ w
    return loss, dict(X=X, w=w, err=err, reg=reg)


def ridge_backward(dloss, cache):
    X, w, err, reg = (cache[k] for k in ("X", "w", "err", "reg"))
    derr = dloss * err / len(err)
    dX = np.outer(derr, w)
    dw = X.T @ derr + dloss * reg * w
    db = derr.sum()
    return dX, -derr, dw, np.array(db)


def gaussian_nll(mu, log_var, t):
    """One target t for all entries of mu."""
    inv = np.exp(-log_var)
    loss = 0.5 * np.sum(log_var + (t - mu) ** 2 * inv)
    return loss, {"z": t - mu, "inv": inv}


def gaussian_nll_backward(dloss, cache):
    z, inv = cache["z"], cache["inv"]
    dmu = -dloss * z * inv
    dlog_var = dloss * 0.5 * (1 - z**2 * inv)
    dt = np.array(-dmu.sum())
    return dmu, dlog_var, dt


def two(rng):
    shape = tuple(rng.permutation([2, 3, 5])[:2])
    return rng.normal(size=shape), rng.normal(size=shape)


def svm(rng):
    n, c = rng.permutation([3, 4, 5, 7])[:2]
    return rng.normal(size=(n, c)), rng.integers(0, c, n)


def regression(rng):
    n, d = rng.permutation([3, 4, 5, 7])[:2]
    return rng.normal(size=(n, d)), rng.normal(size=n), rng.normal(size=d), np.array(rng.normal())


CASES = {
    "mse": two,
    "mae": two,
    "huber": two,
    "hinge": svm,
    "bce": lambda rng: tuple(rng.uniform(0.05, 0.95, (2, 4, int(rng.integers(2, 7))))),
    "ridge": regression,
    "gaussian_nll": lambda rng: (*two(rng), np.array(rng.normal())),
}
