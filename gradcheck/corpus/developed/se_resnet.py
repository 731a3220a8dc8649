import numpy as np


def relu(z): return np.maximum(z, 0.)


def squeeze_excite(x, w1, b1, w2, b2):
    # x: (N,C,H,W); w1: (C,R); w2: (R,C)
    s = x.mean(axis=(2, 3))
    z1 = s @ w1 + b1
    h = relu(z1)
    z2 = h @ w2 + b2
    gate = 1. / (1. + np.exp(-z2))
    return x * gate[:, :, None, None], (x, s, z1, h, gate, w1, w2)


def squeeze_excite_backward(dy, cache):
    x, s, z1, h, gate, w1, w2 = cache
    hw = x.shape[2] * x.shape[3]
    dgate = (dy * x).sum(axis=(2, 3))
    dz2 = dgate * gate * (1. - gate)
    dw2, db2 = h.T @ dz2, dz2.sum(0)
    dz1 = dz2 @ w2.T
    dz1[z1 <= 0] = 0.
    dw1, db1 = s.T @ dz1, dz1.sum(0)
    ds = dz1 @ w1.T
    dx = dy * gate[:, :, None, None]
    dx += ds[:, :, None, None] / hw
    return dx, dw1, db1, dw2, db2


def resblock(x, w1, w2):
    """post-activation: relu(x + relu(x w1) w2)"""
    a = x @ w1
    b = relu(a)
    c = x + b @ w2
    return relu(c), (x, w1, w2, a, b, c)


def resblock_backward(dy, cache):
    x, w1, w2, a, b, c = cache
    dc = dy * (c > 0)
    dw2 = b.T @ dc
    db = dc @ w2.T
    da = db * (a > 0)
    dw1 = x.T @ da
    dx = dc + da @ w1.T
    return dx, dw1, dw2


def preact_tower(x, ws, scale):
    """x <- x + scale_l * tanh(x) @ ws[l];   ws: (L, D, D), scale: (L,)"""
    tape = []
    for W, a in zip(ws, scale):
        t = np.tanh(x)
        u = t @ W
        tape.append((t, u))
        x = x + a * u
    return x, (ws, scale, tape)


def preact_tower_backward(dy, cache):
    ws, scale, tape = cache
    dx = dy
    dws = np.zeros_like(ws)
    dscale = np.zeros_like(scale)
    for l in range(len(tape) - 1, -1, -1):
        t, u = tape[l]
        dscale[l] = np.vdot(dx, u)
        du = scale[l] * dx
        dws[l] = t.T @ du
        dx = dx + (du @ ws[l].T) * (1 - t ** 2)
    return dx, dws, dscale


def highway(x, wh, wt, bt):
    h = np.tanh(x @ wh)
    t = 1. / (1. + np.exp(-(x @ wt + bt)))
    return t * h + (1 - t) * x, (x, h, t, wh, wt)


def highway_backward(dy, cache):
    x, h, t, wh, wt = cache
    dzh = dy * t * (1 - h * h)
    dzt = dy * (h - x) * t * (1 - t)
    dx = dy * (1 - t) + dzh @ wh.T + dzt @ wt.T
    return dx, x.T @ dzh, x.T @ dzt, dzt.sum(axis=0)


CASES = {
    "squeeze_excite": lambda g: (g.standard_normal((3, 4, 2, 5)), g.standard_normal((4, 6)), g.standard_normal(6) + .3,
                                 g.standard_normal((6, 4)), g.standard_normal(4)),
    "resblock": lambda g: (g.standard_normal((5, 4)), g.standard_normal((4, 6)), g.standard_normal((6, 4))),
    "preact_tower": lambda g: (g.standard_normal((5, 4)), .5 * g.standard_normal((3, 4, 4)), g.standard_normal(3)),
    "highway": lambda g: (g.standard_normal((5, 4)), g.standard_normal((4, 4)), g.standard_normal((4, 4)), g.standard_normal(4)),
}
