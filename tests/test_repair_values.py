"""Repairs at several places, of one change throughout a statement, of terms known by values."""

import pytest

from tests.test_repair import HEAD, mended

TURN = (
    HEAD
    + """
def turn(x, angle):
    c, s = np.cos(angle), np.sin(angle)
    a, b = x[:, :2], x[:, 2:]
    return np.concatenate([a * c - b * s, a * s + b * c], axis=1), (a, b, c, s)


def turn_backward(dy, cache):
    a, b, c, s = cache
    du, dv = dy[:, :2], dy[:, 2:]
    da = du * c + dv * s
    db = dv * c - du * s
    dangle = dv * (a * c - b * s) - du * (a * s + b * c)
    return np.concatenate([da, db], axis=1), dangle


CASES = {
    "turn": [
        lambda rng: (rng.normal(size=(3, 4)), rng.normal(size=(3, 2))),
        lambda rng: (rng.normal(size=(5, 4)), rng.normal(size=(5, 2))),
    ]
}
""".lstrip()
)
GATES = (
    HEAD
    + """
def gates(x, u, v):
    i, o = np.tanh(x @ u), 1 / (1 + np.exp(-(x @ v)))
    return i * o, (x, u, v, i, o)


def gates_backward(dy, cache):
    x, u, v, i, o = cache
    ai = dy * o * (1 - i**2)
    ao = dy * i * o * (1 - o)
    dx = ai @ u.T + ao @ v.T
    return dx, x.T @ ai, x.T @ ao


def case(rng):
    n, d = rng.permutation([2, 3, 4])[:2]
    return rng.normal(size=(n, d)), rng.normal(size=(d, d)), rng.normal(size=(d, d))


CASES = {"gates": case}
""".lstrip()
)
RIDGE = (
    HEAD
    + """
def ridge(x, w, q, reg=0.3):
    p = x @ w
    loss = 0.5 * (p**2).sum() + 0.5 * reg * (w**2).sum() + 0.5 * (q**2 / w**2).sum()
    return loss, (x, w, q, p, reg)


def ridge_backward(dloss, cache):
    x, w, q, p, reg = cache
    dp = dloss * p
    dw = x.T @ dp + dloss * reg * w - dloss * q**2 / w**3
    return np.outer(dp, w), dw, dloss * q / w**2


def case(rng):
    n, d = rng.permutation([4, 5, 6])[:2]
    return rng.normal(size=(n, d)), rng.uniform(1, 2, size=d), rng.normal(size=d)


CASES = {"ridge": case}
""".lstrip()
)


@pytest.mark.parametrize(
    ("text", "name", "changes", "kind"),
    [
        (
            TURN,
            "turn",
            [
                ("da = du * c + dv * s", "da = du * c - dv * s"),
                ("db = dv * c - du * s", "db = dv * c + du * s"),
            ],
            "sign",
        ),
        (
            GATES,
            "gates",
            [
                ("ai = dy * o * (1 - i**2)", "ai = dy * i * (1 - i**2)"),
                ("ao = dy * i * o * (1 - o)", "ao = dy * o * o * (1 - o)"),
            ],
            "wrong-operand",
        ),
        (
            GATES,
            "gates",
            [("dx = ai @ u.T + ao @ v.T", "dx = ai @ u + ao @ v")],
            "transposed",
        ),
        (
            GATES,
            "gates",
            [("ao = dy * i * o * (1 - o)", "ao = dy * i * i * (1 - i)")],
            "wrong-operand",
        ),
    ],
)
def test_changes_at_several_places(tmp_path, text, name, changes, kind):
    wrong = text
    for right, other in changes:
        assert right in wrong
        wrong = wrong.replace(right, other)
    lines, found = mended(tmp_path, wrong, name, seconds=60.0)
    assert found.kind == kind
    for right, _ in changes:
        assert f"+{right}".replace(" ", "") in [n.replace(" ", "") for n in lines]


@pytest.mark.parametrize(
    ("right", "wrong", "lines"),
    [
        (" + dloss * reg * w", "", ["+dw = x.T @ dp - dloss * q**2 / w**3 + dloss * reg * w"]),
        (
            "return np.outer(dp, w), dw",
            "return np.outer(p, q), dw",
            ["+return np.outer(dp, w), dw, dloss * q / w**2"],
        ),
    ],
)
def test_a_term_that_nothing_in_the_file_is(tmp_path, right, wrong, lines):
    """What is added or put in place is a product that no expression of the file has."""
    text = RIDGE.replace(right, wrong)
    assert text != RIDGE
    found = mended(tmp_path, text, "ridge", seconds=60.0)[0]
    assert found[1:] == lines


FRAMED = (
    HEAD
    + """
from types import SimpleNamespace as Kept


def framed(x, w, left=1, right=2):
    p = np.pad(x, ((0, 0), (left, right)))
    u = np.tanh(w)
    y = (p * u[: p.shape[1]]).reshape(-1)
    return y, Kept(p=p, u=u, w=w, left=left, right=right, shape=x.shape)


def framed_backward(dy, kept):
    left, right = kept.left, kept.right
    dy = dy.reshape(kept.p.shape)
    dp = dy * kept.u[: kept.p.shape[1]]
    dx = dp[:, left:-right]
    du = np.zeros_like(kept.w)
    du[: kept.p.shape[1]] = (dy * kept.p).sum(axis=0)
    dw = du * (1 - kept.u**2)
    return dx, dw


CASES = {
    "framed": [
        lambda rng: (rng.normal(size=(3, 4)), rng.normal(size=8)),
        lambda rng: (rng.normal(size=(2, 5)), rng.normal(size=9)),
    ]
}
""".lstrip()
)
TAPED = (
    HEAD
    + """
def taped(x):
    tape, y = [], x
    for k in range(3):
        tape.append(np.cos(y))
        y = np.sin(y)
    return y, tape


def taped_backward(dy, tape):
    for k in reversed(range(len(tape))):
        dy = dy * tape[k]
    return dy


CASES = {"taped": lambda rng: (rng.normal(size=rng.integers(3, 6)),)}
""".lstrip()
)


@pytest.mark.parametrize(
    ("text", "name", "right", "wrong", "kind"),
    [
        (FRAMED, "framed", "dx = dp[:, left:-right]", "dx = dp", "shape"),
        (FRAMED, "framed", "(1 - kept.u**2)", "(1 - kept.w**2)", "wrong-operand"),
        (TAPED, "taped", "dy * tape[k]", "dy * tape.pop()", "not-repeatable"),
    ],
)
def test_parts_attributes_and_what_is_popped(tmp_path, text, name, right, wrong, kind):
    assert right in text
    lines, found = mended(tmp_path, text.replace(right, wrong), name, seconds=60.0)
    assert found.kind == kind
    part = right.removeprefix("dx = dp")  # of dp itself, or of what is assigned from it
    assert part in lines[-1], lines


RULES = (
    HEAD
    + """
def attend(z, v):
    p = np.exp(z - z.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    return p @ v, (p, v)


def attend_backward(dy, cache):
    p, v = cache
    dp = dy @ v.T
    dz = p * (dp - (p * dp).sum(axis=1, keepdims=True))
    return dz, p.T @ dy


def gate(x, w):
    a = 1 / (1 + np.exp(-x))
    t = np.tanh(w)
    return a * t, (a, t)


def gate_backward(dy, cache):
    a, t = cache
    return dy * t * a * (1 - a), dy * a * (1 - t**2)


def grow(x, k=2):
    return x.repeat(k, axis=0).repeat(k, axis=1), (x.shape, k)


def grow_backward(dy, cache):
    (h, w), k = cache
    return dy.reshape(h, k, w, k).sum(axis=(1, 3))


def standard(x):
    sd = x.std(axis=0)
    h = (x - x.mean(axis=0)) / sd
    return h, (h, sd)


def standard_backward(dy, cache):
    h, sd = cache
    s = (dy * h).mean(axis=0)
    return (dy - dy.mean(axis=0) - h * s) / sd


CASES = {
    "attend": lambda rng: (rng.normal(size=(3, 4)), rng.normal(size=(4, rng.integers(5, 7)))),
    "gate": lambda rng: (rng.normal(size=(3, 4)), rng.normal(size=(3, 4))),
    "grow": lambda rng: (rng.normal(size=(3, rng.integers(4, 7))),),
    "standard": lambda rng: (rng.normal(size=(5, rng.integers(2, 4))),),
}
""".lstrip()
)


@pytest.mark.parametrize(
    ("name", "right", "wrong", "kind"),
    [
        (
            "attend",
            "p * (dp - (p * dp).sum(axis=1, keepdims=True))",
            "p * (1 - p) * dp",
            "softmax-diagonal-only",
        ),
        ("gate", "dy * a * (1 - t**2)", "dy * a * t * (1 - t)", "activation-derivative-misplaced"),
        ("gate", "dy * a * (1 - t**2)", "dy * a", "activation-derivative-missing"),
        ("grow", "(h, k, w, k).sum(axis=(1, 3))", "(k, h, k, w).sum(axis=(0, 2))", None),
        ("standard", " - h * s", "", "missing-term"),
    ],
)
def test_other_rules_and_what_a_sum_lacks(tmp_path, name, right, wrong, kind):
    assert RULES.count(right) == 1
    lines, found = mended(tmp_path, RULES.replace(right, wrong), name, seconds=60.0)
    assert found.kind == kind or kind is None
    if kind is None:  # it goes back by the same sizes
        assert right in lines[-1], lines
