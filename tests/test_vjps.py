"""The derivatives that `gradcheck.vjps` writes down are right, wherever it writes any."""

import ast

import numpy as np
import pytest
from scipy import special

from gradcheck.built import named
from gradcheck.derivation import is_gradient
from gradcheck.files import File
from gradcheck.forwards import Forward
from gradcheck.syntax import expression
from gradcheck.vjps import G, Rules

HELPER = """
def sigmoid(v):
    return 1 / (1 + np.exp(-v))


def softmax(v):
    e = np.exp(v - v.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def halves(v):
    # the rows cut in two, all first halves before the second ones
    n, d = v.shape
    return v.reshape(n, 2, d // 2).transpose(1, 0, 2).reshape(2 * n, d // 2)
"""
EXPRESSIONS = """
    x + r    r - x    x * r    r / x    x / r    -x    x ** 2    x ** 3    x ** p    2 ** 0.5 * x
    x @ w    x.T    (x @ w).T @ x    x[1:, :2]    x[[1, 0, 1]]    1 / np.sqrt(x)
    np.exp(x)    np.tanh(x) * r    np.log(x)    np.sqrt(x)    np.sin(x)    np.log1p(x)    np.abs(x)
    sigmoid(x)    1.0 / (1.0 + np.exp(-x))    special.expit(x)    special.erf(x)    np.square(x)
    np.logaddexp(0, x)    x.sum()    x.sum(axis=0)    x.sum(axis=1, keepdims=True) * x
    x.mean()    x.mean(axis=-1)    np.mean(x, axis=0, keepdims=True)    x - x.mean(axis=1)[:, None]
    x.var(axis=1)    np.std(x, axis=0)    x.max(axis=1)    np.max(x)    np.prod(x, axis=1)
    special.logsumexp(x, axis=1)    np.maximum(x, r)    np.minimum(x, 1)    np.clip(x, 0.9, 1.4)
    np.where(r > 1, x, x * r)    x.reshape(-1)    x.reshape(4, 3) * 2    x.transpose(1, 0)
    np.swapaxes(x, 0, 1)    np.concatenate([x, r], axis=1)    np.stack([r, x])    np.vstack((x, r))
    np.hstack((r, x))    np.cumsum(x, axis=0)    np.tril(x)    np.flip(x)    np.roll(x, 1, axis=0)
    np.pad(x, ((1, 2), (0, 1)))    np.repeat(x, 3, axis=1)    np.dot(x, w)    np.outer(x[0], x[1])
    np.einsum('ij,jk->ki', x, w)    np.linalg.norm(x)    np.linalg.inv(x[:, :3])
    np.linalg.solve(x[:, :3], r[:, 0])    np.linalg.solve(r[:, :3], x)    np.multiply(x, r)
    np.linalg.norm(x, axis=1)    np.linalg.norm(x, axis=0, keepdims=True) * x    softmax(x) * r
    special.log_softmax(x, axis=0)    np.log(softmax(x))    halves(x)    softmax(x + v)
    x * v    v + x * r    x.sum(axis=0) * v    np.expand_dims(x, 0)    np.broadcast_to(x, (2, 3, 4))
"""
LINES = EXPRESSIONS.strip().splitlines()
TEXTS = [t.strip() for line in LINES for t in line.split("    ") if t.strip()]


def values():
    rng = np.random.default_rng(7)
    known = {"np": np, "special": special, "p": 1.5}
    known |= {n: rng.uniform(0.5, 1.8, s) for n, s in (("x", (3, 4)), ("r", (3, 4)), ("w", (4, 2)))}
    known["v"] = rng.uniform(0.5, 1.8, 4)
    exec(HELPER, known)
    return known


def reads(text, name):
    return name in {n.id for n in ast.walk(expression(text)) if isinstance(n, ast.Name)}


@pytest.mark.parametrize(("text", "name"), [(t, n) for t in TEXTS for n in "xvr" if reads(t, n)])
def test_a_share_is_the_derivative(text, name):
    known, node = values(), expression(text)
    helpers = {f.name: f for f in ast.parse(HELPER).body}
    shares = [*Rules(lambda n: eval(ast.unparse(n), known), helpers).shares(node, name)]
    assert shares, "there is a rule for it"
    known[G] = np.random.default_rng(8).standard_normal(np.shape(eval(text, known)))
    total = np.zeros_like(known[name])
    for share in shares:
        index = ast.unparse(share.index).strip("()") if share.index else "..."
        np.add.at(total, eval(f"np.s_[{index}]", known), eval(ast.unparse(share.node), known))
    wanted, x, h = np.zeros_like(total), known[name], 1e-6
    for at in np.ndindex(x.shape):
        ends = []
        for sign in (1, -1):
            moved = x.copy()
            moved[at] += sign * h
            ends.append(np.sum(known[G] * eval(text, known | {name: moved})))
        wanted[at] = (ends[0] - ends[1]) / (2 * h)
    np.testing.assert_allclose(total, wanted, rtol=0, atol=1e-7 * max(1, np.max(np.abs(wanted))))


def test_what_no_rule_is_for_is_told():
    rules = Rules(lambda n: eval(ast.unparse(n), values()), {})
    with pytest.raises(ValueError, match=r"no rule for np.sinc\(x\)"):
        [*rules.shares(expression("np.sinc(x)"), "x")]


@pytest.mark.parametrize(
    ("name", "of", "is_so"),
    [
        ("dx", "x", True),
        ("grad_w", "W", True),
        ("h_bar", "h", True),
        ("dh_next", "h", True),
        ("grads.w", "w", False),
        ("x", "x", False),
        ("dout", "x", False),
    ],
)
def test_names_that_people_give_gradients(name, of, is_so):
    assert is_gradient(name, of) == is_so


def test_the_slopes_of_a_forward_are_those_of_its_functions_and_what_is_multiplied():
    text = "def f(x, w):\n    h = np.tanh(x)\n    return h * w, h"
    known = values() | {"w": np.ones((3, 4)), "h": np.zeros((3, 4))}
    forward = Forward(ast.parse(text).body[0], File(text), ((known, {}), None))
    assert {ast.unparse(s) for s in forward.slopes} == {"1 - np.tanh(x) ** 2", "w", "h"}
    assert ast.unparse(named(expression("a + b"), {"a": expression("c * d")})) == "c * d + b"
