"""LSTM over a batch of sequences, all four gates in one matrix product.

Columns of Wx, Wh, b: input gate, forget gate, output gate, candidate.
"""
import numpy as np

def _sig(z):
    return 1.0 / (1.0 + np.exp(-z))


def lstm_forward(x, h0, c0, Wx, Wh, b):
    """x: (N, T, D). Gives the hidden states (N, T, H) and the last cell state (N, H)."""
    N, T, _ = x.shape
    H = h0.shape[1]
    h, c = h0, c0
    out = np.empty((N, T, H))
    steps = []
    for t in range(T):
        a = x[:, t] @ Wx + h @ Wh + b
        s = {"x": x[:, t], "h_prev": h, "c_prev": c}
        s["i"] = _sig(a[:, :H])
        s["f"] = _sig(a[:, H:2 * H])
        s["o"] = _sig(a[:, 2 * H:3 * H])
        s["g"] = np.tanh(a[:, 3 * H:])
        c = s["f"] * c + s["i"] * s["g"]
        s["c"], s["tc"] = c, np.tanh(c)
        h = s["o"] * s["tc"]
        out[:, t] = h
        steps.append(s)
    return (out, c), {"steps": steps, "Wx": Wx, "Wh": Wh}


def lstm_backward(douts, cache):
    dout, dc_last = douts
    steps, Wx, Wh = cache["steps"], cache["Wx"], cache["Wh"]
    T = len(steps)
    dx = np.zeros((dout.shape[0], T, Wx.shape[0]))
    dWx, dWh, db = np.zeros_like(Wx), np.zeros_like(Wh), np.zeros(Wx.shape[1])
    dh_next = np.zeros_like(dout[:, 0])
    dc = dc_last
    for t in range(T - 1, -1, -1):
        s = steps[t]
        i, f, o, g = s["i"], s["f"], s["o"], s["g"]
        dh = dout[:, t] + dh_next
        do = dh * s["tc"]
        dc = dc + dh * o * (1 - s["tc"] ** 2)
        di = dc * g
        df = dc * s["c_prev"]
        dg = dc * i
        # through the nonlinearities
        di_in = di * i * (1 - i)
        df_in = df * f * (1 - f)
        do_in = do * o * (1 - o)
        dg_in = dg * (1 - g**2)
        da = np.hstack((di_in, df_in, do_in, dg_in))
        dWx += s["x"].T @ da
        dWh += s["h_prev"].T @ da
        db += da.sum(axis=0)
        dx[:, t] = da @ Wx.T
        dh_next = da @ Wh.T
        dc = dc * f
    return dx, dh_next, dc, dWx, dWh, db


def _seq(rng):
    N, T, D, H = rng.permutation([2, 3, 4, 5])
    return (rng.normal(size=(N, T, D)), rng.normal(size=(N, H)), rng.normal(size=(N, H)),
            rng.normal(size=(D, 4 * H)), rng.normal(size=(H, 4 * H)) / 2, rng.normal(size=4 * H))


CASES = {"lstm": _seq}
