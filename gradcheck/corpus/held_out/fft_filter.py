import numpy as np
from numpy import fft


# ---- learned filters for the EEG pipeline -------------------------------------------------

def spectral_gate(x, gain):
    """Multiply the spectrum of every channel by real gains. x (C, T), gain (T // 2 + 1,)"""
    T = x.shape[1]
    X = fft.rfft(x, axis=1)
    return fft.irfft(X * gain, n=T, axis=1), (X, gain, T)


def spectral_gate_backward(dy, cache):
    X, gain, T = cache
    G = fft.rfft(dy, axis=1)
    dx = fft.irfft(G * gain, n=T, axis=1)
    w = np.full(len(gain), 2.0)
    w[0] = 1.0
    if T % 2 == 0:
        w[-1] = 1.0
    dgain = w * (np.conj(G) * X).real.sum(axis=0) / T
    return dx, dgain


def circconv(x, k):
    """Circular convolution over the last axis by FFT; x (N, T), k (T,)"""
    Xf, Kf = fft.fft(x), fft.fft(k)
    return fft.ifft(Xf * Kf).real, (Xf, Kf)


def circconv_backward(dy, cache):
    Xf, Kf = cache
    Gf = fft.fft(dy)
    dx = fft.ifft(Gf * Kf.conj()).real
    dk = fft.ifft((Gf * Xf.conj()).sum(0)).real
    return dx, dk


def causal_fir(x, taps, bias):
    """y[t, c] = sum_j taps[j, c] x[t - j, c] + bias[c]: depthwise, left padded"""
    T, C = x.shape
    J = len(taps)
    xp = np.vstack([np.zeros((J - 1, C)), x])
    y = np.tile(bias, (T, 1))
    for j in range(J):
        y += taps[j] * xp[J - 1 - j:J - 1 - j + T]
    return y, (xp, taps)


def causal_fir_backward(dy, cache):
    xp, taps = cache
    T, J = len(dy), len(taps)
    dxp = np.zeros_like(xp)
    dtaps = np.zeros_like(taps)
    for j in range(J):
        win = slice(J - 1 - j, J - 1 - j + T)
        dxp[win] += taps[j] * dy
        dtaps[j] = np.sum(dy * xp[win], axis=0)
    return dxp[J - 1:], dtaps, dy.sum(axis=0)


def power_db(x, floor=1e-3):
    """10 log10(|rfft x|^2 + floor)"""
    X = fft.rfft(x)
    P = np.abs(X) ** 2 + floor
    return 10 * np.log10(P), (X, P, len(x))


def power_db_backward(dy, cache):
    X, P, n = cache
    dP = dy * 10 / (np.log(10) * P)
    full = np.zeros(n, dtype=complex)
    full[:len(X)] = 2 * dP * X
    return (fft.ifft(full) * n).real


CASES = {
    "spectral_gate": [lambda r: (r.standard_normal((2, 7)), r.standard_normal(4)),
                      lambda r: (r.standard_normal((3, 8)), r.standard_normal(5))],
    "circconv": lambda r: (r.standard_normal((3, 7)), r.standard_normal(7)),
    "causal_fir": lambda r: (r.standard_normal((7, 2)), r.standard_normal((3, 2)), r.standard_normal(2)),
    "power_db": lambda r: (r.standard_normal(9),),
}
