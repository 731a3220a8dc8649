"""Losses: closed forms, equalities between them, policies at kinks, extreme inputs, messages."""

from functools import partial
from itertools import product

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import expit, log_softmax, softmax

import jaxnn
import scratchnn
from gradcheck.autodiff import value_and_pullback

LABELS = np.array([[2, 0, 3], [1, 3, 2]])


def run(name, *arrays, dy=-1.7, **config):
    """(y, gradients) of the hand-written pair."""
    y, cache = getattr(scratchnn, name)(*arrays, **config)
    return y, getattr(scratchnn, f"{name}_backward")(dy, cache)


def close(a, b, scale=64):
    np.testing.assert_allclose(a, b, rtol=scale * 2.0**-52, atol=scale * 2.0**-53)


# closed forms


def test_uniform_scores():
    zeros, labels = np.zeros((2, 3, 10)), LABELS
    close(run("cross_entropy", zeros, labels)[0], np.log(10))
    close(run("cross_entropy", zeros, labels, label_smoothing=0.3)[0], np.log(10))
    close(run("hinge", zeros, labels)[0], 9)
    close(run("binary_cross_entropy", np.zeros(3), np.array([0.0, 0.3, 1.0]))[0], np.log(2))
    close(run("kl_divergence", np.full((2, 5), -np.log(5)), np.eye(5)[:2])[0], np.log(5))


def test_weighted_mean_written_out(rng):
    logits, w, a = rng.standard_normal((2, 3, 4)), np.array([0.5, 2.0, 0.0, 3.0]), 0.2
    log_p = log_softmax(logits, -1)
    terms, D = 0.0, 0.0
    for at in np.ndindex(2, 3):
        k = LABELS[at]
        if k == 1:
            continue
        terms -= (1 - a) * w[k] * log_p[at][k] + a / 4 * np.sum(w * log_p[at])
        D += w[k]
    y, _ = run("cross_entropy", logits, LABELS, w, label_smoothing=a, ignore_index=1)
    close(y, terms / D)


def test_one_class_of_labels_leaves_its_weight_no_influence(rng):
    w = np.array([0.3, 0.7, 1.1, 2.0])
    y, (_, _, dw) = run("cross_entropy", rng.standard_normal((3, 4)), np.array([2, 2, 2]), w)
    assert y > 0
    close(dw, np.zeros(4))


def test_distances(rng):
    x = rng.standard_normal((5, 3))
    close(run("cosine", x, 4 * x)[0], 0)
    close(run("cosine", x, -0.1 * x)[0], 2)
    a, p, n = np.zeros((1, 2)), np.array([[3.0, 4.0]]), np.array([[0.0, 2.0]])
    assert run("triplet", a, p, n, margin=0.5)[0] == 3.5
    assert run("triplet", a, n, p, margin=0.5)[0] == 0


# equalities between forms


def test_forms_of_cross_entropy(rng):
    logits, one_hot = rng.standard_normal((2, 3, 4)), np.eye(4)[LABELS]
    for a in (0.0, 0.3, 1.0):
        y, (d, none, _) = run("cross_entropy", logits, LABELS, label_smoothing=a)
        soft, (d_soft, _) = run("soft_cross_entropy", logits, (1 - a) * one_hot + a / 4)
        close(y, soft)
        close(d, d_soft)
        assert none is None
    q = softmax(rng.standard_normal((2, 3, 4)), -1)
    soft, (_, dq_soft) = run("soft_cross_entropy", logits, q)
    kl, (_, dq_kl) = run("kl_divergence", log_softmax(logits, -1), q)
    close(kl, soft + (q * np.log(q)).sum(-1).mean())
    close(dq_kl, dq_soft - 1.7 / 6 * (np.log(q) + 1))


def test_ignored_rows_might_as_well_not_be_there(rng):
    logits, labels, w = (
        rng.standard_normal((6, 4)),
        np.array([3, 1, 0, 1, 2, 3]),
        np.array([0.5, 2.0, 1.0, 3.0]),
    )
    kept = labels != 1
    for weights in (None, w):
        y, (d, *_) = run("cross_entropy", logits, labels, weights, ignore_index=1)
        y_kept, (d_kept, *_) = run("cross_entropy", logits[kept], labels[kept], weights)
        close(y, y_kept)
        close(d[kept], d_kept)
        assert not d[~kept].any()


def test_binary_is_cross_entropy_of_two_classes(rng):
    z, t = rng.standard_normal(7), np.array([0, 1, 1, 0, 1, 0, 0])
    y, (d, _) = run("binary_cross_entropy", z, t.astype(float))
    both, (d_both, *_) = run("cross_entropy", np.stack((0 * z, z), -1), t)
    close(y, both)
    close(d, d_both[:, 1])


def test_binary_keeps_the_digits_of_a_small_loss():
    z, t = np.array([40.0, -40.0]), np.array([1.0, 0.0])
    y, (d, _) = run("binary_cross_entropy", z, t, dy=1.0)
    assert abs(y / np.log1p(np.exp(-40.0)) - 1) < 1e-14
    assert abs(d / (np.array([-0.5, 0.5]) * expit(-40.0)) - 1).max() < 1e-14


def test_huber_lies_between_squares_and_l1(rng):
    x, target = rng.standard_normal((3, 5)), rng.standard_normal((3, 5))
    for wide, g in (("mse", 0.5), ("l1", 1e-9)):
        y, (dx, dt) = run("huber", x, target, delta=1e9 if wide == "mse" else 1e-9)
        limit, (dx_limit, dt_limit) = run(wide, x, target)
        assert abs(y - g * limit) <= 1e-8 * g * limit
        close(dx, g * dx_limit)
        close(dt, g * dt_limit)


def test_cosine_does_not_see_lengths(rng):
    x, target = rng.standard_normal((5, 3)), rng.standard_normal((5, 3))
    y, (dx, dt) = run("cosine", x, target)
    longer, (dx_longer, dt_longer) = run("cosine", 8 * x, 2 * target)
    close(y, longer)
    close(dx, 8 * dx_longer)
    close(dt, 2 * dt_longer)
    close((x * dx).sum(-1), 0)


def test_gradients_of_the_inputs_balance(rng):
    """What no loss can see: the same shift of all scores, or of all vectors."""
    scores, arrays = rng.standard_normal((2, 3, 4)), rng.standard_normal((3, 5, 4))
    close(run("hinge", scores, LABELS)[1][0].sum(-1), 0)
    close(run("cross_entropy", scores, LABELS, np.ones(4))[1][0].sum(-1), 0)
    close(sum(run("triplet", *arrays)[1]), 0)


# kinks, ties and zeros: the written policy, in both packages

AT_KINKS = [
    ("l1", (np.array([1.0, 2.0, -3.0, 0.0]), np.array([1.0, 3.0, -4.0, 0.0])), {}, [0, -1, 1, 0]),
    ("huber", (np.array([0.0, 1.0, -1.0, 4.0]), np.zeros(4)), {}, [0, 1, -1, 1]),
    ("hinge", (np.array([[1.0, 0.0, 0.5, 1.0]]), np.array([0])), {}, [[-2, 0, 1, 1]]),
    ("cosine", (np.zeros((1, 2)), np.array([[3.0, 4.0]])), {"eps": 0.5}, [[-1.2, -1.6]]),
    ("cosine", (np.array([[0.0, 5.0]]), np.array([[3.0, 4.0]])), {"eps": 5.0}, [[-0.12, -0.16]]),
    ("triplet", (np.zeros((1, 2)), np.zeros((1, 2)), np.array([[0.0, 0.5]])), {}, [[0, 1]]),
    ("triplet", (np.zeros((1, 2)), np.zeros((1, 2)), np.array([[0.0, 1.0]])), {}, [[0, 0]]),
    ("triplet", (np.zeros((1, 2)), np.ones((1, 2)), np.zeros((1, 2))), {}, [[-(0.5**0.5)] * 2]),
    ("kl_divergence", (np.zeros((1, 3)), np.array([[0.0, 1.0, 2.0]])), {}, [[0, -1, -2]]),
]


@pytest.mark.parametrize(("name", "arrays", "config", "first"), AT_KINKS)
def test_policies(name, arrays, config, first):
    N = arrays[0].size if name in ("l1", "huber") else 1
    y, grads = run(name, *arrays, dy=-1.7, **config)
    close(grads[0], -1.7 / N * np.array(first))
    twin, pulled = value_and_pullback(getattr(jaxnn, name), config, arrays, np.float64(-1.7))
    close(y, twin)
    for g, G in zip(grads, pulled, strict=True):
        assert (g is None) == (G is None)
        if g is not None:
            assert np.isfinite(g).all()
            close(g, G)


# extreme inputs

HARD = np.array([[1e4, -1e4, 0.0], [-1e4, -1e4, 1e4], [1e4, 1e4, 1e4], [0.0, 1e4, -1e4]])
WRONG = np.array([1, 0, 2, 2])
EXTREME = [
    ("cross_entropy", (HARD, WRONG), {}),
    ("cross_entropy", (HARD, WRONG, np.array([1.0, 1e-4, 1e4])), {"label_smoothing": 0.1}),
    ("soft_cross_entropy", (HARD, np.eye(3)[WRONG]), {}),
    ("binary_cross_entropy", (HARD, np.roll(np.eye(4), 1)[:, :3]), {}),
    ("kl_divergence", (log_softmax(HARD, -1), np.eye(3)[WRONG]), {}),
    ("hinge", (HARD, WRONG), {}),
    ("mse", (HARD, -HARD), {}),
    ("l1", (HARD, -HARD), {}),
    ("huber", (HARD, -HARD), {}),
    ("cosine", (HARD, np.zeros((4, 3))), {}),
    ("cosine", (1e-30 * HARD, -HARD), {}),
    ("triplet", (HARD, -HARD, HARD[::-1]), {}),
]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("name", "arrays", "config"), EXTREME)
def test_extreme_inputs(name, arrays, config, dtype):
    arrays = tuple(a.astype(dtype) if a.dtype.kind == "f" else a for a in arrays)
    y, grads = run(name, *arrays, dy=1.0, **config)
    assert y.dtype == dtype and np.isfinite(y)
    for a, g in zip(arrays, grads, strict=False):
        if a.dtype.kind == "f":
            assert g.dtype == dtype and g.shape == a.shape and np.isfinite(g).all()
            assert g.any() or name == "cosine"


def test_masked_classes():
    """Logits of -inf, where they are not the label, are classes of probability 0."""
    logits = np.array([[0.5, -np.inf, 1.0], [-np.inf, 0.3, 0.0]])
    w = np.array([1.0, 2.0, 3.0])
    y, grads = run("cross_entropy", logits, np.array([2, 1]), w)
    arrays = logits, np.array([2, 1]), w
    twin, pulled = value_and_pullback(jaxnn.cross_entropy, {}, arrays, np.float64(-1.7))
    close(y, twin)
    for k in (0, 2):
        assert np.isfinite(grads[k]).all()
        close(grads[k], pulled[k])


@pytest.mark.parametrize("nn", [scratchnn, jaxnn])
def test_the_least_there_can_be(nn):
    def value(name, *arrays):
        f = getattr(nn, name)
        return float(f(*arrays)[0] if nn is scratchnn else jax.jit(f)(*arrays))

    one = np.ones(1)
    assert value("cross_entropy", one, np.array(0)) == 0  # one class, no batch axis
    assert value("hinge", one, np.array(0)) == 0
    assert value("l1", np.array(3.0), np.array(1.0)) == 2
    assert value("cosine", one, -one) == 2


# messages, the same in both packages

LOGITS = np.zeros((2, 3))
MESSAGES = [
    (
        lambda nn: nn.cross_entropy(LOGITS, np.array([1, 3])),
        "cross_entropy: labels run from 1 to 3; wanted 0 to 2 for the 3 classes of logits; "
        "renumber the labels or widen the last layer",
    ),
    (
        lambda nn: nn.cross_entropy(LOGITS, np.array([-1, -100]), ignore_index=-100),
        "cross_entropy: labels run from -1 to -1; wanted 0 to 2 for the 3 classes of logits; "
        "renumber the labels or widen the last layer",
    ),
    (
        lambda nn: nn.cross_entropy(LOGITS, np.array([-100, -100]), ignore_index=-100),
        "cross_entropy: every label is ignore_index, -100; wanted at least one that counts; "
        "leave such a batch out",
    ),
    (
        lambda nn: nn.cross_entropy(LOGITS, np.array([1, 1]), np.array([1.0, 0.0, 1.0])),
        "cross_entropy: the weights of the labels add to 0; wanted a positive sum to divide by; "
        "give the classes that occur a positive weight",
    ),
    (
        lambda nn: nn.cross_entropy(LOGITS, np.array([1, 1]), label_smoothing=1.5),
        "cross_entropy: label_smoothing is 1.5; wanted a share from 0 to 1; 0.1 is usual",
    ),
    (
        lambda nn: nn.hinge(LOGITS, np.array([1, 3])),
        "hinge: labels run from 1 to 3; wanted 0 to 2 for the 3 classes of scores; "
        "renumber the labels or widen the last layer",
    ),
    (
        lambda nn: nn.kl_divergence(LOGITS, LOGITS - 0.25),
        "kl_divergence: the smallest entry of q is -0.25; wanted probabilities, 0 or more; the "
        "first argument holds logarithms, the second does not",
    ),
    (
        lambda nn: nn.huber(LOGITS, LOGITS, delta=0.0),
        "huber: delta is 0.0; wanted a positive number; 1 is usual, l1 is its limit at 0",
    ),
    (
        lambda nn: nn.cosine(LOGITS, LOGITS, eps=0.0),
        "cosine: eps is 0.0; wanted a positive number; 1e-8 is usual",
    ),
]


@pytest.mark.parametrize(("call", "message"), MESSAGES)
def test_messages(call, message):
    for nn in (scratchnn, jaxnn):
        with pytest.raises(ValueError) as error:
            call(nn)
        assert str(error.value) == message


# the twin where values are traced


def test_traced_labels_out_of_range_give_nan():
    for name, labels in product(("cross_entropy", "hinge"), ([0, 3], [-1, 0])):
        assert np.isnan(jax.jit(getattr(jaxnn, name))(LOGITS, np.array(labels)))
    assert np.isnan(jax.jit(jaxnn.kl_divergence)(LOGITS, LOGITS - 0.25))


def test_known_labels_are_checked_while_the_logits_are_traced():
    labels = jnp.array([0, 3])
    for f in (jaxnn.cross_entropy, jaxnn.hinge):
        with pytest.raises(ValueError, match="wanted 0 to 2"):
            jax.jit(lambda logits, f=f: f(logits, labels))(LOGITS)


def test_traced_and_nothing_counts():
    f = jax.jit(
        jax.value_and_grad(
            partial(jaxnn.cross_entropy, ignore_index=1, label_smoothing=0.1), (0, 2)
        )
    )
    for labels, w in (([1, 1], np.ones(3)), ([0, 1], np.array([0.0, 1.0, 2.0]))):
        y, grads = f(LOGITS + 1.0, np.array(labels), w)
        assert y == 0 and not any(np.any(g) for g in grads)
