import numpy as np


def dropout(x, keep=0.7, seed=42):
    rng = np.random.RandomState(seed)
    mask = (rng.rand(*x.shape) < keep) / keep
    return x * mask, {"mask": mask, "keep": keep, "seed": seed}


def dropout_backward(dout, cache):
    mask, keep, seed = cache["mask"], cache["keep"], cache["seed"]
    return dout * mask


def spatial_dropout(x, keep_map, p=0.4):
    """keep_map: (N, C) booleans, whole channels dropped; test-time scaling is not used."""
    scale = 1.0 / (1.0 - p)
    m = keep_map[:, :, None] * scale
    return x * m, (keep_map, scale)


def spatial_dropout_backward(dout, cache):
    keep_map, scale = cache
    dx = np.where(keep_map[:, :, None], dout * scale, 0.0)
    return dx, None


def embed(ids, W, P):
    """token + position embeddings; ids (N, T), id 0 is padding: its rows come out as zeros"""
    N, T = ids.shape
    live = (ids != 0)[..., None]
    e = (W[ids] + P[:T]) * live
    return e, (ids, live, W.shape, P.shape)


def embed_backward(dout, cache):
    ids, live, wshape, pshape = cache
    T = ids.shape[1]
    g = dout * live
    dW = np.zeros(wshape)
    np.add.at(dW, ids, g)
    dP = np.zeros(pshape)
    dP[:T] = g.sum(axis=0)
    return None, dW, dP


CASES = {
    "dropout": lambda r: (r.standard_normal((5, 6)),),
    "spatial_dropout": lambda r: (r.standard_normal((3, 4, 5)), r.random((3, 4)) < 0.6),
    "embed": lambda r: (np.array([[1, 3, 1, 0], [2, 3, 3, 5], [5, 0, 1, 4]]), r.standard_normal((7, 2)),
                        r.standard_normal((5, 2))),
}
