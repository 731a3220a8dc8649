"""The names of mistakes, from the edits that undo them: by their text, and by values."""

import numpy as np
import pytest

from gradcheck.about import About, about
from gradcheck.implied import kind, of_edit


@pytest.mark.parametrize(
    ("before", "after", "named"),
    [
        ("dA = np.hstack((i, f, g, o))", "dA = np.hstack((i, f, o, g))", "gate-order"),
        ("dx[t] = dh[t - 1]", "dx[t] = dh[t]", "time-shift"),
        ("dx[:-1] = dy", "dx[1:] = dy", "misaligned"),
        ("dx = np.convolve(dy, k)", "dx = np.correlate(dy, k)", "flipped-kernel"),
        ("dw = x[2:].T @ dy[:-2]", "dw = x[:-2].T @ dy[2:]", "misaligned"),
        ("dx[2:] += dy[:-2] @ w", "dx[:-2] += dy[2:] @ w", "misaligned"),
        ("dw = x.T @ (dy @ v)", "dw = (dy @ v).T @ x", "transposed"),
        ("dx = y.sum(axis=1) + z.sum(axis=1)", "dx = y.sum(axis=0) + z.sum(axis=0)", "wrong-axis"),
        ("dx = dy[k] @ w[K - 1 - k]", "dx = dy[k] @ w[k]", "flipped-kernel"),
        ("dx = c * np.tanh(x)", "dx = c * erf(x / 2)", "forward-backward-variant-mismatch"),
        ("dx = 1 / n", "dx = dy / n", "ignores-upstream"),
        ("dx = a / b", "dx = (a + c * d) @ e", ""),
        ("out = f_backward((b, a), c)", "out = f_backward((a, b), c)", "argument-order"),
        ("dx = dy * (x >= 0)", "dx = dy * (x > 0)", "mask"),
        ("dx = dy * np.exp(y)", "dx = dy * y", "activation-derivative-misplaced"),
        ("dx += dy; dx += 1", "dx += dy", ""),
        ("dx = 2 * dy", "dx = 3 * dy", "constant-factor"),
        ("dx = dy.reshape(2, 3)", "dx = dy.reshape(2, 3).astype(x.dtype)", "dtype"),
        ("dx /= 2", "pass", "constant-factor"),
        ("dx = dy * t", "dx = dy * (1 - t)", "wrong-operand"),
        ("dx = dy / (n - 1)", "dx = dy / n", "forward-backward-variant-mismatch"),
        ("da = f * (1 - f)", "da = o * (1 - o)", "wrong-operand"),
        ("dz = p * (dp - p * dp)", "dz = p * (dp - (p * dp).sum(-1))", "softmax-diagonal-only"),
        ("dx = dy * a / dy.shape[0]", "dx = dy * a", "mean-vs-sum"),
        ("dx += w * np.roll(dy, -s)", "dx += w * np.roll(dy, s)", "misaligned"),
        ("g = dy[t : t + K]", "g = dy[t * s : t * s + K]", "misaligned"),
        ("dx = (dy @ w).reshape(s, order='F')", "dx = (dy @ w).reshape(s)", "misaligned"),
    ],
)
def test_the_kind_that_an_edit_implies(before, after, named):
    assert kind(before, after, About(frozenset({"dy"}), "t", frozenset({"n"}))) == named


def test_what_is_only_an_index_is_misaligned():
    text = "def f_backward(dy, x):\n    at = k * s\n    return dy[at] * x"
    assert of_edit(text, "f_backward", 2, "at = k * s", "at = k * s + d") == "misaligned"
    assert of_edit(text, "f_backward", 3, "return dy[at] * x", "return dy[at] * x * s") != ""


RNG = np.random.default_rng(7)
X, W, G = RNG.normal(size=(4, 3)), RNG.normal(size=(3, 2)), RNG.normal(size=(4, 2))
VALUES = {
    "x": X,
    "w": W,
    "dy": G,
    "h": np.tanh(X @ W),
    "keep": 0.8,
    "beta": 1.7,
    "N": 4,
    "D": 3,
    "m": (RNG.random((4, 2)) < 0.5),
    "scaled": (RNG.random((4, 2)) < 0.8) / 0.8,
    "at": np.array([0, 2, 1]),
    "np": np,
}


@pytest.mark.parametrize(
    ("before", "after", "named"),
    [
        ("dx = dy", "dx = dy * m", "mask"),
        ("dx = dy * m", "dx = dy * ~m", "mask"),
        ("dx = dy * (scaled > 0)", "dx = dy * scaled", "scale-by-keep-probability"),
        ("dx = dy * m", "dx = dy * m / keep", "scale-by-keep-probability"),
        ("dx = dy", "dx = beta * dy", "constant-factor"),
        ("dx = dy / N + dy * h", "dx = dy + dy * h", "mean-vs-sum"),
        ("dx = dy / N + dy * h / N", "dx = dy + dy * h", "mean-vs-sum"),
        ("dx = dy / (N * D)", "dx = dy / D", "constant-factor"),
        ("dx = dy / np.sqrt(D)", "dx = dy / np.sqrt(N)", "constant-factor"),
        ("db = x[None].sum(0).mean(0)", "db = x[None].sum((0, 1))", "mean-vs-sum"),
        ("db = dy.copy()", "db = np.einsum('nk->k', dy)", "unreduced-broadcast"),
        ("dx = dy.sum(0)[None]", "dx = np.ones((4, 1)) * dy.sum(0)", "shape"),
        ("dw = dy.T @ x", "dw = x.T @ dy", "transposed"),
        ("dx = dy.reshape(2, 4)", "dx = dy.T", "misaligned"),
        ("dx = dy[at]", "dx = dy[at - 1]", "misaligned"),
        ("dx = np.take(x, at, 0)", "dx = np.take(x, at - 1, 0)", "misaligned"),
        ("dw = np.ones_like(dy).T @ x", "dw = dy.T @ x", "ignores-upstream"),
        ("dw = x.sum(axis=0)", "dw = x.T @ dy", "ignores-upstream"),
        ("dz = dy * h * (1 - h)", "dz = dy * (1 - h**2)", "activation-derivative-misplaced"),
        ("dz = dy * (1 - x**2)", "dz = dy * (1 - h**2)", "activation-derivative-misplaced"),
        ("dz = dy", "dz = dy * (1 - h**2)", "activation-derivative-missing"),
        ("dz = dy", "dz = np.where(x > 0, dy, beta * dy)", "activation-derivative-missing"),
        ("dz = h * (1 - h) * dy", "dz = h * (dy - np.sum(h * dy))", "softmax-diagonal-only"),
        ("dz = -h * dy", "dz = dy - h * dy", "missing-term"),
        ("dz = dy * h / N", "dz = dy * (h / N - h**2)", "missing-term"),
        ("dx = -(G @ w)", "dx = s * x - G @ w", "missing-term"),
        ("dx = dy / h**2", "dx = dy / h**3", "wrong-operand"),
        ("dx *= h", "dx /= h", "wrong-operand"),
        ("dx *= keep", "dx /= keep", "scale-by-keep-probability"),
        ("dx = g; y = 1", "dx = g; dx *= h; y = 1", "missing-term"),
        ("y = 1", "dx[x < 0] = 0; y = 1", "activation-derivative-missing"),
        ("y = 1", "dx[ids] = 0; y = 1", "mask"),
        ("dx = np.tril(dx)", "pass", "mask"),
        ("dx = dxh[None, :] * w", "dx = dxh[:, None] * w", "wrong-axis"),
        ("dx = w[-1 - i, -1 - j]", "dx = w[i, j]", "flipped-kernel"),
        (
            "dx = np.einsum('nk,nd->nkd', dy, x)",
            "dx = np.einsum('nk,nd->kd', dy, x)",
            "unreduced-broadcast",
        ),
        ("dx = np.einsum('nd->d', x)", "dx = np.einsum('nk,nd->kd', dy, x)", "ignores-upstream"),
        (
            "dx = np.einsum('nk,nd->kd', dy, h)",
            "dx = np.einsum('nk,nd->kd', dy, x)",
            "wrong-operand",
        ),
        ("dx = dy.astype(np.float16)", "dx = dy", "precision"),
        ("dx = np.zeros(3, dtype=int)", "dx = np.zeros(3)", "dtype"),
    ],
)
def test_the_kind_that_values_tell(before, after, named):
    given = About(upstream=frozenset({"dy"}), scope=({"np": np}, VALUES))
    assert kind(before, after, given) == named


LOOP = """
def f_backward(dh, w):
    carry = total = 0
    for t in reversed(range(3)):
        g = dh[t]
        carry = g @ w
        total = total + g
        dx[t] = g
    return dx, total
"""


@pytest.mark.parametrize(
    ("line", "before", "after", "named"),
    [
        (5, "g = dh[t]", "g = dh[t] + carry", "missing-recurrent-term"),
        (5, "g = dh[t]", "g = dh[t] + x[t]", "missing-term"),
        (5, "g = dh[t]", "g = dh[t - 1] if t > 0 else h0", "time-shift"),
        (7, "total = g", "total = total + g", "overwrites-instead-of-accumulates"),
        (6, "carry = g @ w", "carry = carry + g @ w", "overwrites-instead-of-accumulates"),
    ],
)
def test_what_one_pass_of_a_loop_leaves_to_the_next(line, before, after, named):
    assert of_edit(LOOP, "f_backward", line, before, after) == named


def test_what_else_is_cached_is_another_operand():
    text = "def f(x, w):\n    return x @ w, (x, np.tanh(w))"
    edit = "return x @ w, (x, np.tanh(w))", "return x @ w, (x, w)"
    assert of_edit(text, "f", 2, *edit, forward=True) == "wrong-operand"


def test_what_is_carried_is_no_plain_total():
    assert about(LOOP, "f_backward", 5).carried == {"carry"}
