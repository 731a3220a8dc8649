'''Batch normalisation, training mode.  Student notebook exported to a script.'''
import numpy as np


def bn(x, gamma, beta, eps=1e-5):
    mu = x.mean(axis=0)
    xc = x - mu
    var = np.mean(xc ** 2, axis=0)
    std = np.sqrt(var + eps)
    xhat = xc / std
    return gamma * xhat + beta, (xhat, xc, gamma, std)


def bn_backward(dout, cache):
    # staged version, following the computational graph step by step
    xhat, xc, gamma, std = cache
    m = dout.shape[0]
    dbeta = np.sum(dout, axis=0)
    dgamma = np.sum(dout * xhat, axis=0)
    dxhat = dout * gamma
    dxc = dxhat / std
    dstd = -np.sum(dxhat * xc, axis=0) / std ** 2
    dvar = 0.5 * dstd / std
    dxc = dxc + (2.0 / m) * xc * dvar
    dmu = -np.sum(dxc, axis=0)
    dx = dxc + dmu / m
    return dx, dgamma, dbeta


def bn2d(x, gamma, beta, eps=1e-5):
    '''compact version for images (N, C, H, W)'''
    ax = (0, 2, 3)
    g = gamma.reshape(1, -1, 1, 1)
    inv = 1.0 / np.sqrt(x.var(axis=ax, keepdims=True) + eps)
    xh = (x - x.mean(axis=ax, keepdims=True)) * inv
    return g * xh + beta.reshape(1, -1, 1, 1), {'xh': xh, 'inv': inv, 'g': g}


def bn2d_backward(dout, cache):
    ax = (0, 2, 3)
    xh, inv, g = (cache[k] for k in ('xh', 'inv', 'g'))
    M = xh.size // xh.shape[1]
    s1 = dout.sum(axis=ax, keepdims=True)
    s2 = (dout * xh).sum(axis=ax, keepdims=True)
    dx = g * inv / M * (M * dout - s1 - xh * s2)
    return dx, s2.ravel(), s1.ravel()


CASES = {
    'bn': lambda rng: (rng.standard_normal((7, 4)), rng.standard_normal(4), rng.standard_normal(4)),
    'bn2d': lambda rng: (rng.standard_normal((2, 3, 4, 5)), rng.standard_normal(3), rng.standard_normal(3)),
}
