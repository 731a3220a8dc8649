'''Gaussian things for the VAE chapter.'''
import numpy as np

LOG2PI = np.log(2 * np.pi)


def reparam(mu, logvar, seed=0):
    '''z = mu + exp(logvar / 2) * noise'''
    noise = np.random.default_rng(seed).standard_normal(mu.shape)
    std = np.exp(0.5 * logvar)
    return mu + std * noise, (std, noise)


def reparam_backward(dz, cache):
    std, noise = cache
    dmu = dz.copy()
    dlogvar = 0.5 * dz * noise * std
    return dmu, dlogvar


def kl_standard(mu, logvar):
    '''KL(N(mu, exp(logvar)) || N(0, 1)): summed over the latents, averaged over the batch.'''
    kl = 0.5 * np.sum(mu ** 2 + np.exp(logvar) - logvar - 1, axis=1)
    return float(kl.mean()), (mu, logvar)


def kl_standard_backward(dl, cache):
    mu, logvar = cache
    n = mu.shape[0]
    dmu = dl * mu / n
    dlogvar = dl * 0.5 * (np.exp(logvar) - 1) / n
    return dmu, dlogvar


def diag_nll(x, mu, log_sigma):
    '''-sum log N(x | mu, sigma) with one sigma per feature; x (N, D), mu (N, D), log_sigma (D,)'''
    inv = np.exp(-log_sigma)
    z = (x - mu) * inv
    n = x.shape[0]
    return float(np.sum(0.5 * z ** 2) + n * log_sigma.sum() + 0.5 * x.size * LOG2PI), (z, inv, n)


def diag_nll_backward(dl, cache):
    z, inv, n = cache
    dx = dl * z * inv
    dmu = -dx
    dls = dl * (n - np.sum(z * z, axis=0))
    return dx, dmu, dls


def mvn_logpdf(x, m, L):
    '''log N(x_n; m, L L^T) per row, L lower triangular (only its lower part is read).'''
    L = np.tril(L)
    A = np.linalg.solve(L, (x - m).T)          # (D, N)
    out = -0.5 * np.sum(A * A, axis=0) - np.log(np.diag(L)).sum() - 0.5 * len(m) * LOG2PI
    return out, (L, A)


def mvn_logpdf_backward(dout, cache):
    L, A = cache
    dA = -A * dout
    dr = np.linalg.solve(L.T, dA)              # (D, N)
    dL = -dr @ A.T
    dL -= np.diag(dout.sum() / np.diag(L))
    return dr.T, -dr.sum(axis=1), np.tril(dL)


CASES = {
    'reparam': lambda rng: (rng.standard_normal((4, 3)), rng.standard_normal((4, 3))),
    'kl_standard': lambda rng: (rng.standard_normal((5, 3)), rng.standard_normal((5, 3))),
    'diag_nll': lambda rng: (rng.standard_normal((4, 3)), rng.standard_normal((4, 3)), rng.normal(0, .4, 3)),
    'mvn_logpdf': lambda rng: (rng.standard_normal((5, 3)), rng.standard_normal(3),
                               np.tril(rng.normal(0, .4, (3, 3)), -1) + np.diag(rng.uniform(.7, 1.6, 3))),
}
