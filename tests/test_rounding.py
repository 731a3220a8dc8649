"""Rounding jitter: of the size of true rounding errors, with every discrete result held fast."""

import math
from fractions import Fraction
from functools import reduce

import numpy as np
import pytest
from numpy import tanh

from gradcheck.instrument import watching
from gradcheck.rounding import UNIT, Decisions, Jitter, spread

SINGLE = 2.0**-24


def conv(x, w):
    kh, kw = w.shape
    y = np.zeros((x.shape[0] - kh + 1, x.shape[1] - kw + 1), x.dtype)
    for i in range(y.shape[0]):
        for j in range(y.shape[1]):
            y[i, j] = np.sum(x[i : i + kh, j : j + kw] * w)
    return y


def softmax(x, w):
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def layer_norm(x, w):
    z = x - x.mean(axis=1, keepdims=True)
    return z / np.sqrt((z * z).mean(axis=1, keepdims=True) + x.dtype.type(1e-5))


def recurrent(x, w):
    h = np.zeros(x.shape[1], x.dtype)
    for row in x:
        h = tanh(h * w[0, 0] + row)
    return h


def accumulated(x, w):
    total = np.zeros(x.shape[1], x.dtype)
    for row in x:
        total += row * row
    return total


def scattered(x, w):
    out = np.zeros(3, x.dtype)
    np.add.at(out, np.arange(x.shape[1]) % 3, np.exp(x).sum(0))
    return out


def einsummed(x, w):
    return np.einsum("ij,kj->ik", x, x)


def through_out(x, w):
    y = np.empty_like(x)
    np.multiply(x, w[0, 0], out=y)
    np.exp(y, out=y)
    return y


def cancelling(x, w):
    return (1 + x * x) - np.sqrt(1 + 2 * x * x + x**4 + x.dtype.type(0.01))


PAIRS = [
    lambda x, w: x @ w.repeat(x.shape[1] // 3, 0),
    conv,
    softmax,
    layer_norm,
    recurrent,
    accumulated,
    scattered,
    einsummed,
    through_out,
    cancelling,
    lambda x, w: np.log1p(np.exp(-np.abs(x))) + np.maximum(x, 0),
    lambda x, w: np.linalg.norm(x, axis=1) / x.std(axis=1),
]


def rms(a):
    return float(np.sqrt(np.mean(np.square(a))))


@pytest.mark.parametrize("f", PAIRS, ids=lambda f: f.__name__)
def test_the_spread_is_of_the_size_of_the_rounding_errors_of_float32(f):
    ratios = []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        x, w = rng.standard_normal((5, 12)), rng.standard_normal((3, 4))
        x, w = x.astype(np.float32), w.astype(np.float32)
        wide = x.astype(np.float64), w.astype(np.float64)
        single = f(x, w)
        assert single.dtype == np.float32, "the comparison wants a function that keeps float32"
        (expected,) = spread(lambda wide=wide: [f(*wide)], [f], seed, unit=SINGLE)
        ratios.append(rms(single - f(*wide)) / rms(expected))
    assert max(ratios) < 3, "jitter must not miss rounding that is there"
    assert np.median(ratios) > 0.05, "nor invent what is not"


def dot(a, b):
    total = 0.0
    for p, q in zip(a, b, strict=True):
        total += p * q
    return total


@pytest.mark.parametrize(
    ("f", "n"),
    [
        (dot, 10),
        (dot, 100),
        (np.dot, 10),
        (np.dot, 1000),
        (lambda a, b: np.sum(a * b), 1000),
        (lambda a, b: (a * b).sum(), 1000),
    ],
)
def test_the_spread_of_a_sum_of_products_covers_its_exact_error(f, n):
    def run(a, b):
        return f(a, b)

    ratios = []
    for seed in range(6):
        rng = np.random.default_rng([seed, n])
        a, b = rng.standard_normal(n), rng.standard_normal(n)
        exact = sum(Fraction(p) * Fraction(q) for p, q in zip(a, b, strict=True))
        error = abs(float(Fraction(float(f(a, b))) - exact))
        (expected,) = spread(lambda a=a, b=b: [np.asarray(run(a, b))], [run, f], seed)
        ratios.append(error / float(expected))
    assert max(ratios) < 4


def test_the_spread_of_exact_code_is_zero():
    def moved(x):
        y = np.concatenate([x.T.reshape(3, -1), -x.reshape(3, -1)])[::-1]
        y = np.where(y > 0, y, np.abs(y).max()).copy()
        return np.sort(y, axis=0), np.maximum(y, 0.5).round(), np.floor(y), y // 0.25

    x = np.random.default_rng(0).standard_normal((4, 3))
    assert [s.max() for s in spread(lambda: list(moved(x)), [moved], 0)] == [0, 0, 0, 0]


def shaken(f, *args, unit=1e-3, seed=1):
    """One run of f under a jitter far greater than rounding."""
    decisions = Decisions()
    with watching([f], decisions):
        f(*args)
    with watching([f], Jitter(np.random.default_rng(seed), decisions, unit)):
        return f(*args)


def test_a_mask_of_the_greatest_does_not_flip():
    def f(x):
        y = x * 3.3
        return y == y.max(axis=1, keepdims=True)

    x = np.random.default_rng(0).standard_normal((5, 7))
    x[:, 2] = x[:, 4] = 9.0
    plain = f(x)
    assert plain.sum() == 10
    assert (shaken(f, x) == plain).all()


@pytest.mark.parametrize(
    "f",
    [
        lambda x: (x * 1.1).argsort(),
        lambda x: (x * 1.1 > x * 1.1001).astype(int),
        lambda x: np.floor(x * 1e4),
        lambda x: np.round(x * 1e4) * 1,
        lambda x: np.sign(x * 1.1 - 1.1 * x),
        lambda x: np.array([int(v * 1e5) for v in x]),
        lambda x: np.array([math.floor(v * 1e5) for v in x]),
        lambda x: np.array([float(v * 2 > w * 2) for v in x for w in x]),
        lambda x: np.greater(x * 2, x * 2, out=np.zeros(x.shape, bool)) + 0,
    ],
    ids=[
        "argsort",
        "compare",
        "floor",
        "round",
        "sign",
        "int",
        "math-floor",
        "float",
        "greater-out",
    ],
)
def test_discrete_results_are_those_of_the_first_run(f):
    x = np.random.default_rng(0).standard_normal(9)
    plain = f(x)
    # what the last product does to them does not matter
    assert np.allclose(shaken(f, x), plain, rtol=2e-3, atol=0)


def test_decisions_after_one_written_by_out_are_not_shifted():
    def f(x):
        mask = np.zeros(x.shape, bool)
        np.greater(x, 0, out=mask)
        np.less(x, 9, out=mask)
        return mask, x > 1

    x = np.array([-2.0, 0.5, 3.0])
    for a, b in zip(f(x), shaken(f, x), strict=True):
        assert (a == b).all()


def test_integral_scalars_are_left_alone():
    def f(x, h, k, s):
        n = float(x.shape[0]) * 2
        out = int((h - k) / s + 1)
        return n / 4 * 2, out, h * 2.0, x.size / 2

    x = np.ones((6, 2))
    assert shaken(f, x, 9, 3, 2) == (6.0, 4, 18.0, 6.0)
    assert shaken(f, x, 8, 3, 2)[1] == f(x, 8, 3, 2)[1] == 3


def test_accumulation_jitters_at_every_step():
    def f(rows):
        total = 0.0
        y = np.zeros(2)
        view = y[1:]
        for r in rows:
            total += r
            y += 1
            view *= 1.0
        return total, y

    rows = np.array([0.5, 0.25, 0.125])
    totals, ys = zip(*(shaken(f, rows, seed=k) for k in range(40)), strict=True)
    assert len(set(totals)) == 40
    spread_of_last = np.std([y for y in ys], axis=0)
    assert 1e-4 < spread_of_last[0] < spread_of_last[1] * 1.5 < 1e-2


def test_add_at_jitters_terms_and_sums_in_place():
    def f(x):
        out = np.zeros(3)
        same = out
        np.add.at(out, [0, 2, 2, 0], x)
        return out, same is out

    x = np.array([1.0, 2.0, -2.0, 4.0])
    out, alias = shaken(f, x)
    assert alias
    assert out[1] == 0
    assert 0 < abs(out[2]) < 1e-1, "terms that cancel leave their rounding"
    assert 0 < abs(out[0] - 5) < 1e-1


def test_scalars_of_the_math_module_jitter():
    def f(x):
        return np.array([math.exp(float(v)) * 1.5 for v in x])

    (s,) = spread(lambda: [f(np.array([0.3, -2.0]))], [f], 0)
    assert (s > 0.1 * UNIT).all()


def test_what_foreign_python_functions_return_jitters():
    from scipy.special import softmax as theirs

    def f(x):
        return theirs(x)

    (s,) = spread(lambda: [f(np.array([0.3, -2.0]))], [f], 0)
    assert (s > 0).all()


def test_views_and_stored_arrays_keep_their_identity():
    def f(x):
        store = {}
        store.setdefault("g", np.zeros(3))
        store["g"] += x
        got = store.get("g")
        got *= 2
        flags = np.zeros((2, 3), bool)
        flags.reshape(-1)[4] = True
        grid = (x * 2.0)[:, None] * np.ones(2)
        grid.T.reshape(2, 3)[1] = 7
        np.matrix_transpose(grid)[1, 0] = 8
        np.require(grid)[0, 0] = 9
        return store["g"], flags, grid

    g, flags, grid = shaken(f, np.array([1.0, 2.0, 3.0]))
    assert np.allclose(g, [2, 4, 6], rtol=1e-2) and (g != [2, 4, 6]).all()
    assert flags.tolist() == [[False] * 3, [False, True, False]]
    assert (grid[:, 1] == [8, 7, 7]).all() and grid[0, 0] == 9


def test_a_matrix_and_an_array_of_no_axes_stay_what_they_are():
    def f(x):
        m = np.asmatrix(x) * np.asmatrix(x).T
        z = np.vectorize(lambda a: a * 0.3)(x[0, 0])
        z[()] += 1
        return m, z

    with pytest.warns(PendingDeprecationWarning):
        m, z = shaken(f, np.ones((2, 3)) * 0.7)
    assert type(m) is np.matrix and m.shape == (2, 2)
    assert type(z) is np.ndarray and z.shape == ()


def test_a_generator_is_consumed_once():
    def f(x):
        return sum(v * 0.5 for v in x), reduce(lambda a, b: a * b + 0.5, iter(x))

    x = [0.3, 0.7, 0.9]
    assert np.allclose(shaken(f, x), f(x), rtol=2e-2)


def test_a_reduction_by_the_users_own_function_runs_once():
    calls = []

    def f(x):
        return reduce(lambda a, b: calls.append(a) or a * b, x)

    shaken(f, np.array([0.3, 0.7, 0.9]))
    assert len(calls) == 2 * 2, "two steps, in a recorded and in a shaken run"


def test_a_decision_that_comes_once_only_does_not_shift_the_others():
    done = []

    def f(x):
        if not done:  # a memo: the second run takes another way
            done.append(x > 100)
        y = x * 2.0
        return y > 2 * x

    x = np.array([1.0, 2.0, 3.0])
    assert not shaken(f, x).any()
