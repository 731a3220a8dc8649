"""Several outputs, caches of every shape, gradients in lists, and careful numbers inside."""

from collections import namedtuple

import numpy as np

Gates = namedtuple("Gates", "i f g")


def cell(x, c, w):
    """A memory cell whose gates share one input."""
    z = Gates(*np.split(x * w, 3, axis=1))
    a = Gates(1 / (1 + np.exp(-z.i)), 1 / (1 + np.exp(-z.f)), np.tanh(z.g))
    new = a.f * c + a.i * a.g
    return (np.tanh(new), new), (x, c, w, a, new)


def cell_backward(grads, cache):
    dh, dc = grads
    x, c, w, a, new = cache
    dc = dc + dh / np.cosh(new) ** 2
    d = Gates(dc * a.g * a.i * (1 - a.i), dc * c * a.f * (1 - a.f), dc * a.i * (1 - a.g**2))
    dz = np.hstack(d)
    return [dz * w, dc * a.f, (dz * x).sum(0)]


def attend(q, k):
    """Weights, scores and the best key: a whole number, with no slope."""
    s = q @ k.T
    e = np.exp(s - s.max(1, keepdims=True))
    p = e / e.sum(1, keepdims=True)
    return (p, s, s.argmax(1)), {"q": q, "k": k, "p": p}


def attend_backward(grads, cache):
    dp, ds, _ = grads
    p = cache["p"]
    ds = ds + p * (dp - np.einsum("ij,ij->i", p, dp)[:, None])
    return ds @ cache["k"], ds.T @ cache["q"]


def compensated(x):
    """Sums in extended precision, and goes back."""
    total = x.astype(np.longdouble).sum(axis=0)
    return (total**2).astype(x.dtype), (total, x.shape)


def compensated_backward(dy, cache):
    total, shape = cache
    g = (2 * dy * total).astype(dy.dtype)
    return np.ones(shape) * g


def masked_mean(x, mask):
    """The mask counts in float32, which whole numbers survive."""
    m = mask.astype(np.float32)
    n = m.sum(dtype=np.float32)
    return (x * m).sum() / n, (m, n)


def masked_mean_backward(dy, cache):
    m, n = cache
    return dy * m / np.float64(n)


def statistics(x):
    """Five numbers about each row, as separate outputs."""
    mean, std = x.mean(1), x.std(1)
    rms = np.sqrt((x**2).mean(1))
    return (mean, std, rms, x.max(1), x[:, 0] * x[:, -1]), (x, mean, std, rms)


def statistics_backward(d, cache):
    x, mean, std, rms = cache
    n = x.shape[1]
    dx = np.repeat(d[0][:, None] / n, n, axis=1)
    dx += (d[1] / std / n)[:, None] * (x - mean[:, None])
    dx += (d[2] / rms / n)[:, None] * x
    dx += d[3][:, None] * (x == x.max(1, keepdims=True))
    dx[:, 0] += d[4] * x[:, -1]
    dx[:, -1] += d[4] * x[:, 0]
    return dx


def complex_parts(re, im):
    """Modulus and phase of z squared, by complex numbers."""
    z = (re + 1j * im) ** 2
    return (np.abs(z), z.real - z.imag), (re, im)


def complex_parts_backward(grads, cache):
    dmod, dsum = grads
    re, im = cache
    bar = 2 * dmod * (re + 1j * im) + dsum * 2 * np.conj(re + 1j * im) * (1 - 1j)
    return bar.real, bar.imag


def memory(rng):
    n, h = rng.permutation([2, 3, 4])[:2]
    return rng.normal(size=(n, 3 * h)), rng.normal(size=(n, h)), rng.normal(size=3 * h)


def queries(rng):
    n, m, d = rng.permutation([2, 3, 5])
    return rng.normal(size=(n, d)), rng.normal(size=(m, d))


CASES = {
    "cell": memory,
    "attend": queries,
    "compensated": lambda rng: (rng.normal(size=(5, 3)),),
    "masked_mean": lambda rng: (rng.normal(size=(3, 4)), np.eye(3, 4, dtype=bool)),
    "statistics": lambda rng: (rng.normal(size=(3, 6)),),
    "complex_parts": lambda rng: tuple(rng.normal(size=(2, 5))),
}
