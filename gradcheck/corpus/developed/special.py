"""Functions of scipy.special, scipy.signal and scipy.ndimage."""

import numpy as np
import scipy.special as sp
from scipy import ndimage


def poisson_nll(log_rate, count):
    """count is real, so that the normaliser has a slope."""
    return np.sum(np.exp(log_rate) - count * log_rate + sp.gammaln(count + 1)), (log_rate, count)


def poisson_nll_backward(dloss, cache):
    log_rate, count = cache
    dlog_rate = dloss * (np.exp(log_rate) - count)
    return dlog_rate, dloss * (sp.digamma(count + 1) - log_rate)


def entropy(p):
    return -sp.xlogy(p, p).sum(axis=1), p


def entropy_backward(dy, p):
    return -dy[:, None] * (np.log(p) + 1)


def beta_log(a, b):
    return sp.betaln(a, b), (a, b)


def beta_log_backward(dy, cache):
    a, b = cache
    both = sp.psi(a + b)
    return dy * (sp.psi(a) - both), dy * (sp.psi(b) - both)


def erf_window(x, width):
    z = x / width
    return sp.erf(z), (x, width, z)


def erf_window_backward(dy, cache):
    x, width, z = cache
    g = dy * 2 / np.sqrt(np.pi) * np.exp(-(z**2))
    return g / width, -np.sum(g * z / width, axis=0)


def bessel(x):
    return sp.j0(x), x


def bessel_backward(dy, x):
    return -dy * sp.j1(x)


def logits(p):
    return sp.logit(p), p


def logits_backward(dy, p):
    return dy / (p * (1 - p))


def kl(p, q):
    """sum p log(p / q), neither normalised."""
    return sp.rel_entr(p, q).sum(), (p, q)


def kl_backward(g, cache):
    p, q = cache
    return g * (np.log(p / q) + 1), -g * p / q


def smooth(image):
    """A symmetric kernel, edges wrapped: its own adjoint."""
    k = np.array([[0.0, 0.1, 0.0], [0.1, 0.6, 0.1], [0.0, 0.1, 0.0]])
    return ndimage.convolve(image, k, mode="wrap"), k


def smooth_backward(dy, k):
    return ndimage.convolve(dy, k, mode="wrap")


def positive(rng, count=1):
    s = tuple(rng.permutation([2, 3, 5])[:2])
    return tuple(rng.uniform(0.1, 2, s) for _ in range(count))


CASES = {
    "poisson_nll": lambda rng: (rng.normal(size=6), rng.uniform(0, 4, 6)),
    "entropy": positive,
    "beta_log": lambda rng: positive(rng, 2),
    "erf_window": lambda rng: (*(x := positive(rng)), rng.uniform(0.5, 2, x[0].shape[1])),
    "bessel": lambda rng: (3 * rng.normal(size=5),),
    "logits": lambda rng: (rng.uniform(0.02, 0.98, (3, 4)),),
    "kl": lambda rng: positive(rng, 2),
    "smooth": lambda rng: (rng.normal(size=rng.permutation([4, 5, 6])[:2]),),
}
