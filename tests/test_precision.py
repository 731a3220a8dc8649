"""The precision claim: fewer digits lose no more than rounding explains, and only that."""

import numpy as np
import pytest

from gradcheck import check

ml_dtypes = pytest.importorskip("ml_dtypes")
HALVES = [np.float16, ml_dtypes.bfloat16]


def normal(*shape, seed=0, scale=1.0):
    return np.random.default_rng(seed).standard_normal(shape) * scale


def product(x, w):
    return x @ w, (x, w)


def product_backward(dy, cache):
    x, w = cache
    return dy @ w.T, x.T @ dy


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    y = e / e.sum(-1, keepdims=True)
    return y, y


def softmax_backward(dy, y):
    return y * (dy - (dy * y).sum(-1, keepdims=True))


@pytest.mark.parametrize("dtype", [np.float32, *HALVES])
def test_right_code_keeps_what_its_dtype_can_hold(dtype):
    x, w = normal(4, 3).astype(dtype), normal(3, 5, seed=1).astype(dtype)
    exact = check(product, product_backward, x, w)  # products of few bits may lose nothing
    rounded = check(softmax, softmax_backward, x)
    assert exact.verdict == rounded.verdict == "pass", f"{exact}{rounded}"
    assert all(a.single is not None and a.single < 0.1 for a in exact.arguments.values())
    assert 1e-9 < rounded.arguments["x"].single < 0.1


def length(x):
    return np.sqrt((x * x).sum(-1)), x


def length_backward(dy, x):
    return x * dy[:, None] / np.sqrt((x * x).sum(-1))[:, None]


def test_an_overflow_inside_is_a_loss_of_precision():
    x = normal(4, 3, scale=300)
    assert check(length, length_backward, x).verdict == "pass"
    report = check(length, length_backward, x.astype(np.float16))
    assert report.verdict == "fail"
    assert report.findings[0].kind == "precision"
    assert "y overflows in float16" in report.message
    assert report.findings[0].case["dtype"] == "float16"


def test_a_value_that_the_dtype_cannot_hold_is_nobody_s_fault():
    x = normal(4, scale=300).astype(np.float16)
    report = check(lambda x: (x * x * x, x), lambda dy, x: 3 * dy * x * x, x)
    assert report.verdict == "pass", str(report)


def test_digits_thrown_away_in_single_precision():
    def backward(dy, cache):
        dx, dw = product_backward(dy, cache)
        if dw.dtype == np.float32:
            dw = dw.astype(np.float16).astype(np.float32)
        return dx, dw

    x, w = normal(4, 3).astype(np.float32), normal(3, 5, seed=1).astype(np.float32)
    report = check(product, backward, x, w)
    assert [(f.kind, f.argument) for f in report.findings] == [("precision", "w")]


def test_code_that_does_not_run_in_half_precision_says_so():
    def f(x):
        return np.linalg.inv(x), np.linalg.inv(x)  # takes no float16

    def backward(dy, y):
        return -y.T @ dy @ y.T

    report = check(f, backward, normal(3, 3).astype(np.float16))
    assert report.verdict == "pass"
    assert report.notes[0].startswith("does not run in float16: ")


def single_only(x, w):
    if x.dtype != np.float32:
        raise TypeError("float32 only")
    y = np.tanh(x @ w)
    return y, (x, w, y)


def single_only_backward(factor):
    def backward(dy, cache):
        x, w, y = cache
        dz = dy * (1 - y * y)
        return factor * dz @ w.T, x.T @ dz

    return backward


@pytest.mark.parametrize("seed", range(5))
def test_code_that_takes_only_float32_is_judged_in_it(seed):
    x, w = normal(4, 3).astype(np.float32), normal(3, 5, seed=1).astype(np.float32)
    right = check(single_only, single_only_backward(np.float32(1)), x, w, seed=seed)
    assert right.verdict == "pass", str(right)
    assert right.case["dtype"] == "float32"
    assert 1e-7 < right.arguments["x"].resolution < 1e-2
    wrong = check(single_only, single_only_backward(np.float32(1.05)), x, w, seed=seed)
    assert {n: a.verdict for n, a in wrong.arguments.items()} == {"x": "fail", "w": "pass"}


def test_code_that_takes_only_float32_and_was_given_float64_is_an_error():
    report = check(single_only, single_only_backward(1), normal(4, 3), normal(3, 5))
    assert report.verdict == "error"
    assert "float32 only" in report.message


def test_a_branch_taken_otherwise_in_single_precision_is_no_loss_of_precision():
    def gated(a, b):
        gate = (a + b) - a > 1.5  # decided by digits that float32 does not have
        return gate * b * b, (gate, b)

    def backward(dy, cache):
        gate, b = cache
        return np.zeros_like(dy), 2 * dy * gate * b

    a, b = np.full(3, 3e7, np.float32), np.array([1.25, 2.5, 0.5], np.float32)
    report = check(gated, backward, a, b)
    assert report.verdict == "pass", str(report)
    assert any("takes other branches in float32" in note for note in report.notes)
