"""A vanilla recurrent net: one step, over time, and with a loss at every step."""

import numpy as np


def rnn_step_forward(x, prev_h, Wx, Wh, b):
    next_h = np.tanh(x @ Wx + prev_h @ Wh + b)
    cache = x, prev_h, Wx, Wh, next_h
    return next_h, cache


def rnn_step_backward(dnext_h, cache):
    x, prev_h, Wx, Wh, next_h = cache
    dz = dnext_h * (1 - next_h**2)
    dx = dz @ Wx.T
    dprev_h = dz @ Wh.T
    dWx = x.T @ dz
    dWh = prev_h.T @ dz
    db = dz.sum(axis=0)
    return dx, dprev_h, dWx, dWh, db


def rnn_forward(x, h0, Wx, Wh, b):
    """x (N, T, D) to all hidden states (N, T, H)."""
    N, T, D = x.shape
    h = np.zeros((N, T, h0.shape[1]))
    caches = []
    state = h0
    for t in range(T):
        state, cache = rnn_step_forward(x[:, t], state, Wx, Wh, b)
        h[:, t] = state
        caches.append(cache)
    return h, caches


def rnn_backward(dh, caches):
    N, T, H = dh.shape
    D = caches[0][0].shape[1]
    dx = np.zeros((N, T, D))
    dWx, dWh, db = np.zeros((D, H)), np.zeros((H, H)), np.zeros(H)
    carry = np.zeros((N, H))
    for t in reversed(range(T)):
        total = dh[:, t] + carry
        dx[:, t], carry, dWx_t, dWh_t, db_t = rnn_step_backward(total, caches[t])
        dWx += dWx_t
        dWh += dWh_t
        db += db_t
    return dx, carry, dWx, dWh, db


def char_rnn(xs, hprev, Wxh, Whh, Why, bh, by):
    """Scores after each of the inputs xs (T, V), column vectors as in min-char-rnn."""
    hs, ys = {-1: hprev}, {}
    for t in range(len(xs)):
        hs[t] = np.tanh(Wxh @ xs[t] + Whh @ hs[t - 1] + bh)
        ys[t] = Why @ hs[t] + by
    return np.stack([ys[t] for t in range(len(xs))]), (xs, hs, Wxh, Whh, Why)


def char_rnn_backward(dys, cache):
    xs, hs, Wxh, Whh, Why = cache
    dxs = np.zeros_like(xs)
    dWxh, dWhh, dWhy = np.zeros_like(Wxh), np.zeros_like(Whh), np.zeros_like(Why)
    dbh, dby = np.zeros(len(Whh)), np.zeros(len(Why))
    dhnext = np.zeros(len(Whh))
    for t in reversed(range(len(xs))):
        dy = dys[t]
        dWhy += np.outer(dy, hs[t])
        dby += dy
        dh = Why.T @ dy + dhnext
        dhraw = (1 - hs[t] * hs[t]) * dh
        dbh += dhraw
        dWxh += np.outer(dhraw, xs[t])
        dWhh += np.outer(dhraw, hs[t - 1])
        dxs[t] = Wxh.T @ dhraw
        dhnext = Whh.T @ dhraw
    return dxs, dhnext, dWxh, dWhh, dWhy, dbh, dby


def step(rng):
    n, d, h = rng.permutation([2, 3, 4, 5])[:3]
    return (
        rng.normal(size=(n, d)),
        rng.normal(size=(n, h)),
        rng.normal(size=(d, h)) / 2,
        rng.normal(size=(h, h)) / 2,
        rng.normal(size=h),
    )


def over_time(rng):
    x, *rest = step(rng)
    return rng.normal(size=(x.shape[0], 6, x.shape[1])), *rest


def characters(rng):
    v, h = rng.permutation([3, 4, 5])[:2]
    shapes = (6, v), (h,), (h, v), (h, h), (v, h), (h,), (v,)
    return tuple(rng.normal(size=s) / 2 for s in shapes)


CASES = {"rnn_step": step, "rnn": over_time, "char_rnn": characters}
