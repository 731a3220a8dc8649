"""Arrays from annotations, and pairs at all of them: shrunk to the smallest that fails."""

import re

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st
from jaxtyping import Bool, Float, Float32, Int

import gradcheck
from gradcheck.strategies import arrays_for

Array = np.ndarray


def affine(x: Float[Array, "N D"], w: Float[Array, "D M"], b: Float[Array, " M"]):
    return x @ w + b, (x, w)


def affine_backward(dy, cache):
    x, w = cache
    return dy @ w.T, x.T @ dy, dy.sum(0)


def mean_of_rows(dy, cache):
    x, w = cache
    return dy @ w.T, x.T @ dy, dy.mean(0)


def relu(x: Float[Array, "*B"]):
    return np.maximum(x, 0), x > 0


def relu_backward(dy, positive):
    return dy * positive


def chosen(z: Float[Array, "N C"], labels: Int[Array, " N"], on: Bool[Array, " N"] | None = None):
    rows = np.arange(len(z))
    return z[rows, labels] * (1 if on is None else on), (z.shape, rows, labels, on)


def chosen_backward(dy, cache):
    shape, rows, labels, on = cache
    dz = np.zeros(shape)
    dz[rows, labels] = dy * (1 if on is None else on)
    return dz, None, None


def smallest(f, wanted=lambda *arrays: True, **options):
    return hypothesis.find(arrays_for(f, **options), lambda drawn: wanted(*drawn))


def test_the_smallest_is_one_of_everything():
    x, w, b = smallest(affine)
    assert (x.shape, w.shape, b.shape) == ((1, 1), (1, 1), (1,))
    assert x.item() == w.item() == b.item() == 1
    assert smallest(relu)[0].shape == ()
    assert smallest(relu, lambda x: x.ndim)[0].shape == (1,)


def test_what_is_wanted_shrinks_to_just_that():
    x, w, b = smallest(affine, lambda x, w, b: x.shape[0] >= 3)
    assert (x.shape, w.shape, b.shape) == ((3, 1), (1, 1), (1,))


def test_integers_booleans_and_what_is_optional():
    z, labels, on = smallest(chosen, ranges={"labels": (0, "C")})
    assert z.shape == (1, 1) and labels.tolist() == [0] and on is None
    z, labels, on = smallest(
        chosen, lambda z, labels, on: 2 in labels and on is not None, ranges={"labels": (0, "C")}
    )
    assert z.shape == (len(labels), 3) and len(on) == len(labels)
    assert labels.dtype == np.int64 and on.dtype == bool


@hypothesis.given(arrays_for(affine, ranges={"b": (10, 20)}, most=3, where=lambda n: n["N"] != 2))
def test_ranges_and_sizes_are_kept(arrays):
    x, w, b = arrays
    assert x.shape in {(n, d) for n in (1, 3) for d in (1, 2, 3)}
    assert w.shape == (x.shape[1], len(b))
    assert np.all(np.abs(x) <= 4) and np.all((b >= 10) & (b <= 20))
    assert np.all(x * 8 == np.round(x * 8))


def test_the_dtype_is_one_that_is_declared():
    def f(x: Float32[Array, " N"]): ...

    (x,) = smallest(f, lambda x: x[0] > 1.3)
    assert x.dtype == np.float32


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda: arrays_for(chosen), "chosen: labels is an integer array, of which nobody said"),
        (lambda: arrays_for(lambda x: x), "<lambda>: argument 1 declares no shape; annotate it"),
        (lambda: gradcheck.given(smallest), "smallest: there is no smallest_backward beside it"),
    ],
)
def test_what_is_missing_is_said(ask, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        ask()


@pytest.fixture(scope="module")
def ranks():
    return 2, 1


@hypothesis.settings(max_examples=15, deadline=None)
@gradcheck.given(affine)
def test_a_right_pair(ranks, x, b):
    """A fixture of pytest and some of the arrays, by name."""
    assert (x.ndim, b.ndim) == ranks


@gradcheck.given(chosen, ranges={"labels": (0, "C")})
@hypothesis.settings(max_examples=15, deadline=None)
def test_a_right_pair_with_labels(): ...


def falls(test):
    with pytest.raises(AssertionError) as raised:
        test()
    return str(raised.value), "\n".join(getattr(raised.value, "__notes__", ()))


QUICK = hypothesis.settings(max_examples=60, deadline=None)


def test_a_wrong_pair_shrinks_to_the_smallest_that_shows_it():
    @QUICK
    @gradcheck.given(affine, mean_of_rows)
    def test(): ...

    text, notes = falls(test)
    assert text.startswith("affine: fail: db ") and "case: N=2, D=1, M=1, float64, seed 0" in text
    assert re.search(r"test_strategies.py:\d+|line \d+", text), "it was not diagnosed"
    assert "arrays=(array([[1.],\n            [1.]]), array([[1.]])" in notes


def test_what_cannot_be_judged_is_drawn_again():
    def softmax(x: Float[Array, " N"]):
        e = np.exp(x - x.max())
        y = e / e.sum()
        return y, y

    def softmax_backward(dy, y):
        return y * (dy - (dy * y).sum())

    ran = []

    @QUICK
    @gradcheck.given(softmax, softmax_backward)
    def test(x):
        ran.append(len(x))

    test()  # of one entry the softmax is 1, and its gradient flat
    assert set(ran) == {2, 3, 4}


def test_the_body_of_the_test_counts_too():
    @QUICK
    @gradcheck.given(relu)
    def test(x):
        assert x.size < 3

    assert "array([1., 1., 1.])" in falls(test)[1]


def test_there_is_no_deadline():
    hypothesis.settings.register_profile("usual", deadline=200)
    hypothesis.settings.load_profile("usual")

    @gradcheck.given(relu)
    def test(x): ...

    hypothesis.settings.load_profile("steady")
    assert test._hypothesis_internal_use_settings.deadline is None


def test_arrays_go_with_other_strategies():
    pairs = st.tuples(arrays_for(relu), st.booleans())
    (x,), flag = hypothesis.find(pairs, lambda drawn: drawn[1])
    assert x.shape == () and flag
