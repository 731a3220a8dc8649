"""Lines that make a gradient wrong are among few candidates; right lines are left alone."""

import importlib

import numpy as np
import pytest
from scipy import sparse

import scratchnn as nn
from gradcheck import catalogue
from gradcheck.discovery import resolve
from gradcheck.layerwise import parts
from gradcheck.placing import place
from gradcheck.shipped import Layer, layer_subject
from gradcheck.subjects import pair

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")

DENSE = """
import numpy as np

def dense(x, w, b):
    z = x @ w + b
    h = np.tanh(z)
    return h, (x, w, h)

def dense_backward(dh, cache):
    x, w, h = cache
    dz = dh * (1 - h**2)
    dx = dz @ w.T
    dw = x.T @ dz
    db = dz.sum(axis=0)
    return dx, dw, db

def draw(rng):
    return rng.normal(size=(5, 3)), rng.normal(size=(3, 2)), rng.normal(size=2)

CASES = {"dense": draw}
"""

CELL = """
import numpy as np

def cell(x, c, w):
    g = np.tanh(x @ w)
    next_c = 0.5 * c + g
    tc = np.tanh(next_c)
    return (tc * g, next_c), {"x": x, "w": w, "g": g, "tc": tc}

def cell_backward(dy, cache):
    dh, dnext_c = dy
    x, w, g, tc = (cache[k] for k in ("x", "w", "g", "tc"))
    dc = dnext_c + dh * g * (1 - tc**2)
    dg = dc + dh * tc
    dz = dg * (1 - g**2)
    return dz @ w.T, 0.5 * dc, x.T @ dz

def draw(rng):
    return rng.normal(size=(4, 3)), rng.normal(size=(4, 2)), rng.normal(size=(3, 2))

CASES = {"cell": draw}
"""

LOOP = """
import numpy as np

def smooth(x, a):
    s = np.zeros(x.shape)
    s[0] = x[0]
    for t in range(1, len(x)):
        s[t] = a * x[t] + (1 - a) * s[t - 1]
    return s, (x, a, s)

def smooth_backward(ds, cache):
    x, a, s = cache
    dx, da = np.zeros(x.shape), 0.0
    carry = np.zeros(x.shape[1:])
    for t in range(len(x) - 1, 0, -1):
        g = ds[t] + carry
        dx[t] += a * g
        da += np.sum(g * (x[t] - s[t - 1]))
        carry = (1 - a) * g
    dx[0] = ds[0] + carry
    return dx, np.array(da)

def draw(rng):
    return rng.normal(size=(5, 3)), np.array(0.3)

CASES = {"smooth": draw}
"""

GATHER = """
import numpy as np

def spread(g, shape):
    total = g.sum(axis=0)
    return np.ones(shape) * total

def lookup(table, ids, shift):
    picked = table[ids]
    return picked + shift, (table.shape, ids)

def lookup_backward(dy, cache):
    shape, ids = cache
    dtable = np.zeros(shape)
    np.add.at(dtable, ids, dy)
    dshift = spread(dy, dy.shape[1:])
    return dtable, None, dshift

def draw(rng):
    return rng.normal(size=(4, 3)), np.array([2, 0, 2, 1, 2]), rng.normal(size=3)

CASES = {"lookup": draw}
"""

TEXTS = {"dense": DENSE, "cell": CELL, "smooth": LOOP, "lookup": GATHER}
# pair, the right text, the wrong one, and what the wrong line is said to be
WRONG = [
    ("dense", "dz = dh * (1 - h**2)", "dz = dh * (1 - h)", "should be the gradient of z (line 5)"),
    ("dense", "dw = x.T @ dz", "dw = x.T @ dh", "should be the gradient of w"),
    ("dense", "db = dz.sum(axis=0)", "db = dz.mean(axis=0)", "should be the gradient of b"),
    ("dense", "return h, (x, w, h)", "return h, (x, w, z)", "with h (line 6) in its place"),
    ("dense", "db = dz.sum(axis=0)", "db = dz.sum(axis=1)", "db is float64 of shape (5,)"),
    ("dense", "dx = dz @ w.T", "dx = dz @ w", "it raises ValueError"),
    ("dense", "dz = dh * (1 - h**2)", "dz = dh; dz *= 1 - h**2", "it writes into an array"),
    (
        "cell",
        "dc = dnext_c + dh * g * (1 - tc**2)",
        "dc = dh * g * (1 - tc**2)",
        "should be the gradient of next_c (line 6), and lacks dnext_c (line 11)",
    ),
    (
        "cell",
        '("x", "w", "g", "tc"))',
        '("x", "w", "tc", "g"))',
        "with two of its values exchanged every gradient is right",
    ),
    ("smooth", "dx[t] += a * g", "dx[t - 1] += a * g", "another result would make every"),
    ("smooth", "g = ds[t] + carry", "g = ds[t]", "another result would make every"),
    ("lookup", "np.add.at(dtable, ids, dy)", "dtable[ids] += dy", "the gradient of table"),
    (
        "lookup",
        "total = g.sum(axis=0)",
        "total = g.mean(axis=0)",
        "should be the gradient of shift",
    ),
]


def placed(folder, stem, before="", after=""):
    """(lines that were edited, what was found)."""
    text = TEXTS[stem]
    if before:
        assert text.count(before) == 1
        text = text.replace(before, after)
    file = folder / f"{stem}_{abs(hash(after))}.py"
    file.write_text(text)
    (check,) = [c for c in resolve(str(file)) if c.name == stem]
    subject = next(iter(check.subjects(0, False)))
    lines = text.splitlines()
    return [k for k, line in enumerate(lines, 1) if after and after in line], place(subject)


@pytest.mark.parametrize(("stem", "before", "after", "words"), WRONG)
def test_the_wrong_line_is_the_first_of_few(tmp_path, stem, before, after, words):
    (line,), found = placed(tmp_path, stem, before, after)
    told = [c.line for c in found.lines]
    assert line in told[:2]
    assert len(told) <= 3
    assert words in next(c.why for c in found.lines if c.line == line)


@pytest.mark.parametrize("stem", TEXTS)
def test_no_line_of_right_code_is_accused(tmp_path, stem):
    _, found = placed(tmp_path, stem)
    assert found.lines == ()


def test_a_line_whose_inputs_are_right_is_said_to_be_wrong_itself(tmp_path):
    (line,), found = placed(tmp_path, "dense", "dw = x.T @ dz", "dw = 2 * x.T @ dz")
    (only,) = found.lines
    assert only.why.startswith(f"the inputs of line {line} are right, its result is wrong")
    assert set(found.innocent) >= {11, 12, 14}


def test_results_are_paired_with_the_values_whose_gradients_they_are(tmp_path):
    _, found = placed(tmp_path, "cell", "x.T @ dz", "x.T @ dg")
    assert "line 13: its result is the gradient of next_c (line 6)" in found.known
    assert "line 14: its result is the gradient of g (line 5)" in found.known


def test_two_wrong_lines_are_both_told(tmp_path):
    text = DENSE.replace("dz @ w.T", "dh @ w.T").replace("x.T @ dz", "x.T @ dh")
    (tmp_path / "twice.py").write_text(text)
    (check,) = resolve(str(tmp_path / "twice.py"))
    found = place(next(iter(check.subjects(0, False))))
    assert {12, 13} <= {c.line for c in found.lines}


def test_functions_that_are_trusted_are_left_alone(tmp_path):
    file = tmp_path / "outer.py"
    calls = "def twice(x, w, b):\n    return dense(2 * x, w, b)\n\n"
    calls += "def twice_backward(dy, cache):\n    return dense_backward(dy, cache)\n"
    file.write_text(DENSE.replace("CASES", calls + "\nCASES").replace('"dense": d', '"twice": d'))
    (check,) = [c for c in resolve(str(file)) if c.name == "twice"]
    subject = next(iter(check.subjects(0, False)))
    found = place(subject, trusted=("dense", "dense_backward"))
    assert found.lines
    assert all(c.function == "twice_backward" for c in found.lines)


def test_a_list_of_the_cache_that_is_used_up_is_found():
    def f(x):
        return 2 * x, [x, 2.0]

    def f_backward(dy, cache):
        k = cache.pop()
        return k * dy

    (only,) = place(pair(f, f_backward, (np.ones(3),))).lines
    assert only.line == f_backward.__code__.co_firstlineno + 1
    assert "changes a list of the cache" in only.why


def test_sizes_that_nobody_checks_stay_as_they_are():
    asked = set()

    def csr_array(parts, shape):  # the one of SciPy writes outside of its arrays when it is wrong
        asked.add(shape)
        return sparse.csr_array(parts, shape=shape)

    def pick(table, ids):
        return table[ids], (len(table), ids)

    def pick_backward(dy, cache):
        V, ids = cache
        s = csr_array((np.ones(len(ids)), ids, np.arange(len(ids) + 1)), (len(ids), V))
        return s.T @ (2 * dy)

    arrays = np.random.default_rng(0).normal(size=(4, 3)), np.array([2, 0, 3, 1, 2])
    found = place(pair(pick, pick_backward, arrays))
    assert found.lines[0].line == pick_backward.__code__.co_firstlineno + 3
    assert asked == {(5, 4)}


def test_indices_that_nobody_checks_are_not_taken_for_others():
    asked = set()

    def csr_array(parts, shape):
        asked.add(tuple(parts[1]))
        return sparse.csr_array(parts, shape=shape)

    def pick(table, ids):
        further = ids + 1  # outside of the table
        return table[further - 1], (ids, len(table))

    def pick_backward(dy, cache):
        ends = np.arange(len(dy) + 1)
        return csr_array((np.ones(len(dy)), cache[0], ends), (len(dy), cache[1])).T @ (2 * dy)

    arrays = np.random.default_rng(0).normal(size=(4, 3)), np.array([2, 0, 3, 1, 2])
    place(pair(pick, pick_backward, arrays))
    assert asked == {(2, 0, 3, 1, 2)}


def test_a_result_that_others_see_change_is_not_inspected():
    def f(x):
        return x**2, x

    def f_backward(dy, x):
        d = np.zeros_like(x)
        view = d[:]
        d = d[::-1]
        view += 3 * x * dy
        return d[::-1]

    found = place(pair(f, f_backward, (np.arange(1.0, 4.0),)))
    assert any("could not be changed alone" in words for words in found.uninspected)


# ---- networks


def broken(cls, change):
    """A class like cls whose backward ends in `change(dparams, dx, dy)`."""

    def backward(self, dy, cache):
        dparams, dx = cls.backward(self, dy, cache)
        return change(dparams, dx, dy)

    return type(cls.__name__, (cls,), {"backward": backward})


def found_in(build, shape):
    layer = Layer("network", lambda _: build(), shape)
    return parts(layer_subject(layer, 0, twin=False))


def wrong(found):
    return [(p.path[-1], p.arguments) for p in found if p.verdict == "wrong"]


@pytest.fixture
def half_bias():
    return broken(nn.Linear, lambda dparams, dx, dy: ({**dparams, "b": dparams["b"] / 2}, dx))


def test_a_wrong_layer_of_a_sequence_is_the_cause_and_the_others_are_right(half_bias):
    layers = (("a", nn.Linear(3, 4)), ("r", nn.Op(nn.tanh)), ("c", half_bias(4, 5)))
    found = found_in(lambda: nn.Sequential(layers), (2, 3))
    assert wrong(found) == [("layer 3 c (Linear)", ("b",))]
    assert {p.verdict for p in found if p.path[1:2] != ("layer 3 c (Linear)",)} <= {
        "right",
        "contains",
    }


def test_what_receives_a_wrong_cotangent_is_a_consequence():
    doubled = broken(nn.Linear, lambda dparams, dx, dy: (dparams, 2 * dx))
    layers = (("a", nn.Linear(3, 4)), ("r", nn.Op(nn.tanh)), ("c", doubled(4, 5)))
    found = found_in(lambda: nn.Sequential(layers), (2, 3))
    assert wrong(found) == [("layer 3 c (Linear)", ("x",))]
    verdicts = {p.path[-1]: p.verdict for p in found}
    assert verdicts["layer 1 a (Linear)"] == verdicts["layer 2 r (Op)"] == "consequence"
    (cause,) = [p for p in found if p.verdict == "wrong"]
    assert str(cause) == "first wrong: Sequential / layer 3 c (Linear), argument x"


def test_a_wrong_layer_inside_others_is_the_cause(half_bias):
    inner = nn.Sequential((("p", nn.Linear(3, 4)), ("q", half_bias(4, 3))))
    outer = nn.Sequential((("first", nn.Residual(inner)), ("last", nn.Linear(3, 2))))
    found = found_in(lambda: outer, (2, 3))
    assert wrong(found) == [("layer 2 q (Linear)", ("b",))]
    verdicts = {p.path: p.verdict for p in found}
    assert verdicts[("Sequential", "layer 1 first (Residual)")] == "contains"


def test_a_block_that_is_wrong_between_right_parts_is_the_cause():
    lost = broken(nn.Residual, lambda dparams, dx, dy: (dparams, dx - dy))
    layers = (("res", lost(nn.Linear(3, 3))), ("out", nn.Linear(3, 2)))
    found = found_in(lambda: nn.Sequential(layers), (2, 3))
    assert wrong(found) == [("layer 1 res (Residual)", ("x",))]


def test_an_op_of_a_model_that_is_written_out_is_the_cause(monkeypatch):
    mlp = importlib.import_module("scratchnn.models.mlp")
    right = mlp.relu_backward
    monkeypatch.setattr(mlp, "relu_backward", lambda dy, cache: 2 * right(dy, cache))
    found = found_in(lambda: nn.MLP((3, 4, 4, 2)), (2, 3))
    assert {path for path, _ in wrong(found)} == {"relu 1", "relu 2"}


@pytest.mark.parametrize("name", ["MLP", "Sequential", "TransformerBlock", "CharRNN"])
def test_no_part_of_a_right_network_is_accused(name):
    found = parts(layer_subject(catalogue.find(name), 0, twin=False))
    assert {p.verdict for p in found} <= {"right", "unmatched"}
