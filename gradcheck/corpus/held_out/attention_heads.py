"""Attention with every gradient written out in einsum."""

import numpy as np


def softmax(z):
    e = np.exp(z - z.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def causal_mha_forward(x, w_qkv, w_out, *, heads=2):
    """x (B, T, D), w_qkv (3, D, E), w_out (E, D); E = heads * d."""
    B, T, _ = x.shape
    split = lambda a: a.reshape(B, T, heads, -1).transpose(0, 2, 1, 3)
    q, k, v = (split(x @ w) for w in w_qkv)
    scale = q.shape[-1] ** -0.5
    scores = np.einsum("bhtd,bhsd->bhts", q, k) * scale
    scores = np.where(np.tri(T, dtype=bool), scores, -np.inf)
    att = softmax(scores)
    mixed = np.einsum("bhts,bhsd->bhtd", att, v).transpose(0, 2, 1, 3).reshape(B, T, -1)
    return mixed @ w_out, (x, w_qkv, w_out, q, k, v, att, mixed, scale)


def causal_mha_backward(dy, cache):
    x, w_qkv, w_out, q, k, v, att, mixed, scale = cache
    B, h, T, d = q.shape
    dw_out = np.einsum("bte,btd->ed", mixed, dy)
    dmixed = (dy @ w_out.T).reshape(B, T, h, d).transpose(0, 2, 1, 3)
    dv = np.einsum("bhts,bhtd->bhsd", att, dmixed)
    datt = np.einsum("bhtd,bhsd->bhts", dmixed, v)
    dscores = att * (datt - (att * datt).sum(-1, keepdims=True))
    dq = np.einsum("bhts,bhsd->bhtd", dscores, k) * scale
    dk = np.einsum("bhts,bhtd->bhsd", dscores, q) * scale
    dw_qkv, dx = np.empty_like(w_qkv), 0
    for n, dn in enumerate((dq, dk, dv)):
        merged = dn.transpose(0, 2, 1, 3).reshape(B, T, h * d)
        dw_qkv[n] = np.einsum("btd,bte->de", x, merged)
        dx = dx + merged @ w_qkv[n].T
    return dx, dw_qkv, dw_out


def additive_pool_forward(H, keep, W, u):
    """Bahdanau-like pooling of H (N, S, D) where keep (N, S); W (D, A), u (A,)."""
    t = np.tanh(H @ W)
    e = np.where(keep, t @ u, -1e30)
    a = softmax(e)
    return (a[..., None] * H).sum(1), dict(H=H, keep=keep, W=W, u=u, t=t, a=a)


def additive_pool_backward(dpooled, c):
    H, a, t, u, W = c["H"], c["a"], c["t"], c["u"], c["W"]
    da = np.einsum("nd,nsd->ns", dpooled, H)
    de = a * (da - (a * da).sum(1, keepdims=True))
    dt = de[:, :, None] * u
    dz = dt * (1 - t * t)
    dH = a[..., None] * dpooled[:, None] + dz @ W.T
    dW = np.tensordot(H, dz, axes=([0, 1], [0, 1]))
    du = (de[..., None] * t).sum((0, 1))
    return dH, None, dW, du


def linear_attention(q, k, v):
    """No softmax: phi(q) (phi(k)' v) over phi(q) sum phi(k), with phi = elu + 1; all (S, D)."""
    phi = lambda s: np.where(s > 0, s + 1, np.exp(np.minimum(s, 0)))
    fq, fk = phi(q), phi(k)
    kv, ksum = fk.T @ v, fk.sum(0)
    den = fq @ ksum
    return fq @ kv / den[:, None], (q, k, v, fq, fk, kv, ksum, den)


def linear_attention_backward(g, cache):
    q, k, v, fq, fk, kv, ksum, den = cache
    out = fq @ kv / den[:, None]
    gn = g / den[:, None]
    gden = -(gn * out).sum(1)
    gfq = gn @ kv.T + np.outer(gden, ksum)
    gkv = fq.T @ gn
    gfk = v @ gkv.T + fq.T @ gden
    gv = fk @ gkv
    slope = lambda s, f: np.where(s > 0, 1.0, f)
    return gfq * slope(q, fq), gfk * slope(k, fk), gv


def _mha(rng):
    B, T, D, d = rng.permutation([2, 3, 4, 5])
    E = 2 * d
    return rng.normal(size=(B, T, D)), rng.normal(size=(3, D, E)), rng.normal(size=(E, D))


def _pool(rng):
    N, S, D, A = rng.permutation([2, 3, 4, 5])
    keep = rng.random((N, S)) < 0.6
    keep[:, 0] = True
    return rng.normal(size=(N, S, D)), keep, rng.normal(size=(D, A)), rng.normal(size=A)


def _lin(rng):
    S, D, E = rng.permutation([4, 3, 5])
    return rng.normal(size=(S, D)), rng.normal(size=(S, D)), rng.normal(size=(S, E))


CASES = {"causal_mha": _mha, "additive_pool": _pool, "linear_attention": _lin}
