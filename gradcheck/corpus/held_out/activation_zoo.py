from math import pi, sqrt

import numpy as np
from jaxtyping import Float


def gelu(x: Float[np.ndarray, "N D"]):
    inner = sqrt(2 / pi) * (x + 0.044715 * x**3)
    return 0.5 * x * (1 + np.tanh(inner)), (x,)


def gelu_backward(dy, cache):
    (x,) = cache
    th = np.tanh(sqrt(2 / pi) * (x + 0.044715 * x**3))
    slope = sqrt(2 / pi) * (1 + 3 * 0.044715 * x**2)
    return dy * (0.5 * (1 + th) + 0.5 * x * (1 - th**2) * slope)


def swish(x: Float[np.ndarray, "N D"], beta: Float[np.ndarray, " D"]):
    s = 1 / (1 + np.exp(-beta * x))
    return x * s, (x, beta, s)


def swish_backward(grad, saved):
    x, beta, s = saved
    ds = grad * x * s * (1 - s)
    grad_x = grad * s + ds * beta
    grad_beta = (ds * x).sum(axis=0)
    return grad_x, grad_beta


def prelu(x: Float[np.ndarray, "N C L"], a: Float[np.ndarray, " C"]):
    slope = a.reshape(-1, 1)
    return np.where(x > 0, x, slope * x), (x, slope)


def prelu_backward(dout, cache):
    x, slope = cache
    neg = x <= 0
    dx = np.where(neg, slope * dout, dout)
    da = np.sum(dout * x * neg, axis=(0, 2))
    return dx, da


def mish(x: Float[np.ndarray, "A B"]):
    sp = np.logaddexp(0, x)
    return x * np.tanh(sp), x


def mish_backward(dout, x):
    w = np.tanh(np.logaddexp(0, x))
    dw = (1 - w * w) / (1 + np.exp(-x))
    return dout * (w + x * dw)


def elu(x: Float[np.ndarray, "N D"]):
    out = x.copy()
    cold = out < 0
    out[cold] = 1.3 * np.expm1(out[cold])
    return out, (out, cold)


def elu_backward(d_out, cache):
    out, cold = cache
    d_x = d_out.copy()
    d_x[cold] *= out[cold] + 1.3
    return d_x


def hard_sigmoid(x: Float[np.ndarray, "N D"]):
    y = np.clip(0.4 * x + 0.5, 0, 1)
    return y, y


def hard_sigmoid_backward(dy, y):
    return 0.4 * dy * ((y > 0) & (y < 1))


def glu(a: Float[np.ndarray, "N D"], W: Float[np.ndarray, "D E"], V: Float[np.ndarray, "D E"]):
    """a W sigmoid(a V), after Dauphin et al."""
    lin, gate = a @ W, 1 / (1 + np.exp(-(a @ V)))
    return lin * gate, (a, W, V, lin, gate)


def glu_backward(g, cache):
    a, W, V, lin, gate = cache
    g_lin = g * gate
    g_pre = g * lin * gate * (1 - gate)
    return g_lin @ W.T + g_pre @ V.T, a.T @ g_lin, a.T @ g_pre


def snake(x: Float[np.ndarray, "C T"], freq: Float[np.ndarray, "C 1"]):
    """x + sin(freq x)^2 / freq, a frequency for each channel."""
    return x + np.sin(freq * x) ** 2 / freq, (x, freq)


def snake_backward(g, ctx):
    x, freq = ctx
    s2 = np.sin(2 * freq * x)
    dx = g + g * s2
    dfreq = g * (x * s2 / freq - np.sin(freq * x) ** 2 / freq**2)
    return dx, dfreq.sum(1, keepdims=True)
