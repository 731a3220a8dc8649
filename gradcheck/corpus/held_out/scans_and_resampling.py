"""Running sums, exponential averages, linear recurrences; then interpolation, upsampling, shifts."""
import numpy as np


def cumsum_gate(x, w):
    """Running sum over time of x times a gate; x (T, C), w (C,)."""
    return np.cumsum(x, axis=0) * w, (x, w)


def cumsum_gate_backward(dy, cache):
    x, w = cache
    dx = np.cumsum((dy * w)[::-1], axis=0)[::-1]
    dw = (dy * np.cumsum(x, axis=0)).sum(0)
    return dx, dw


def ema(series, decay):
    """m[t] = decay m[t-1] + (1 - decay) series[t], per channel; m[-1] = 0."""
    m, out = np.zeros_like(decay), []
    for row in series:
        m = decay * m + (1 - decay) * row
        out.append(m)
    return np.array(out), (series, decay, np.array(out))


def ema_backward(grad, cache):
    series, decay, out = cache
    before = np.vstack([np.zeros_like(out[:1]), out[:-1]])
    gseries, gdecay = np.zeros_like(series), np.zeros_like(decay)
    running = np.zeros_like(decay)
    for t in range(len(series) - 1, -1, -1):
        running = grad[t] + decay * running if t < len(series) - 1 else grad[t]
        gseries[t] = (1 - decay) * running
        gdecay += running * (before[t] - series[t])
    return gseries, gdecay


def ssm_scan(u, A, B, C, D):
    """Diagonal state space: h[t] = exp(A) h[t-1] + B u[t], y[t] = C . h[t] + D u[t]; u (T,)."""
    h = np.zeros((len(u) + 1, len(A)))
    a = np.exp(A)
    for t, ut in enumerate(u):
        h[t + 1] = a * h[t] + B * ut
    return h[1:] @ C + D * u, (u, a, B, C, D, h)


def ssm_scan_backward(dy, cache):
    u, a, B, C, D, h = cache
    lam = np.zeros((len(u), len(a)))
    carry = np.zeros(len(a))
    for t in reversed(range(len(u))):
        lam[t] = carry + dy[t] * C
        carry = a * lam[t]
    dA = a * np.sum(lam * h[:-1], axis=0)
    dB = u @ lam
    dC = dy @ h[1:]
    dD = np.array([dy @ u])
    du = lam @ B + D * dy
    return du, dA, dB, dC, dD


def grid_sample_1d(signal, where):
    """Linear interpolation of signal (L, C) at the fractional positions where (M,)."""
    left = np.clip(np.floor(where).astype(int), 0, len(signal) - 2)
    frac = (where - left)[:, None]
    return (1 - frac) * signal[left] + frac * signal[left + 1], (signal, left, frac)


def grid_sample_1d_backward(dout, cache):
    signal, left, frac = cache
    dsignal = np.zeros_like(signal)
    np.add.at(dsignal, left, (1 - frac) * dout)
    np.add.at(dsignal, left + 1, frac * dout)
    dwhere = np.sum(dout * (signal[left + 1] - signal[left]), axis=1)
    return dsignal, dwhere


def upsample_forward(x, gain):
    """Nearest neighbour, twice as tall and thrice as wide, then a gain per channel: x (C, H, W)."""
    return gain[:, None, None] * x.repeat(2, axis=1).repeat(3, axis=2), (x, gain)


def upsample_backward(dy, cache):
    x, gain = cache
    C, H, W = x.shape
    blocks = dy.reshape(C, H, 2, W, 3).sum(axis=(2, 4))
    dgain = np.sum(blocks * x, axis=(1, 2))
    dx = gain[:, None, None] * blocks
    return dx, dgain


def token_shift(x, mu):
    """RWKV: a mix of every position with the one before it; x (T, C), mu (C,)."""
    past = np.roll(x, 1, axis=0)
    past[0] = 0
    return mu * x + (1 - mu) * past, (x, past, mu)


def token_shift_backward(dy, cache):
    x, past, mu = cache
    dpast = (1 - mu) * dy
    dpast[0] = 0
    dx = mu * dy + np.roll(dpast, -1, axis=0)
    dmu = (dy * (x - past)).sum(axis=0)
    return dx, dmu


def _tc(rng):
    T, C = rng.permutation([4, 5, 3, 7])[:2]
    return rng.normal(size=(T, C)), rng.uniform(0.2, 0.9, C)


def _ssm(rng):
    T, S = rng.permutation([5, 7, 4, 3])[:2]
    return (rng.normal(size=T), -rng.uniform(0.1, 1, S), rng.normal(size=S), rng.normal(size=S),
            rng.normal(size=1))


def _grid(rng):
    L, C, M = rng.integers(4, 7), rng.integers(1, 4), 9
    return rng.normal(size=(L, C)), rng.uniform(0, L - 1, M)


def _up(rng):
    C, H, W = rng.permutation([2, 3, 4])
    return rng.normal(size=(C, H, W)), rng.normal(size=C)


CASES = {
    "cumsum_gate": _tc,
    "ema": _tc,
    "ssm_scan": _ssm,
    "grid_sample_1d": _grid,
    "upsample": _up,
    "token_shift": _tc,
}
