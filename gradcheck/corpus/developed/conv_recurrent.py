"""Recurrences over frames / time steps for the video model. Sequences are time-major: (T, B, ...)."""
import numpy as np


def sig(v):
    return 1 / (1 + np.exp(-v))


def fo_pool(z, f, o, c0):
    """QRNN 'fo' pooling on pre-activations: c_t = sig(f) c_{t-1} + (1-sig(f)) tanh(z);  h_t = sig(o) c_t"""
    Z, F, O = np.tanh(z), sig(f), sig(o)
    C = np.empty_like(Z)
    prev = c0
    for t in range(len(Z)):
        C[t] = prev = F[t] * prev + (1 - F[t]) * Z[t]
    return O * C, (Z, F, O, C, c0)


def fo_pool_backward(dh, cache):
    Z, F, O, C, c0 = cache
    dz, df, do = np.empty_like(Z), np.empty_like(F), np.empty_like(O)
    carry = np.zeros_like(c0)
    for t in reversed(range(len(Z))):
        prev = C[t - 1] if t > 0 else c0
        dc = carry + dh[t] * O[t]
        do[t] = dh[t] * C[t]
        df[t] = dc * (prev - Z[t])
        dz[t] = dc * (1 - F[t])
        carry = dc * F[t]
    return dz * (1 - Z ** 2), df * F * (1 - F), do * O * (1 - O), carry


def conv_rnn(frames, wx, wh, b):
    """1-D convolutional Elman net, one channel, 'same' circular kernels of width 3, tanh, h_0 = 0.
    frames (T, B, L); wx, wh (3,); b (1,)"""
    hs = [np.zeros(frames.shape[1:])]
    for x in frames:
        a = sum(wx[k] * np.roll(x, k - 1, 1) + wh[k] * np.roll(hs[-1], k - 1, 1) for k in range(3)) + b
        hs.append(np.tanh(a))
    return np.stack(hs[1:]), (frames, wx, wh, hs)


def conv_rnn_backward(dhs, cache):
    frames, wx, wh, hs = cache
    dframes = np.zeros_like(frames)
    dwx, dwh, db = np.zeros(3), np.zeros(3), np.zeros(1)
    dnext = 0
    for t in range(len(frames) - 1, -1, -1):
        dh = dhs[t] + dnext
        da = dh * (1 - hs[t + 1] ** 2)
        db += da.sum()
        dnext = np.zeros_like(da)
        for k in range(3):
            back = np.roll(da, 1 - k, 1)
            dframes[t] += wx[k] * back
            dnext += wh[k] * back
            dwx[k] += (back * frames[t]).sum()
            dwh[k] += (back * hs[t]).sum()
    return dframes, dwx, dwh, db


def lstm_cell(x, h, c, W, b):
    """gates in the order i, f, g, o; W: (D+H, 4H). Two outputs."""
    H = h.shape[1]
    xh = np.hstack([x, h])
    a = xh @ W + b
    i, f, o = sig(a[:, :H]), sig(a[:, H:2 * H]), sig(a[:, 3 * H:])
    g = np.tanh(a[:, 2 * H:3 * H])
    c2 = f * c + i * g
    tc = np.tanh(c2)
    return (o * tc, c2), (xh, c, W, i, f, g, o, tc, x.shape[1])


def lstm_cell_backward(dy, cache):
    dh2, dc2 = dy
    xh, c, W, i, f, g, o, tc, D = cache
    dct = dc2 + dh2 * o * (1 - tc ** 2)
    di = dct * g * i * (1 - i)
    df = dct * c * f * (1 - f)
    dg = dct * i * (1 - g ** 2)
    do = dh2 * tc * o * (1 - o)
    da = np.hstack([di, df, dg, do])
    dxh = da @ W.T
    return dxh[:, :D], dxh[:, D:], dct * f, xh.T @ da, da.sum(axis=0)


def leaky_norm(x, decay):
    """exponential moving average used as a running baseline: m_t = d m_{t-1} + (1-d) x_t, y_t = x_t - m_{t-1}
    x (T, C), decay (C,)"""
    T = len(x)
    m = np.zeros((T + 1, x.shape[1]))
    for t in range(T):
        m[t + 1] = decay * m[t] + (1 - decay) * x[t]
    return x - m[:-1], {'x': x, 'm': m, 'd': decay}


def leaky_norm_backward(dy, cache):
    x, m, d = cache['x'], cache['m'], cache['d']
    dx = dy.copy()
    dd = np.zeros_like(d)
    dm = np.zeros_like(d)                 # gradient of m[t + 1]
    for t in range(len(x) - 1, -1, -1):
        dx[t] += dm * (1 - d)
        dd += dm * (m[t] - x[t])
        dm = dm * d - dy[t]
    return dx, dd


CASES = {
    "fo_pool": lambda rng: tuple(rng.standard_normal((5, 2, 3)) for _ in range(3)) + (rng.standard_normal((2, 3)),),
    "conv_rnn": lambda rng: (rng.standard_normal((4, 2, 6)), rng.standard_normal(3), rng.standard_normal(3), rng.standard_normal(1)),
    "lstm_cell": lambda rng: (rng.standard_normal((5, 3)), rng.standard_normal((5, 4)), rng.standard_normal((5, 4)),
                              rng.standard_normal((7, 16)), rng.standard_normal(16)),
    "leaky_norm": lambda rng: (rng.standard_normal((6, 3)), rng.uniform(.3, .9, 3)),
}
