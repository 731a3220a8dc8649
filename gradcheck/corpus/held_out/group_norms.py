import numpy as np


def groupnorm(x, gamma, beta, G=2, eps=1e-5):
    """x: (N, C, H, W), gamma and beta: (1, C, 1, 1)."""
    N, C, H, W = x.shape
    xg = x.reshape(N, G, -1)
    mean = xg.mean(axis=2, keepdims=True)
    var = xg.var(axis=2, keepdims=True)
    std = np.sqrt(var + eps)
    xhat = ((xg - mean) / std).reshape(x.shape)
    out = xhat * gamma + beta
    return out, (G, xhat, std, gamma)


def groupnorm_backward(dout, cache):
    G, xhat, std, gamma = cache
    N, C, H, W = dout.shape
    dgamma = np.sum(dout * xhat, axis=(0, 2, 3), keepdims=True)
    dbeta = np.sum(dout, axis=(0, 2, 3), keepdims=True)
    dxhat = (dout * gamma).reshape(N, G, -1)
    xh = xhat.reshape(N, G, -1)
    M = xh.shape[2]
    dx = M * dxhat - dxhat.sum(axis=2, keepdims=True)
    dx = dx - xh * np.sum(dxhat * xh, axis=2, keepdims=True)
    dx = dx / (M * std)
    return dx.reshape(N, C, H, W), dgamma, dbeta


def l2norm(v, eps=1e-8):
    """Rows to unit length."""
    n = np.sqrt(np.sum(v * v, axis=1) + eps)
    u = v / n[:, None]
    return u, (u, n)


def l2norm_backward(du, cache):
    u, n = cache
    dots = np.einsum('ij,ij->i', du, u)
    return (du - u * dots[:, None]) / n[:, None]


CASES = {
    "groupnorm": [
        lambda r: (r.standard_normal((3, 4, 2, 5)), r.uniform(0.5, 2, (1, 4, 1, 1)), r.standard_normal((1, 4, 1, 1))),
        lambda r: (r.standard_normal((1, 6, 3, 2)), r.uniform(0.5, 2, (1, 6, 1, 1)), r.standard_normal((1, 6, 1, 1))),
    ],
    "l2norm": lambda r: (r.standard_normal((4, 3)),),
}
