import numpy as np
from types import SimpleNamespace as NS

sg = lambda v: 1 / (1 + np.exp(-v))


def gru_cell(x, h, Wz, Uz, Wr, Ur, Wn, Un):
    """Cho et al.: the reset gate multiplies h BEFORE the recurrent matrix. h' = (1-z) h + z n"""
    z = sg(x @ Wz + h @ Uz)
    r = sg(x @ Wr + h @ Ur)
    rh = r * h
    n = np.tanh(x @ Wn + rh @ Un)
    return (1 - z) * h + z * n, NS(x=x, h=h, z=z, r=r, rh=rh, n=n, Wz=Wz, Uz=Uz, Wr=Wr, Ur=Ur, Wn=Wn, Un=Un)


def gru_cell_backward(dy, c):
    dn = dy * c.z
    dz = dy * (c.n - c.h)
    dh = dy * (1 - c.z)

    dan = dn * (1 - c.n ** 2)
    drh = dan @ c.Un.T
    dr = drh * c.h
    dh += drh * c.r

    daz = dz * c.z * (1 - c.z)
    dar = dr * c.r * (1 - c.r)
    dh += daz @ c.Uz.T + dar @ c.Ur.T
    dx = dan @ c.Wn.T + daz @ c.Wz.T + dar @ c.Wr.T

    return (dx, dh,
            c.x.T @ daz, c.h.T @ daz,
            c.x.T @ dar, c.h.T @ dar,
            c.x.T @ dan, c.rh.T @ dan)


def gru_seq(xs, h0, Wi, Wh, bi, bh):
    """cuDNN/PyTorch writing: gates r, z, n stacked in rows; reset gate applied AFTER the matrix.
    xs: (T, N, D), Wi: (3H, D), Wh: (3H, H);  h' = (1 - z) * n + z * h"""
    H = h0.shape[-1]
    h = h0
    ys, tape = [], []
    for x in xs:
        gi = x @ Wi.T + bi
        gh = h @ Wh.T + bh
        r = sg(gi[:, :H] + gh[:, :H])
        z = sg(gi[:, H:2 * H] + gh[:, H:2 * H])
        hn = gh[:, 2 * H:]
        n = np.tanh(gi[:, 2 * H:] + r * hn)
        tape.append((x, h, r, z, n, hn))
        h = (1 - z) * n + z * h
        ys.append(h)
    return np.array(ys), (tape, Wi, Wh)


def gru_seq_backward(dys, cache):
    tape, Wi, Wh = cache
    gWi, gWh = np.zeros_like(Wi), np.zeros_like(Wh)
    gbi, gbh = np.zeros(len(Wi)), np.zeros(len(Wh))
    gxs = []
    gh_carry = 0
    for gy, (x, h, r, z, n, hn) in zip(dys[::-1], tape[::-1]):
        g = gy + gh_carry
        g_z = g * (h - n) * z * (1 - z)
        g_n = g * (1 - z) * (1 - n * n)
        g_r = g_n * hn * r * (1 - r)
        g_gi = np.concatenate([g_r, g_z, g_n], axis=1)
        g_gh = np.concatenate([g_r, g_z, g_n * r], axis=1)
        gxs.append(g_gi @ Wi)
        gWi += g_gi.T @ x
        gWh += g_gh.T @ h
        gbi += g_gi.sum(0)
        gbh += g_gh.sum(0)
        gh_carry = g * z + g_gh @ Wh
    return np.array(gxs[::-1]), gh_carry, gWi, gWh, gbi, gbh


def _c(r, N=3, D=4, H=5):
    k = lambda *s: r.standard_normal(s) * .6
    return k(N, D), k(N, H), k(D, H), k(H, H), k(D, H), k(H, H), k(D, H), k(H, H)


def _s(r, T=4, N=2, D=3, H=5):
    k = lambda *s: r.standard_normal(s) * .6
    return k(T, N, D), k(N, H), k(3 * H, D), k(3 * H, H), k(3 * H), k(3 * H)


CASES = {"gru_cell": _c, "gru_seq": _s}
