"""Linear recurrences used in the state-space blocks. Everything sequential; the CUDA kernel is elsewhere."""
import numpy as np


def lin_rec(a, u, h0):
    """h[t] = a[t] * h[t-1] + u[t]; a, u: (L, C), h0: (C,)."""
    h = np.empty_like(u)
    prev = h0
    for t in range(len(u)):
        prev = a[t] * prev + u[t]
        h[t] = prev
    return h, (a, h, h0)


def lin_rec_backward(dh, saved):
    a, h, h0 = saved
    L = a.shape[0]
    du = dh.copy()
    for t in range(L - 2, -1, -1):
        du[t] += a[t + 1] * du[t + 1]
    h_prev = np.vstack([h0[None], h[:-1]])
    da = du * h_prev
    return da, du, a[0] * du[0]


def diag_ssm(x, delta, A, B, C, D):
    """Selective scan, small. x, delta (L, E); A (E, S); B, C (L, S); D (E,)."""
    L, E = x.shape
    S = A.shape[1]
    states = np.zeros((L + 1, E, S))
    decay = np.exp(delta[:, :, None] * A[None])
    y = np.zeros((L, E))
    for t in range(L):
        states[t + 1] = decay[t] * states[t] + (delta[t] * x[t])[:, None] * B[t][None, :]
        y[t] = states[t + 1] @ C[t] + D * x[t]
    return y, (x, delta, A, B, C, D, states, decay)


def diag_ssm_backward(dy, saved):
    x, delta, A, B, C, D, states, decay = saved
    L = x.shape[0]
    dx = dy * D
    dD = np.sum(dy * x, axis=0)
    ddelta = np.zeros_like(delta)
    dA = np.zeros_like(A)
    dB = np.zeros_like(B)
    dC = np.zeros_like(C)
    ds = np.zeros_like(A)
    for t in range(L - 1, -1, -1):
        ds += np.outer(dy[t], C[t])
        dC[t] = dy[t] @ states[t + 1]
        tmp = ds @ B[t]
        dx[t] += tmp * delta[t]
        ddelta[t] += tmp * x[t]
        dB[t] = (delta[t] * x[t]) @ ds
        q = ds * states[t] * decay[t]
        dA += q * delta[t][:, None]
        ddelta[t] += (q * A).sum(axis=1)
        ds = ds * decay[t]
    return dx, ddelta, dA, dB, dC, dD


def min_gru(x, Wz, Wh):
    """minGRU: z = s(x Wz), h_t = (1 - z_t) h_{t-1} + z_t (x_t Wh)."""
    z = 1.0 / (1.0 + np.exp(-(x @ Wz)))
    cand = x @ Wh
    hs = [np.zeros(cand.shape[1])]
    for zt, ct in zip(z, cand):
        hs.append((1 - zt) * hs[-1] + zt * ct)
    return np.array(hs[1:]), (x, Wz, Wh, z, cand, np.array(hs))


def min_gru_backward(dh, saved):
    x, Wz, Wh, z, cand, hs = saved
    g = np.zeros(hs.shape[1])
    dz, dcand = np.zeros_like(z), np.zeros_like(cand)
    for t in range(len(x))[::-1]:
        g = g + dh[t]
        dz[t] = g * (cand[t] - hs[t])
        dcand[t] = g * z[t]
        g = g * (1 - z[t])
    dpre = dz * z * (1 - z)
    dx = dpre @ Wz.T + dcand @ Wh.T
    return dx, x.T @ dpre, x.T @ dcand


CASES = {
    "lin_rec": lambda rng: (rng.uniform(0.3, 1.1, (6, 4)), rng.standard_normal((6, 4)), rng.standard_normal(4)),
    "diag_ssm": lambda rng: (
        rng.standard_normal((5, 3)), rng.uniform(0.1, 0.9, (5, 3)), -rng.uniform(0.2, 1.5, (3, 2)),
        rng.standard_normal((5, 2)), rng.standard_normal((5, 2)), rng.standard_normal(3),
    ),
    "min_gru": lambda rng: (rng.standard_normal((6, 3)), rng.standard_normal((3, 4)), rng.standard_normal((3, 4))),
}
