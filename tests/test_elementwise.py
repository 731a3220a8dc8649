"""Dense and elementwise ops beyond the two laws: kinks, extremes, identities, messages."""

import inspect
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import expit, ndtr

import jaxnn
import scratchnn as nn
from gradcheck import check

EPS = np.finfo(float).eps


def hand(name, dy, *arrays, **config):
    """y and the gradients by scratchnn."""
    y, cache = getattr(nn, name)(*arrays, **config)
    grads = getattr(nn, f"{name}_backward")(dy, cache)
    return y, grads if isinstance(grads, tuple) else (grads,)


def auto(name, dy, *arrays, **config):
    """The same by jaxnn, in double precision where the arrays are."""
    y, pullback = jax.vjp(lambda *a: getattr(jaxnn, name)(*a, **config), *arrays)
    return np.asarray(y), tuple(map(np.asarray, pullback(jnp.asarray(dy))))


BOTH = pytest.mark.parametrize("run", [hand, auto], ids=["numpy", "jax"])
PACKAGES = pytest.mark.parametrize("package", [nn, jaxnn], ids=["numpy", "jax"])
SELU_SCALE, SELU_ALPHA = 1.0507009873554805, 1.6732632423543772

KINKS = [  # op, configuration, x, the subgradient at each entry
    ("leaky_relu", {"slope": 0.2}, [0.0, -0.0], [0.2, 0.2]),
    ("elu", {"alpha": 0.3}, [0.0, -0.0], [0.3, 0.3]),
    ("selu", {}, [0.0, -0.0], [SELU_SCALE * SELU_ALPHA] * 2),
    ("hardswish", {}, [-3.0, 3.0], [0.0, 1.0]),
    ("clip", {"low": -0.5, "high": 2.0}, [-0.5, 2.0], [1.0, 1.0]),
    ("clip", {"low": 2.0, "high": 2.0}, [1.0, 2.0, 3.0], [0.0, 1.0, 0.0]),
    ("abs", {}, [0.0, -0.0], [0.0, 0.0]),
]


@BOTH
@pytest.mark.parametrize(("name", "config", "x", "slope"), KINKS)
def test_the_policy_at_a_kink(run, name, config, x, slope, rng, x64):
    dy = rng.standard_normal(len(x))
    _, (dx,) = run(name, dy, np.array(x), **config)
    assert abs(dx - dy * slope).max() <= 2 * EPS * abs(dy).max()


@BOTH
def test_a_tie_of_maximum_goes_to_the_first(run, rng, x64):
    x, dy = rng.standard_normal((2, 5))
    y, (dx1, dx2) = run("maximum", dy, x, x.copy())
    assert np.array_equal(y, x) and np.array_equal(dx1, dy) and not dx2.any()


@BOTH
def test_prelu_takes_its_slope_at_zero(run, rng, x64):
    a, dy = rng.standard_normal((2, 3))
    _, (dx, da) = run("prelu", dy, np.zeros(3), a)
    assert np.array_equal(dx, a * dy) and not da.any()


EXTREMES = [  # op, configuration, y at -1e4 and 1e4, dy/dx there
    ("leaky_relu", {"slope": 0.25}, (-2500.0, 1e4), (0.25, 1.0)),
    ("elu", {"alpha": 0.5}, (-0.5, 1e4), (0.0, 1.0)),
    ("selu", {}, (-SELU_SCALE * SELU_ALPHA, SELU_SCALE * 1e4), (0.0, SELU_SCALE)),
    ("softplus", {}, (0.0, 1e4), (0.0, 1.0)),
    ("silu", {}, (0.0, 1e4), (0.0, 1.0)),
    ("gelu", {"approximate": False}, (0.0, 1e4), (0.0, 1.0)),
    ("gelu", {"approximate": True}, (0.0, 1e4), (0.0, 1.0)),
    ("hardswish", {}, (0.0, 1e4), (0.0, 1.0)),
    ("clip", {"low": -1.0, "high": 1.0}, (-1.0, 1.0), (0.0, 0.0)),
    ("abs", {}, (1e4, 1e4), (-1.0, 1.0)),
]


@BOTH
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("name", "config", "y_wanted", "slope"), EXTREMES)
def test_extreme_inputs_reach_their_limits(run, dtype, name, config, y_wanted, slope, rng, x64):
    x, dy = np.array([-1e4, 1e4], dtype), rng.standard_normal(2).astype(dtype)
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        y, (dx,) = run(name, dy, x, **config)
    assert y.dtype == dx.dtype == dtype
    eps = np.finfo(dtype).eps
    assert (abs(y - y_wanted) <= 2 * eps * np.abs(y_wanted)).all()
    assert (abs(dx - dy * slope) <= 2 * eps * abs(dy * slope)).all()


@BOTH
def test_extreme_gates(run, rng, x64):
    x, dy = np.array([[2.0, 3.0, -1e4, 1e4]]), rng.standard_normal((1, 2))
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        y, (dx,) = run("glu", dy, x)
        _, grads = run("swiglu", dy, x[:, 2:], np.eye(2), np.eye(2))
    assert y.tolist() == [[0.0, 3.0]] and dx.tolist() == [[0.0, dy[0, 1], 0.0, 0.0]]
    assert all(np.isfinite(g).all() for g in grads)


def test_closed_forms(rng):
    x = 3 * rng.standard_normal(50)
    for name in ("softplus", "silu", "gelu"):  # f(x) - f(-x) = x
        f = getattr(nn, name)
        assert abs(f(x)[0] - f(-x)[0] - x).max() <= 4 * EPS * abs(x).max()
    assert abs(nn.silu(x)[0] - x * expit(x)).max() == 0
    assert abs(nn.gelu(x)[0] - x * ndtr(x)).max() <= 8 * EPS * abs(x).max()
    assert abs(nn.gelu(np.array(1.0))[0] - 0.8413447460685429) <= 4 * EPS
    assert nn.softplus(np.zeros(()))[0] == math.log(2)
    wide = np.linspace(-8, 8, 10001)
    apart = abs(nn.gelu(wide)[0] - nn.gelu(wide, approximate=True)[0]).max()
    assert 4e-4 < apart < 5e-4


def test_the_tail_of_gelu_keeps_its_digits():
    y, cache = nn.gelu(np.array(-10.0))
    p = 7.619853024160526e-24  # P(Z <= -10); 1 + erf would give 0
    slope = p - 10 * math.exp(-50) / math.sqrt(2 * math.pi)
    # the argument of erfc is rounded, which its condition number x^2 = 100 magnifies
    assert abs(y / (-10 * p) - 1) < 400 * EPS
    assert abs(nn.gelu_backward(np.array(1.0), cache) / slope - 1) < 400 * EPS


def test_the_forms_of_gelu_are_not_each_others_backward(rng):
    def mixed_backward(dy, cache):
        x, p, approximate = cache
        return nn.gelu_backward(dy, (x, p, not approximate))

    assert check(nn.gelu, mixed_backward, rng.standard_normal(7)).verdict == "fail"


def test_selu_keeps_mean_zero_and_variance_one():
    z, dz = np.linspace(-12, 12, 2_400_001, retstep=True)
    density = np.exp(-z * z / 2) / math.sqrt(2 * math.pi)
    y, _ = nn.selu(z)
    # the kink lies on the grid, so the trapezoidal rule is off by about dz^2
    assert abs((y * density).sum() * dz) < 1e-9
    assert abs((y * y * density).sum() * dz - 1) < 1e-9


def test_equalities_between_ops(rng):
    x, dy = rng.standard_normal((2, 5, 3))
    a = np.full(3, 0.2)

    def same(one, other):
        """(y, dx) of two ops that are one function."""
        assert np.array_equal(one[0], other[0]) and np.array_equal(one[1][0], other[1][0])

    relu = hand("relu", dy, x)
    same(hand("leaky_relu", dy, x, slope=0.0), relu)
    same(hand("maximum", dy, x, np.zeros_like(x)), relu)
    same(hand("clip", dy, x, low=0.0, high=math.inf), relu)
    same(hand("prelu", dy, x, a), hand("leaky_relu", dy, x, slope=0.2))
    y, (dx1, dx2) = hand("maximum", dy, x, -x)
    same(hand("abs", dy, x), (y, (dx1 - dx2,)))
    same(hand("clip", dy, x, low=-math.inf, high=math.inf), (x, (dy,)))


def test_glu_and_swiglu_are_what_they_are_made_of(rng):
    x, dy = rng.standard_normal((2, 5, 3)), rng.standard_normal((2, 5, 7))
    w, v = rng.standard_normal((2, 3, 7))
    y, _ = nn.swiglu(x, w, v)
    assert np.array_equal(y, nn.silu(nn.linear(x, w)[0])[0] * nn.linear(x, v)[0])
    values, gates = x @ w, x @ v
    y, (dx,) = hand("glu", dy, np.concatenate((values, gates), -1))
    assert np.array_equal(y, values * nn.sigmoid(gates)[0])
    assert np.array_equal(dx[..., :7], dy * nn.sigmoid(gates)[0])


def test_swiglu_layer_is_the_feed_forward_of_its_source(rng):
    layer = nn.SwiGLU(3, 8)
    params, state = layer.init(rng)
    x = rng.standard_normal((2, 5, 3))
    (y, _), _ = layer.forward(params, state, x)
    w, v, w_out = params["gate"]["w"], params["gate"]["v"], params["out"]["w"]
    assert abs(y - (nn.silu(x @ w)[0] * (x @ v)) @ w_out).max() <= 64 * EPS
    assert sum(p.size for p in (w, v, w_out)) == 2 * 3 * (4 * 3)  # 8/3 as wide: as many weights


@BOTH
@pytest.mark.parametrize("lead", [(), (1,), (2, 5)])
def test_linear_and_bilinear_of_any_leading_axes_are_those_of_their_rows(run, lead, rng, x64):
    x1, x2 = rng.standard_normal((*lead, 3)), rng.standard_normal((*lead, 7))
    dy = rng.standard_normal((*lead, 4))
    w, wide, b = rng.standard_normal((3, 4)), rng.standard_normal((3, 7, 4)), np.ones(4)
    for name, xs, shared in (("linear", (x1,), (w, b)), ("bilinear", (x1, x2), (wide, b))):
        y, grads = run(name, dy, *xs, *shared)
        rows = [run(name, dy[n], *(x[n] for x in xs), *shared) for n in np.ndindex(lead)]
        bound = 64 * EPS * max(abs(g).max() for g in grads)
        assert abs(y.reshape(-1, 4) - [r[0] for r in rows]).max() <= bound
        for i, g in enumerate(grads):
            of_rows = np.array([r[1][i] for r in rows])
            whole = of_rows.reshape(g.shape) if i < len(xs) else of_rows.sum(0)
            assert abs(g - whole).max() <= bound


def test_bilinear_of_unit_vectors_reads_the_weights(rng):
    w = rng.standard_normal((2, 3, 5))
    for i, j in np.ndindex(2, 3):
        assert np.array_equal(nn.bilinear(np.eye(2)[i], np.eye(3)[j], w)[0], w[i, j])
    x1, x2, dy = rng.standard_normal((7, 2)), rng.standard_normal((7, 3)), rng.standard_normal(
        (7, 5)
    )  # fmt: skip
    outer = (x1[:, :, None] * x2[:, None]).reshape(7, 6)
    y, (_, _, dw, none) = hand("bilinear", dy, x1, x2, w)
    y_linear, (_, dw_linear, _) = hand("linear", dy, outer, w.reshape(6, 5))
    assert none is None and abs(y - y_linear).max() <= 64 * EPS
    assert abs(dw.reshape(6, 5) - dw_linear).max() <= 64 * EPS


@BOTH
def test_dropout_scales_what_it_keeps(run, rng, x64):
    x, dy = rng.standard_normal((2, 5, 3))
    mask = rng.random((5, 3)) >= 0.75
    y, grads = run("dropout", dy, x, mask, rate=0.75)
    assert np.array_equal(y, np.where(mask, 4 * x, 0))
    assert np.array_equal(grads[0], np.where(mask, 4 * dy, 0))
    y, _ = run("dropout", dy, x, np.ones((5, 3), bool), rate=0.0)
    assert np.array_equal(y, x)


def test_dropout_keeps_the_mean(rng):
    rate, n = 0.3, 100_000
    layer = nn.Dropout(rate)
    (y, _), _ = layer.forward({}, {}, np.ones(n), rng=rng, train=True)
    # the mean of n Bernoulli variables over 1 - rate; five standard deviations
    assert abs(y.mean() - 1) < 5 * math.sqrt(rate / (1 - rate) / n)
    assert abs((y == 0).mean() - rate) < 5 * math.sqrt(rate * (1 - rate) / n)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_dropout_layer(dtype, rng, x64):
    x, dy = rng.standard_normal((2, 5, 3)).astype(dtype)
    layer, twin = nn.Dropout(0.4), jaxnn.Dropout(0.4)
    (y, state), cache = layer.forward({}, {}, x)
    assert y is x and state == {} and np.array_equal(layer.backward(dy, cache)[1], dy)
    assert twin.forward({}, {}, x)[0] is x
    (y, _), cache = layer.forward({}, {}, x, rng=np.random.default_rng(3), train=True)
    dparams, dx = layer.backward(dy, cache)
    mask = np.random.default_rng(3).random((5, 3)) >= 0.4
    assert dparams == {} and y.dtype == dx.dtype == dtype
    assert np.array_equal(y != 0, mask) and np.array_equal(dx != 0, mask)
    y_twin, _ = twin.forward({}, {}, jnp.asarray(x), rng=np.random.default_rng(3), train=True)
    # one division, which XLA may turn into a product
    assert y_twin.dtype == dtype
    assert (abs(np.asarray(y_twin) - y) <= 2 * np.finfo(dtype).eps * abs(y)).all()


@PACKAGES
def test_dropout_in_training_wants_random_numbers(package):
    with pytest.raises(ValueError) as error:
        package.Dropout(0.5).forward({}, {}, np.ones(3), train=True)
    assert str(error.value) == (
        "Dropout: rng is None in training; wanted a source of random numbers with random(shape); "
        "pass rng=numpy.random.default_rng(seed), or train=False"
    )


class Keys:
    """Random numbers from a JAX key."""

    def __init__(self, key):
        self.key = key

    def random(self, shape):
        self.key, key = jax.random.split(self.key)
        return jax.random.uniform(key, shape)


def drop(x, rng):
    return jaxnn.Dropout(0.5).forward({}, {}, x, rng=rng, train=True)[0]


@pytest.mark.parametrize(
    "traced",
    [
        lambda x, rng: jax.jit(lambda x: drop(x, rng))(x),
        lambda x, rng: jax.jit(lambda s: s * drop(x, rng))(2.0),  # x itself is a constant
        lambda x, rng: jax.vmap(lambda x: drop(x, rng))(x),
    ],
    ids=["jit", "constant", "vmap"],
)
def test_a_numpy_generator_is_refused_under_tracing(traced):
    x = jnp.ones((4, 64))
    with pytest.raises(TypeError, match=r"^Dropout: rng is a NumPy generator under tracing"):
        traced(x, np.random.default_rng(0))
    with pytest.raises(TypeError, match=r"NumPy generator"):
        traced(x, np.random.RandomState(0))
    assert set(np.unique(traced(x, Keys(jax.random.key(0))))) <= {0.0, 2.0, 4.0}


def test_a_key_gives_each_call_its_own_mask():
    step = jax.jit(lambda x, key: drop(x, Keys(key)))
    one, other, again = (step(jnp.ones(64), jax.random.key(k)) for k in (0, 1, 0))
    assert (one != other).any() and (one == again).all()


@PACKAGES
@pytest.mark.parametrize("rate", [-0.1, 1.0, 1.5, math.nan])
def test_a_rate_outside_its_range(package, rate):
    wanted = f"rate is {rate}; wanted the fraction that is dropped, at least 0 and less than 1"
    with pytest.raises(ValueError) as error:
        package.dropout(np.ones(3), np.ones(3, bool), rate=rate)
    assert str(error.value) == f"dropout: {wanted}"
    with pytest.raises(ValueError) as error:
        package.Dropout(rate)
    assert str(error.value) == f"Dropout: {wanted}"


@PACKAGES
@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (
            lambda nn: nn.clip(np.ones(3), low=2.0, high=1.0),
            ValueError,
            "clip: low is 2.0 and high is 1.0; wanted low <= high; swap them",
        ),
        (
            lambda nn: nn.glu(np.ones((2, 3))),
            ValueError,
            "glu: x has shape (2, 3), but its axis 2*D must be a multiple of 2, got 3; "
            "wanted (*batch, 2*D)",
        ),
        (
            lambda nn: nn.dropout(np.ones(3), np.ones(3), rate=0.5),
            TypeError,
            "dropout: mask has dtype float64; wanted a boolean dtype; "
            "compare, or convert it with .astype(bool)",
        ),
        (
            lambda nn: nn.prelu(np.ones((2, 3)), np.ones(2)),
            ValueError,
            "prelu: a has shape (2,), but its axis C must be 3 (C = 3 from x); wanted (C,)",
        ),
    ],
)
def test_messages(package, call, kind, message):
    with pytest.raises(kind) as error:
        call(package)
    assert str(error.value) == message


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("layer", "shapes"),
    [
        (nn.Bilinear(3, 5, 2), ((7, 3), (7, 5))),
        (nn.Bilinear(3, 5, 2, bias=False), ((3,), (5,))),
        (nn.PReLU(3), ((7, 2, 3),)),
        (nn.SwiGLU(3, 5), ((7, 2, 3),)),
    ],
)
def test_a_layer_keeps_the_dtype(layer, shapes, dtype, rng):
    params, state = layer.init(rng)
    params = nn.trees.map(lambda p: p.astype(dtype), params)
    xs = tuple(rng.standard_normal(s).astype(dtype) for s in shapes)
    (y, _), cache = layer.forward(params, state, xs if len(xs) > 1 else xs[0])
    dparams, dx = layer.backward(np.ones_like(y), cache)
    for tree in (params, dparams):
        assert {v.dtype.name for v in nn.trees.flatten(tree).values()} == {dtype}
    assert nn.trees.map(np.shape, dparams) == nn.trees.map(np.shape, params)
    dxs = dx if isinstance(dx, tuple) else (dx,)
    assert [(d.dtype, d.shape) for d in (y, *dxs)][1:] == [(dtype, s) for s in shapes]


def test_the_builtin_abs_is_hidden_only_where_it_is_not_used():
    for package in (nn, jaxnn):
        module = inspect.getmodule(package.abs)
        users = [f for f in vars(module).values() if getattr(f, "__module__", 0) == module.__name__]
        calls = {f.__name__ for f in users if "abs" in f.__code__.co_names and f is not package.abs}
        assert not calls, f"{calls} in {module.__name__} would call the op, not the builtin"
