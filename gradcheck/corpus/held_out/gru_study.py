from collections import namedtuple

import numpy as np

sigmoid = lambda v: 0.5 * (1.0 + np.tanh(0.5 * v))

GruStep = namedtuple("GruStep", "x hp z r n hn")


def gru_cell(x, h, Wx, Wh, bx, bh):
    """One step of cuDNN's GRU ("reset after"): the reset gate multiplies h Wh_n + bh_n."""
    gx = np.split(x @ Wx + bx, 3, axis=1)
    gh = np.split(h @ Wh + bh, 3, axis=1)
    r = sigmoid(gx[0] + gh[0])
    z = sigmoid(gx[1] + gh[1])
    n = np.tanh(gx[2] + r * gh[2])
    out = (1 - z) * n + z * h
    return out, (GruStep(x, h, z, r, n, gh[2]), Wx, Wh)


def gru_cell_backward(dout, cache):
    st, Wx, Wh = cache
    dn = dout * (1 - st.z)
    dz = dout * (st.hp - st.n)
    dan = dn * (1 - st.n * st.n)
    dr = dan * st.hn
    daz = dz * st.z * (1 - st.z)
    dar = dr * st.r * (1 - st.r)
    dgx = np.concatenate([dar, daz, dan], axis=1)
    dgh = np.concatenate([dar, daz, dan * st.r], axis=1)
    dh = dout * st.z + dgh @ Wh.T
    return dgx @ Wx.T, dh, st.x.T @ dgx, st.hp.T @ dgh, dgx.sum(0), dgh.sum(0)


def gru_v1(x, h0, Wz, Wr, Wc):
    """The first paper's GRU ("reset before"), without biases; W* are (D + H, H); x is (N, T, D)."""
    N, T, D = x.shape
    h, log, ys = h0, [], []
    for t in range(T):
        u = np.concatenate([x[:, t], h], 1)
        z, r = sigmoid(u @ Wz), sigmoid(u @ Wr)
        v = np.concatenate([x[:, t], r * h], 1)
        c = np.tanh(v @ Wc)
        log.append((u, z, r, v, c, h))
        h = z * h + (1 - z) * c
        ys.append(h)
    return np.stack(ys, axis=1), (log, Wz, Wr, Wc, D)


def gru_v1_backward(dys, cache):
    log, Wz, Wr, Wc, D = cache
    dWz, dWr, dWc = np.zeros_like(Wz), np.zeros_like(Wr), np.zeros_like(Wc)
    dxs = []
    dh = np.zeros_like(log[0][-1])
    for t, (u, z, r, v, c, h) in reversed(list(enumerate(log))):
        dh = dh + dys[:, t]
        dc = dh * (1 - z) * (1 - c ** 2)
        dz = dh * (h - c) * z * (1 - z)
        dv = dc @ Wc.T
        dr = dv[:, D:] * h * r * (1 - r)
        du = dz @ Wz.T + dr @ Wr.T
        dWc += v.T @ dc
        dWz += u.T @ dz
        dWr += u.T @ dr
        dxs.insert(0, du[:, :D] + dv[:, :D])
        dh = dh * z + du[:, D:] + dv[:, D:] * r
    return np.stack(dxs, axis=1), dh, dWz, dWr, dWc


CASES = {
    "gru_cell": lambda rng: (
        rng.standard_normal((4, 3)), rng.standard_normal((4, 5)),
        rng.standard_normal((3, 15)), rng.standard_normal((5, 15)),
        rng.standard_normal(15), rng.standard_normal(15),
    ),
    "gru_v1": lambda rng: (
        rng.standard_normal((2, 4, 3)), rng.standard_normal((2, 5)),
        *(rng.standard_normal((8, 5)) * 0.6 for _ in range(3)),
    ),
}
