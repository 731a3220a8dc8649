"""Layer norm, and a pre-norm / post-norm transformer block (one head, no mask)."""
import numpy as np


def layernorm(x, gamma, beta, eps=1e-5):
    mu = x.mean(axis=-1, keepdims=True)
    xc = x - mu
    var = (xc ** 2).mean(axis=-1, keepdims=True)
    inv = 1.0 / np.sqrt(var + eps)
    xhat = xc * inv
    return gamma * xhat + beta, (xhat, inv, gamma)


def layernorm_backward(dout, cache):
    xhat, inv, gamma = cache
    lead = tuple(range(dout.ndim - 1))
    dgamma = (dout * xhat).sum(axis=lead)
    dbeta = dout.sum(axis=lead)
    dxhat = dout * gamma
    D = dout.shape[-1]
    dx = inv / D * (D * dxhat
                    - dxhat.sum(axis=-1, keepdims=True)
                    - xhat * (dxhat * xhat).sum(axis=-1, keepdims=True))
    return dx, dgamma, dbeta


def _attn(x, Wqkv, Wo):
    q, k, v = np.split(x @ Wqkv, 3, axis=-1)
    s = q @ k.transpose(0, 2, 1) / np.sqrt(q.shape[-1])
    e = np.exp(s - s.max(-1, keepdims=True))
    a = e / e.sum(-1, keepdims=True)
    o = a @ v
    return o @ Wo, (x, Wqkv, Wo, q, k, v, a, o)


def _attn_back(dy, cache):
    x, Wqkv, Wo, q, k, v, a, o = cache
    dWo = np.einsum("nto,ntd->od", o, dy)
    do = dy @ Wo.T
    da = do @ v.transpose(0, 2, 1)
    dv = a.transpose(0, 2, 1) @ do
    ds = a * (da - (a * da).sum(-1, keepdims=True)) / np.sqrt(q.shape[-1])
    dqkv = np.concatenate([ds @ k, ds.transpose(0, 2, 1) @ q, dv], axis=-1)
    return dqkv @ Wqkv.T, np.einsum("ntd,nte->de", x, dqkv), dWo


def pre_block(x, g1, b1, Wqkv, Wo, g2, b2, W1, c1, W2):
    n1, k1 = layernorm(x, g1, b1)
    a, ka = _attn(n1, Wqkv, Wo)
    h = x + a
    n2, k2 = layernorm(h, g2, b2)
    u = n2 @ W1 + c1
    m = np.maximum(u, 0)
    return h + m @ W2, (k1, ka, k2, n2, u, m, W1, W2)


def pre_block_backward(dy, cache):
    k1, ka, k2, n2, u, m, W1, W2 = cache
    # feed-forward half
    dW2 = np.einsum("ntf,ntd->fd", m, dy)
    du = (dy @ W2.T) * (u > 0)
    dW1 = np.einsum("ntd,ntf->df", n2, du)
    dc1 = du.sum(axis=(0, 1))
    dn2 = du @ W1.T
    dh_norm, dg2, db2 = layernorm_backward(dn2, k2)
    dh = dy + dh_norm
    # attention half
    dn1, dWqkv, dWo = _attn_back(dh, ka)
    dx_norm, dg1, db1 = layernorm_backward(dn1, k1)
    dx = dh + dx_norm
    return dx, dg1, db1, dWqkv, dWo, dg2, db2, dW1, dc1, dW2


def post_ln(x, W, g, b):
    """Post-norm residual: LayerNorm(x + x W)."""
    y, k = layernorm(x + x @ W, g, b, eps=1e-6)
    return y, (x, W, k)


def post_ln_backward(dy, cache):
    x, W, k = cache
    dres, dg, db = layernorm_backward(dy, k)
    dW = x.reshape(-1, x.shape[-1]).T @ dres.reshape(-1, dres.shape[-1])
    return dres + dres @ W.T, dW, dg, db


def _blk(r, N=2, T=3, D=4, F=5):
    g = r.standard_normal
    return (g((N, T, D)), 1 + .3 * g(D), g(D), .5 * g((D, 18)), .5 * g((6, D)), 1 + .3 * g(D), g(D),
            .3 * g((D, F)), 2.0 * np.array([1, -1, 1, -1, 1]) + .1 * g(F), .6 * g((F, D)))


CASES = {
    "layernorm": [lambda r: (r.standard_normal((3, 5)), r.standard_normal(5), r.standard_normal(5)),
                  lambda r: (2 + r.standard_normal((2, 3, 4)), r.standard_normal(4), r.standard_normal(4))],
    "pre_block": _blk,
    "post_ln": lambda r: (r.standard_normal((2, 3, 5)), .5 * r.standard_normal((5, 5)), r.standard_normal(5), r.standard_normal(5)),
}
