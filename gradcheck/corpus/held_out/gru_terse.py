import numpy as np

σ = lambda a: 1 / (1 + np.exp(-a))


# one step of a GRU; the reset gate acts on h @ Un (the "v3", cuDNN order)
def gru_cell(x, h, Wz, Wr, Wn, Uz, Ur, Un):
    z = σ(x @ Wz + h @ Uz)
    r = σ(x @ Wr + h @ Ur)
    m = h @ Un
    n = np.tanh(x @ Wn + r * m)
    return (1 - z) * n + z * h, (x, h, z, r, m, n, Wz, Wr, Wn, Uz, Ur, Un)


def gru_cell_backward(δ, k):
    x, h, z, r, m, n, Wz, Wr, Wn, Uz, Ur, Un = k
    δz = δ * (h - n) * z * (1 - z)
    δn = δ * (1 - z) * (1 - n * n)
    δm = δn * r
    δr = δn * m * r * (1 - r)
    δx = δz @ Wz.T + δr @ Wr.T + δn @ Wn.T
    δh = δ * z
    δh += δz @ Uz.T + δr @ Ur.T + δm @ Un.T
    return δx, δh, x.T @ δz, x.T @ δr, x.T @ δn, h.T @ δz, h.T @ δr, h.T @ δm


# independently recurrent net: every unit sees itself only
def indrnn(x, u, h0):  # x (T, B, H), u (H,), h0 (B, H)
    h, hs = h0, [h0]
    for xt in x:
        h = np.tanh(xt + u * h)
        hs.append(h)
    return np.array(hs[1:]), (np.array(hs), u)


def indrnn_backward(dy, cache):
    hs, u = cache
    dx, du, carry = np.empty_like(dy), np.zeros_like(u), 0.0
    for t in range(len(dy))[::-1]:
        dx[t] = (dy[t] + carry) * (1 - hs[t + 1] ** 2)
        du += np.einsum("bh,bh->h", dx[t], hs[t])
        carry = u * dx[t]
    return dx, du, carry


# second-order recurrence with a fixed decay: momentum on the hidden state
def momentum_rnn(x, A, b):
    T, H = x.shape
    h = np.zeros((T + 1, H))
    v = np.zeros((T + 1, H))
    for t in range(T):
        v[t + 1] = 0.6 * v[t] + np.sin(x[t] + h[t] @ A + b)
        h[t + 1] = h[t] + 0.5 * v[t + 1]
    return h[1:], (x, A, b, h)


def momentum_rnn_backward(dy, cache):
    x, A, b, h = cache
    gx, gA, gb = np.zeros(x.shape), np.zeros(A.shape), np.zeros(b.shape)
    gh = gv = np.zeros(b.shape)
    for t in reversed(range(len(x))):
        gh = gh + dy[t]
        gv = gv + 0.5 * gh
        ga = gv * np.cos(x[t] + h[t] @ A + b)
        gx[t] = ga
        gA += np.outer(h[t], ga)
        gb += ga
        gh = gh + A @ ga
        gv = 0.6 * gv
    return gx, gA, gb


def _cell(r):
    B, D, H = r.permutation([2, 3, 5])
    w = lambda *s: r.standard_normal(s)
    return w(B, D), w(B, H), w(D, H), w(D, H), w(D, H), w(H, H), w(H, H), w(H, H)


def _ind(r):
    T, B, H = r.permutation([3, 4, 5])
    return r.standard_normal((T, B, H)), r.standard_normal(H), r.standard_normal((B, H))


def _mom(r):
    T, H = r.permutation([3, 4, 5])[:2]
    return r.standard_normal((T, H)), r.standard_normal((H, H)), r.standard_normal(H)


CASES = dict(gru_cell=_cell, indrnn=_ind, momentum_rnn=_mom)
