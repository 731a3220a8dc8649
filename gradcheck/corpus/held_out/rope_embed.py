import numpy as np


def _angles(T, half, base=100.0):
    freq = base ** (-np.arange(half) / half)
    return np.arange(T)[:, None] * freq[None]


def rope(x):
    """Rotary positions, halves layout (GPT-NeoX): x (..., T, D), D even."""
    T, D = x.shape[-2:]
    th = _angles(T, D // 2)
    c, s = np.cos(th), np.sin(th)
    a, b = x[..., :D // 2], x[..., D // 2:]
    return np.concatenate([a * c - b * s, a * s + b * c], axis=-1), (c, s)


def rope_backward(dy, cache):
    c, s = cache
    h = dy.shape[-1] // 2
    da, db = dy[..., :h], dy[..., h:]
    return np.concatenate([da * c + db * s, db * c - da * s], axis=-1)


def rope_pairs(x):
    """Rotary positions, interleaved layout (GPT-J): pairs (0, 1), (2, 3), ..."""
    T, D = x.shape
    th = _angles(T, D // 2)
    z = (x[:, 0::2] + 1j * x[:, 1::2]) * np.exp(1j * th)
    y = np.empty_like(x)
    y[:, 0::2], y[:, 1::2] = z.real, z.imag
    return y, th


def rope_pairs_backward(dy, th):
    dz = (dy[:, 0::2] + 1j * dy[:, 1::2]) * np.exp(-1j * th)
    dx = np.empty_like(dy)
    dx[:, 0::2] = dz.real
    dx[:, 1::2] = dz.imag
    return dx


def embed(ids, table, pos):
    """Token + learned position embeddings; ids (N, T), table (V, D), pos (M, D) with M >= T."""
    N, T = ids.shape
    return np.sqrt(table.shape[1]) * table[ids] + pos[:T], (ids, table.shape, pos.shape)


def embed_backward(dout, cache):
    ids, tshape, pshape = cache
    dtable = np.zeros(tshape)
    np.add.at(dtable, ids.ravel(), dout.reshape(-1, tshape[1]))
    dtable *= np.sqrt(tshape[1])
    dpos = np.zeros(pshape)
    dpos[:ids.shape[1]] = dout.sum(axis=0)
    return dtable, dpos


def tied_lm(ids, E, W):
    """logits = tanh(E[ids] W) E^T -- input and output embeddings are one matrix."""
    e = E[ids]
    h = np.tanh(e @ W)
    return h @ E.T, (ids, E, W, e, h)


def tied_lm_backward(dlogits, cache):
    ids, E, W, e, h = cache
    dh = dlogits @ E
    dE = dlogits.T @ h
    dpre = dh * (1 - h * h)
    dW = e.T @ dpre
    de = dpre @ W.T
    for row, i in zip(de, ids):
        dE[i] += row
    return dE, dW


CASES = {
    "rope": lambda rng: (rng.standard_normal((2, 5, 6)),),
    "rope_pairs": lambda rng: (rng.standard_normal((5, 8)),),
    "embed": lambda rng: (rng.integers(0, 4, (3, 4)), rng.standard_normal((7, 5)), rng.standard_normal((6, 5))),
    "tied_lm": lambda rng: (np.array([1, 4, 1, 0]), rng.standard_normal((6, 3)), rng.standard_normal((3, 3))),
}
