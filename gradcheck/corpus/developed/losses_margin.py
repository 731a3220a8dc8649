import numpy as np

# Regression, margin and embedding losses. mean over the batch everywhere.


def huber(pred, target, delta=1.0):
    r = pred - target
    a = abs(r)
    quad = a <= delta
    l = np.where(quad, 0.5 * r * r, delta * (a - 0.5 * delta))
    return l.mean(), (r, quad, delta)


def huber_backward(g, cache):
    r, quad, delta = cache
    dr = np.where(quad, r, delta * np.sign(r)) * (g / r.size)
    return dr, -dr


def multiclass_hinge(scores, labels, margin=1.0):
    rows = np.arange(len(scores))
    correct = scores[rows, labels][:, None]
    m = np.maximum(0, scores - correct + margin)
    m[rows, labels] = 0
    return m.sum() / len(scores), (m, labels)


def multiclass_hinge_backward(g, cache):
    m, labels = cache
    n = len(m)
    ds = (m > 0).astype(float)
    ds[np.arange(n), labels] -= ds.sum(axis=1)
    ds *= g / n
    return ds


def kl_gauss(mu, logvar):
    """KL(N(mu, exp(logvar)) || N(0, 1)), VAE"""
    kl = 0.5 * (mu ** 2 + np.exp(logvar) - 1 - logvar).sum(axis=1)
    return kl.mean(), (mu, logvar)


def kl_gauss_backward(g, cache):
    mu, logvar = cache
    k = g / mu.shape[0]
    dmu = k * mu
    dlogvar = k * 0.5 * (np.exp(logvar) - 1)
    return dmu, dlogvar


def triplet(a, p, n, margin=0.5):
    dp = a - p
    dn = a - n
    d = np.sum(dp ** 2, 1) - np.sum(dn ** 2, 1) + margin
    return np.maximum(d, 0).mean(), (dp, dn, d > 0)


def triplet_backward(g, cache):
    dp, dn, active = cache
    w = (2 * g * active / len(active))[:, None]
    da = w * (dp - dn)
    return da, -w * dp, w * dn


CASES = {
    "huber": lambda r: (2 * r.standard_normal((4, 3)), r.standard_normal((4, 3))),
    "multiclass_hinge": lambda r: (r.standard_normal((5, 4)), r.integers(0, 4, 5)),
    "kl_gauss": lambda r: (r.standard_normal((4, 3)), r.standard_normal((4, 3))),
    "triplet": lambda r: (r.standard_normal((6, 3)), r.standard_normal((6, 3)), r.standard_normal((6, 3))),
}
