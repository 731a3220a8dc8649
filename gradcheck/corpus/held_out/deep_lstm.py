# Character model, assignment 3: two LSTM layers on top of each other, dropout between.
# Only numpy, no framework!  Gates are stored [input | forget | output | candidate].
import numpy as np


def _s(a):
    return 1.0 / (1.0 + np.exp(-a))


def _layer_fwd(x, Wx, Wh, b):
    T, n = len(x), Wh.shape[0]
    h, c = np.zeros((x.shape[1], n)), np.zeros((x.shape[1], n))
    H, tape = [], []
    for t in range(T):
        a = x[t] @ Wx + h @ Wh + b
        i, f, o = (_s(a[:, k * n:(k + 1) * n]) for k in range(3))
        g = np.tanh(a[:, 3 * n:])
        c2 = f * c + i * g
        tape.append((h, c, i, f, o, g, c2))
        h, c = o * np.tanh(c2), c2
        H.append(h)
    return np.stack(H), tape


def _layer_bwd(dH, x, Wx, Wh, tape):
    dWx, dWh, db = np.zeros_like(Wx), np.zeros_like(Wh), np.zeros(Wh.shape[1])
    dx = np.empty_like(x)
    dh = dc = 0.0
    for t in reversed(range(len(tape))):
        h, c, i, f, o, g, c2 = tape[t]
        dh = dH[t] + dh
        tc = np.tanh(c2)
        do = dh * tc
        dc = dc + dh * o * (1 - tc * tc)
        di, df, dg = dc * g, dc * c, dc * i
        da = np.concatenate([di * i * (1 - i), df * f * (1 - f), do * o * (1 - o), dg * (1 - g * g)], axis=1)
        dWx += x[t].T @ da
        dWh += h.T @ da
        db += da.sum(axis=0)
        dx[t] = da @ Wx.T
        dh = da @ Wh.T
        dc = dc * f
    return dx, dWx, dWh, db


def deep_lstm(x, Wx1, Wh1, b1, Wx2, Wh2, b2, p_drop=0.3, seed=1):
    H1, tape1 = _layer_fwd(x, Wx1, Wh1, b1)
    keep = np.random.default_rng(seed).random(H1.shape) >= p_drop
    D1 = H1 * keep / (1 - p_drop)
    H2, tape2 = _layer_fwd(D1, Wx2, Wh2, b2)
    return H2, (x, D1, keep, p_drop, tape1, tape2, Wx1, Wh1, Wx2, Wh2)


def deep_lstm_backward(dH2, cache):
    x, D1, keep, p_drop, tape1, tape2, Wx1, Wh1, Wx2, Wh2 = cache
    dD1, dWx2, dWh2, db2 = _layer_bwd(dH2, D1, Wx2, Wh2, tape2)
    dH1 = dD1 * keep / (1 - p_drop)
    dx, dWx1, dWh1, db1 = _layer_bwd(dH1, x, Wx1, Wh1, tape1)
    return dx, dWx1, dWh1, db1, dWx2, dWh2, db2


CASES = {"deep_lstm": lambda rng: (
    rng.standard_normal((4, 2, 3)),
    rng.standard_normal((3, 16)) * .6, rng.standard_normal((4, 16)) * .6, rng.standard_normal(16) * .5,
    rng.standard_normal((4, 20)) * .6, rng.standard_normal((5, 20)) * .6, rng.standard_normal(20) * .5)}
