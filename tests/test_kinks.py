"""Fingerprints: two points have the same one if and only if no decision lies between them."""

import functools
import itertools
import math

import numpy as np
import pytest

from gradcheck.checks import check
from gradcheck.instrument import watching
from gradcheck.kinks import Fingerprint


def fingerprint(f, x):
    hook = Fingerprint()
    with watching([f], hook):
        f(np.array(x, dtype=np.float64))
    return hook.digest()


def relu_loop(x):
    y = np.zeros_like(x)
    for i in range(len(x)):
        if x[i] > 0:
            y[i] = x[i]
    return y


def pool_loop(x):
    best = -np.inf
    for v in x:
        if v > best:
            best = v
    return best


def pool_builtin(x):
    best = -math.inf
    for v in x:
        best = max(best, v)
    return best


def pool_generator(x):
    return max(x[i] * 2 for i in range(len(x)))


def sorted_in_place(x):
    y = x.copy()
    y.sort()
    return y @ np.arange(len(y))


def partitioned_in_place(x):
    y = x * 1.0
    y.partition(1)
    return y[0]


def list_sorted_in_place(x):
    y = x.tolist()
    y.sort()
    return y[0]


def masked(x):
    y = x.copy()
    y[y < 0] *= 0.1
    return y


def masked_by_integers(x):
    return x[np.nonzero(x > 0)].sum()


def while_loop(x):
    n, total = 0, float(x[0])
    while total < 1:
        total, n = total + 0.5, n + 1
    return n * total


def ternary(x):
    return x * 2 if x.sum() > 0 else -x


def short_circuit(x):
    return x * (x[0] > 0 and x[1] > 0)


def any_all(x):
    return x if np.any(x < -0.5) else 2 * x


def maximum_at(x):
    out = np.zeros(1)
    np.maximum.at(out, [0, 0], x)
    return out


def maximum_out(x):
    y = np.empty_like(x)
    np.maximum(x, 0, out=y)
    return y


def in_a_helper(x):
    return relu_loop(x) + relu_loop(-x) * 0.1


def matched(x):
    match x.tolist():
        case [a, *_] if a > 0:
            return x
    return -x


def filtered(x):
    return sum(v for v in x if v >= 0.0)


# name, f, a, b on another piece than a, c on the piece of a
PROBES = [
    ("x * (x > 0)", lambda x: x * (x > 0), [1, -1], [1, 1], [2, -3]),
    ("maximum(x, 0)", lambda x: np.maximum(x, 0), [1, -1], [1, 1], [2, -3]),
    ("maximum(0, x)", lambda x: np.maximum(0, x), [1, -1], [-1, -1], [2, -3]),
    ("maximum, out", maximum_out, [1, -1], [1, 1], [2, -3]),
    ("where", lambda x: np.where(x > 0, x, 0.1 * x), [1, -1], [1, 1], [2, -3]),
    ("relu in a loop", relu_loop, [1, -1], [1, 1], [2, -3]),
    ("relu in a helper", in_a_helper, [1, -1], [1, 1], [2, -3]),
    ("relu by mask", masked, [1, -1], [1, 1], [2, -3]),
    ("relu by clip", lambda x: x.clip(0), [1, -1], [1, 1], [2, -3]),
    ("relu by clip, min", lambda x: x.clip(min=0), [1, -1], [1, 1], [2, -3]),
    ("relu by abs", lambda x: (x + abs(x)) / 2, [1, -1], [1, 1], [2, -3]),
    ("relu by heaviside", lambda x: x * np.heaviside(x, 0.5), [1, -1], [1, 1], [2, -3]),
    ("relu by sign", lambda x: x * (np.sign(x) + 1) / 2, [1, -1], [1, 1], [2, -3]),
    ("relu by comprehension", lambda x: [max(v, 0.0) for v in x], [1, -1], [1, 1], [2, -3]),
    (
        "relu by vectorize",
        lambda x: np.vectorize(lambda v: v if v > 0 else 0.0)(x),
        [1, -1],
        [1, 1],
        [2, -3],
    ),
    ("clip", lambda x: np.clip(x, -1, 1), [0, 2], [0, 0.5], [0.5, 3]),
    ("clip, keywords", lambda x: np.clip(x, a_min=-1, a_max=None), [0, -2], [0, 0], [9, -3]),
    ("clip by two", lambda x: np.minimum(np.maximum(x, -1), 1), [0, 2], [0, 0.5], [0.5, 3]),
    ("fmin", lambda x: np.fmin(x, x[::-1] + 1), [0, 2], [0, 0.5], [0, 3]),
    ("abs", lambda x: np.abs(x), [1, -1], [1, 1], [2, -3]),
    ("fabs", lambda x: [math.fabs(v) for v in x], [1, -1], [1, 1], [2, -3]),
    ("absolute by map", lambda x: list(map(abs, x)), [1, -1], [1, 1], [2, -3]),
    ("sign", lambda x: np.sign(x) * x, [1, -1], [1, 1], [2, -3]),
    ("copysign", lambda x: np.copysign(x, x[::-1]), [1, -1], [1, 1], [2, -3]),
    ("copysign, its size", lambda x: np.copysign(x, 2.0), [1, -1], [1, 1], [2, -3]),
    ("hypot with 0", lambda x: np.hypot(x, 0), [1, -1], [1, 1], [2, -3]),
    ("math.hypot with 0", lambda x: math.hypot(x[0], 0.0), [1, 0], [-1, 0], [2, 1]),
    ("max", lambda x: x.max(), [1, 2, 3], [1, 5, 3], [2, 1, 3]),
    ("np.max", lambda x: np.max(x * 2), [1, 2, 3], [1, 5, 3], [2, 1, 3]),
    ("min", lambda x: x.min(), [1, 2, 3], [1, 0, 3], [1, 5, 3]),
    ("max, axis", lambda x: x.reshape(2, 2).max(axis=1), [1, 2, 3, 4], [1, 2, 4, 3], [0, 5, 1, 9]),
    (
        "max, axis by place",
        lambda x: np.max(x.reshape(2, 2), 1),
        [1, 2, 3, 4],
        [2, 1, 3, 4],
        [0, 5, 1, 9],
    ),
    (
        "amax, keepdims",
        lambda x: np.amax(x.reshape(2, 2), axis=0, keepdims=True),
        [1, 2, 3, 4],
        [4, 2, 3, 4],
        [0, 2, 1, 9],
    ),
    (
        "max, two axes",
        lambda x: x.reshape(2, 2, 1).max(axis=(0, -1)),
        [1, 2, 3, 4],
        [4, 2, 3, 4],
        [0, 2, 1, 9],
    ),
    ("max of a list", lambda x: max(x.tolist()), [1, 2, 3], [1, 5, 3], [2, 1, 3]),
    ("max of scalars", lambda x: max(x[0], x[1], 0.5), [1, 2], [1, 0], [1.5, 3]),
    ("max of a generator", pool_generator, [1, 2, 3], [1, 5, 3], [2, 1, 3]),
    ("max in a loop", pool_builtin, [1, 2, 3], [1, 5, 3], [1, 1.5, 3]),
    ("max by if", pool_loop, [1, 2, 3], [1, 5, 3], [1, 1.5, 3]),
    ("max by reduce", lambda x: functools.reduce(np.maximum, x), [1, 2, 3], [1, 5, 3], [1, 1.5, 3]),
    ("max by sort", lambda x: np.sort(x)[-1], [1, 2, 3], [1, 5, 3], [0, 1, 3]),
    ("ptp", lambda x: np.ptp(x), [1, 2, 3], [1, 5, 3], [0, 1, 3]),
    ("maximum.reduce", lambda x: np.maximum.reduce(x), [1, 2, 3], [1, 5, 3], [2, 1, 3]),
    (
        "maximum.reduce, axis",
        lambda x: np.maximum.reduce(x.reshape(2, 2), axis=1),
        [1, 2, 3, 4],
        [2, 1, 3, 4],
        [0, 5, 1, 9],
    ),
    ("maximum.accumulate", lambda x: np.maximum.accumulate(x), [1, 2, 3], [1, 5, 3], [1, 1.5, 3]),
    (
        "accumulate, max",
        lambda x: list(itertools.accumulate(x, max)),
        [1, 2, 3],
        [1, 5, 3],
        [1, 1.5, 3],
    ),
    ("maximum.outer", lambda x: np.maximum.outer(x, x), [1, 2], [2, 1], [1, 5]),
    ("maximum.at", maximum_at, [1, 2], [3, 2], [0.5, 2]),
    ("argmax", lambda x: x[x.argmax()], [1, 2, 3], [1, 5, 3], [2, 1, 3]),
    ("argsort", lambda x: x[np.argsort(x)], [1, 2, 3], [1, 5, 3], [0, 1, 9]),
    ("sorted", lambda x: sorted(x, reverse=True)[0], [1, 2, 3], [1, 5, 3], [0, 1, 9]),
    (
        "sort, axis",
        lambda x: np.sort(x.reshape(2, 2), axis=0),
        [1, 2, 3, 4],
        [4, 2, 3, 4],
        [1, 0, 3, 4],
    ),
    ("sort in place", sorted_in_place, [1, 2, 3], [1, 5, 3], [0, 1, 9]),
    ("list sorted in place", list_sorted_in_place, [1, 2, 3], [1, 0, 3], [0, 1, 9]),
    ("partition", lambda x: np.partition(x, 1)[0], [1, 2, 3], [3, 2, 1], [0, 1, 9]),
    ("partition in place", partitioned_in_place, [1, 2, 3], [3, 2, 1], [0, 1, 9]),
    ("median", lambda x: np.median(x), [1, 2, 3], [1, 5, 3], [0, 1, 9]),
    ("median, axis", lambda x: np.median(x.reshape(1, 3), axis=1), [1, 2, 3], [1, 5, 3], [0, 1, 9]),
    ("percentile", lambda x: np.percentile(x, 40), [1, 2, 3], [1, 5, 3], [0, 1, 9]),
    ("round", lambda x: np.round(x) * x, [1.2, 3], [1.7, 3], [1.3, 3]),
    ("rint", lambda x: np.rint(x), [1.2, 3], [1.7, 3], [1.3, 3]),
    ("floor", lambda x: x - np.floor(x), [1.2, 3], [0.7, 3], [1.7, 3]),
    ("math.ceil", lambda x: math.ceil(x[0]), [1.2], [0.7], [1.7]),
    ("int", lambda x: int(x[0]) * x, [1.2], [0.7], [1.7]),
    ("astype(int)", lambda x: x.astype(int) * x, [1.2], [0.7], [1.7]),
    ("floor division", lambda x: x // 1 + x, [1.2], [0.7], [1.7]),
    ("%", lambda x: x % 1.0, [1.2], [0.7], [1.7]),
    ("np.mod", lambda x: np.mod(x, 1.0), [1.2], [2.7], [1.7]),
    ("fmod", lambda x: np.fmod(x, 1.0), [-1.2], [-2.7], [-1.7]),
    ("math.fmod", lambda x: math.fmod(x[0], 1.0), [-1.2], [-2.7], [-1.7]),
    ("divmod", lambda x: divmod(float(x[0]), 1.0)[1], [1.2], [2.7], [1.7]),
    ("if", ternary, [1, -2], [3, -2], [1, -3]),
    ("while", while_loop, [0.2], [-0.2], [0.3]),
    ("and", short_circuit, [1, -1], [1, 1], [2, -3]),
    ("any", any_all, [1, -1], [1, 1], [2, -3]),
    ("match", matched, [1], [-1], [2]),
    ("filter", filtered, [1, -1], [1, 1], [2, -3]),
    ("chained comparison", lambda x: x if 0 < x[0] < 1 else 0 * x, [0.5], [1.5], [0.7]),
    ("index by mask", lambda x: x[x > 0].sum(), [1, -1], [1, 1], [2, -3]),
    ("index by nonzero", masked_by_integers, [1, -1], [1, 1], [2, -3]),
    (
        "nonzero of floats",
        lambda x: np.nonzero(np.maximum(x, 0))[0] * 1.0,
        [1, -1],
        [1, 1],
        [2, -3],
    ),
    ("signbit", lambda x: np.signbit(x) * x, [1, -1], [1, 1], [2, -3]),
    ("isclose", lambda x: np.isclose(x, 0, atol=0.1) * x, [0, 1], [1, 1], [0.05, 1]),
    ("piecewise", lambda x: np.piecewise(x, [x < 0, x >= 0], [0.0, 1.0]), [1, -1], [1, 1], [2, -3]),
    ("select", lambda x: np.select([x > 0], [x], 0.0), [1, -1], [1, 1], [2, -3]),
    ("digitize", lambda x: np.digitize(x, [0.0]) * x, [1, -1], [1, 1], [2, -3]),
    ("searchsorted", lambda x: np.searchsorted([0.0, 1.0], x) * x, [2, -1], [0.5, -1], [3, -3]),
    ("interp", lambda x: np.interp(x, [0.0, 1.0, 2.0], [0.0, 5.0, 6.0]), [0.5], [1.5], [0.7]),
    ("norm 1", lambda x: np.linalg.norm(x, 1), [1, -1], [1, 1], [1.5, -3]),
    ("norm inf", lambda x: np.linalg.norm(x, ord=np.inf), [1, -2], [3, -2], [0.5, -3]),
    ("unique", lambda x: np.unique(x > 0).size * x, [1, -1], [1, 1], [2, -3]),
    (
        "apply_along_axis",
        lambda x: np.apply_along_axis(lambda r: r.max(), 0, x),
        [1, 2, 3],
        [1, 5, 3],
        [2, 1, 3],
    ),
]
# what no rewriting of the source can see: the ladder's own bound must tell
UNSEEN = [
    ("sqrt(x * x)", lambda x: np.sqrt(x * x), [1, -1], [1, 1]),
    ("(x ** 2) ** 0.5", lambda x: (x**2) ** 0.5, [1, -1], [1, 1]),
    ("truth of a float", lambda x: x if x[0] - 1 else 2 * x, [1], [1.5]),
]
# smooth all along: no fingerprint may change
SMOOTH = [
    ("arithmetic", lambda x: np.exp(x) @ x / (1 + x * x).sum(), [1, -1], [-2, 3]),
    ("norm", lambda x: np.linalg.norm(x), [1, -2], [3, 2]),
    ("norm 2", lambda x: np.linalg.norm(x, 2), [1, -2], [3, 2]),
    ("hypot", lambda x: np.hypot(x, x[::-1] + 9), [1, -2], [-3, 2]),
    ("sum, mean, var", lambda x: x.sum() + np.mean(x) * x.var(), [1, -2], [3, 2]),
    ("abs of complex", lambda x: np.abs(np.fft.fft(x * 1.0)), [1, -3], [3, 2]),
    ("sizes", lambda x: x * x.shape[0] / len(x) + int(x.size), [1, -2], [3, 2]),
    ("add.at", lambda x: np.add.at(np.zeros(3), [0, 2], x), [1, -2], [3, 2]),
    ("add.reduce", lambda x: np.add.reduce(x) * np.add.accumulate(x), [1, -2], [3, 2]),
    ("types as arguments", lambda x: x.astype(float) + np.zeros(2, float), [1, -2], [3, 2]),
]


@pytest.mark.parametrize(("f", "a", "b", "c"), [p[1:] for p in PROBES], ids=[p[0] for p in PROBES])
def test_a_decision_between_two_points_is_seen(f, a, b, c):
    home = fingerprint(f, a)
    assert home == fingerprint(f, a), "the same point twice"
    assert home == fingerprint(f, c), f"{a} and {c} lie on one smooth piece"
    assert home != fingerprint(f, b), f"a decision lies between {a} and {b}"


@pytest.mark.parametrize(("f", "a", "b"), [p[1:] for p in SMOOTH], ids=[p[0] for p in SMOOTH])
def test_a_smooth_function_has_one_fingerprint(f, a, b):
    assert fingerprint(f, a) == fingerprint(f, b)


@pytest.mark.parametrize(("f", "a", "b"), [p[1:] for p in UNSEEN], ids=[p[0] for p in UNSEEN])
def test_what_is_known_to_stay_unseen(f, a, b):
    """If one of these fails, a probe is seen that was not: move it to the others."""
    assert fingerprint(f, a) == fingerprint(f, b)


def test_ties_are_a_piece_of_their_own():
    for f in (lambda x: x.max(), lambda x: np.maximum(x[0], x[1]), lambda x: np.sign(x[0] - x[1])):
        pieces = {fingerprint(f, x) for x in ([1, 2], [2, 2], [2, 1])}
        assert len(pieces) == 3


def test_an_address_decides_nothing():
    f = lambda x: x * 2 if id(x) else x  # noqa: E731
    digests = set()
    for x in [np.ones(2), np.ones(2), np.ones(2)]:
        hook = Fingerprint()
        with watching([f], hook):
            f(x)
        digests.add(hook.digest())
    assert len(digests) == 1


def test_long_running_maxima_cost_no_more_than_their_input():
    x = np.random.default_rng(0).standard_normal(300_000)
    f = lambda x: np.maximum.accumulate(x)  # noqa: E731
    assert fingerprint(f, x) != fingerprint(f, -x)


def test_there_are_enough_probes():
    assert len({p[0] for p in PROBES}) == len(PROBES) >= 60


def amax(x):
    return x.max(axis=1), x


def first_wins(dy, x):
    dx = np.zeros_like(x)
    dx[np.arange(len(x)), x.argmax(axis=1)] = dy
    return dx


def all_share(dy, x):
    winners = x == x.max(axis=1, keepdims=True)
    return dy[:, None] * winners / winners.sum(axis=1, keepdims=True)


def all_win(dy, x):
    return dy[:, None] * (x == x.max(axis=1, keepdims=True))


def last_gets_more(dy, x):
    dx = first_wins(dy, x)
    dx[:, -1] += 0.3 * dy
    return dx


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    "x",
    [np.zeros((3, 100)), np.round(np.random.default_rng(0).normal(size=(4, 30)))],
    ids=["all tie", "some tie"],
)
def test_many_ties_are_judged_by_the_choices_around_them(x, seed):
    assert check(amax, first_wins, x, seed=seed).verdict == "kink"
    assert check(amax, all_share, x, seed=seed).verdict == "kink"
    assert check(amax, last_gets_more, x, seed=seed).verdict == "fail"
    assert check(amax, all_win, x, seed=seed).verdict == "fail"


@pytest.mark.parametrize(("share", "verdict"), [(0.5, "kink"), (1.5, "fail"), (-0.5, "fail")])
def test_a_tie_in_an_array_without_axes(share, verdict):
    def f(x):
        return np.maximum(x, 0), x

    def f_backward(dy, x):
        return dy * np.where(x == 0, share, x > 0)

    assert check(f, f_backward, np.array(0.0), diagnose=False).verdict == verdict
