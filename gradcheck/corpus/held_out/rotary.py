"""Rotary embeddings in the two usual layouts, and a token + learned position embedding with dropout."""
import numpy as np


def _angles(L, d, base):
    inv = base ** (-np.arange(0, d, 2) / d)
    return np.outer(np.arange(L), inv)


def rope(x, offset=1, base=100.0):
    """Interleaved pairs (GPT-J).  x: (B, L, d), d even."""
    th = _angles(x.shape[1] + offset, x.shape[2], base)[offset:]
    cos, sin = np.cos(th), np.sin(th)
    x1, x2 = x[..., 0::2], x[..., 1::2]
    out = np.empty_like(x)
    out[..., 0::2] = x1 * cos - x2 * sin
    out[..., 1::2] = x1 * sin + x2 * cos
    return out, (cos, sin)


def rope_backward(dout, cache):
    cos, sin = cache
    d1, d2 = dout[..., 0::2], dout[..., 1::2]
    dx = np.empty_like(dout)
    dx[..., 0::2] = d1 * cos + d2 * sin
    dx[..., 1::2] = -d1 * sin + d2 * cos
    return dx


def rotate_half(x):
    h = x.shape[-1] // 2
    return np.concatenate([-x[..., h:], x[..., :h]], axis=-1)


def unrotate_half(x):
    h = x.shape[-1] // 2
    return np.concatenate([x[..., h:], -x[..., :h]], axis=-1)


def rope_scores(q, k, base=50.0):
    """Llama layout: scores between rotated queries (B, H, L, d) and keys shared by all heads (B, L, d)."""
    L, d = k.shape[1:]
    th = _angles(L, d, base)
    th = np.concatenate([th, th], axis=-1)
    cos, sin = np.cos(th), np.sin(th)
    qr = q * cos + rotate_half(q) * sin
    kr = k * cos + rotate_half(k) * sin
    s = np.einsum("bhld,bsd->bhls", qr, kr) / np.sqrt(d)
    return s, (cos, sin, qr, kr, d)


def rope_scores_backward(ds, cache):
    cos, sin, qr, kr, d = cache
    ds = ds / np.sqrt(d)
    dqr = np.einsum("bhls,bsd->bhld", ds, kr)
    dkr = np.einsum("bhls,bhld->bsd", ds, qr)
    dq = dqr * cos + unrotate_half(dqr * sin)
    dk = dkr * cos + unrotate_half(dkr * sin)
    return dq, dk


def embed(tok, pos, ids, keepmask, scale=2.0, p_keep=0.5):
    """y[n, t] = dropout(scale * tok[ids[n, t]] + pos[t])"""
    N, T = ids.shape
    y = (scale * tok[ids] + pos[:T]) * keepmask / p_keep
    return y, (tok.shape, pos.shape, ids, keepmask, scale, p_keep)


def embed_backward(dy, cache):
    tshape, pshape, ids, keepmask, scale, p_keep = cache
    dy = dy * keepmask / p_keep
    dtok = np.zeros(tshape)
    for n in range(ids.shape[0]):
        for t in range(ids.shape[1]):
            dtok[ids[n, t]] += scale * dy[n, t]
    dpos = np.zeros(pshape)
    dpos[:ids.shape[1]] = dy.sum(axis=0)
    return dtok, dpos, None, None


CASES = {
    "rope": lambda r: (r.standard_normal((2, 3, 4)),),
    "rope_scores": lambda r: (r.standard_normal((2, 3, 4, 6)), r.standard_normal((2, 4, 6))),
    "embed": lambda r: (r.standard_normal((5, 4)), r.standard_normal((6, 4)),
                        np.array([[1, 1, 3], [0, 3, 1]]), r.random((2, 3, 4)) < 0.5),
}
