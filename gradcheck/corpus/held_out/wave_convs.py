"""1-D convolutions for audio: causal dilated, depthwise, transposed, and a gated pair of them."""
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view


def causal_conv_forward(signal, taps, *, dilation=2):
    """signal (B, T, Cin), taps (K, Cin, Cout): y[t] = sum_k signal[t - k dilation] taps[k]."""
    B, T, _ = signal.shape
    y = np.zeros((B, T, taps.shape[2]))
    for k, tap in enumerate(taps):
        lag = k * dilation
        if lag < T:
            y[:, lag:] += signal[:, : T - lag] @ tap
    return y, (signal, taps, dilation)


def causal_conv_backward(d_y, cache):
    signal, taps, dilation = cache
    T = signal.shape[1]
    d_signal, d_taps = np.zeros_like(signal), np.zeros_like(taps)
    for k in range(len(taps)):
        lag = k * dilation
        if lag >= T:
            break
        d_late = d_y[:, lag:]
        d_signal[:, : T - lag] += d_late @ taps[k].T
        d_taps[k] = np.einsum("btc,btd->cd", signal[:, : T - lag], d_late)
    return d_signal, d_taps


def depthwise(u, kernel, bias):
    """u (C, L), kernel (C, K), bias (C,): every channel has a filter of its own, no padding."""
    windows = sliding_window_view(u, kernel.shape[1], axis=1)  # (C, L - K + 1, K)
    return np.einsum("clk,ck->cl", windows, kernel) + bias[:, None], (windows, kernel)


def depthwise_backward(g, cache):
    windows, kernel = cache
    K = kernel.shape[1]
    g_kernel = np.einsum("cl,clk->ck", g, windows)
    g_bias = g.sum(axis=1)
    # the full correlation of g with the reversed filter
    padded = np.pad(g, [(0, 0), (K - 1, K - 1)])
    g_u = np.einsum("clk,ck->cl", sliding_window_view(padded, K, axis=1), kernel[:, ::-1])
    return g_u, g_kernel, g_bias


def deconv1d_forward(x, w, b):
    """Transposed convolution of stride 2: x (N, I, L), w (I, O, K), b (O,)."""
    N, I, L = x.shape
    K = w.shape[2]
    y = np.zeros((N, w.shape[1], 2 * (L - 1) + K))
    for l in range(L):
        y[:, :, 2 * l : 2 * l + K] += np.tensordot(x[:, :, l], w, axes=(1, 0))
    return y + b[:, None], (x, w)


def deconv1d_backward(dy, cache):
    x, w = cache
    K = w.shape[2]
    dx, dw = np.empty(x.shape), np.zeros(w.shape)
    for l in range(x.shape[2]):
        piece = dy[:, :, 2 * l : 2 * l + K]
        dx[:, :, l] = np.tensordot(piece, w, axes=([1, 2], [1, 2]))
        dw += np.tensordot(x[:, :, l], piece, axes=(0, 0))
    return dx, dw, dy.sum(axis=(0, 2))


def _causal(rng):
    B, T, cin, cout = (2, 7, 3, 5) if rng.random() < 0.5 else (3, rng.integers(8, 11), 4, 2)
    return rng.normal(size=(B, T, cin)), rng.normal(size=(3, cin, cout))


def _depth(rng):
    c, n, k = rng.integers(2, 5), rng.integers(7, 10), rng.integers(3, 5)
    return rng.normal(size=(c, n)), rng.normal(size=(c, k)), rng.normal(size=c)


def _deconv(rng):
    n, i, o, l = rng.permutation([2, 3, 4, 5])
    return rng.normal(size=(n, i, l)), rng.normal(size=(i, o, 3)), rng.normal(size=o)


CASES = {"causal_conv": _causal, "depthwise": _depth, "deconv1d": _deconv}
