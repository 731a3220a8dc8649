"""Stochastic regularisers.  The seed is an argument so that the checks are reproducible."""
import numpy as np


def dropout(x, keep=0.6, seed=0):
    """inverted dropout"""
    mask = np.random.default_rng(seed).random(x.shape) < keep
    return x * mask / keep, (mask, keep)


def dropout_backward(dy, cache):
    mask, keep = cache
    return dy * mask / keep


def dropout_classic(x, w, p_drop=0.3, seed=1):
    """Not inverted: nothing is rescaled here, the weights are scaled at test time. Followed by a linear map."""
    mask = (np.random.default_rng(seed).random(x.shape) >= p_drop).astype(float)
    h = x * mask
    return h @ w, (h, w, mask, p_drop)


def dropout_classic_backward(dy, cache):
    h, w, mask, p_drop = cache
    dh = dy @ w.T
    dx = dh * mask
    dw = h.T @ dy
    return dx, dw


def spatial_dropout(x, keep=0.5, seed=2):
    """drops entire channels: mask is (N, C, 1, 1)"""
    mask = np.random.default_rng(seed).random(x.shape[:2])[:, :, None, None] < keep
    return np.where(mask, x / keep, 0.), {"mask": mask, "keep": keep, "seed": seed}


def spatial_dropout_backward(dy, cache):
    mask = cache["mask"]
    dx = np.zeros(dy.shape)
    np.divide(dy, cache["keep"], out=dx, where=np.broadcast_to(mask, dy.shape))
    return dx


def alpha_dropout(x, keep=0.7, seed=3):
    """for SELU nets: dropped units are set to alpha', then an affine correction a x + b"""
    ap = -1.7580993408473766
    mask = np.random.default_rng(seed).random(x.shape) < keep
    a = (keep + ap ** 2 * keep * (1 - keep)) ** -0.5
    b = -a * ap * (1 - keep)
    return a * np.where(mask, x, ap) + b, (mask, a)


def alpha_dropout_backward(dy, cache):
    mask, a = cache
    return a * dy * mask


CASES = {
    "dropout": lambda rng: (rng.standard_normal((5, 7)),),
    "dropout_classic": lambda rng: (rng.standard_normal((5, 6)), rng.standard_normal((6, 3))),
    "spatial_dropout": lambda rng: (rng.standard_normal((3, 4, 2, 5)),),
    "alpha_dropout": lambda rng: (rng.standard_normal((5, 7)),),
}
