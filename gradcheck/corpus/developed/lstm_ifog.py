# LSTM with one fused weight matrix; columns are laid out  [ input | forget | output | candidate ]
import numpy as np


def sigmoid(z):
    return 1.0 / (1.0 + np.exp(-z))


def lstm_step_forward(x, prev_h, prev_c, Wx, Wh, b):
    H = prev_h.shape[1]
    a = x.dot(Wx) + prev_h.dot(Wh) + b
    i = sigmoid(a[:, :H])
    f = sigmoid(a[:, H:2 * H])
    o = sigmoid(a[:, 2 * H:3 * H])
    g = np.tanh(a[:, 3 * H:])
    next_c = f * prev_c + i * g
    next_h = o * np.tanh(next_c)
    cache = (x, prev_h, prev_c, Wx, Wh, i, f, o, g, next_c)
    return (next_h, next_c), cache


def lstm_step_backward(dout, cache):
    dnext_h, dnext_c = dout
    x, prev_h, prev_c, Wx, Wh, i, f, o, g, next_c = cache
    tc = np.tanh(next_c)
    dct = dnext_c + dnext_h * o * (1 - tc ** 2)
    do = dnext_h * tc
    di = dct * g
    df = dct * prev_c
    dg = dct * i
    da = np.hstack([di * i * (1 - i),
                    df * f * (1 - f),
                    do * o * (1 - o),
                    dg * (1 - g ** 2)])
    dx = da.dot(Wx.T)
    dprev_h = da.dot(Wh.T)
    dprev_c = dct * f
    dWx = x.T.dot(da)
    dWh = prev_h.T.dot(da)
    db = da.sum(axis=0)
    return dx, dprev_h, dprev_c, dWx, dWh, db


def lstm_forward(X, h0, Wx, Wh, b):
    """X: (N, T, D), initial cell state zero. Returns all hidden states (N, T, H)."""
    N, T, _ = X.shape
    h, c = h0, np.zeros_like(h0)
    hs, caches = [], []
    for t in range(T):
        (h, c), k = lstm_step_forward(X[:, t, :], h, c, Wx, Wh, b)
        hs.append(h)
        caches.append(k)
    return np.stack(hs, axis=1), (caches, X.shape)


def lstm_backward(dH, cache):
    caches, (N, T, D) = cache
    _, Hd = dH.shape[1:]
    dX = np.empty((N, T, D))
    dWx, dWh, db = 0.0, 0.0, 0.0
    dh_next = np.zeros((N, Hd))
    dc_next = np.zeros((N, Hd))
    for t in range(T - 1, -1, -1):
        dh_t = dH[:, t, :] + dh_next
        dxt, dh_next, dc_next, dWx_t, dWh_t, db_t = lstm_step_backward((dh_t, dc_next), caches[t])
        dX[:, t, :] = dxt
        dWx = dWx + dWx_t
        dWh = dWh + dWh_t
        db = db + db_t
    return dX, dh_next, dWx, dWh, db


CASES = {
    "lstm_step": lambda r: (r.standard_normal((3, 4)), r.standard_normal((3, 5)), r.standard_normal((3, 5)),
                            0.5 * r.standard_normal((4, 20)), 0.5 * r.standard_normal((5, 20)), r.standard_normal(20)),
    "lstm": lambda r: (r.standard_normal((2, 4, 3)), r.standard_normal((2, 5)),
                       0.5 * r.standard_normal((3, 20)), 0.5 * r.standard_normal((5, 20)), r.standard_normal(20)),
}
