# Causal linear attention (elu + 1 feature map, running sums) and a retention layer with learned decay.
import numpy as np


def phi(u):
    return np.where(u > 0, u + 1.0, np.exp(np.minimum(u, 0.0)))


def dphi(u):
    return np.where(u > 0, 1.0, np.exp(np.minimum(u, 0.0)))


def linear_attention(q, k, v):
    T, d = q.shape
    fq, fk = phi(q), phi(k)
    S = np.zeros((d, v.shape[1]))
    z = np.zeros(d)
    y = np.zeros_like(v)
    dens = np.zeros(T)
    Ss, zs = [], []
    for t in range(T):
        S = S + np.outer(fk[t], v[t])
        z = z + fk[t]
        dens[t] = fq[t] @ z
        y[t] = (fq[t] @ S) / dens[t]
        Ss.append(S)
        zs.append(z)
    return y, (q, k, v, fq, fk, y, dens, Ss, zs)


def linear_attention_backward(dy, cache):
    q, k, v, fq, fk, y, dens, Ss, zs = cache
    T = q.shape[0]
    dfq, dfk, dv = np.zeros_like(fq), np.zeros_like(fk), np.zeros_like(v)
    dS = np.zeros_like(Ss[0])
    dz = np.zeros_like(zs[0])
    for t in range(T - 1, -1, -1):
        dnum = dy[t] / dens[t]
        dden = -(dy[t] @ y[t]) / dens[t]
        dfq[t] = Ss[t] @ dnum + zs[t] * dden
        dS += np.outer(fq[t], dnum)
        dz += fq[t] * dden
        dfk[t] = dS @ v[t] + dz
        dv[t] = dS.T @ fk[t]
    return dfq * dphi(q), dfk * dphi(k), dv


def retention(Q, K, V, decay):
    """Q, K (H, T, d), V (H, T, e), decay (H,):  S_t = g S_{t-1} + k_t v_t^T,  y_t = q_t S_t"""
    H, T, d = Q.shape
    S = np.zeros((T + 1, H, d, V.shape[2]))
    Y = np.empty_like(V)
    g = decay[:, None, None]
    for t in range(T):
        S[t + 1] = g * S[t] + K[:, t, :, None] * V[:, t, None, :]
        Y[:, t] = np.einsum("hd,hde->he", Q[:, t], S[t + 1])
    return Y, (Q, K, V, g, S)


def retention_backward(dY, cache):
    Q, K, V, g, S = cache
    T = Q.shape[1]
    dQ, dK, dV = map(np.zeros_like, (Q, K, V))
    dg = np.zeros(len(g))
    M = np.zeros_like(S[0])                   # gradient arriving at the state from the future
    for t in reversed(range(T)):
        dQ[:, t] = np.einsum("he,hde->hd", dY[:, t], S[t + 1])
        M = M + np.einsum("hd,he->hde", Q[:, t], dY[:, t])
        dK[:, t] = np.einsum("hde,he->hd", M, V[:, t])
        dV[:, t] = np.einsum("hde,hd->he", M, K[:, t])
        dg += (M * S[t]).sum(axis=(1, 2))
        M = g * M
    return dQ, dK, dV, dg


CASES = {
    "linear_attention": [lambda r: (r.standard_normal((4, 3)), r.standard_normal((4, 3)), r.standard_normal((4, 5))),
                         lambda r: (r.standard_normal((5, 2)), r.standard_normal((5, 2)), r.standard_normal((5, 3)))],
    "retention": lambda r: (r.standard_normal((2, 4, 3)), r.standard_normal((2, 4, 3)), r.standard_normal((2, 4, 5)),
                            r.uniform(0.5, 0.95, 2)),
}
