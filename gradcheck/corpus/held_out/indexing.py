import numpy as np

# gathers, segments and small reductions (toy autograd, part 2); g is the upstream gradient


def gather_mul(a, b, ia, ib):
    """y[e] = a[ia[e]] * b[ib[e]] (rows)"""
    return a[ia] * b[ib], (a, b, ia, ib)


def gather_mul_backward(g, saved):
    a, b, ia, ib = saved
    da = np.zeros_like(a)
    db = np.zeros_like(b)
    for e, (p, q) in enumerate(zip(ia, ib)):
        da[p] += g[e] * b[q]
        db[q] += g[e] * a[p]
    return da, db


def segment_mean(x, seg, n):
    """Mean of rows per segment id; empty segments give 0."""
    cnt = np.bincount(seg, minlength=n)
    y = np.zeros((n, x.shape[1]))
    np.add.at(y, seg, x)
    cnt = np.maximum(cnt, 1)
    return y / cnt[:, None], (seg, cnt)


def segment_mean_backward(g, saved):
    seg, cnt = saved
    return (g / cnt[:, None])[seg]


def ema(x, beta=0.7):
    """m[t] = beta m[t-1] + (1 - beta) x[t], m[-1] = x[0]"""
    m = np.empty_like(x)
    m[0] = x[0]
    for t in range(1, len(x)):
        m[t] = beta * m[t - 1] + (1 - beta) * x[t]
    return m, beta


def ema_backward(g, beta):
    dx = np.zeros_like(g)
    run = np.zeros_like(g[0])
    for t in range(len(g) - 1, 0, -1):
        run = run + g[t]
        dx[t] = (1 - beta) * run
        run = beta * run
    dx[0] = run + g[0]
    return dx


def softmax_cols(x, tau=2.0):
    e = np.exp((x - x.max(axis=0)) / tau)
    p = e / e.sum(axis=0)
    return p, (p, tau)


def softmax_cols_backward(g, saved):
    p, tau = saved
    J = lambda c: np.diag(c) - np.outer(c, c)
    return np.stack([J(p[:, j]) @ g[:, j] for j in range(p.shape[1])], axis=1) / tau


CASES = dict(
    gather_mul=lambda r: (r.standard_normal((4, 3)), r.standard_normal((5, 3)), np.array([0, 2, 2, 3, 0, 2]), np.array([1, 1, 4, 0, 1, 4])),
    segment_mean=lambda r: (r.standard_normal((7, 3)), np.array([0, 3, 0, 1, 3, 3, 0]), 5),
    ema=lambda r: (r.standard_normal((5, 2)),),
    softmax_cols=lambda r: (r.standard_normal((4, 3)),),
)
