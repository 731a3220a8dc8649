"""Connectionist temporal classification against its definition, in closed forms, and optax's."""

from functools import partial
from itertools import groupby, product
from math import comb

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy.special import log_softmax

import jaxnn
import scratchnn
from gradcheck.autodiff import value_and_pullback

LOGITS = np.random.default_rng(5).standard_normal((5, 4, 3))
CASE = (  # labels, input_lengths, label_lengths: repeats, none, empty; both are padded
    np.array([[1, 1, 2], [2, 1, -9], [-9, -9, -9], [1, 2, 1]]),
    np.array([5, 3, 4, 3]),
    np.array([3, 2, 0, 3]),
)


def run(logits, *integers, dy=-1.7, **config):
    """(y, dlogits) of the hand-written pair."""
    y, cache = scratchnn.ctc(logits, *map(np.array, integers), **config)
    dlogits, *nones = scratchnn.ctc_backward(dy, cache)
    assert nones == [None, None, None]
    return y, dlogits


def close(a, b):
    np.testing.assert_allclose(a, b, rtol=256 * 2.0**-52, atol=256 * 2.0**-53)


def brute_force(logits, labels, T, L, blank):
    """log P by the definition: all paths, read, and added."""
    log_p = log_softmax(logits, -1)
    wanted, total = list(labels[:L]), 0.0
    for path in product(range(logits.shape[-1]), repeat=int(T)):
        read = [k for k, _ in groupby(path) if k != blank]
        if read == wanted:
            total += np.exp(sum(log_p[t, k] for t, k in enumerate(path)))
    return np.log(total)


@pytest.mark.parametrize("blank", [0, 2])
def test_all_paths_are_added(blank):
    labels, frames, lengths = CASE
    if blank == 2:  # the classes renamed
        labels = np.where(labels < 0, labels, labels - 1)
    y, d = run(LOGITS, labels, frames, lengths, blank=blank)
    each = [brute_force(LOGITS[:, n], labels[n], frames[n], lengths[n], blank) for n in range(4)]
    close(y, -np.mean(each))
    for n, T in enumerate(frames):
        assert not d[T:, n].any()
        close(d[:T, n].sum(-1), 0)


def test_number_of_alignments():
    """L different labels have C(T + L, 2 L) alignments in T frames."""
    for T, L in ((1, 0), (1, 1), (5, 2), (30, 11)):
        labels = np.arange(max(L, 1))[None] + 1
        y, _ = run(np.zeros((T, 1, 12)), labels, [T], [L])
        close(y, T * np.log(12) - np.log(comb(T + L, 2 * L)))


def test_padding_is_not_read():
    labels, frames, lengths = CASE
    y, d = run(LOGITS, *CASE)
    other, labels = LOGITS.copy(), labels.copy()
    for n in range(4):
        other[frames[n] :, n] = 50.0
        labels[n, lengths[n] :] = 1
    y_other, d_other = run(other, labels, frames, lengths)
    assert y_other == y
    assert np.array_equal(d_other, d)


def test_no_labels_are_cross_entropy_against_the_blank():
    logits = LOGITS[:, :1]
    y, d = run(logits, [[-1]], [5], [0], blank=2)
    ce, cache = scratchnn.cross_entropy(logits[:, 0], np.full(5, 2))
    close(y, 5 * ce)
    close(d[:, 0], 5 * scratchnn.cross_entropy_backward(-1.7, cache)[0])


def test_against_optax(rng):
    T, N, K, L = 23, 3, 7, 5
    logits, lengths = rng.standard_normal((T, N, K)), rng.integers(0, L + 1, N)
    labels, frames = rng.integers(1, K, (N, L)), rng.integers(2 * L, T + 1, N)

    def theirs(logits):
        beyond = (np.arange(T) >= frames[:, None]).astype(float)
        padded = (np.arange(L) >= lengths[:, None]).astype(float)
        z = jnp.swapaxes(logits, 0, 1)
        return optax.ctc_loss(z, beyond, labels, padded, log_epsilon=-1e30).mean()

    y, d = run(logits, labels, frames, lengths)
    want, (grad,) = value_and_pullback(theirs, {}, (logits,), np.float64(-1.7))
    close(y, want)
    close(d, grad)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("labels", [[1, 2], [2, 2]])
def test_extreme_logits(labels, dtype):
    rows = [[1e4, -1e4, 0.0], [-1e4, -1e4, 1e4], [1e4, 1e4, 1e4], [0.0, 1e4, -1e4]]
    y, d = run(np.array(rows, dtype)[:, None], [labels], [4], [2], dy=1.0)
    assert y.dtype == d.dtype == dtype
    assert np.isfinite(y) and np.isfinite(d).all() and d.any()


MESSAGES = [
    (
        ([[1, 2], [1, 2]], [4, 4], [2, 2], 3),
        "ctc: blank is 3; wanted a class, 0 to 2; 0 is usual",
    ),
    (
        ([[1, 2], [1, 2]], [4, 5], [2, 2], 0),
        "ctc: input_lengths run from 4 to 5; wanted 1 to 4, the frames of logits; count them "
        "before padding",
    ),
    (
        ([[1, 2], [1, 2]], [4, 4], [-1, 2], 0),
        "ctc: label_lengths run from -1 to 2; wanted 0 to 2, the columns of labels; count them "
        "before padding",
    ),
    (
        ([[1, 2], [0, 9]], [4, 4], [2, 1], 0),
        "ctc: labels run from 0 to 2; wanted 0 to 2 without 0, the blank; renumber the labels or "
        "check label_lengths",
    ),
    (
        ([[1, 2], [2, 2]], [2, 2], [2, 2], 0),
        "ctc: sequence 1 has 2 frames for 2 labels of which 1 repeat the one before; wanted at "
        "least 3 frames; drop it or shorten its labels",
    ),
]


@pytest.mark.parametrize(("given", "message"), MESSAGES)
def test_messages(given, message):
    *integers, blank = given
    for nn in (scratchnn, jaxnn):
        with pytest.raises(ValueError) as error:
            nn.ctc(np.zeros((4, 2, 3)), *map(np.array, integers), blank=blank)
        assert str(error.value) == message


def test_traced_integers_out_of_range_give_nan():
    f = jax.jit(partial(jaxnn.ctc, np.zeros((4, 2, 3))))
    good = ([[1, 2], [2, 2]], [4, 3], [2, 2])
    assert np.isfinite(f(*map(np.array, good)))
    for k, bad in ((0, [[0, 2], [2, 2]]), (0, [[1, 2], [2, 3]]), (1, [4, 5]), (2, [3, 2])):
        assert np.isnan(f(*(np.array(bad if i == k else a) for i, a in enumerate(good))))


def test_traced_and_no_alignment(x64):
    f = jax.jit(jax.value_and_grad(jaxnn.ctc))
    y, d = f(LOGITS[:, :2], *map(np.array, ([[1, 2], [2, 2]], [4, 2], [2, 2])))
    assert np.isposinf(y)
    assert not np.any(d[:, 1])
    _, alone = run(LOGITS[:, :1], [[1, 2]], [4], [2], dy=0.5)
    close(d[:, :1], alone)
