import numpy as np

"""GNN layers and recommenders, worked out by hand before porting to the C++ trainer."""


def gcn(A, X, W, b):
    """relu(D^-1/2 (A + I) D^-1/2 X W + b); A (N, N) is an int adjacency matrix, symmetric."""
    At = A + np.eye(len(A))
    d = At.sum(1)
    S = At / np.sqrt(np.outer(d, d))
    M = S @ X
    Z = M @ W + b
    return np.maximum(Z, 0), dict(S=S, M=M, Z=Z, W=W)


def gcn_backward(dY, c):
    dZ = dY * (c["Z"] > 0)
    dW = c["M"].T @ dZ
    db = dZ.sum(axis=0)
    dX = c["S"].T @ (dZ @ c["W"].T)
    return dX, dW, db


def sage(X, Ws, Wn, src, dst):
    """X Ws + mean over in-neighbours of X, times Wn.  Edges src -> dst."""
    N = len(X)
    deg = np.maximum(np.bincount(dst, minlength=N), 1)[:, None]
    agg = np.zeros_like(X)
    for s, t in zip(src, dst):
        agg[t] += X[s]
    agg /= deg
    return X @ Ws + agg @ Wn, (X, Ws, Wn, src, dst, deg, agg)


def sage_backward(G, cache):
    X, Ws, Wn, src, dst, deg, agg = cache
    dX = G @ Ws.T
    dagg = (G @ Wn.T) / deg
    for s, t in zip(src, dst):
        dX[s] += dagg[t]
    return dX, X.T @ G, agg.T @ G


def factorise(U, V, bu, bi, R, seen, lam=0.05):
    """Squared error over the ratings seen plus L2: U (M, K), V (N, K), bu (M,), bi (N,), R (M, N) int, seen (M, N) bool"""
    err = np.where(seen, U @ V.T + bu[:, None] + bi - R, 0.0)
    n = seen.sum()
    loss = (err ** 2).sum() / n + lam * ((U ** 2).sum() + (V ** 2).sum())
    return float(loss), (U, V, err, n, lam)


def factorise_backward(dloss, cache):
    U, V, err, n, lam = cache
    e = 2 * err / n
    dU = e @ V + 2 * lam * U
    dV = e.T @ U + 2 * lam * V
    return dloss * dU, dloss * dV, dloss * e.sum(axis=1), dloss * e.sum(axis=0)


def gat_head(h, a_src, a_dst, adj):
    """One attention head on given features h (N, F): leaky-relu scores, softmax over neighbours (adj bool)."""
    raw = (h @ a_src)[:, None] + (h @ a_dst)[None, :]
    sc = np.where(raw > 0, raw, 0.2 * raw)
    sc = np.where(adj, sc, -1e30)
    p = np.exp(sc - sc.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    return p @ h, (h, a_src, a_dst, adj, raw, p)


def gat_head_backward(dout, cache):
    h, a_src, a_dst, adj, raw, p = cache
    dh = p.T @ dout
    dp = dout @ h.T
    dsc = p * (dp - (dp * p).sum(axis=1, keepdims=True))
    draw = dsc * np.where(raw > 0, 1.0, 0.2)
    left, right = draw.sum(axis=1), draw.sum(axis=0)
    dh += np.outer(left, a_src)
    dh += np.outer(right, a_dst)
    return dh, h.T @ left, h.T @ right


_A = np.array([[0, 1, 0, 0, 1], [1, 0, 1, 0, 0], [0, 1, 0, 1, 1], [0, 0, 1, 0, 0], [1, 0, 1, 0, 0]])
_ADJ = np.array([[1, 1, 0, 0], [0, 1, 1, 1], [1, 0, 1, 0], [0, 1, 0, 1]], dtype=bool)

CASES = {
    "gcn": lambda rng: (_A, rng.standard_normal((5, 3)), rng.standard_normal((3, 4)), rng.standard_normal(4)),
    "sage": lambda rng: (rng.standard_normal((5, 3)), rng.standard_normal((3, 4)), rng.standard_normal((3, 4)),
                         np.array([0, 1, 1, 4, 2, 1]), np.array([1, 0, 3, 3, 3, 2])),
    "factorise": lambda rng: (rng.standard_normal((4, 2)), rng.standard_normal((5, 2)), rng.standard_normal(4),
                              rng.standard_normal(5), rng.integers(1, 6, (4, 5)), rng.random((4, 5)) < 0.6),
    "gat_head": lambda rng: (rng.standard_normal((4, 3)), rng.standard_normal(3), rng.standard_normal(3), _ADJ),
}
