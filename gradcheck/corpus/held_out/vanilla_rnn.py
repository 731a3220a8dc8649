"""Problem set 4: a plain recurrent layer, trained through time.

    a_t = x_t Wx + h_{t-1} Wh + b
    h_t = tanh(a_t)

Arrays are time-major: x is (T, N, D), the states are (T, N, H).
"""
import numpy as np


def rnn(x, h0, Wx, Wh, b):
    T, N, _ = x.shape
    hs = np.empty((T + 1, N, Wh.shape[0]))
    hs[0] = h0
    for t in range(T):
        hs[t + 1] = np.tanh(x[t] @ Wx + hs[t] @ Wh + b)
    return hs[1:].copy(), (x, hs, Wx, Wh)


def rnn_backward(dy, cache):
    x, hs, Wx, Wh = cache
    dx = np.zeros_like(x)
    dWx = np.zeros_like(Wx)
    dWh = np.zeros_like(Wh)
    db = np.zeros(Wh.shape[0])
    carry = np.zeros_like(hs[0])
    for t in reversed(range(len(x))):
        dh = dy[t] + carry
        da = dh * (1.0 - hs[t + 1] ** 2)
        dx[t] = da @ Wx.T
        dWx += x[t].T @ da
        dWh += hs[t].T @ da
        db += da.sum(axis=0)
        carry = da @ Wh.T
    return dx, carry, dWx, dWh, db


def irnn_last(x, W, U, c):
    """ReLU recurrence (Le et al.), zero initial state, only the last state is returned."""
    h = np.zeros((x.shape[0], U.shape[0]))
    tape = []
    for t in range(x.shape[1]):
        pre = x[:, t] @ W.T + h @ U.T + c
        tape.append((h, pre))
        h = np.maximum(pre, 0)
    return h, (x, W, U, tape)


def irnn_last_backward(dh, cache):
    x, W, U, tape = cache
    dx, dW, dU = (np.zeros_like(v) for v in (x, W, U))
    dc = np.zeros(len(U))
    for t in range(x.shape[1] - 1, -1, -1):
        h_prev, pre = tape[t]
        g = np.where(pre > 0, dh, 0.0)
        dW += g.T @ x[:, t]
        dU += g.T @ h_prev
        dc += g.sum(0)
        dx[:, t] = g @ W
        dh = g @ U
    return dx, dW, dU, dc


CASES = {
    "rnn": lambda rng: (
        rng.standard_normal((5, 3, 4)),
        rng.standard_normal((3, 6)) * 0.5,
        rng.standard_normal((4, 6)) * 0.5,
        rng.standard_normal((6, 6)) * 0.5,
        rng.standard_normal(6),
    ),
    "irnn_last": lambda rng: (
        rng.standard_normal((3, 4, 2)),
        rng.standard_normal((5, 2)),
        rng.standard_normal((5, 5)) * 0.6,
        rng.standard_normal(5) * 0.3 + 0.2,
    ),
}
