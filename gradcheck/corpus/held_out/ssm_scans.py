"""Causal dilated temporal convolution, learned exponential moving average, diagonal state-space scan."""
import numpy as np


def tconv(x, w, b, dilation=2):
    """x (N, T, C), w (K, C, O):  y[t] = b + sum_j w[j] . x[t - j*dilation], zero before the start."""
    N, T, C = x.shape
    K = w.shape[0]
    pad = (K - 1) * dilation
    xp = np.concatenate([np.zeros((N, pad, C)), x], axis=1)
    y = np.tile(b, (N, T, 1))
    for j in range(K):
        lo = pad - j * dilation
        y += xp[:, lo:lo + T] @ w[j]
    y = np.where(y > 0, y, 0.1 * y)
    return y, (xp, w, y, pad, dilation)


def tconv_backward(dy, cache):
    xp, w, y, pad, dilation = cache
    N, T, O = y.shape
    dz = dy * np.where(y > 0, 1.0, 0.1)
    dxp = np.zeros_like(xp)
    dw = np.zeros_like(w)
    for j in range(len(w)):
        lo = pad - j * dilation
        dw[j] = np.einsum("ntc,nto->co", xp[:, lo:lo + T], dz)
        dxp[:, lo:lo + T] += dz @ w[j].T
    return dxp[:, pad:], dw, dz.sum(axis=(0, 1))


def ema(x, theta, s0):
    """s_t = a s_{t-1} + (1 - a) x_t with a = sigmoid(theta) per channel; x (T, C)."""
    a = 1 / (1 + np.exp(-theta))
    out, s = [], s0
    for xt in x:
        s = a * s + (1 - a) * xt
        out.append(s)
    return np.array(out), (x, a, s0, np.array(out))


def ema_backward(dout, cache):
    x, a, s0, s = cache
    dx = np.zeros_like(x)
    da = np.zeros_like(a)
    ds = np.zeros_like(s0)
    for t in range(len(x) - 1, -1, -1):
        ds = ds + dout[t]
        prev = s0 if t == 0 else s[t - 1]
        da += ds * (prev - x[t])
        dx[t] = ds * (1 - a)
        ds = ds * a
    return dx, da * a * (1 - a), ds


def ssm(u, A_log, B, Cm, Dskip, dt):
    """Selective diagonal SSM. u, dt (T, M); A_log (M, S); B, Cm (T, S); Dskip (M,).
    h_t = exp(-dt exp(A_log)) h_{t-1} + dt B_t u_t ;  y_t = h_t . C_t + D u_t"""
    T, M = u.shape
    A = -np.exp(A_log)
    h = np.zeros((T + 1,) + A.shape)
    abar = np.exp(dt[:, :, None] * A)
    for t in range(T):
        h[t + 1] = abar[t] * h[t] + (dt[t] * u[t])[:, None] * B[t]
    y = np.einsum("tms,ts->tm", h[1:], Cm) + Dskip * u
    return y, (u, A, B, Cm, Dskip, dt, h, abar)


def ssm_backward(dy, cache):
    u, A, B, Cm, Dskip, dt, h, abar = cache
    du = dy * Dskip
    dD = (dy * u).sum(0)
    dC = np.einsum("tm,tms->ts", dy, h[1:])
    dA = np.zeros_like(A)
    dB = np.zeros_like(B)
    ddt = np.zeros_like(dt)
    g = np.zeros_like(A)
    for t in reversed(range(len(u))):
        g = g + dy[t][:, None] * Cm[t]
        dlog = g * h[t] * abar[t]
        dA += dlog * dt[t][:, None]
        gB = g @ B[t]
        ddt[t] = (dlog * A).sum(1) + gB * u[t]
        du[t] += gB * dt[t]
        dB[t] = (dt[t] * u[t]) @ g
        g = g * abar[t]
    return du, dA * A, dB, dC, dD, ddt


CASES = {
    "tconv": [lambda r: (r.standard_normal((2, 6, 3)), r.standard_normal((3, 3, 4)), r.standard_normal(4)),
              lambda r: (r.standard_normal((3, 5, 2)), r.standard_normal((2, 2, 4)), r.standard_normal(4))],
    "ema": lambda r: (r.standard_normal((5, 3)), r.standard_normal(3), r.standard_normal(3)),
    "ssm": lambda r: (r.standard_normal((4, 3)), .3 * r.standard_normal((3, 2)), r.standard_normal((4, 2)),
                      r.standard_normal((4, 2)), r.standard_normal(3), r.uniform(.2, 1, (4, 3))),
}
