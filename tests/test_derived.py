"""What a forward asks of its backward: proposed for right code, the right statement is among it."""

import numpy as np
import pytest

from gradcheck.corpus import FOLDER
from gradcheck.derived import derived
from gradcheck.discovery import resolve
from gradcheck.ended import ended
from gradcheck.files import File

MODULES = [
    *("activations", "affine", "attention", "batch_norm", "conv_im2col", "contractions", "gru"),
    *(
        "softmaxes",
        "lstm_gates",
        "mlp",
        "norms",
        "rnn",
        "scan_ops",
        "soft_units",
        "transformer_net",
    ),
]
HEAD = "import numpy as np\n"
GATED = (
    HEAD
    + """
def gated(x, w, v, b):
    z = x @ w + b
    g = 1 / (1 + np.exp(-(x @ v)))
    h = np.tanh(z)
    return h * g, (x, w, v, h, g)


def gated_backward(dy, cache):
    x, w, v, h, g = cache
    dh = dy * g
    dg = dy * h
    dz = dh * (1 - h**2)
    du = dg * g * (1 - g)
    dx = dz @ w.T + du @ v.T
    dw = x.T @ dz
    return dx, dw, x.T @ du, dz.sum(axis=0)


def case(rng):
    shapes = (3, 4), (4, 5), (4, 5), (5,)
    return tuple(rng.normal(size=s) for s in shapes)


CASES = {"gated": case}
"""
)
HEADS = (
    HEAD
    + """
def heads(x, w, *, n=2):
    T, D = x.shape
    a = x.reshape(T, n, D // n).transpose(1, 0, 2)
    out = np.where(a > 0, a, -a).transpose(1, 0, 2).reshape(T, D) @ w
    return out, (x, w, a, n)


def heads_backward(dy, cache):
    x, w, a, n = cache
    T, D = x.shape
    dm = (dy @ w.T).reshape(T, n, D // n).transpose(1, 0, 2)
    da = np.where(a > 0, dm, -dm)
    dx = da.transpose(1, 0, 2).reshape(T, D)
    dw = np.abs(x).T @ dy
    return dx, dw


def case(rng):
    return rng.normal(size=(rng.choice([3, 5]), 8)), rng.normal(size=(8, 7))


CASES = {"heads": case}
"""
)
STATES = (
    HEAD
    + """
def states(x, h0, u):
    hs = np.zeros((len(x) + 1, *h0.shape))
    hs[0] = h0
    for t in range(len(x)):
        hs[t + 1] = np.tanh(x[t] + hs[t] @ u)
    v = hs[1:].copy()
    y = 3 * v
    return (y, v), (x, hs, u)


def states_backward(dys, cache):
    dy, dv = dys
    x, hs, u = cache
    dv = dv + 3 * dy
    dx, du, dh_next = np.zeros_like(x), np.zeros_like(u), np.zeros_like(hs[0])
    for t in reversed(range(len(x))):
        dh = dv[t] + dh_next
        dz = dh * (1 - hs[t + 1] ** 2)
        dx[t] = dz
        du += hs[t].T @ dz
        dh_next = dz @ u.T
    return dx, dh_next, du


def case(rng):
    return rng.normal(size=(4, 2, 3)), rng.normal(size=(2, 3)), rng.normal(size=(3, 3))


CASES = {"states": case}
"""
)


def proposed(text, check, lines=range(10_000)):
    """The statements that are proposed for a pair's backward."""
    first, *others = check.subjects(0, False)
    f, g, file = first.backward, first.forward, File(text)
    another = [s for s in others if s.arrays[0].shape != first.arrays[0].shape][:1]
    several = [ended(s, f, g) for s in (first, *another)]
    there, here = zip(*several, *[(None, None)] * (not another), strict=True)
    node = file.by_name[g.__qualname__].node
    return [i.edit().after for i in derived(file, f.__qualname__, lines, node, there, here)]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("module", MODULES)
def test_nothing_is_raised_by_what_people_write(module):
    path = FOLDER / "developed" / f"{module}.py"
    for check in resolve(str(path)):
        with np.errstate(all="ignore"):
            assert isinstance(proposed(path.read_text(), check), list)


def test_only_what_is_bound_before_is_read(tmp_path):
    file = tmp_path / "gated_wrong.py"
    file.write_text(GATED.replace("dh = dy * g", "dh = dy"))
    (check,) = resolve(str(file))
    line = GATED[: GATED.index("dh = dy")].count("\n") + 1
    found = proposed(file.read_text(), check, {line})
    assert "dh = dy * g" in found
    assert not any("dz" in f.split("=", 1)[1] for f in found)


@pytest.mark.parametrize(
    ("right", "wrong", "wanted"),
    [
        ("dh = dy * g", "dh = dy", "dh = dy * g"),
        ("dz = dh * (1 - h**2)", "dz = dh", "dz = dh * (1 - h ** 2)"),
        ("du = dg * g * (1 - g)", "du = dg", "du = dg * (g * (1 - g))"),
        ("dx = dz @ w.T + du @ v.T", "dx = dz @ w.T", "dx = dz @ w.T + du @ v.T"),
        ("dw = x.T @ dz", "dw = x.T @ dh", "dw = x.T @ dz"),
        ("dz.sum(axis=0)", "dh.sum(axis=0)", "return dx, dw, x.T @ du, dz.sum(axis=0)"),
        ("dx = dz @ w.T + du @ v.T", "dx = dz @ w.T", "dx = dz @ w.T; dx += du @ v.T"),
    ],
)
def test_the_right_statement_is_proposed(tmp_path, right, wrong, wanted):
    text = GATED.replace(right, wrong)
    assert text != GATED
    assert wanted in proposed_for(text, tmp_path)


def proposed_for(text, tmp_path):
    file = tmp_path / "wrong.py"
    file.write_text(text)
    (check,) = resolve(str(file))
    return proposed(text, check)


@pytest.mark.parametrize(
    ("right", "wrong", "wanted"),
    [
        (
            "dx = da.transpose(1, 0, 2).reshape(T, D)",
            "dx = da.reshape(T, D)",
            "dx = da.transpose(1, 0, 2).reshape(x.shape)",
        ),
        (
            "dm = (dy @ w.T).reshape(T, n, D // n).transpose(1, 0, 2)",
            "dm = (dy @ w.T).reshape(T, D // n, n).transpose(2, 0, 1)",
            "dm = (dy @ w.T).reshape((T, n, D // n)).transpose(1, 0, 2)",
        ),
        ("da = np.where(a > 0, dm, -dm)", "da = dm", "da = np.where(a > 0, dm, -dm)"),
    ],
)
def test_sizes_and_choices_have_the_words_of_the_backward(tmp_path, right, wrong, wanted):
    assert right in HEADS
    assert wanted in proposed_for(HEADS.replace(right, wrong), tmp_path)


def test_sizes_that_are_equal_by_chance_are_told_apart_at_other_sizes(tmp_path):
    right = "dm = (dy @ w.T).reshape(T, n, D // n).transpose(1, 0, 2)"
    text = HEADS.replace(right, "dm = (dy @ w.T).reshape(T, D // n, n).transpose(2, 0, 1)")
    text = text.replace("rng.choice([3, 5])", "rng.choice([5, 2])")  # 2 first, as heads
    found = proposed_for(text, tmp_path)
    assert "dm = (dy @ w.T).reshape((T, n, D // n)).transpose(1, 0, 2)" in found


@pytest.mark.parametrize(
    ("right", "wanted"),
    [
        ("        dh_next = dz @ u.T\n", "du += hs[t].T @ dz; dh_next = dz @ u.T"),
        (
            "    dv = dv + 3 * dy\n",
            "dv = dv + dy * 3; dx, du, dh_next = np.zeros_like(x), np.zeros_like(u), "
            "np.zeros_like(hs[0])",
        ),
    ],
)
def test_lost_statements_of_states_and_outputs_are_proposed(tmp_path, right, wanted):
    assert right in STATES
    found = proposed_for(STATES.replace(right, ""), tmp_path)
    assert wanted in found
