"""Right code with names that promise something else."""

import numpy as np


def two_layers(x, w, w2):
    h = np.tanh(x @ w)
    return h @ w2 + h[:, :1], (x, w, w2, h)


def two_layers_backward(dz, cache):
    """`dw` is first for one matrix, then for the other; `dx` is for a while that of h."""
    x, w, w2, h = cache
    dw = h.T @ dz
    out = [dw]
    dx = dz @ w2.T
    dx[:, 0] += dz.sum(axis=1)
    dx = dx * (1 - h * h)
    dw = x.T @ dx
    out.insert(0, dw)
    dx = dx @ w.T
    return dx, *out


def gate(z, c):
    """`dz` is a share, `grad_c` the gradient of something else."""
    s = 1 / (1 + np.exp(-z))
    y = s * c + z
    return y, (s, c)


def gate_backward(dy, cache):
    s, c = cache
    grad_c = dy * c  # of s
    dz = grad_c * s * (1 - s)  # the share through s
    return dy + dz, dy * s


def dense_columns(x, W, b):
    """Samples are columns in here, rows outside."""
    x = x.T
    z = W.T @ x + b[:, None]
    z = np.maximum(z, 0.2 * z)
    return z.T, (x, W, z)


def dense_columns_backward(dx, cache):
    x, W, z = cache
    dW = dx.T * np.where(z > 0, 1, 0.2)
    db = dW.sum(axis=1)
    dx, dW = W @ dW, x @ dW.T
    return dx.T, dW, db


def variance(mean):
    """Not the mean: its argument only is called so."""
    std = mean - mean.mean()
    return (std**2).mean(), std


def variance_backward(var, x):
    n = var * 2 / len(x)
    return n * x


def negated(x, y):
    """x / y by way of -x."""
    x = -x
    r = x / y
    return -r, (r, y)


def negated_backward(dr, cache):
    r, y = cache
    dx = dr / y
    dy = dx * r
    return dx, dy


def swap(a, b):
    a, b = b, a
    return a * np.sin(b), (a, b)


def swap_backward(db, cache):
    b, a = cache
    da = db * b * np.cos(a)
    return da, db * np.sin(a)


def accumulate(x, n):
    """`dx` grows from nothing, and is never what its name says before the end."""
    y = x
    ys = []
    for _ in range(n):
        ys.append(y)
        y = y + np.sin(y) * x
    return y, (x, ys)


def accumulate_backward(d, cache):
    x, ys = cache
    dx = 0
    while ys:
        *ys, y = ys
        dx = dx + d * np.sin(y)
        d = d * (1 + np.cos(y) * x)
    return dx + d


def pair(rng, *, away=False):
    s = rng.permutation([2, 3, 5])[:2]
    b = rng.normal(size=s)
    return rng.normal(size=s), np.sign(b) * (np.abs(b) + 1) if away else b


def net(rng):
    n, d, h, m = rng.permutation([2, 3, 4, 5])
    return rng.normal(size=(n, d)), rng.normal(size=(d, h)), rng.normal(size=(h, m))


def layer(rng):
    x, w, _ = net(rng)
    return x, w, rng.normal(size=w.shape[1])


CASES = {
    "two_layers": net,
    "gate": pair,
    "dense_columns": layer,
    "variance": lambda rng: (rng.normal(size=6) + 2,),
    "negated": lambda rng: pair(rng, away=True),
    "swap": pair,
    "accumulate": lambda rng: (rng.normal(size=5), 3),
}
