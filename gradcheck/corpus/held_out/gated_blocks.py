"""Blocks that mix a path with a shortcut."""
import numpy as np


def highway_forward(x, Wh, bh, Wt, bt):
    h = np.tanh(x @ Wh + bh)
    t = 1 / (1 + np.exp(-(x @ Wt + bt)))
    return t * h + (1 - t) * x, (x, Wh, Wt, h, t)


def highway_backward(dy, cache):
    x, Wh, Wt, h, t = cache
    dh = dy * t
    dt = dy * (h - x)
    dx = dy * (1 - t)
    dah = dh * (1 - h**2)
    dat = dt * t * (1 - t)
    dx = dx + dah @ Wh.T + dat @ Wt.T
    return dx, x.T @ dah, dah.sum(axis=0), x.T @ dat, dat.sum(axis=0)


def squeeze_excite_forward(fmap, w1, w2):
    """fmap (N, C, P): channels weighted by a gate computed from their means."""
    pooled = fmap.mean(axis=2)
    hid = np.maximum(pooled @ w1, 0)
    gate = 1 / (1 + np.exp(-hid @ w2))
    return fmap * gate[:, :, None], {"fmap": fmap, "w1": w1, "w2": w2, "pooled": pooled, "hid": hid, "gate": gate}


def squeeze_excite_backward(dout, cache):
    fmap, gate, hid = cache["fmap"], cache["gate"], cache["hid"]
    dgate = np.sum(dout * fmap, axis=2)
    dlogit = dgate * gate * (1 - gate)
    dw2 = hid.T @ dlogit
    dhid = dlogit @ cache["w2"].T
    dhid = dhid * (hid > 0)
    dw1 = cache["pooled"].T @ dhid
    dpooled = dhid @ cache["w1"].T
    dfmap = dout * gate[:, :, None]
    dfmap = dfmap + dpooled[:, :, None] / fmap.shape[2]
    return dfmap, dw1, dw2


def shared_residual_forward(z, W, b):
    """The same layer three times, each with a shortcut around it."""
    zs = [z]
    for _ in range(3):
        zs.append(zs[-1] + np.sin(zs[-1] @ W + b))
    return zs[-1], (zs, W, b)


def shared_residual_backward(delta, cache):
    zs, W, b = cache
    dW, db = 0 * W, 0 * b
    for z in zs[-2::-1]:
        da = delta * np.cos(z @ W + b)
        dW += z.T @ da
        db += da.sum(0)
        delta = delta + da @ W.T
    return delta, dW, db


def _highway(rng):
    N, D = rng.permutation([3, 4, 5])[:2]
    return tuple(rng.normal(size=s) for s in [(N, D), (D, D), D, (D, D), D])


def _se(rng):
    N, C, P, R = rng.permutation([2, 3, 4, 5])
    return rng.normal(size=(N, C, P)) + 0.3, rng.normal(size=(C, R)), rng.normal(size=(R, C))


def _res(rng):
    N, D = rng.permutation([3, 4, 5])[:2]
    return rng.normal(size=(N, D)), rng.normal(size=(D, D)) / 2, rng.normal(size=D)


CASES = {
    "highway": _highway,
    "squeeze_excite": _se,
    "shared_residual": _res,
}
