"""Transformer layers and models: buffers, generation, sums over paths, messages.

Forms that agree in exact arithmetic are compared to 64 roundings of the largest entry, where they
add the same numbers in another order; more where many layers lie between.
"""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxnn
import scratchnn as nn
from gradcheck.checks import check_subject
from gradcheck.subjects import pair
from scratchnn import trees

# compiled once and run once or twice: quickly rather than well
FAST = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}
jit = partial(jax.jit, compiler_options=FAST)


def close(a, b, roundings=64):
    eps = np.finfo(np.asarray(b).dtype).eps
    assert np.shape(a) == np.shape(b)
    assert np.max(np.abs(a - b)) <= roundings * eps * np.max(np.abs(b))


def normal(rng, *shapes):
    return [rng.standard_normal(s) for s in shapes]


# beyond the configurations that the catalogue holds


def ids(high, *shape):
    return lambda rng: rng.integers(0, high, shape)


MODELS = {
    "learned positions": (lambda m: m.GPT(7, 6, 6, 2, 2, d_hidden=5), ids(7, 2, 4)),
    "rotary": (
        lambda m: m.GPT(7, 6, 8, 2, 2, d_hidden=5, kv_heads=1, rotary_base=100.0),
        ids(7, 2, 4),
    ),
    "encoder and decoder": (
        lambda m: m.EncoderDecoder(5, 7, 6, 2, 2, d_hidden=3),
        lambda rng: (rng.integers(0, 5, (2, 5)), rng.integers(1, 7, (2, 4))),
    ),
}
VARIANTS = {
    "no bias": (lambda m: m.MultiHeadAttention(6, 2, bias=False), lambda rng: normal(rng, X)[0]),
    "one key head": (lambda m: m.MultiHeadAttention(6, 3, 1), lambda rng: normal(rng, X)[0]),
    "post-norm with a mask": (
        lambda m: m.TransformerBlock(6, 2, 3, norm="post"),
        lambda rng: (*normal(rng, X), rng.random((2, 3, 3)) < 0.6),
    ),
    "decoder without a mask": (
        lambda m: m.DecoderBlock(6, 2, 3),
        lambda rng: (*normal(rng, X, (2, 5, 6)), None),
    ),
}
X = (2, 3, 6)


def model(name, rng):
    """A layer or model, its params, an input."""
    build, x = (MODELS | VARIANTS)[name]
    params, _ = build(nn).init(np.random.default_rng(5))
    # biases, scales and shifts start where they could hide
    params = trees.map(lambda p: p + 0.3 * rng.standard_normal(p.shape), params)
    return build(nn), params, x(rng)


@pytest.mark.parametrize("name", VARIANTS)
def test_against_the_twin(name, rng, x64):
    hand, params, x = model(name, rng)
    (y, _), cache = hand.forward(params, {}, x)
    dy = rng.standard_normal(y.shape)
    dparams, dx = hand.backward(dy, cache)
    twin = VARIANTS[name][0](jaxnn)

    @jit
    def run(params, x, dy):
        y, pullback = jax.vjp(lambda p, x: twin.forward(p, {}, x)[0], params, x)
        return y, pullback(dy)

    y_twin, (grads, gx) = run(params, x, dy)
    close(y, np.asarray(y_twin))
    got, want = trees.flatten(dparams), trees.flatten(grads)
    assert got.keys() == want.keys()
    pairs = [(got[k], want[k]) for k in got]
    several = isinstance(x, tuple)
    for x_i, a, b in zip(*((t if several else (t,)) for t in (x, dx, gx)), strict=True):
        if x_i is not None and x_i.dtype.kind == "f":
            pairs.append((a, b))
        else:
            assert a is None
    for a, b in pairs:
        close(a, np.asarray(b), roundings=256)


@pytest.mark.parametrize("name", MODELS)
def test_two_blocks_against_differences(name, rng):
    """All parameters as one vector, so that one measurement sees every sum over blocks."""
    hand, params, x = model(name, rng)
    flat = trees.flatten(params)
    ends = np.cumsum([v.size for v in flat.values()])[:-1]

    def forward(theta):
        parts = zip(flat.items(), np.split(theta, ends), strict=True)
        given = trees.unflatten({k: part.reshape(v.shape) for (k, v), part in parts})
        (y, _), cache = hand.forward(given, {}, x)
        return y, cache

    def backward(dy, cache):
        return np.concatenate(
            [g.ravel() for g in trees.flatten(hand.backward(dy, cache)[0]).values()]
        )

    theta = np.concatenate([v.ravel() for v in flat.values()])
    subject = replace(pair(forward, backward, (theta,)), watch=(hand.forward, hand.backward))
    report = check_subject(subject)
    assert report.verdict == "pass", str(report)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", MODELS)
def test_models_keep_the_dtype(name, dtype, rng):
    hand, params, x = model(name, rng)
    params = trees.map(lambda p: p.astype(dtype), params)
    (y, _), cache = hand.forward(params, {}, x)
    dparams, _ = hand.backward(rng.standard_normal(y.shape).astype(dtype), cache)
    assert {a.dtype.name for a in trees.flatten(dparams).values()} == {y.dtype.name} == {dtype}
    assert trees.map(np.shape, dparams) == trees.map(np.shape, params)


def test_a_tied_table_sums_the_gradients_of_two(rng):
    hand, params, x = model("learned positions", rng)
    (y, _), cache = hand.forward(params, {}, x)
    dy = rng.standard_normal(y.shape)
    table = hand.backward(dy, cache)[0]["embedding"]["table"]
    embedding_cache, positions_cache, caches, norm_cache, (n, w, has_bias) = cache
    silent = (embedding_cache, positions_cache, caches, norm_cache, (0 * n, w, has_bias))
    at_the_input = hand.backward(dy, silent)[0]["embedding"]["table"]
    at_the_output = np.einsum("ntv,ntd->vd", dy, n)
    close(table, at_the_input + at_the_output)
    assert abs(at_the_input).max() > 1e-3 < abs(at_the_output).max()


def test_the_future_does_not_change_the_past(rng):
    for name in ("learned positions", "rotary"):
        hand, params, x = model(name, rng)
        (y, _), _ = hand.forward(params, {}, x)
        later = x.copy()
        later[:, 2:] = (x[:, 2:] + 1) % 7
        (y_later, _), _ = hand.forward(params, {}, later)
        assert np.array_equal(y[:, :2], y_later[:, :2])
        assert abs(y - y_later)[:, 2:].max() > 1e-3


def test_an_encoder_block_permutes_with_its_steps(rng):
    block = nn.TransformerBlock(6, 2, 5)
    params, _ = block.init(rng)
    x, p = rng.standard_normal((2, 5, 6)), np.array([3, 0, 4, 1, 2])
    (y, _), _ = block.forward(params, {}, x)
    (y_p, _), _ = block.forward(params, {}, x[:, p])
    close(y_p, y[:, p])


def test_padding_of_the_source_changes_nothing(rng):
    hand, params, (source, target) = model("encoder and decoder", rng)
    source = np.where(source == 0, 1, source)
    (y, _), _ = hand.forward(params, {}, (source, target))
    padded = np.concatenate((source, np.zeros((2, 3), int)), axis=1)
    (y_padded, _), cache = hand.forward(params, {}, (padded, target))
    close(y_padded, y)
    dparams, _ = hand.backward(rng.standard_normal(y.shape), cache)
    assert not dparams["source"]["table"][0].any()
    (y_empty, _), _ = hand.forward(params, {}, (0 * source, target))  # nothing to read
    assert np.isfinite(y_empty).all()


# buffers


LAYERS = {
    "plain": {},
    "grouped": {"kv_heads": 1},
    "rotary": {"kv_heads": 2, "rotary_base": 100.0},
}


@pytest.mark.parametrize(
    ("backend", "dtype", "name"),
    [
        *(("numpy", dtype, name) for dtype in ("float32", "float64") for name in LAYERS),
        ("jax", "float32", "rotary"),
    ],
)
def test_step_by_step_is_all_at_once(backend, dtype, name, rng, x64):
    package = nn if backend == "numpy" else jaxnn
    layer = package.MultiHeadAttention(8, 4, causal=True, **LAYERS[name])
    params = trees.map(lambda p: p.astype(dtype), layer.init(rng)[0])
    x = rng.standard_normal((2, 6, 8)).astype(dtype)
    if backend == "numpy":
        step = lambda s, x: layer.forward(params, s, x)[0]  # noqa: E731
    else:
        step = jit(lambda s, x: layer.forward(params, s, x))
    y, none = step({}, x)
    assert none == {}
    start = state = layer.carry(2, 9)
    before = trees.map(np.array, start)
    parts = []
    for a, b in ((0, 3), (3, 4), (4, 6)):
        part, state = step(state, x[:, a:b])
        parts.append(part)
        assert {k: (v.shape, v.dtype) for k, v in state.items()} == {
            k: (v.shape, v.dtype) for k, v in start.items()
        }
    close(np.concatenate(parts, 1), np.asarray(y))
    assert part.dtype == dtype
    assert int(state["position"]) == 6 and not np.asarray(state["k"])[:, :, 6:].any()
    assert all(np.array_equal(before[k], start[k]) for k in start)


def test_what_the_buffers_held_is_not_differentiated(rng, x64):
    hand = nn.MultiHeadAttention(8, 4, 2, causal=True, rotary_base=100.0)
    twin = jaxnn.MultiHeadAttention(8, 4, 2, causal=True, rotary_base=100.0)
    params, _ = hand.init(rng)
    params = trees.map(lambda p: p + rng.standard_normal(p.shape), params)
    x, dy = rng.standard_normal((2, 2, 3, 8))
    (_, state), _ = hand.forward(params, hand.carry(2, 7), rng.standard_normal((2, 2, 8)))
    mask = rng.random((2, 3, 7)) < 0.7
    (y, _), cache = hand.forward(params, state, (x, mask))
    dparams, (dx, none) = hand.backward(dy, cache)
    assert none is None

    def forward(params, x):
        return twin.forward(params, state, (x, mask))[0]

    @jit
    def run(params, x, dy):
        y, pullback = jax.vjp(forward, params, x)
        return y, pullback(dy)

    y_twin, grads = run(params, x, dy)
    close(y, np.asarray(y_twin))
    close(dx, np.asarray(grads[1]))
    for k in params:
        close(dparams[k], np.asarray(grads[0][k]))


@pytest.mark.parametrize("name", ["learned positions", "rotary"])
def test_generated_ids_are_the_likeliest_of_the_full_forward(name, rng):
    hand, params, x = model(name, rng)
    known = x
    for _ in range(3):
        (y, _), _ = hand.forward(params, {}, known)
        known = np.concatenate((known, y[:, -1:].argmax(-1)), axis=1)
    got = hand.generate(params, x, 3, rng, temperature=0)
    assert np.array_equal(got, known) and got.dtype == x.dtype
    (whole, _), _ = hand.forward(params, {}, known[:, :6])
    state, parts = hand.carry(2), []
    for t in range(6):
        (y, state), _ = hand.forward(params, state, known[:, t : t + 1])
        parts.append(y)
    close(np.concatenate(parts, 1), whole)


def test_translated_ids_are_the_likeliest_of_the_full_forward(rng):
    hand, params, (source, target) = model("encoder and decoder", rng)
    known = target
    for _ in range(3):
        (y, _), _ = hand.forward(params, {}, (source, known))
        known = np.concatenate((known, y[:, -1:].argmax(-1)), axis=1)
    assert np.array_equal(hand.generate(params, (source, target), 3, rng, temperature=0), known)
    (whole, _), _ = hand.forward(params, {}, (source, known))
    memory, _ = hand.encode(params, source)
    state, parts = hand.carry(2, 7), []
    for t in range(7):
        (y, state), _ = hand.decode(params, state, (known[:, t : t + 1], memory, source))
        parts.append(y)
    close(np.concatenate(parts, 1), whole)


class Stream:
    """Numbers that trace."""

    def __init__(self, seed):
        self.u = np.random.default_rng(seed)

    def random(self, shape):
        return jnp.asarray(self.u.random(shape))


@pytest.mark.parametrize("name", ["learned positions", "encoder and decoder"])
def test_both_packages_draw_the_same_ids(name, rng, x64):
    hand, params, x = model(name, rng)
    got = hand.generate(params, x, 3, np.random.default_rng(3), temperature=2.0)
    others = hand.generate(params, x, 3, np.random.default_rng(4), temperature=2.0)
    twin = MODELS[name][0](jaxnn)
    theirs = jit(lambda p, x: twin.generate(p, x, 3, Stream(3), temperature=2.0))(params, x)
    assert np.array_equal(got, theirs) and not np.array_equal(got, others)
    with pytest.raises(TypeError, match="generate: rng is a NumPy generator under tracing"):
        jax.eval_shape(lambda x: twin.generate(params, x, 3, np.random.default_rng(0)), x)


def test_draws_follow_the_probabilities(rng):
    hand, params, _ = model("learned positions", rng)
    x = np.full((20000, 1), 3)
    (y, _), _ = hand.forward(params, {}, x[:1])
    p, _ = nn.softmax(y[0, 0] / 2)
    got = hand.generate(params, x, 1, rng, temperature=2.0)[:, 1]
    share = np.bincount(got, minlength=7) / len(got)
    # five standard deviations of a share
    assert (abs(share - p) <= 5 * np.sqrt(p * (1 - p) / len(got))).all()


# messages


GPT = {"vocabulary": 5, "length": 4, "d_model": 6, "heads": 2, "blocks": 1}
MESSAGES = [
    (
        lambda m, a: m.MultiHeadAttention(6, 4),
        "MultiHeadAttention: d_model 6 does not divide into 4 heads; wanted a multiple",
    ),
    (
        lambda m, a: m.TransformerBlock(6, 3, 5, kv_heads=2),
        "MultiHeadAttention: 3 heads do not divide into 2 kv_heads; wanted a multiple; equal "
        "numbers share nothing",
    ),
    (
        lambda m, a: m.MultiHeadAttention(6, 2).carry(2, 3),
        "MultiHeadAttention: carry of a layer that is not causal; wanted causal=True; steps that "
        "are still to come cannot be attended to",
    ),
    (
        lambda m, a: m.TransformerBlock(6, 2, 5, norm="none"),
        "TransformerBlock: norm is 'none'; wanted 'pre' or 'post'",
    ),
    (
        lambda m, a: overfill(m, m.MultiHeadAttention(6, 2, causal=True), a),
        "MultiHeadAttention: 2 steps after 3 exceed buffers of length 4; wanted them to fit; start "
        "from a longer carry",
    ),
    (
        lambda m, a: overfill(m, m.LearnedPositions(4, 6), a),
        "LearnedPositions: 2 steps after 3 exceed the 4 positions; wanted them to fit; shorten the "
        "sequence or lengthen the table",
    ),
    (
        lambda m, a: m.GPT(**GPT).generate({}, a((1, 3)).astype(int), 3, None),
        "GPT: 3 ids and 3 steps exceed the length 4; wanted at most 5 in all; give the last ids "
        "only, or take fewer steps",
    ),
    (
        lambda m, a: m.GPT(**GPT).generate({}, a((1, 3)).astype(int), 0, None),
        "generate: steps is 0 and temperature 1.0; wanted steps >= 1 and temperature >= 0, where 0 "
        "takes the likeliest",
    ),
]


def overfill(package, layer, a):
    params, _ = layer.init(np.random.default_rng(0))
    state = layer.carry(2, 4) if "MultiHead" in type(layer).__name__ else layer.carry(2)
    state = state | {"position": state["position"] + 3}
    layer.forward(params, state, a((2, 2, 6)))


@pytest.mark.parametrize("package", [nn, jaxnn], ids=lambda p: p.__name__)
@pytest.mark.parametrize(("call", "message"), MESSAGES, ids=[m.split(";")[0] for _, m in MESSAGES])
def test_message(call, message, package):
    zeros = np.zeros if package is nn else jnp.zeros
    with pytest.raises(ValueError) as error:
        call(package, zeros)
    assert str(error.value) == message


def test_an_overfull_buffer_under_jit_is_no_number(x64, rng):
    for layer in (jaxnn.MultiHeadAttention(6, 2, causal=True), jaxnn.LearnedPositions(4, 6)):
        params, _ = layer.init(rng)
        state = layer.carry(2, 4) if hasattr(layer, "heads") else layer.carry(2)
        step = jit(lambda s, x, layer=layer, params=params: layer.forward(params, s, x))
        y, _ = step(state | {"position": np.asarray(3)}, rng.standard_normal((2, 2, 6)))
        assert np.isnan(y).any(-1).any(-1).all()


def test_layers_are_static_and_compare_by_configuration():
    block = jaxnn.GPT(**GPT).block()
    assert block == jaxnn.GPT(**GPT).block() != replace(block, norm="post")
    assert len({block, replace(block)}) == 1
