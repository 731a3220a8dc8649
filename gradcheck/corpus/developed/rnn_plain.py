import numpy as np


def rnn_step(x, h_prev, Wx, Wh, b):
    """One tanh step. x: (N, D), h_prev: (N, H)."""
    h = np.tanh(x @ Wx + h_prev @ Wh + b)
    return h, (x, h_prev, Wx, Wh, h)


def rnn_step_backward(dh, cache):
    x, h_prev, Wx, Wh, h = cache
    da = dh * (1 - h ** 2)
    dx = da @ Wx.T
    dh_prev = da @ Wh.T
    dWx = x.T @ da
    dWh = h_prev.T @ da
    db = da.sum(axis=0)
    return dx, dh_prev, dWx, dWh, db


def rnn(xs, h0, U, W, bias):
    """Whole sequence, batch first: xs (N, T, D) -> hs (N, T, H)."""
    N, T, D = xs.shape
    H = h0.shape[1]
    hs = np.zeros((N, T, H))
    prev = h0
    for t in range(T):
        prev = np.tanh(xs[:, t] @ U + prev @ W + bias)
        hs[:, t] = prev
    return hs, (xs, h0, U, W, hs)


def rnn_backward(dhs, cache):
    xs, h0, U, W, hs = cache
    N, T, D = xs.shape
    dxs = np.zeros_like(xs)
    dU, dW = np.zeros_like(U), np.zeros_like(W)
    dbias = np.zeros(W.shape[1])
    dnext = np.zeros_like(h0)
    for t in reversed(range(T)):
        dtot = dhs[:, t] + dnext
        dz = dtot * (1.0 - hs[:, t] * hs[:, t])
        before = hs[:, t - 1] if t > 0 else h0
        dxs[:, t] = dz.dot(U.T)
        dU += xs[:, t].T.dot(dz)
        dW += before.T.dot(dz)
        dbias += np.sum(dz, axis=0)
        dnext = dz.dot(W.T)
    return dxs, dnext, dU, dW, dbias


CASES = {
    "rnn_step": lambda r: (r.standard_normal((3, 4)), r.standard_normal((3, 5)), r.standard_normal((4, 5)) * 0.5,
                           r.standard_normal((5, 5)) * 0.4, r.standard_normal(5)),
    "rnn": [
        lambda r: (r.standard_normal((2, 4, 3)), r.standard_normal((2, 5)), r.standard_normal((3, 5)) * 0.5,
                   r.standard_normal((5, 5)) * 0.4, r.standard_normal(5) * 0.3),
        lambda r: (r.standard_normal((3, 5, 2)), r.standard_normal((3, 4)), r.standard_normal((2, 4)) * 0.5,
                   r.standard_normal((4, 4)) * 0.4, r.standard_normal(4) * 0.3),
    ],
}
