"""Layers made of layers: sharing, residuals, carries, and the dtype they keep."""

import jax
import numpy as np
import pytest

import scratchnn as nn
from scratchnn import trees

LAYERS = {  # layer, shape of x
    "linear": (nn.Linear(3, 2), (5, 3)),
    "linear without bias": (nn.Linear(3, 2, bias=False), (5, 3)),
    "conv2d": (nn.Conv2d(2, 3, size=3, stride=2, padding=1), (2, 5, 7, 2)),
    "rnn": (nn.RNN(3, 2), (4, 5, 3)),
    "gru": (nn.GRU(3, 2, linear_before_reset=False), (4, 5, 3)),
    "lstm": (nn.LSTM(3, 2, peepholes=True), (4, 5, 3)),
    "bidirectional": (nn.Bidirectional(nn.GRU(3, 2), nn.LSTM(3, 5)), (4, 5, 3)),
    "op": (nn.Op(nn.softmax), (5, 3)),
    "op with configuration": (nn.Op(nn.max_pool2d, size=(2, 3), stride=1), (2, 5, 7, 2)),
    "residual": (nn.Residual(nn.Linear(3, 3)), (5, 3)),
    "sequential": (
        nn.Sequential((("a", nn.Linear(3, 3)), ("tanh", nn.Op(nn.tanh)), ("a", nn.Linear(3, 3)))),
        (5, 3),
    ),
    "mlp": (nn.MLP((3, 5, 2)), (4, 3)),
    "residual cnn": (nn.residual_cnn((6, 8, 1), (2, 3), 5, 10), (4, 6, 8, 1)),
}


def run(layer, params, state, x, dy=None):
    """y, new state, dparams, dx."""
    (y, state), cache = layer.forward(params, state, x)
    return y, state, *layer.backward(np.ones_like(y) if dy is None else dy, cache)


def dtypes(tree):
    return {k: v.dtype.name for k, v in trees.flatten(tree).items()}


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_layer_keeps_the_dtype(name, dtype, rng):
    layer, shape = LAYERS[name]
    params, state = layer.init(rng)
    params = trees.map(lambda p: p.astype(dtype), params)
    x = rng.standard_normal(shape).astype(dtype)
    y, _, dparams, dx = run(layer, params, state, x)
    assert (y.dtype, dx.dtype, dx.shape) == (dtype, dtype, shape)
    assert dtypes(dparams) == dtypes(params)
    assert trees.map(np.shape, dparams) == trees.map(np.shape, params)


def shared(*names):
    layers = {"w": nn.Linear(3, 3), "v": nn.Linear(3, 3), "u": nn.Linear(3, 3)}
    acts = [(name, layers.get(name, nn.Op(nn.tanh))) for name in names]
    return nn.Sequential(tuple(acts))


def test_a_repeated_name_sums_the_gradients_of_the_untied_network(rng):
    tied, untied = (
        shared("w", "tanh", "w", "tanh", "w"),
        shared("w", "tanh", "v", "tanh", "u"),
    )
    params, state = tied.init(rng)
    assert list(params) == ["w"]
    assert params["w"]["w"].std() > 0
    copies = {k: params["w"] for k in ("w", "v", "u")}
    x, dy = rng.standard_normal((2, 5, 3))
    y, _, dparams, dx = run(tied, params, state, x, dy)
    y_untied, _, d, dx_untied = run(untied, copies, state, x, dy)
    summed = trees.add(d["u"], trees.add(d["v"], d["w"]))
    assert np.array_equal(y, y_untied) and np.array_equal(dx, dx_untied)
    for k in ("w", "b"):
        # sums of three in another order: two roundings
        bound = 2 * np.finfo(float).eps * sum(abs(d[n][k]) for n in d)
        assert (abs(dparams["w"][k] - summed[k]) <= bound).all()
        assert not np.allclose(dparams["w"][k], d["u"][k])


def test_different_layers_under_one_name():
    with pytest.raises(ValueError) as error:
        nn.Sequential((("act", nn.Op(nn.relu)), ("act", nn.Op(nn.tanh))))
    a, b = nn.Op(nn.relu), nn.Op(nn.tanh)
    assert str(error.value) == (
        f"Sequential: two different layers are named 'act', {a} and {b}; "
        "a shared name means shared weights, so rename one"
    )


def test_residual_adds_its_input(rng):
    body = nn.Linear(3, 3)
    params, state = body.init(rng)
    x, dy = rng.standard_normal((2, 5, 3))
    y, _, dparams, dx = run(body, params, state, x, dy)
    y_res, _, dparams_res, dx_res = run(nn.Residual(body), params, state, x, dy)
    assert np.array_equal(y_res, x + y) and np.array_equal(dx_res, dy + dx)
    assert all(np.array_equal(dparams[k], dparams_res[k]) for k in ("w", "b"))


def test_op_finds_its_backward_and_compares_by_configuration(rng):
    layer = nn.Op(nn.max_pool2d, stride=1, size=2)
    x, dy = rng.standard_normal((1, 3, 4, 2)), rng.standard_normal((1, 2, 3, 2))
    y, _, dparams, dx = run(layer, {}, {}, x, dy)
    want, cache = nn.max_pool2d(x, size=2, stride=1)
    assert dparams == {} and np.array_equal(y, want)
    assert np.array_equal(dx, nn.max_pool2d_backward(dy, cache))
    assert layer == nn.Op(nn.max_pool2d, size=2, stride=1) != nn.Op(nn.max_pool2d, size=2)
    assert len({layer, nn.Op(nn.max_pool2d, size=2, stride=1)}) == 1  # a static jit argument


@pytest.mark.parametrize("backend", ["numpy", "jax"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_carry_keeps_tree_shapes_and_dtype(backend, dtype, rng, x64):
    import jaxnn

    if backend == "numpy":
        layer = nn.LSTM(3, 2)
        step = lambda p, s, x: layer.forward(p, s, x)[0]  # noqa: E731
    else:
        layer = jaxnn.LSTM(3, 2)
        step = jax.jit(layer.forward)
    params, empty = layer.init(rng)
    assert empty == {}
    cast = lambda tree: trees.map(lambda v: v.astype(dtype), tree)  # noqa: E731
    params, state = cast(params), cast(layer.carry(4))
    x = rng.standard_normal((5, 4, 3)).astype(dtype)
    whole, end = step(params, state, x)
    first, middle = step(params, state, x[:2])
    second, last = step(params, middle, x[2:])
    for s in (end, middle, last):
        assert dtypes(s) == {"c": dtype, "h": dtype}
        assert trees.map(np.shape, s) == trees.map(np.shape, state)
    # two streams in a row are one stream: the same operations in the same order
    ulp = np.finfo(dtype).eps * (0 if backend == "numpy" else 8)
    assert abs(np.concatenate((first, second)) - whole).max() <= ulp
    assert abs(last["c"] - end["c"]).max() <= ulp
    assert abs(middle["h"]).max() > 0


def test_a_layer_without_a_carry_starts_from_zeros(rng):
    layer = nn.LSTM(3, 2)
    params, state = layer.init(rng)
    x = rng.standard_normal((5, 4, 3))
    y, none, _, dx = run(layer, params, state, x)
    y_zero, carry, _, dx_zero = run(layer, params, layer.carry(4), x)
    assert none == {} and sorted(carry) == ["c", "h"]
    assert np.array_equal(y, y_zero) and np.array_equal(dx, dx_zero)


def test_sequential_carries_the_state_of_its_layers(rng):
    lstm = nn.LSTM(3, 2)
    model = nn.Sequential((("lstm", lstm), ("out", nn.Linear(2, 2))))
    params, empty = model.init(rng)
    x = rng.standard_normal((5, 4, 3))
    given = {"lstm": lstm.carry(4)}
    _, state, _, _ = run(model, params, given, x)
    assert empty == {} and sorted(state) == ["lstm"]
    assert (given["lstm"]["h"] == 0).all() and abs(state["lstm"]["h"]).min() > 0


@pytest.mark.parametrize("kind", [nn.RNN, nn.GRU, nn.LSTM])
def test_a_float64_carry_stays_so_under_float32_inputs(kind, rng):
    layer = kind(3, 2)
    params, _ = layer.init(rng)
    params = trees.map(lambda p: p.astype("float32"), params)
    (y, state), _ = layer.forward(params, layer.carry(4), np.ones((5, 4, 3), "float32"))
    assert (y.dtype, dtypes(state)) == ("float32", dict.fromkeys(dtypes(layer.carry(4)), "float64"))
