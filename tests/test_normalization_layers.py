"""The layers around the normalisations: running statistics, modes, dtypes, weights by direction."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxnn
import scratchnn as nn
from gradcheck.autodiff import value_and_pullback
from scratchnn import trees
from tests.test_normalization import BACKENDS, close, points


def state_of(rng, n):
    return {"mean": rng.standard_normal(n), "var": rng.uniform(0.5, 2, n)}


@BACKENDS
@pytest.mark.parametrize("shape", [(5, 3), (2, 5, 4, 3), (1, 3)])
def test_running_statistics_step_by_step(shape, package, rng, x64):
    layer = package.BatchNorm(3, momentum=0.75)
    forward = layer.forward if package is nn else jax.jit(layer.forward, static_argnames="train")
    params, state = layer.init(rng)
    mean, var = [0.0] * 3, [1.0] * 3
    for _ in range(4):
        x = 5 + 3 * rng.standard_normal(shape)
        out = forward(params, state, x, train=True)
        state = out[0][1] if package is nn else out[1]
        for c in range(3):
            entries = x[..., c].ravel().tolist()
            m = sum(entries) / len(entries)
            v = sum((e - m) ** 2 for e in entries) / len(entries)
            mean[c] = 0.75 * mean[c] + 0.25 * m
            var[c] = 0.75 * var[c] + 0.25 * v
        close(np.asarray(state["mean"]), np.array(mean), 4 * x.size)
        close(np.asarray(state["var"]), np.array(var), 4 * x.size)


@pytest.mark.parametrize("train", [True, False])
def test_batch_norm_in_either_mode_against_autodiff(train, rng):
    mine, twin = nn.BatchNorm(3, eps=0.1), jaxnn.BatchNorm(3, eps=0.1)
    x, gamma, beta, dy = points(rng, (2, 5, 4, 3))
    state = state_of(rng, 3)
    before = {k: v.copy() for k, v in state.items()}
    (y, new), cache = mine.forward({"gamma": gamma, "beta": beta}, state, x, train=train)
    dparams, dx = mine.backward(dy, cache)

    def forward(x, gamma, beta, mean, var):
        params, state = {"gamma": gamma, "beta": beta}, {"mean": mean, "var": var}
        y, state = twin.forward(params, state, x, train=train)
        return y, state["mean"], state["var"]

    # the state is not differentiated: its cotangents have no effect, and it has no gradient
    arrays, cotangents = (x, gamma, beta, *before.values()), (dy, *rng.standard_normal((2, 3)))
    twins, pulled = value_and_pullback(forward, {}, arrays, cotangents)
    for a, b in zip((y, new["mean"], new["var"]), twins, strict=True):
        close(a, b, x.size)
    grads = dx, dparams["gamma"], dparams["beta"], np.zeros(3), np.zeros(3)
    for a, b in zip(grads, pulled, strict=True):
        close(a, b, x.size)
    for k in state:
        assert np.array_equal(state[k], before[k])  # the given state is not written to
        assert np.array_equal(new[k], state[k]) == (not train)


def test_training_uses_the_batch_and_evaluation_the_state(rng):
    layer = nn.BatchNorm(3)
    x, gamma, beta, _ = points(rng, (5, 3))
    params, state = {"gamma": gamma, "beta": beta}, state_of(rng, 3)
    (y, _), _ = layer.forward(params, state, x, train=True)
    (y_eval, _), _ = layer.forward(params, state, x)
    assert np.array_equal(y, nn.batch_norm(x, gamma, beta)[0][0])
    assert np.array_equal(y_eval, nn.batch_norm_inference(x, **state, **params)[0])
    # evaluated one by one, rows do not see each other
    alone = [layer.forward(params, state, x[i : i + 1])[0][0] for i in range(5)]
    assert np.array_equal(np.concatenate(alone), y_eval)


def test_evaluation_tends_to_training_on_one_batch(rng):
    """Blended k times, the share of the start is momentum^k."""
    layer = nn.BatchNorm(3, momentum=0.5)
    params, state = layer.init(rng)
    x = points(rng, (11, 3))[0]
    for _ in range(60):
        (y, state), _ = layer.forward(params, state, x, train=True)
    (y_eval, _), _ = layer.forward(params, state, x)
    close(y_eval, y, 64)


@BACKENDS
def test_a_stack_threads_the_statistics_of_its_layers(package, rng, x64):
    model = package.Sequential(
        (
            ("fc", package.Linear(3, 4)),
            ("norm", package.BatchNorm(4)),
            ("out", package.Linear(4, 2)),
        )
    )
    params, state = model.init(rng)
    out = model.forward(params, state, rng.standard_normal((5, 3)), train=True)
    new = out[0][1] if package is nn else out[1]
    assert sorted(new) == ["norm"] and sorted(new["norm"]) == ["mean", "var"]
    assert (state["norm"]["mean"] == 0).all() and abs(new["norm"]["mean"]).min() > 0


LAYERS = {  # layer, x
    "BatchNorm": (lambda p: p.BatchNorm(3), (2, 5, 3)),
    "LayerNorm": (lambda p: p.LayerNorm(3), (2, 5, 3)),
    "RMSNorm": (lambda p: p.RMSNorm(3), (2, 5, 3)),
    "GroupNorm": (lambda p: p.GroupNorm(6, groups=2), (2, 5, 6)),
    "InstanceNorm": (lambda p: p.InstanceNorm(3), (2, 5, 3)),
    "WeightNorm": (lambda p: p.WeightNorm(p.Linear(3, 4)), (2, 5, 3)),
    "WeightNorm of Conv2d": (lambda p: p.WeightNorm(p.Conv2d(3, 4)), (2, 5, 4, 3)),
}


@pytest.mark.parametrize("train", [True, False])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kept", ["float32", "float64"])
@pytest.mark.parametrize("name", LAYERS)
def test_layers_keep_tree_shapes_and_dtypes(name, kept, dtype, train, rng, x64):
    """Parameters and x in one dtype, the state in another: each stays."""
    build, shape = LAYERS[name]
    mine, twin = build(nn), build(jaxnn)
    params, state = mine.init(rng)
    params = trees.map(lambda p: p.astype(dtype), params)
    state = trees.map(lambda s: s.astype(kept), state)
    x = rng.standard_normal(shape).astype(dtype)
    (y, new), cache = mine.forward(params, state, x, train=train)
    dparams, dx = mine.backward(y, cache)
    kind = lambda tree: trees.map(lambda a: (a.shape, a.dtype.name), tree)  # noqa: E731
    assert y.dtype == dtype and dx.dtype == dtype
    assert kind(dparams) == kind(params) and kind(new) == kind(state)
    z, twin_new = jax.eval_shape(
        lambda *a: twin.forward(*a, train=train), *jax.tree.map(jnp.asarray, (params, state, x))
    )
    assert (z.shape, z.dtype) == (y.shape, dtype) and kind(twin_new) == kind(state)


@pytest.mark.parametrize(
    ("body", "shape"),
    [(lambda p: p.Linear(3, 4), (5, 3)), (lambda p: p.Conv2d(2, 3, stride=2), (2, 5, 6, 2))],
    ids=["Linear", "Conv2d"],
)
def test_weight_norm_starts_as_its_body(body, shape, rng):
    layer = nn.WeightNorm(body(nn))
    params, state = layer.init(np.random.default_rng(3))
    x, bare = rng.standard_normal(shape), body(nn).init(np.random.default_rng(3))[0]
    (y, _), cache = layer.forward(params, state, x)
    (want, _), _ = body(nn).forward(bare, {}, x)
    close(y, want, x.size)
    assert sorted(params) == ["b", "g", "v"]
    dy = rng.standard_normal(y.shape)
    dparams, dx = layer.backward(dy, cache)
    twin = jaxnn.WeightNorm(body(jaxnn))

    def forward(x, b, g, v):
        return twin.forward({"b": b, "g": g, "v": v}, {}, x)[0]

    arrays = (x, params["b"], params["g"], params["v"])
    _, pulled = value_and_pullback(forward, {}, arrays, dy)
    for a, b in zip((dx, dparams["b"], dparams["g"], dparams["v"]), pulled, strict=True):
        close(a, b, x.size)


@BACKENDS
def test_weight_norm_wants_one_array_of_weights(package, rng):
    with pytest.raises(ValueError) as error:
        package.WeightNorm(package.LSTM(2, 3)).init(rng)
    assert str(error.value) == (
        "WeightNorm: the body's params are ['b', 'w_h', 'w_x']; wanted weights called 'w'; wrap a "
        "layer such as Linear or Conv2d"
    )
