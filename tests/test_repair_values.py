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
        (" + dloss * reg * w", "", ["+dw = x.T @ dp - dloss * q**2 / w**3 + dloss * w * reg"]),
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
