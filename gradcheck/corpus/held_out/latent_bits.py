"""Pieces of variational models and of sampling: log densities, divergences, relaxed samples."""
import numpy as np
from jaxtyping import Bool, Float

A = np.ndarray


def log_softmax(z: Float[A, "N K"]):
    m = z.max(axis=1, keepdims=True)
    lse = m + np.log(np.exp(z - m).sum(axis=1, keepdims=True))
    out = z - lse
    return out, (out,)


def log_softmax_backward(dout, cache):
    (out,) = cache
    return dout - np.exp(out) * dout.sum(axis=1, keepdims=True)


def tempered_softmax(x: Float[A, "C N"], tau: Float[A, " 1"]):
    """Softmax down the columns, with one temperature for all."""
    s = x / tau
    e = np.exp(s - s.max(axis=0))
    p = e / e.sum(axis=0)
    return p, (x, tau, p)


def tempered_softmax_backward(dp, cache):
    x, tau, p = cache
    ds = p * (dp - np.sum(p * dp, axis=0))
    dtau = -np.sum(ds * x) / tau**2
    dx = ds / tau
    return dx, dtau


def gaussian_kl(mu: Float[A, "B Z"], logvar: Float[A, "B Z"]):
    """KL to the standard normal, a number per row."""
    kl = 0.5 * (np.exp(logvar) + mu**2 - 1 - logvar)
    return kl.sum(axis=1), (mu, logvar)


def gaussian_kl_backward(dkl, cache):
    mu, logvar = cache
    dmu = dkl[:, None] * mu
    dlogvar = 0.5 * dkl[:, None] * (np.exp(logvar) - 1)
    return dmu, dlogvar


def reparameterise(mu: Float[A, "B Z"], logvar: Float[A, "B Z"]):
    rng = np.random.default_rng(1234)  # the same noise at every call
    eps = rng.standard_normal(mu.shape)
    std = np.exp(0.5 * logvar)
    return mu + eps * std, {"eps": eps, "std": std}


def reparameterise_backward(dz, cache):
    dmu = dz.copy()
    dlogvar = dz * cache["eps"] * cache["std"] * 0.5
    return dmu, dlogvar


def student_nll(x: Float[A, "N D"], loc: Float[A, " D"], log_scale: Float[A, " D"]):
    """Minus the log density of Student's t, 3 degrees of freedom, up to a constant; summed."""
    z = (x - loc) * np.exp(-log_scale)
    return np.sum(2 * np.log1p(z**2 / 3)) + len(x) * log_scale.sum(), (z, log_scale)


def student_nll_backward(d, cache):
    z, log_scale = cache
    dz = d * 4 * z / (3 + z**2)
    dx = dz * np.exp(-log_scale)
    dloc = -dx.sum(0)
    dlog_scale = d * len(z) - (dz * z).sum(0)
    return dx, dloc, dlog_scale


def masked_softmax(scores: Float[A, "N K"], drop: Bool[A, "N K"]):
    """Softmax over what is not dropped; a row where everything is dropped becomes zero."""
    e = np.where(drop, 0.0, np.exp(scores - scores.max(1, keepdims=True)))
    total = e.sum(1, keepdims=True)
    p = e / np.where(total == 0, 1, total)
    return p, (p, drop)


def masked_softmax_backward(g, cache):
    p, drop = cache
    inner = (g * p).sum(1, keepdims=True)
    return p * (g - inner), None


def entropy_bonus(p: Float[A, "N K"]):
    """Entropy of the rows of |p|, normalised; nothing may be exactly zero."""
    w = np.abs(p) / np.abs(p).sum(1, keepdims=True)
    return -(w * np.log(w)).sum(1), (p, w)


def entropy_bonus_backward(dh, cache):
    p, w = cache
    total = np.abs(p).sum(1, keepdims=True)
    dw = -dh[:, None] * (np.log(w) + 1)
    dabs = (dw - (dw * w).sum(1, keepdims=True)) / total
    return dabs * np.sign(p)


def _tempered(rng):
    return rng.normal(size=rng.permutation([3, 4, 5])[:2]), rng.uniform(0.5, 2, 1)


CASES = {"tempered_softmax": _tempered}
