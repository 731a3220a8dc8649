"""A gated recurrent unit, as a cell and over time, and a highway layer, which is half of one."""

import numpy as np
from jaxtyping import Float

Array = np.ndarray


def _sig(a):
    return 0.5 * (1 + np.tanh(0.5 * a))


def gru_cell(
    x: Float[Array, "N D"],
    h: Float[Array, "N H"],
    W: Float[Array, "D 3*H"],
    U: Float[Array, "H 3*H"],
    b: Float[Array, "3*H"],
):
    """Gates z, r and the candidate n; r acts on what comes from h."""
    H = h.shape[1]
    gx, gh = x @ W + b, h @ U
    z = _sig(gx[:, :H] + gh[:, :H])
    r = _sig(gx[:, H : 2 * H] + gh[:, H : 2 * H])
    hn = gh[:, 2 * H :]
    n = np.tanh(gx[:, 2 * H :] + r * hn)
    out = (1 - z) * n + z * h
    return out, (x, h, W, U, z, r, n, hn)


def gru_cell_backward(delta, cache):
    x, h, W, U, z, r, n, hn = cache
    d_n = delta * (1 - z)
    d_z = delta * (h - n)
    d_h = delta * z
    an = d_n * (1 - n**2)
    ar = an * hn * r * (1 - r)
    az = d_z * z * (1 - z)
    d_gx = np.concatenate([az, ar, an], axis=1)
    d_gh = np.concatenate([az, ar, an * r], axis=1)
    d_h = d_h + d_gh @ U.T
    return d_gx @ W.T, d_h, x.T @ d_gx, h.T @ d_gh, d_gx.sum(0)


def gru(
    xs: Float[Array, "T N D"],
    h0: Float[Array, "N H"],
    W: Float[Array, "D 3*H"],
    U: Float[Array, "H 3*H"],
    b: Float[Array, "3*H"],
):
    """The last state only."""
    h, tape = h0, []
    for x in xs:
        h, c = gru_cell(x, h, W, U, b)
        tape.append(c)
    return h, tape


def gru_backward(delta, tape):
    gx, gW, gU, gb = [], 0, 0, 0
    for c in reversed(tape):
        gxt, delta, gWt, gUt, gbt = gru_cell_backward(delta, c)
        gx.append(gxt)
        gW, gU, gb = gW + gWt, gU + gUt, gb + gbt
    return np.stack(gx[::-1]), delta, gW, gU, gb


def highway(x: Float[Array, "N D"], Wt: Float[Array, "D D"], Wy: Float[Array, "D D"]):
    """t * tanh(x Wy) + (1 - t) * x, where t = sigmoid(x Wt)."""
    t, y = _sig(x @ Wt), np.tanh(x @ Wy)
    return t * y + (1 - t) * x, (x, Wt, Wy, t, y)


def highway_backward(delta, cache):
    x, Wt, Wy, t, y = cache
    at = delta * (y - x) * t * (1 - t)
    ay = delta * t * (1 - y * y)
    dx = delta * (1 - t) + at @ Wt.T + ay @ Wy.T
    return dx, x.T @ at, x.T @ ay
