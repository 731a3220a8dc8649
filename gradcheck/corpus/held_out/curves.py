"""Polynomials and interpolation, with sensitivities (MSc thesis, appendix B)."""
import numpy as np


def horner(x, coef):
    """p(x) = coef[0] + coef[1] x + ... + coef[n] x^n"""
    acc = np.zeros_like(x)
    partial = []
    for c in coef[::-1]:
        partial.append(acc)
        acc = acc * x + c
    return acc, (x, coef, partial)


def horner_backward(dp, cache):
    x, coef, partial = cache
    dx = np.zeros_like(x)
    dcoef = np.zeros_like(coef)
    g = dp
    for k in range(len(coef)):
        dcoef[k] = g.sum()
        dx += g * partial[-1 - k]
        g = g * x
    return dx, dcoef


def lerp_table(q, values, lo=0.0, hi=1.0):
    """Look up queries q in an evenly spaced table (values at lo, ..., hi); outside: held constant."""
    n = len(values)
    h = (hi - lo) / (n - 1)
    pos = np.clip((q - lo) / h, 0, n - 1)
    i = np.minimum(pos.astype(int), n - 2)
    w = pos - i
    inside = (q > lo) & (q < hi)
    return (1 - w) * values[i] + w * values[i + 1], (values, i, w, h, inside)


def lerp_table_backward(dv, cache):
    values, i, w, h, inside = cache
    dq = np.where(inside, dv * (values[i + 1] - values[i]) / h, 0.0)
    dvalues = np.zeros_like(values)
    np.add.at(dvalues, i, dv * (1 - w))
    np.add.at(dvalues, i + 1, dv * w)
    return dq, dvalues


def hermite(s, p, m):
    """Catmull-like cubic on one span. s (N,), p (2, D) end points, m (2, D) tangents."""
    h00 = 2 * s ** 3 - 3 * s ** 2 + 1
    h10 = s ** 3 - 2 * s ** 2 + s
    h01 = -2 * s ** 3 + 3 * s ** 2
    h11 = s ** 3 - s ** 2
    y = np.outer(h00, p[0]) + np.outer(h10, m[0]) + np.outer(h01, p[1]) + np.outer(h11, m[1])
    return y, {"s": s, "p": p, "m": m, "h": (h00, h10, h01, h11)}


def hermite_backward(dy, cache):
    s, p, m = (cache[k] for k in "spm")
    h00, h10, h01, h11 = cache["h"]
    dp = np.stack([h00 @ dy, h01 @ dy])
    dm = np.stack([h10 @ dy, h11 @ dy])
    ds = (6 * s ** 2 - 6 * s) * (dy @ p[0])
    ds += (3 * s ** 2 - 4 * s + 1) * (dy @ m[0])
    ds += (-6 * s ** 2 + 6 * s) * (dy @ p[1])
    ds += (3 * s ** 2 - 2 * s) * (dy @ m[1])
    return ds, dp, dm


def trapz(y, t):
    """Area under each row of y (N, T) over the grid t (T,)."""
    dt = np.diff(t)
    return ((y[:, 1:] + y[:, :-1]) * dt).sum(axis=1) / 2, (y, dt)


def trapz_backward(ga, cache):
    y, dt = cache
    gy = np.zeros_like(y)
    half = ga[:, None] * dt / 2
    gy[:, 1:] += half
    gy[:, :-1] += half
    seg = (ga[:, None] * (y[:, 1:] + y[:, :-1]) / 2).sum(axis=0)
    gt = np.zeros(y.shape[1])
    gt[1:] += seg
    gt[:-1] -= seg
    return gy, gt


CASES = {
    "horner": lambda rng: (rng.uniform(-1.2, 1.2, 6), rng.standard_normal(4)),
    "lerp_table": [
        lambda rng: (rng.uniform(0.05, 0.95, 8), rng.standard_normal(6)),
        lambda rng: (np.array([-0.2, 0.13, 0.37, 0.52, 0.57, 1.3]), rng.standard_normal(4)),
    ],
    "hermite": lambda rng: (rng.uniform(0, 1, 5), rng.standard_normal((2, 3)), rng.standard_normal((2, 3))),
    "trapz": lambda rng: (rng.standard_normal((3, 5)), np.sort(rng.uniform(0, 3, 5))),
}
