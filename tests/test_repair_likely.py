"""Repairs by other rules, slopes, orders of axes and sibling functions: what is likely meant."""

import pytest

from tests.test_repair import HEAD, mended
from tests.test_repair_values import GATES

OTHERS = (
    HEAD
    + """
def leaky(z):
    return np.where(z > 0, z, 0.1 * z)


def dleaky(z):
    return np.where(z > 0, 1.0, 0.1)


def unit(x, w):
    z = x @ w
    return leaky(z), (x, w, z)


def unit_backward(dy, cache):
    x, w, z = cache
    dz = dy * dleaky(z)
    return dz @ w.T, x.T @ dz


def tokens(x, w):
    n, c, t = x.shape
    rows = x.transpose(0, 2, 1).reshape(-1, c)
    return (rows @ w).reshape(n, t, -1).transpose(0, 2, 1), (x.shape, rows, w)


def tokens_backward(dy, cache):
    (n, c, t), rows, w = cache
    drows = dy.transpose(0, 2, 1).reshape(n * t, -1)
    return (drows @ w.T).reshape(n, t, c).transpose(0, 2, 1), rows.T @ drows


def wave(x, w):
    return w * np.sin(x), (x, w)


def wave_backward(dy, cache):
    x, w = cache
    return dy * w * np.cos(x), dy * np.sin(x)


def silu(x):
    s = 1 / (1 + np.exp(-x))
    return x * s, (x, s)


def silu_backward(dy, cache):
    x, s = cache
    return dy * (s + x * s * (1 - s))


def best(x):
    k = x.argmax(axis=1)
    return x.max(axis=1), (x.shape, k)


def best_backward(dy, cache):
    shape, k = cache
    dx = np.zeros(shape)
    np.put_along_axis(dx, k[:, None], dy[:, None], 1)
    return dx


def weighted(w, k, c):
    return w[k] * c, (w, k, c)


def weighted_backward(dy, cache):
    w, k, c = cache
    dw = np.zeros_like(w)
    np.add.at(dw, k, dy * c)
    return dw, None, dy * w[k]


def affine(x, w):
    N = x.shape[0]
    return x.reshape(N, -1) @ w, (x, w)


def affine_backward(dy, cache):
    x, w = cache
    N = x.shape[0]
    return (dy @ w.T).reshape(x.shape), x.reshape(N, -1).T @ dy


def windows(x, k=2, stride=2):
    n, m = (s // stride for s in x.shape)
    y = np.zeros((n, m))
    for i in range(n):
        for j in range(m):
            r, c = i * stride, j * stride
            y[i, j] = (x[r : r + k, c : c + k] ** 2).sum()
    return y, (x, k, stride)


def windows_backward(dy, cache):
    x, k, stride = cache
    dx = np.zeros_like(x)
    for i in range(dy.shape[0]):
        for j in range(dy.shape[1]):
            a, b = i * stride, j * stride
            dx[a : a + k, b : b + k] += 2 * dy[i, j] * x[a : a + k, b : b + k]
    return dx


def padded(x, pad=1):
    p = np.pad(x, ((0, 0), (pad, pad)))
    return p[:, 1:] * p[:, :-1], (p, pad)


def padded_backward(dy, cache):
    p, pad = cache
    dp = np.zeros_like(p)
    dp[:, 1:] += dy * p[:, :-1]
    dp[:, :-1] += dy * p[:, 1:]
    dx = dp[:, pad : dp.shape[1] - pad]
    return dx


def mse(x, t):
    e = x - t
    return (e**2).mean(), e


def mse_backward(dy, e):
    return 2 * dy * e / e.size, -2 * dy * e / e.size


def scaled(x, w):
    return np.einsum("tc,c->tc", x, w), (x, w)


def scaled_backward(dy, cache):
    x, w = cache
    return dy * w, np.einsum("tc,tc->c", x, dy)


def running(x):
    s = np.cumsum(x**2, axis=0)
    return s, x


def running_backward(dy, x):
    return 2 * x * np.cumsum(dy[::-1], axis=0)[::-1]


def three(x, wa, wb, wc):
    a, b, c = np.tanh(x @ wa), np.sin(x @ wb), np.exp(x @ wc)
    kept = {"wa": wa, "wb": wb, "wc": wc, "a": a, "b": b, "c": c, "x": x}
    return a * b + c, kept


def three_backward(dy, kept):
    a, b, c, x = kept["a"], kept["b"], kept["c"], kept["x"]
    da = dy * b * (1 - a**2)
    db = dy * a * np.cos(x @ kept["wb"])
    dc = dy * c
    dx = da @ kept["wa"].T + db @ kept["wb"].T + dc @ kept["wc"].T
    return dx, x.T @ da, x.T @ db, x.T @ dc


CASES = {
    "padded": lambda rng: (rng.normal(size=(3, rng.integers(4, 7))),),
    "mse": lambda rng: (rng.normal(size=(3, 4)), rng.normal(size=(3, 4))),
    "scaled": lambda rng: (rng.normal(size=(4, 3)), rng.normal(size=3)),
    "running": lambda rng: (rng.normal(size=(4, rng.integers(2, 4))),),
    "three": lambda rng: (rng.normal(size=(4, 3)), *rng.normal(size=(3, 3, 2))),
    "unit": lambda rng: (rng.normal(size=(3, 4)), rng.normal(size=(4, rng.integers(5, 7)))),
    "tokens": lambda rng: (rng.normal(size=(2, 3, 4)), rng.normal(size=(3, rng.integers(5, 7)))),
    "wave": lambda rng: (rng.normal(size=(3, 4)), rng.normal(size=(3, 4))),
    "silu": lambda rng: (rng.normal(size=(3, rng.integers(4, 6))),),
    "best": lambda rng: (rng.normal(size=(5, rng.integers(3, 5))),),
    "weighted": lambda rng: (rng.normal(size=4), rng.integers(0, 4, 6), rng.normal(size=6)),
    "affine": lambda rng: (rng.normal(size=(4, 2, 3)), rng.normal(size=(6, rng.integers(5, 7)))),
    "windows": lambda rng: (rng.normal(size=(4, 2 * rng.integers(3, 5))),),
}
""".lstrip()
)


@pytest.mark.parametrize(
    ("text", "name", "right", "wrong", "kind"),
    [
        (GATES, "gates", "ai @ u.T + ao @ v.T", "ao @ u.T + ai @ v.T", "wrong-operand"),
        (OTHERS, "unit", "dleaky(z)", "leaky(z)", "wrong-operand"),
        (OTHERS, "tokens", "dy.transpose(0, 2, 1).reshape", "dy.reshape", "misaligned"),
        (OTHERS, "wave", "dy * w * np.cos(x)", "dy * w", "activation-derivative-missing"),
        (OTHERS, "silu", "dy * (s + x * s * (1 - s))", "dy * s * (1 - s)", "missing-term"),
        (OTHERS, "best", "dy[:, None], 1)", "1.0, 1)", "ignores-upstream"),
        (OTHERS, "weighted", "k, dy * c)", "k, c)", "ignores-upstream"),
        (OTHERS, "affine", "x.reshape(N, -1).T @", "x.reshape(-1, N) @", "misaligned"),
        (OTHERS, "padded", "dx = dp[:, pad : dp.shape[1] - pad]", "dx = dp", "shape"),
        (
            OTHERS,
            "mse",
            "return 2 * dy * e / e.size",
            "return 2 * dy * e / len(e)",
            "constant-factor",
        ),
        (OTHERS, "scaled", "tc,tc->c", "tc,td->c", "wrong-axis"),
        (OTHERS, "running", "np.cumsum(dy[::-1], axis=0)[::-1]", "np.cumsum(dy, axis=0)", None),
        (OTHERS, "three", ' + dc @ kept["wc"].T', "", "missing-term"),
        (OTHERS, "windows", "a, b = i * stride, j * stride", "a, b = i, j", None),
    ],
)
def test_what_is_likely_in_the_place_of_another(tmp_path, text, name, right, wrong, kind):
    start = text.index(f"def {name}_backward")
    assert text.count(right, start) == 1
    text = text[:start] + text[start:].replace(right, wrong)
    _, found = mended(tmp_path, text, name, seconds=60.0)
    assert len(found.edits) == 1
    assert found.kind == kind or kind is None
