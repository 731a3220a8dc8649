"""The optimisers and schedules by hand, step by step against optax."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxnn
import scratchnn
from scratchnn import trees

STEPS = 25
OPTIMIZERS = {
    "sgd": lambda o, s: o.SGD(0.1),
    "momentum": lambda o, s: o.SGD(0.1, momentum=0.9),
    "nesterov": lambda o, s: o.SGD(0.1, momentum=0.9, nesterov=True),
    "decaying sgd": lambda o, s: o.SGD(s.inverse_time(0.1, 0.05), momentum=0.5),
    "adagrad": lambda o, s: o.AdaGrad(0.1),
    "rmsprop": lambda o, s: o.RMSprop(0.01, decay=0.95),
    "adam": lambda o, s: o.Adam(0.01),
    "adam on a schedule": lambda o, s: o.Adam(s.warmup(s.cosine(0.1, 20, 0.001), 5), b1=0.8),
    "adamw": lambda o, s: o.AdamW(0.01, weight_decay=0.1),
    "lion": lambda o, s: o.Lion(0.01, weight_decay=0.1),
}
SCHEDULES = {
    "constant": lambda s: s.constant(0.3),
    "step_decay": lambda s: s.step_decay(0.3, 4, 0.5),
    "exponential": lambda s: s.exponential(0.3, 7, 0.2),
    "inverse_time": lambda s: s.inverse_time(0.3, 0.1),
    "cosine": lambda s: s.cosine(0.3, 11, 0.01),
    "warmup": lambda s: s.warmup(s.exponential(0.3, 7, 0.2), 5),
    "one_cycle": lambda s: s.one_cycle(0.3, 20),
}


def params(rng):
    return {
        "a": {"w": rng.standard_normal((3, 5)), "b": rng.standard_normal(5)},
        "c": rng.random(2),
    }


@pytest.mark.parametrize("build", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_against_optax(build, rng, x64):
    hand, twin = (build(nn.optimizers, nn.schedules) for nn in (scratchnn, jaxnn))
    w = params(rng)
    w_twin = jax.tree.map(jnp.asarray, w)
    state, state_twin = hand.init(w), twin.init(w_twin)
    for _ in range(STEPS):
        g = trees.map(lambda p: rng.standard_normal(p.shape), w)
        updates, state = hand.update(g, state, w)
        w = scratchnn.optimizers.apply_updates(w, updates)
        updates, state_twin = twin.update(jax.tree.map(jnp.asarray, g), state_twin, w_twin)
        w_twin = jaxnn.optimizers.apply_updates(w_twin, updates)
        for ours, theirs in zip(leaves(w), leaves(w_twin), strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("build", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_float32_stays(build, rng):
    hand = build(scratchnn.optimizers, scratchnn.schedules)
    w = trees.map(lambda p: p.astype(np.float32), params(rng))
    updates, state = hand.update(w, hand.init(w), w)
    for leaf in leaves(scratchnn.optimizers.apply_updates(w, updates)):
        assert leaf.dtype == np.float32
    assert all(leaf.dtype != np.float64 for leaf in leaves(state))


@pytest.mark.parametrize("build", SCHEDULES.values(), ids=SCHEDULES)
def test_schedules(build, x64):
    hand, twin = build(scratchnn.schedules), build(jaxnn.schedules)
    for k in range(25):
        assert hand(k) == pytest.approx(float(twin(k)), rel=1e-12, abs=1e-15), k


@pytest.mark.parametrize("limit", [0.1, 100.0])
@pytest.mark.parametrize("name", ["clip_by_value", "clip_by_norm", "clip_by_global_norm"])
def test_clipping(name, limit, rng, x64):
    g = params(rng)
    ours = getattr(scratchnn.optimizers, name)(g, limit)
    theirs = getattr(jaxnn.optimizers, name)(jax.tree.map(jnp.asarray, g), limit)
    for a, b in zip(leaves(ours), leaves(theirs), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-14)
    if limit > 10:
        assert all(np.array_equal(a, b) for a, b in zip(leaves(ours), leaves(g), strict=True))


def test_clipping_does_what_it_says(rng):
    g = params(rng)
    o = scratchnn.optimizers
    assert max(np.abs(a).max() for a in leaves(o.clip_by_value(g, 0.1))) == 0.1
    for a in leaves(o.clip_by_norm(g, 0.1)):
        assert np.linalg.norm(a) == pytest.approx(0.1)
    whole = np.concatenate([a.ravel() for a in leaves(o.clip_by_global_norm(g, 0.1))])
    assert np.linalg.norm(whole) == pytest.approx(0.1)
    zero = trees.map(np.zeros_like, g)
    assert all(not a.any() for a in leaves(o.clip_by_global_norm(zero, 0.1)))


def test_l2_is_the_gradient_of_the_penalty(rng, x64):
    w, g = params(rng), params(rng)
    ours = leaves(scratchnn.optimizers.add_l2(g, w, 0.3))
    penalty = jax.grad(lambda w: 0.15 * sum(jnp.sum(p * p) for p in jax.tree.leaves(w)))
    extra = leaves(penalty(jax.tree.map(jnp.asarray, w)))
    for a, b, c in zip(ours, leaves(g), extra, strict=True):
        np.testing.assert_allclose(a, b + c, rtol=1e-14)
    twin = jaxnn.optimizers.add_l2(jax.tree.map(jnp.asarray, g), w, 0.3)
    for a, b in zip(ours, leaves(twin), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-14)


def test_softmax_rates_share_one_rate(rng, x64):
    g = params(rng)
    ours, n = scratchnn.optimizers.softmax_rates(g, 0.5), 3
    shares = [np.mean(a / b) for a, b in zip(leaves(ours), leaves(g), strict=True)]
    assert sum(shares) == pytest.approx(n)
    sizes = [np.sqrt(np.mean(a**2)) for a in leaves(g)]
    assert np.argmax(shares) == np.argmax(sizes)
    twin = jaxnn.optimizers.softmax_rates(jax.tree.map(jnp.asarray, g), 0.5)
    for a, b in zip(leaves(ours), leaves(twin), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-14)


def leaves(tree):
    return [np.asarray(leaf) for leaf in trees.flatten(dict(tree)).values()]
