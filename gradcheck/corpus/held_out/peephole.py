import numpy as np


def logistic(u):
    return 0.5 * (1.0 + np.tanh(0.5 * u))


def d_logistic(s):
    return s * (1.0 - s)


def d_tanh(t):
    return 1.0 - t * t


def peephole_fwd(x, h0, c0, W, R, b, p):
    """Peephole LSTM (Gers & Schmidhuber; Greff et al. 2015).
    x (T, B, D); W (4, D, H), R (4, H, H), b (4, H): gates  z(block input), i, f, o;
    p (3, H): diagonal peepholes of i, f (see c_{t-1}) and o (sees c_t)."""
    T = len(x)
    h, c = h0, c0
    tape = []
    out = []
    for t in range(T):
        pre = np.einsum("bd,kdh->kbh", x[t], W) + np.einsum("bj,kjh->kbh", h, R) + b[:, None, :]
        z = np.tanh(pre[0])
        i = logistic(pre[1] + p[0] * c)
        f = logistic(pre[2] + p[1] * c)
        c_new = z * i + c * f
        o = logistic(pre[3] + p[2] * c_new)
        h_new = np.tanh(c_new) * o
        tape.append((h, c, z, i, f, o, c_new))
        h, c = h_new, c_new
        out.append(h)
    return (np.stack(out), c), (x, W, R, p, tape)


def peephole_bwd(dys, cache):
    dout, dc_last = dys
    x, W, R, p, tape = cache
    T = len(x)
    dx = np.zeros_like(x)
    dW = np.zeros_like(W)
    dR = np.zeros_like(R)
    db = np.zeros((4, R.shape[2]))
    dp = np.zeros_like(p)
    dh_next = 0.0
    dc_next = dc_last
    for t in range(T - 1, -1, -1):
        h_prev, c_prev, z, i, f, o, c = tape[t]
        dh = dout[t] + dh_next
        tanh_c = np.tanh(c)
        do = dh * tanh_c * d_logistic(o)
        dc = dh * o * d_tanh(tanh_c) + dc_next + do * p[2]
        df = dc * c_prev * d_logistic(f)
        di = dc * z * d_logistic(i)
        dz = dc * i * d_tanh(z)

        dp[0] += (di * c_prev).sum(axis=0)
        dp[1] += (df * c_prev).sum(axis=0)
        dp[2] += (do * c).sum(axis=0)

        delta = np.stack([dz, di, df, do])
        dW += np.einsum("bd,kbh->kdh", x[t], delta)
        dR += np.einsum("bj,kbh->kjh", h_prev, delta)
        db += delta.sum(axis=1)
        dx[t] = np.einsum("kbh,kdh->bd", delta, W)
        dh_next = np.einsum("kbh,kjh->bj", delta, R)
        dc_next = dc * f + di * p[0] + df * p[1]
    return dx, dh_next, dc_next, dW, dR, db, dp


def _make(T, B, D, H):
    def make(r):
        g = r.standard_normal
        return dict(x=g((T, B, D)), h0=g((B, H)), c0=g((B, H)), W=.5 * g((4, D, H)), R=.4 * g((4, H, H)),
                    b=g((4, H)), p=.7 * g((3, H)))
    return make


CASES = {"peephole": [_make(3, 2, 4, 5), _make(4, 3, 2, 6)]}
