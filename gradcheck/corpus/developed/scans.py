"""Running sums, averages and recurrences along time, written as loops."""

import numpy as np


def cumsum(x):
    """Along the first axis."""
    y = np.zeros_like(x)
    total = 0.0
    for t in range(len(x)):
        total = total + x[t]
        y[t] = total
    return y, None


def cumsum_backward(dy, cache):
    dx = np.cumsum(dy[::-1], axis=0)[::-1]
    return dx


def cumprod(x):
    y = np.cumprod(x)
    return y, (x, y)


def cumprod_backward(dy, cache):
    x, y = cache
    dx = np.zeros_like(x)
    carry = 0.0
    for t in range(len(x) - 1, -1, -1):
        before = y[t - 1] if t > 0 else 1.0
        carry = carry + dy[t]
        dx[t] = carry * before
        carry = carry * x[t]
    return dx


def ema(x, a):
    """s[t] = a x[t] + (1 - a) s[t - 1] from s[-1] = 0, and a is a number in an array."""
    s = np.zeros((len(x) + 1, x.shape[1]))
    for t, xt in enumerate(x):
        s[t + 1] = a * xt + (1 - a) * s[t]
    return s[1:], (x, a, s)


def ema_backward(ds, cache):
    x, a, s = cache
    dx, da = np.zeros_like(x), 0.0
    carry = np.zeros(x.shape[1])
    for t in range(len(x) - 1, -1, -1):
        g = ds[t] + carry
        dx[t] = a * g
        da += np.sum(g * (x[t] - s[t]))
        carry = (1 - a) * g
    return dx, np.array(da)


def linear_recurrence(x, A, B):
    """h[t] = A h[t - 1] + B x[t], all of h."""
    h = np.zeros((len(x) + 1, len(A)))
    for t in range(len(x)):
        h[t + 1] = A @ h[t] + B @ x[t]
    return h[1:], (x, A, B, h)


def linear_recurrence_backward(dh, cache):
    x, A, B, h = cache
    gx, gA, gB = np.zeros_like(x), np.zeros_like(A), np.zeros_like(B)
    lam = np.zeros(len(A))
    for t in reversed(range(len(x))):
        lam = dh[t] + A.T @ lam
        gA += np.outer(lam, h[t])
        gB += np.outer(lam, x[t])
        gx[t] = B.T @ lam
    return gx, gA, gB


def diff(x):
    """x[t + 1] - x[t]"""
    return x[1:] - x[:-1], len(x)


def diff_backward(dy, n):
    dx = np.zeros(n)
    dx[1:] += dy
    dx[:-1] -= dy
    return dx


def moving_average(x, *, width=3):
    y = np.array([x[t : t + width].mean() for t in range(len(x) - width + 1)])
    return y, (len(x), width)


def moving_average_backward(dy, cache):
    n, width = cache
    dx = np.zeros(n)
    for t, g in enumerate(dy):
        dx[t : t + width] += g / width
    return dx


def returns(r, v, *, discount=0.9):
    """Discounted sums of rewards r, from the value v of what comes after the last."""
    G = np.empty(len(r))
    after = v[0]
    for t in reversed(range(len(r))):
        after = r[t] + discount * after
        G[t] = after
    return G, discount


def returns_backward(dG, discount):
    dr = np.empty_like(dG)
    acc = 0.0
    for t in range(len(dG)):
        acc = discount * acc + dG[t]
        dr[t] = acc
    return dr, np.array([discount * acc])


def series(rng):
    return (rng.normal(size=(int(rng.integers(4, 8)), 3)),)


def averaged(rng):
    return *series(rng), np.array(0.3)


def system(rng):
    t, n, m = rng.permutation([3, 4, 5])
    return rng.normal(size=(t, m)), rng.normal(size=(n, n)) / 2, rng.normal(size=(n, m))


def line(rng):
    return (rng.normal(size=int(rng.integers(6, 10))),)


CASES = {
    "cumsum": series,
    "cumprod": line,
    "ema": averaged,
    "linear_recurrence": system,
    "diff": line,
    "moving_average": line,
    "returns": lambda rng: (*line(rng), rng.normal(size=1)),
}
