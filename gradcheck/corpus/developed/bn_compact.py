import numpy as np


def spatial_bn(x, gamma, beta, eps=1e-5):
    """x is (N, C, H, W); statistics per channel."""
    ax = (0, 2, 3)
    mu = x.mean(axis=ax, keepdims=True)
    var = x.var(axis=ax, keepdims=True)
    inv = 1.0 / np.sqrt(var + eps)
    xn = (x - mu) * inv
    y = gamma[None, :, None, None] * xn + beta[None, :, None, None]
    return y, dict(xn=xn, inv=inv, gamma=gamma)


def spatial_bn_backward(dy, cache):
    xn, inv, gamma = cache['xn'], cache['inv'], cache['gamma']
    ax = (0, 2, 3)
    N, C, H, W = dy.shape
    m = N * H * W
    dbeta = dy.sum(axis=ax)
    dgamma = (dy * xn).sum(axis=ax)
    g = dy * gamma[None, :, None, None]
    s1 = g.sum(axis=ax, keepdims=True)
    s2 = (g * xn).sum(axis=ax, keepdims=True)
    dx = inv / m * (m * g - s1 - xn * s2)
    return dx, dgamma, dbeta


def bn_paper(x, gamma, beta, eps=1e-3):
    """The formulas of the paper, one after another; x is (N, D)."""
    mean = np.mean(x, 0)
    var = np.var(x, 0)
    x_hat = (x - mean) / np.sqrt(var + eps)
    return gamma * x_hat + beta, (x, x_hat, mean, var, gamma, eps)


def bn_paper_backward(dout, cache):
    x, x_hat, mean, var, gamma, eps = cache
    m = x.shape[0]
    dx_hat = dout * gamma
    dvar = np.sum(dx_hat * (x - mean), axis=0) * -0.5 * (var + eps) ** -1.5
    dmean = np.sum(-dx_hat / np.sqrt(var + eps), axis=0) + dvar * np.mean(-2 * (x - mean), axis=0)
    dx = dx_hat / np.sqrt(var + eps) + dvar * 2 * (x - mean) / m + dmean / m
    dgamma = np.sum(dout * x_hat, axis=0)
    dbeta = np.sum(dout, axis=0)
    return dx, dgamma, dbeta


def bn_eval(x, gamma, beta, running_mean, running_var, eps=1e-5):
    std = np.sqrt(running_var + eps)
    xc = x - running_mean
    return gamma * xc / std + beta, (xc, std, gamma)


def bn_eval_backward(dout, cache):
    xc, std, gamma = cache
    dx = dout * gamma / std
    dgamma = (dout * xc / std).sum(0)
    dbeta = dout.sum(0)
    drm = -(dout * gamma / std).sum(0)
    drv = -0.5 * (dout * gamma * xc).sum(0) / std ** 3
    return dx, dgamma, dbeta, drm, drv


CASES = {
    "spatial_bn": lambda r: (r.standard_normal((2, 3, 4, 5)), r.uniform(0.5, 2, 3), r.standard_normal(3)),
    "bn_paper": lambda r: (r.standard_normal((7, 4)) * 3, r.standard_normal(4), r.standard_normal(4)),
    "bn_eval": lambda r: (r.standard_normal((6, 3)), r.standard_normal(3), r.standard_normal(3),
                          r.standard_normal(3), r.uniform(0.5, 2, 3)),
}
