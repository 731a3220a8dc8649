"""Every signature names what it should, and keeps silent beside it."""

import numpy as np
import pytest
from scipy.special import expit

from gradcheck import naming
from gradcheck.samples import take
from gradcheck.subjects import pair


def kinds(f, f_backward, make):
    """The names by argument, from two draws of other shapes, and what else they may be."""
    samples = []
    for k, n in enumerate((5, 7)):
        rng = np.random.default_rng(k)
        subject = pair(f, f_backward, make(rng, n))
        dy = tuple(rng.standard_normal(np.shape(v)) for v in subject.run().y)
        sample = take(subject, dy)
        assert sample is not None
        samples.append(sample)
    return {a: n.kind for a, n in naming.names(samples).items()}


def dense(rng, n):
    return rng.normal(size=(n, 3)), rng.normal(size=(3, 4)), rng.normal(size=4)


def affine(x, w, b):
    return x @ w + b, (x, w)


def affine_bug(change):
    """The backward of affine, with `change(dx, dw, db)` for its gradients."""

    def affine_backward(dy, cache):
        x, w = cache
        return change(dy @ w.T, x.T @ dy, dy.sum(0), dy)

    return affine_backward


AFFINE = {
    "sign": lambda dx, dw, db, dy: (dx, dw, -db),
    "mean-vs-sum": lambda dx, dw, db, dy: (dx, dw, db / len(dy)),
    "constant-factor": lambda dx, dw, db, dy: (dx, dw / 2, db),
    "unreduced-broadcast": lambda dx, dw, db, dy: (dx, dw, dy),
    "wrong-axis": lambda dx, dw, db, dy: (dx, dw, np.full(4, db.sum())),
    "not-implemented": lambda dx, dw, db, dy: (dx, dw, None),
    "missing-term": lambda dx, dw, db, dy: (dx, dw, np.zeros(4)),
    "gate-order": lambda dx, dw, db, dy: (dx, dw, np.concatenate([db[2:], db[:2]])),
    "flipped-kernel": lambda dx, dw, db, dy: (dx, dw[::-1], db),
    "misaligned": lambda dx, dw, db, dy: (np.roll(dx, 1, 0), dw, db),
}
NOT_NAMED = {
    "a sign at one entry": lambda dx, dw, db, dy: (dx, dw, db * [-1, 1, 1, 1]),
    "another factor at each draw": lambda dx, dw, db, dy: (dx, dw * np.exp(dy[0, 0]), db),
    "a shape whose sum is wrong": lambda dx, dw, db, dy: (dx, dw, dy * 1.1),
    "one entry too many summed": lambda dx, dw, db, dy: (dx, dw, db + db[0]),
    "a border": lambda dx, dw, db, dy: (dx * (np.arange(len(dx)) > 0)[:, None], dw, db),
    "one place moved": lambda dx, dw, db, dy: (dx[[1, 0, *range(2, len(dx))]], dw, db),
}


@pytest.mark.parametrize("kind", AFFINE)
def test_a_signature_of_one_gradient(kind):
    (found,) = kinds(affine, affine_bug(AFFINE[kind]), dense).values()
    assert found == kind


@pytest.mark.parametrize("what", NOT_NAMED)
def test_beside_a_signature_nothing_is_named(what):
    (found,) = kinds(affine, affine_bug(NOT_NAMED[what]), dense).values()
    assert found == "unnamed"


def test_a_factor_that_is_a_size_at_one_draw_only_is_no_mean():
    bug = affine_bug(lambda dx, dw, db, dy: (dx, dw, db / 5))
    assert kinds(affine, bug, dense) == {"b": "constant-factor"}


def test_of_a_single_entry_no_factor_is_named():
    def total(x, c):
        return c * x, x

    def total_backward(dy, x):
        return dy * 1.7, 0.3 * np.sum(dy * x)

    def total_right_x(dy, x):
        return dy * 2.0, 0.3 * np.sum(dy * x)

    def make(rng, n):
        return rng.normal(size=n), np.array(2.0)

    assert kinds(total, total_right_x, make) == {"c": "unnamed"}


def test_gradients_in_another_order_and_two_that_are_one():
    def product(a, b):
        return a * b, (a, b)

    def swapped(dy, cache):
        a, b = cache
        return dy * a, dy * b

    def doubled(dy, cache):
        a, _ = cache
        return dy * a, dy * a

    def make(rng, n):
        return rng.normal(size=n), rng.normal(size=n)

    assert set(kinds(product, swapped, make).values()) == {"argument-order"}
    assert kinds(product, doubled, make) == {"a": "wrong-operand"}


def square(x, w):
    return x @ w, (x, w)


def square_case(rng, n):
    return rng.normal(size=(n, 3)), rng.normal(size=(3, 3))


def test_a_transposed_gradient_a_transposed_factor_and_half_of_one():
    def result(dy, cache):
        x, w = cache
        return dy @ w.T, (x.T @ dy).T

    def factor(dy, cache):
        x, w = cache
        return dy @ w, x.T @ dy

    def half(dy, cache):
        x, w = cache
        return dy @ (w + w.T) / 2, x.T @ dy

    assert kinds(square, result, square_case) == {"w": "transposed"}
    assert kinds(square, factor, square_case) == {"x": "transposed"}
    assert kinds(square, half, square_case) == {"x": "unnamed"}


def dropout(x, mask):
    scaled = mask / 0.8
    return x * scaled, (scaled, mask, 0.8)


def masked_case(rng, n):
    mask = np.ones((n, 4))
    mask[rng.integers(0, n, 6), rng.integers(0, 4, 6)] = 0
    return rng.normal(size=(n, 4)), mask.astype(bool)


def test_a_lost_mask_and_its_lost_scale():
    def scale(dy, cache):
        return dy * cache[1], None

    def everywhere(dy, cache):
        return dy / cache[2], None

    def other(dy, cache):
        return dy * cache[0] * 0.7, None

    assert kinds(dropout, scale, masked_case) == {"x": "scale-by-keep-probability"}
    assert kinds(dropout, everywhere, masked_case) == {"x": "mask"}
    assert kinds(dropout, other, masked_case) == {"x": "constant-factor"}


def test_a_factor_like_a_keep_probability_where_nothing_is_dropped():
    def scaled(x):
        return x / 0.8, 0.8

    def scaled_backward(dy, keep):
        return dy

    assert kinds(scaled, scaled_backward, lambda rng, n: (rng.normal(size=n),)) == {
        "x": "constant-factor"
    }


def table(E, ids):
    return E[ids], (E.shape, ids)


def test_repeated_rows_that_overwrite_and_that_count_half():
    def overwrites(dy, cache):
        shape, ids = cache
        dE = np.zeros(shape)
        dE[ids] = dy
        return dE, None

    def half(dy, cache):
        shape, ids = cache
        dE = np.zeros(shape)
        np.add.at(dE, ids, dy * np.linspace(0.5, 1, len(ids))[:, None])
        return dE, None

    def make(rng, n):
        return rng.normal(size=(4, n)), np.array([0, 1, 1, 3, 0, 2])

    assert kinds(table, overwrites, make) == {"E": "overwrites-instead-of-accumulates"}
    assert kinds(table, half, make) == {"E": "unnamed"}


def recurrent(x, w):
    h, hs = np.zeros(w.shape[0]), []
    for t in range(len(x)):
        h = np.tanh(x[t] + h @ w)
        hs.append(h)
    return np.array(hs), (hs, w)


def recurrent_bug(carry, operand):
    def recurrent_backward(dy, cache):
        hs, w = cache
        dx, dw, back = np.zeros_like(dy), np.zeros_like(w), np.zeros(len(w))
        for t in reversed(range(len(dy))):
            dz = (dy[t] + back) * (1 - hs[t] ** 2)
            dx[t] = dz
            before = hs[t - 1] if t else np.zeros(len(w))
            dw += np.outer(operand(before, hs[t]), dz)
            back = carry(dz, w)
        return dx, dw

    return recurrent_backward


def test_a_lost_recurrence_a_transposed_one_and_a_step_too_late():
    def make(rng, n):
        return rng.normal(size=(n, 3)), rng.normal(size=(3, 3)) / 2

    def before(h, now):
        return h

    lost = recurrent_bug(lambda dz, w: 0 * dz, before)
    turned = recurrent_bug(lambda dz, w: dz @ w, before)
    late = recurrent_bug(lambda dz, w: dz @ w.T, lambda h, now: now)
    assert set(kinds(recurrent, lost, make).values()) == {"missing-recurrent-term"}
    assert set(kinds(recurrent, turned, make).values()) == {"transposed"}
    assert kinds(recurrent, late, make) == {"w": "time-shift"}


def normalize(x):
    n = np.sqrt((x * x).sum(1, keepdims=True))
    return x / n, (x, n)


def rows(rng, n):
    return (rng.normal(size=(n, 3)),)


@pytest.mark.parametrize(
    "share, kind", [(0.0, "missing-term"), (-1.0, "sign"), (2.0, "constant-factor")]
)
def test_a_path_that_counts_otherwise(share, kind):
    def normalize_backward(dy, cache):
        x, n = cache
        return dy / n - share * x * (dy * x).sum(1, keepdims=True) / n**3

    assert kinds(normalize, normalize_backward, rows) == {"x": kind}


def test_a_path_that_is_another_one_is_not_named():
    def normalize_backward(dy, cache):
        x, n = cache
        return dy / n - x * (dy * x).sum(0, keepdims=True) / n**3

    assert kinds(normalize, normalize_backward, rows) == {"x": "unnamed"}


def layer(x, w):
    a = expit(x @ w)
    return a, (x, w, a)


@pytest.mark.parametrize(
    "slope, kind",
    [
        (lambda a: 1, "activation-derivative-missing"),
        (lambda a: a, "activation-derivative-missing"),
        (lambda a: expit(a) * (1 - expit(a)), "activation-derivative-misplaced"),
        (lambda a: a * (1 - a) + 0.1, "unnamed"),
        (lambda a: a**1.5, "unnamed"),
    ],
)
def test_the_slope_of_an_activation(slope, kind):
    def layer_backward(dy, cache):
        x, w, a = cache
        dz = dy * slope(a)
        return dz @ w.T, x.T @ dz

    def make(rng, n):
        return rng.normal(size=(n, 3)), rng.normal(size=(3, 4))

    assert set(kinds(layer, layer_backward, make).values()) == {kind}


def softmax(z):
    e = np.exp(z - z.max(1, keepdims=True))
    p = e / e.sum(1, keepdims=True)
    return p, p


@pytest.mark.parametrize(
    "backward, kind",
    [
        (lambda dy, p: dy * p * (1 - p), "softmax-diagonal-only"),
        (lambda dy, p: dy * p, "missing-term"),
        (lambda dy, p: dy, "activation-derivative-missing"),
        (lambda dy, p: p * (dy - dy.mean(1, keepdims=True)), "unnamed"),
    ],
)
def test_a_softmax(backward, kind):
    def softmax_backward(dy, p):
        return backward(dy, p)

    assert kinds(softmax, softmax_backward, rows) == {"z": kind}


def filtered(x, h):
    return np.convolve(x, h, mode="valid"), (x, h)


def test_a_flipped_kernel_and_a_reversed_sum():
    def filtered_backward(dy, cache):
        x, h = cache
        return np.convolve(dy, h), np.correlate(x, dy, mode="valid")[::-1]

    def running(x):
        return np.cumsum(x), None

    def running_backward(dy, cache):
        return np.cumsum(dy)

    def make(rng, n):
        return rng.normal(size=n + 4), rng.normal(size=3)

    assert kinds(filtered, filtered_backward, make) == {"x": "flipped-kernel"}
    assert kinds(running, running_backward, lambda rng, n: (rng.normal(size=n),)) == {
        "x": "time-shift"
    }


@pytest.mark.parametrize(
    "digits, kind",
    [
        (lambda g: g.astype(np.float16).astype(float), "precision"),
        (lambda g: g * (1 + 1e-4 * np.arange(len(g))), "unnamed"),
    ],
)
def test_rounding_is_told_from_a_small_error(digits, kind):
    def cube(x):
        return x**3, x

    def cube_backward(dy, x):
        return digits(3 * x**2 * dy)

    assert kinds(cube, cube_backward, lambda rng, n: (rng.normal(size=n),)) == {"x": kind}


def test_what_holds_at_one_draw_only_is_not_named():
    def double(x):
        return 2 * x, None

    def double_backward(dy, cache):
        return -2 * dy if len(dy) == 5 else 3 * dy

    assert kinds(double, double_backward, lambda rng, n: (rng.normal(size=n),)) == {"x": "unnamed"}


def test_what_is_not_named_says_what_is_known():
    subject = pair(affine, affine_bug(NOT_NAMED["a border"]), dense(np.random.default_rng(0), 5))
    sample = take(subject, (np.random.default_rng(1).normal(size=(5, 4)),))
    assert sample is not None
    words = naming.pattern(sample, "x")
    assert words.startswith("dx is wrong at 3 of 15 entries, all at the first place of axis 0")
