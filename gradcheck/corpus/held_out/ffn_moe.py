"""Feed-forward blocks. Float64 reference for the Triton kernels; the names follow the kernels."""
import math

import numpy as np


def swiglu(x, w_gate, w_up, w_down):
    gate = x @ w_gate
    up = x @ w_up
    sig = 1.0 / (1.0 + np.exp(-gate))
    act = gate * sig
    hidden = act * up
    return hidden @ w_down, (x, w_gate, w_up, w_down, gate, up, sig, act, hidden)


def swiglu_backward(dy, ctx):
    x, w_gate, w_up, w_down, gate, up, sig, act, hidden = ctx
    d_w_down = hidden.T @ dy
    d_hidden = dy @ w_down.T
    d_up = d_hidden * act
    d_act = d_hidden * up
    d_gate = d_act * sig * (1.0 + gate * (1.0 - sig))
    d_x = d_gate @ w_gate.T
    d_x += d_up @ w_up.T
    return d_x, x.T @ d_gate, x.T @ d_up, d_w_down


_K = math.sqrt(2.0 / math.pi)


def geglu_tanh(x, w, b):
    """[a, v] = x w + b; y = gelu_tanh(a) * v"""
    u = x @ w + b
    a, v = np.split(u, 2, axis=1)
    th = np.tanh(_K * (a + 0.044715 * a ** 3))
    ge = 0.5 * a * (1 + th)
    return ge * v, (x, w, a, v, th, ge)


def geglu_tanh_backward(dy, ctx):
    x, w, a, v, th, ge = ctx
    dv = dy * ge
    slope = 0.5 * (1 + th) + 0.5 * a * (1 - th ** 2) * _K * (1 + 3 * 0.044715 * a ** 2)
    da = dy * v * slope
    du = np.concatenate([da, dv], axis=1)
    return du @ w.T, x.T @ du, du.sum(axis=0)


def moe(x, router, w1, w2, k=2):
    """Token choice, top-k; the gates are a softmax over the k chosen logits. w1 (E, D, F), w2 (E, F, D)."""
    logits = x @ router
    top = np.argsort(-logits, axis=1)[:, :k]
    chosen = np.take_along_axis(logits, top, axis=1)
    gates = np.exp(chosen - chosen.max(axis=1, keepdims=True))
    gates /= gates.sum(axis=1, keepdims=True)
    y = np.zeros_like(x)
    saved = []
    for e in range(w1.shape[0]):
        tok, slot = np.nonzero(top == e)
        if tok.size == 0:
            continue
        pre = x[tok] @ w1[e]
        hid = np.maximum(pre, 0.0)
        out = hid @ w2[e]
        y[tok] += gates[tok, slot][:, None] * out
        saved.append((e, tok, slot, pre, hid, out))
    return y, (x, router, w1, w2, top, gates, saved)


def moe_backward(dy, ctx):
    x, router, w1, w2, top, gates, saved = ctx
    dx = np.zeros_like(x)
    dw1, dw2 = np.zeros_like(w1), np.zeros_like(w2)
    dgates = np.zeros_like(gates)
    for e, tok, slot, pre, hid, out in saved:
        g = gates[tok, slot][:, None]
        dgates[tok, slot] = (dy[tok] * out).sum(axis=1)
        dout = g * dy[tok]
        dw2[e] = hid.T @ dout
        dpre = (dout @ w2[e].T) * (pre > 0)
        dw1[e] = x[tok].T @ dpre
        dx[tok] += dpre @ w1[e].T
    dchosen = gates * (dgates - (gates * dgates).sum(axis=1, keepdims=True))
    dlogits = np.zeros((x.shape[0], router.shape[1]))
    np.put_along_axis(dlogits, top, dchosen, axis=1)
    dx += dlogits @ router.T
    return dx, x.T @ dlogits, dw1, dw2


def ffn_dropout(x, w, b, p_keep=0.8, seed=3):
    """relu(x w + b) with inverted dropout"""
    pre = x @ w + b
    m = np.random.default_rng(seed).random(pre.shape) < p_keep
    return np.maximum(pre, 0) * m / p_keep, (x, w, pre, m, p_keep, seed)


def ffn_dropout_backward(dy, ctx):
    x, w, pre, m, p_keep, seed = ctx
    dpre = dy * m / p_keep
    dpre = dpre * (pre > 0)
    return dpre @ w.T, x.T @ dpre, dpre.sum(axis=0)


CASES = {
    "swiglu": lambda r: (r.standard_normal((3, 4)), r.standard_normal((4, 6)), r.standard_normal((4, 6)), r.standard_normal((6, 5))),
    "geglu_tanh": lambda r: (r.standard_normal((4, 3)), r.standard_normal((3, 10)), r.standard_normal(10)),
    "moe": lambda r: (r.standard_normal((7, 4)), r.standard_normal((4, 3)), r.standard_normal((3, 4, 5)), r.standard_normal((3, 5, 4))),
    "ffn_dropout": lambda r: (r.standard_normal((5, 3)), r.standard_normal((3, 4)), r.standard_normal(4)),
}
