import numpy as np
from jaxtyping import Float

EPS = 0.01


def layer_norm(x: Float[np.ndarray, "N D"], gamma: Float[np.ndarray, " D"],
               beta: Float[np.ndarray, " D"]):
    mu = x.mean(axis=-1, keepdims=True)
    var = ((x - mu) ** 2).mean(axis=-1, keepdims=True)
    rstd = 1 / np.sqrt(var + EPS)
    norm = (x - mu) * rstd
    return norm * gamma + beta, (norm, rstd, gamma)


def layer_norm_backward(dout, cache):
    norm, rstd, gamma = cache
    dnorm = dout * gamma
    dx = dnorm - dnorm.mean(-1, keepdims=True) - norm * (dnorm * norm).mean(-1, keepdims=True)
    dx *= rstd
    dgamma = (dout * norm).sum(axis=0)
    dbeta = dout.sum(axis=0)
    return dx, dgamma, dbeta


def batchnorm_forward(x: Float[np.ndarray, "M F"], gamma: Float[np.ndarray, " F"],
                      beta: Float[np.ndarray, " F"]):
    # the long way, one node after the other
    mu = np.mean(x, axis=0)
    xmu = x - mu
    sq = xmu**2
    var = np.mean(sq, axis=0)
    sqrtvar = np.sqrt(var + EPS)
    ivar = 1.0 / sqrtvar
    xhat = xmu * ivar
    out = gamma * xhat + beta
    return out, (xhat, gamma, xmu, ivar, sqrtvar, var)


def batchnorm_backward(dout, cache):
    xhat, gamma, xmu, ivar, sqrtvar, var = cache
    M, F = dout.shape
    dbeta = np.sum(dout, axis=0)
    dgamma = np.sum(dout * xhat, axis=0)
    dxhat = dout * gamma
    divar = np.sum(dxhat * xmu, axis=0)
    dxmu1 = dxhat * ivar
    dsqrtvar = -1.0 / (sqrtvar**2) * divar
    dvar = 0.5 * 1.0 / np.sqrt(var + EPS) * dsqrtvar
    dsq = 1.0 / M * np.ones((M, F)) * dvar
    dxmu2 = 2 * xmu * dsq
    dx1 = dxmu1 + dxmu2
    dmu = -1 * np.sum(dxmu1 + dxmu2, axis=0)
    dx2 = 1.0 / M * np.ones((M, F)) * dmu
    dx = dx1 + dx2
    return dx, dgamma, dbeta


def rms_norm(h: Float[np.ndarray, "B T C"], weight: Float[np.ndarray, " C"]):
    inv = (np.square(h).mean(-1, keepdims=True) + EPS) ** -0.5
    return h * inv * weight, (h, inv, weight)


def rms_norm_backward(dy, cache):
    h, inv, weight = cache
    C = h.shape[-1]
    dweight = np.einsum("btc,btc,bto->c", dy, h, inv)
    dh = dy * weight * inv
    dot = np.sum(dy * weight * h, axis=-1, keepdims=True)
    dh -= h * inv**3 * dot / C
    return dh, dweight


def weight_norm(v: Float[np.ndarray, "I O"], scale: Float[np.ndarray, " O"]):
    """Columns of v at unit length, then a length of their own."""
    length = np.linalg.norm(v, axis=0)
    unit = v / length
    return unit * scale, (unit, length, scale)


def weight_norm_backward(grad_w, cache):
    unit, length, scale = cache
    grad_scale = (grad_w * unit).sum(0)
    grad_v = scale / length * (grad_w - unit * grad_scale)
    return grad_v, grad_scale


def group_norm_forward(x, w, b, *, groups=2):
    """x (N, C, L), statistics over each group of channels and all of L; w, b (C,)."""
    N, C, L = x.shape
    blocks = x.reshape(N, groups, -1)
    centred = blocks - blocks.mean(2, keepdims=True)
    sd = np.sqrt((centred**2).mean(2, keepdims=True) + EPS)
    z = (centred / sd).reshape(N, C, L)
    return w[:, None] * z + b[:, None], (z, sd, w, groups)


def group_norm_backward(dy, cache):
    z, sd, w, groups = cache
    N, C, L = z.shape
    db, dw = dy.sum((0, 2)), (dy * z).sum((0, 2))
    dz = (dy * w[:, None]).reshape(N, groups, -1)
    zb = z.reshape(N, groups, -1)
    m = zb.shape[2]
    total = m * dz - dz.sum(2, keepdims=True) - zb * (dz * zb).sum(2, keepdims=True)
    return (total / (m * sd)).reshape(N, C, L), dw, db


def _group(rng):
    n, half, l = rng.permutation([2, 3, 5])
    return rng.normal(size=(n, 2 * half, l)), rng.normal(size=2 * half), rng.normal(size=2 * half)


CASES = {"group_norm": _group}
