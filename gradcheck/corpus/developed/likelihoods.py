import numpy as np


def sigmoid(v):
    return 1.0 / (1.0 + np.exp(-v))


def gauss_nll(mu, raw, y, floor=1e-2):
    """heteroscedastic regression; var = softplus(raw) + floor; mean over rows, sum over columns"""
    var = np.log1p(np.exp(raw)) + floor
    res = y - mu
    nll = 0.5 * (np.log(var) + res ** 2 / var)
    return nll.sum(axis=1).mean(), (res, var, raw)


def gauss_nll_backward(dl, cache):
    res, var, raw = cache
    n = res.shape[0]
    s = dl / n
    dmu = -s * res / var
    dvar = 0.5 * s * (1 / var - res ** 2 / var ** 2)
    draw = dvar * sigmoid(raw)
    dy = s * res / var
    return dmu, draw, dy


def vae_latent(mu, logvar, beta=0.3, seed=11):
    """returns the sample z and beta * KL(q || N(0, I)) per example"""
    noise = np.random.default_rng(seed).standard_normal(mu.shape)
    std = np.exp(0.5 * logvar)
    z = mu + std * noise
    kl = -0.5 * np.sum(1 + logvar - mu ** 2 - std ** 2, axis=1)
    return (z, beta * kl), (mu, std, noise, beta)


def vae_latent_backward(grads, cache):
    dz, dkl = grads
    mu, std, noise, beta = cache
    c = beta * dkl[:, None]
    dmu = dz + c * mu
    dlogvar = 0.5 * dz * noise * std + 0.5 * c * (std ** 2 - 1)
    return dmu, dlogvar


def poisson_glm(X, w, b, counts, exposure):
    """negative log likelihood, rate = exposure * exp(X w + b), up to the factorial"""
    eta = X @ w + b
    rate = exposure * np.exp(eta)
    return np.sum(rate - counts * eta), dict(X=X, w=w, rate=rate, counts=counts, exposure=exposure)


def poisson_glm_backward(dl, c):
    deta = dl * (c["rate"] - c["counts"])
    dX = np.outer(deta, c["w"])
    dw = c["X"].T @ deta
    db = np.array(deta.sum())
    dexposure = dl * c["rate"] / c["exposure"]
    return dX, dw, db, None, dexposure


CASES = {
    "gauss_nll": lambda r: (r.standard_normal((5, 3)), r.standard_normal((5, 3)), r.standard_normal((5, 3))),
    "vae_latent": lambda r: (r.standard_normal((4, 3)), 0.5 * r.standard_normal((4, 3))),
    "poisson_glm": lambda r: (r.standard_normal((6, 3)), 0.4 * r.standard_normal(3), np.array(0.1),
                              r.integers(0, 5, 6), r.uniform(0.5, 2, 6)),
}
