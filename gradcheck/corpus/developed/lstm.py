"""A long short-term memory: one step with two outputs, and over time. Gates i, f, o, g."""

import numpy as np
from scipy.special import expit as sigmoid


def lstm_step_forward(x, prev_h, prev_c, Wx, Wh, b):
    H = prev_h.shape[1]
    A = x @ Wx + prev_h @ Wh + b
    i = sigmoid(A[:, :H])
    f = sigmoid(A[:, H : 2 * H])
    o = sigmoid(A[:, 2 * H : 3 * H])
    g = np.tanh(A[:, 3 * H :])
    next_c = f * prev_c + i * g
    tc = np.tanh(next_c)
    next_h = o * tc
    cache = {"x": x, "prev_h": prev_h, "prev_c": prev_c, "Wx": Wx, "Wh": Wh}
    cache.update(i=i, f=f, o=o, g=g, tc=tc, next_c=next_c)
    return (next_h, next_c), cache


def lstm_step_backward(dy, cache):
    dnext_h, dnext_c = dy
    i, f, o, g, tc = (cache[k] for k in ("i", "f", "o", "g", "tc"))
    do = dnext_h * tc
    dc = dnext_c + dnext_h * o * (1 - tc**2)
    df = dc * cache["prev_c"]
    dprev_c = dc * f
    di = dc * g
    dg = dc * i
    dai = di * i * (1 - i)
    daf = df * f * (1 - f)
    dao = do * o * (1 - o)
    dag = dg * (1 - g**2)
    dA = np.hstack((dai, daf, dao, dag))
    dx = dA @ cache["Wx"].T
    dprev_h = dA @ cache["Wh"].T
    dWx = cache["x"].T @ dA
    dWh = cache["prev_h"].T @ dA
    db = dA.sum(axis=0)
    return dx, dprev_h, dprev_c, dWx, dWh, db


def lstm_forward(x, h0, Wx, Wh, b):
    """x (T, N, D), the memory starts at zero; all hidden states (T, N, H)."""
    h, c, hs, caches = h0, np.zeros_like(h0), [], []
    for xt in x:
        (h, c), cache = lstm_step_forward(xt, h, c, Wx, Wh, b)
        hs.append(h)
        caches.append(cache)
    return np.array(hs), (x.shape, caches)


def lstm_backward(dhs, cache):
    shape, caches = cache
    dx, T = np.empty(shape), shape[0]
    dh_next = np.zeros_like(dhs[0])
    dc_next = np.zeros_like(dhs[0])
    grads = []
    for t in range(T - 1, -1, -1):
        dht = dhs[t] + dh_next
        out = lstm_step_backward((dht, dc_next), caches[t])
        dx[t], dh_next, dc_next = out[:3]
        grads.append(out[3:])
    dWx, dWh, db = (sum(gs) for gs in zip(*grads, strict=True))
    return dx, dh_next, dWx, dWh, db


def step(rng):
    n, d, h = rng.permutation([2, 3, 4, 5])[:3]
    shapes = (n, d), (n, h), (n, h), (d, 4 * h), (h, 4 * h), (4 * h,)
    return tuple(rng.normal(size=s) for s in shapes)


def over_time(rng):
    n, d, h = rng.permutation([2, 3, 4])
    shapes = (5, n, d), (n, h), (d, 4 * h), (h, 4 * h), (4 * h,)
    return tuple(rng.normal(size=s) / 1.5 for s in shapes)


CASES = {"lstm_step": step, "lstm": over_time}
