import numpy as np


def split_heads(x, h):
    B, L, D = x.shape
    return x.reshape(B, L, h, D // h).transpose(0, 2, 1, 3)


def merge_heads(x):
    B, h, L, d = x.shape
    return x.transpose(0, 2, 1, 3).reshape(B, L, h * d)


def mha(x, Wq, Wk, Wv, Wo, bo, n_heads=2):
    """Multi-head causal self attention; projections without bias, output projection with."""
    B, L, D = x.shape
    q = split_heads(x @ Wq, n_heads)
    k = split_heads(x @ Wk, n_heads)
    v = split_heads(x @ Wv, n_heads)
    s = q @ k.swapaxes(-1, -2) / np.sqrt(q.shape[-1])
    mask = np.triu(np.full((L, L), -np.inf), k=1)
    s = s + mask
    s -= s.max(axis=-1, keepdims=True)
    p = np.exp(s)
    p /= p.sum(axis=-1, keepdims=True)
    ctx = merge_heads(p @ v)
    y = ctx @ Wo + bo
    return y, (x, Wq, Wk, Wv, Wo, q, k, v, p, ctx, n_heads)


def mha_backward(dy, cache):
    x, Wq, Wk, Wv, Wo, q, k, v, p, ctx, n_heads = cache
    D = x.shape[-1]
    dbo = dy.sum(axis=(0, 1))
    dWo = np.tensordot(ctx, dy, axes=([0, 1], [0, 1]))
    dctx = split_heads(dy @ Wo.T, n_heads)
    dv = p.swapaxes(-1, -2) @ dctx
    dp = dctx @ v.swapaxes(-1, -2)
    ds = p * (dp - np.sum(p * dp, axis=-1, keepdims=True))
    ds /= np.sqrt(q.shape[-1])
    dq = merge_heads(ds @ k)
    dk = merge_heads(ds.swapaxes(-1, -2) @ q)
    dv = merge_heads(dv)
    x2 = x.reshape(-1, D)
    dWq = x2.T @ dq.reshape(len(x2), -1)
    dWk = x2.T @ dk.reshape(len(x2), -1)
    dWv = x2.T @ dv.reshape(len(x2), -1)
    dx = dq @ Wq.T
    dx += dk @ Wk.T
    dx += dv @ Wv.T
    return dx, dWq, dWk, dWv, dWo, dbo


def cross(x, mem, Wq, bq, Wkv, lengths):
    """Cross attention of decoder states x (B, L, D) over memory (B, S, M).
    Wq (H, D, e), bq (H, e); Wkv (2, H, M, e): keys, values.  lengths: valid memory positions."""
    q = np.einsum("bld,hde->bhle", x, Wq) + bq[:, None, :]
    k = np.einsum("bsm,hme->bhse", mem, Wkv[0])
    v = np.einsum("bsm,hme->bhse", mem, Wkv[1])
    scale = q.shape[-1] ** -0.5
    att = np.einsum("bhle,bhse->bhls", q, k) * scale
    valid = (np.arange(mem.shape[1])[None, :] < lengths[:, None])[:, None, None, :]
    att = np.where(valid, att, -1e30)
    att = np.exp(att - att.max(-1, keepdims=True)) * valid
    att = att / att.sum(-1, keepdims=True)
    out = np.einsum("bhls,bhse->blhe", att, v)
    return out.reshape(*x.shape[:2], -1), (x, mem, Wq, Wkv, q, k, v, att, scale)


def cross_backward(dout, cache):
    x, mem, Wq, Wkv, q, k, v, att, scale = cache
    H, _, e = Wq.shape
    do = dout.reshape(*dout.shape[:2], H, e)
    dv = np.einsum("bhls,blhe->bhse", att, do)
    datt = np.einsum("blhe,bhse->bhls", do, v)
    dlog = att * (datt - np.einsum("bhls,bhls->bhl", att, datt)[..., None]) * scale
    dq = np.einsum("bhls,bhse->bhle", dlog, k)
    dk = np.einsum("bhls,bhle->bhse", dlog, q)
    dx = np.einsum("bhle,hde->bld", dq, Wq)
    dWq = np.einsum("bhle,bld->hde", dq, x)
    dbq = dq.sum(axis=(0, 2))
    dmem = np.einsum("bhse,hme->bsm", dk, Wkv[0]) + np.einsum("bhse,hme->bsm", dv, Wkv[1])
    dWkv = np.stack([np.einsum("bhse,bsm->hme", dk, mem),
                     np.einsum("bhse,bsm->hme", dv, mem)])
    return dx, dmem, dWq, dbq, dWkv, None


def _w(r, *s):
    return r.standard_normal(s) * 0.6


CASES = {
    "mha": lambda r: (_w(r, 3, 5, 6), _w(r, 6, 8), _w(r, 6, 8), _w(r, 6, 8), _w(r, 8, 7), _w(r, 7)),
    "cross": lambda r: (_w(r, 2, 3, 4), _w(r, 2, 5, 6), _w(r, 2, 4, 3), _w(r, 2, 3), _w(r, 2, 2, 6, 3), np.array([5, 3])),
}
