import numpy as np


def gcn_forward(A, X, W, b):
    """
    Kipf & Welling layer: relu(D^-1/2 (A + I) D^-1/2 X W + b)
    A is a dense, non-negative (not necessarily symmetric) adjacency with row degrees.
    """
    At = A + np.eye(len(A))
    deg = At.sum(axis=1)
    s = deg ** -0.5
    S = s[:, None] * At * s[None, :]
    H = X @ W
    pre = S @ H + b
    out = np.maximum(pre, 0)
    return out, dict(At=At, deg=deg, s=s, S=S, H=H, X=X, W=W, pre=pre)


def gcn_backward(dout, c):
    dpre = dout * (c["pre"] > 0)
    db = dpre.sum(axis=0)
    dH = c["S"].T @ dpre
    dX = dH @ c["W"].T
    dW = c["X"].T @ dH
    dS = dpre @ c["H"].T
    s, At = c["s"], c["At"]
    ds = (dS * At * s[None, :]).sum(axis=1) + (dS * At * s[:, None]).sum(axis=0)
    ddeg = -0.5 * c["deg"] ** -1.5 * ds
    dA = dS * s[:, None] * s[None, :] + ddeg[:, None]
    return dA, dX, dW, db


def sage_forward(X, Wself, Wnbr, src, dst):
    """mean aggregation over an edge list src -> dst"""
    n = X.shape[0]
    cnt = np.maximum(np.bincount(dst, minlength=n), 1)
    agg = np.zeros_like(X)
    for u, v in zip(src, dst):
        agg[v] += X[u]
    agg = agg / cnt[:, None]
    return X @ Wself + agg @ Wnbr, (X, Wself, Wnbr, src, dst, cnt, agg)


def sage_backward(dY, cache):
    X, Wself, Wnbr, src, dst, cnt, agg = cache
    dWself = X.T @ dY
    dWnbr = agg.T @ dY
    dX = dY @ Wself.T
    dagg = dY @ Wnbr.T / cnt[:, None]
    for u, v in zip(src, dst):
        dX[u] += dagg[v]
    return dX, dWself, dWnbr, None, None


CASES = {
    "gcn": lambda r: (r.uniform(0, 1, (5, 5)) * (r.uniform(size=(5, 5)) < 0.6), r.standard_normal((5, 4)),
                      r.standard_normal((4, 3)), r.standard_normal(3)),
    "sage": lambda r: (r.standard_normal((5, 4)), r.standard_normal((4, 3)), r.standard_normal((4, 3)),
                       np.array([0, 1, 1, 3, 4, 2, 0]), np.array([1, 0, 2, 2, 2, 4, 4])),
}
