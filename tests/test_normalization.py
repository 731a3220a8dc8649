"""Normalisations: statistics, invariances, equal forms, extremes, messages."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxnn
import scratchnn as nn
from gradcheck.autodiff import value_and_pullback

GROUPS = 2
SHAPE = (5, 3, 4, 6)
# the axes of the means, of x as (N, H, W, groups, G)
AXES = {
    "batch_norm": (0, 1, 2),
    "layer_norm": (3, 4),
    "group_norm": (1, 2, 4),
    "instance_norm": (1, 2),
}
EPS = pytest.mark.parametrize("eps", [1e-5, 1.0])
NORM = pytest.mark.parametrize("name", AXES)
BACKENDS = pytest.mark.parametrize("package", [nn, jaxnn], ids=["numpy", "jax"])


def run(name, x, gamma, beta, dy, eps=1e-5, groups=GROUPS):
    """y, dx, dgamma, dbeta of any of the four."""
    config = {"groups": groups} if name == "group_norm" else {}
    y, cache = getattr(nn, name)(x, gamma, beta, eps=eps, **config)
    backward = getattr(nn, f"{name}_backward")
    if name == "batch_norm":
        return y[0], *backward((dy, 0.0, 0.0), cache)
    return y, *backward(dy, cache)


def points(rng, shape=SHAPE):
    """x, gamma, beta, dy: gamma is never 1, nor dy constant, where a wrong gradient could hide."""
    C = shape[-1]
    x, dy = 3 + 2 * rng.standard_normal(shape), rng.standard_normal(shape)
    return x, rng.uniform(1.5, 3, C) * rng.choice((-1, 1), C), rng.standard_normal(C), dy


def grouped(a):
    return a.reshape(*a.shape[:-1], GROUPS, -1)


def close(a, b, terms, dtype=np.float64):
    """Equal but for the order in which so many terms were added, each sum rounded `terms` times."""
    assert a.shape == b.shape
    scale = max(1.0, float(np.max(np.abs(b))))
    assert np.max(np.abs(a - b)) <= terms * np.finfo(dtype).eps * scale


# ---- value and gradient ----------------------------------------------------------------------


@NORM
@EPS
def test_mean_and_variance_of_the_output(name, eps, rng):
    x, gamma, beta, dy = points(rng)
    y = run(name, x, gamma, beta, dy, eps)[0]
    x_hat, axes = grouped((y - beta) / gamma), AXES[name]
    var = grouped(x).var(axes)
    close(x_hat.mean(axes), 0 * var, x.size)
    close(x_hat.var(axes), var / (var + eps), x.size)


@NORM
@EPS
def test_moving_x_along_the_statistics_changes_nothing(name, eps, rng):
    """dx sums to 0, and its product with x_hat to the share of eps, at any dy and gamma."""
    x, gamma, beta, dy = points(rng)
    y, dx, _, _ = run(name, x, gamma, beta, dy, eps)
    axes = AXES[name]
    x_hat, dx_hat, dx = grouped((y - beta) / gamma), grouped(gamma * dy), grouped(dx)
    r2 = 1 / (grouped(x).var(axes) + eps)
    close(dx.sum(axes), 0 * r2, x.size)
    close((dx * x_hat).sum(axes), eps * r2**1.5 * (dx_hat * x_hat).sum(axes), x.size)
    assert np.abs(dx).max() > 0.1


@NORM
def test_shift_and_scale_of_x_drop_out(name, rng):
    # multiples of 2^-20 and powers of two, so that only the mean is rounded
    x, gamma, beta, dy = points(rng)
    x = np.round(x * 2**20) / 2**20
    y, dx, *rest = run(name, x, gamma, beta, dy, eps=1e-3)
    again = run(name, 8 * x, gamma, beta, dy, eps=64e-3)
    for a, b in zip(again, (y, dx / 8, *rest), strict=True):
        assert np.array_equal(a, b)
    shifted = run(name, x + 16, gamma, beta, dy, eps=1e-3)
    for a, b in zip(shifted, (y, dx, *rest), strict=True):
        close(a, b, 16 * x.size)


@NORM
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_large_offset_costs_no_more_than_the_rounding_of_x(name, dtype, rng):
    u, offset = np.finfo(dtype).eps, 1e4
    x, gamma, beta, dy = (a.astype(dtype) for a in points(rng))
    moved = x + np.array(offset, dtype)
    exact = (moved.astype("float64") - offset, *(a.astype("float64") for a in (gamma, beta, dy)))
    # mean of squares less square of mean would lose offset^2 u, which is 6 in float32
    for a, b in zip(run(name, moved, gamma, beta, dy), run(name, *exact), strict=True):
        assert a.dtype == dtype
        assert np.max(np.abs(a - b)) <= 8 * offset * u * max(1, np.abs(b).max())


@EPS
def test_one_group_per_channel_is_instance_norm(eps, rng):
    point = points(rng)
    whole = run("group_norm", *point, eps, groups=SHAPE[-1])
    for a, b in zip(whole, run("instance_norm", *point, eps), strict=True):
        close(a, b, SHAPE[1] * SHAPE[2])


@EPS
def test_one_group_is_layer_norm_of_the_whole_image(eps, rng):
    x, gamma, beta, dy = points(rng)
    N, H, W, C = x.shape
    tiled = np.tile(gamma, H * W), np.tile(beta, H * W)
    y, dx, dgamma, dbeta = run("layer_norm", x.reshape(N, -1), *tiled, dy.reshape(N, -1), eps)
    want = (
        y.reshape(x.shape),
        dx.reshape(x.shape),
        *(g.reshape(H * W, C).sum(0) for g in (dgamma, dbeta)),
    )
    for a, b in zip(run("group_norm", x, gamma, beta, dy, eps, groups=1), want, strict=True):
        close(a, b, x.size)


def test_batch_norm_of_images_is_that_of_their_pixels(rng):
    x, gamma, beta, dy = points(rng)
    rows = run("batch_norm", x.reshape(-1, 6), gamma, beta, dy.reshape(-1, 6))
    for a, b in zip(run("batch_norm", x, gamma, beta, dy), rows, strict=True):
        close(a.reshape(b.shape), b, x.size)


def test_batch_norm_of_one_image_is_its_instance_norm(rng):
    point = points(rng, (1, 5, 7, 3))
    for a, b in zip(run("batch_norm", *point), run("instance_norm", *point), strict=True):
        close(a, b, 35)


@EPS
def test_batch_norm_is_inference_with_the_statistics_of_the_batch(eps, rng):
    """dx of batch norm is that of inference plus what mean and var pass on."""
    x, gamma, beta, dy = points(rng, (11, 3))
    (y, mean, var), cache = nn.batch_norm(x, gamma, beta, eps=eps)
    y_known, known = nn.batch_norm_inference(x, mean, var, gamma, beta, eps=eps)
    dx_direct, dmean, dvar, *rest = nn.batch_norm_inference_backward(dy, known)
    dx, *whole = nn.batch_norm_backward((dy, 0.0, 0.0), cache)
    close(y, y_known, 11)
    close(dx, dx_direct + (dmean + 2 * dvar * (x - mean)) / 11, 11)
    for a, b in zip(whole, rest, strict=True):
        close(a, b, 11)


@EPS
def test_rms_norm_of_centred_rows_is_their_layer_norm(eps, rng):
    x, gamma, _, dy = points(rng, (5, 7))
    x = x - x.mean(-1, keepdims=True)
    y, cache = nn.rms_norm(x, gamma, eps=eps)
    dx, dgamma = nn.rms_norm_backward(dy, cache)
    y_layer, dx_layer, dgamma_layer, _ = run("layer_norm", x, gamma, 0 * gamma, dy, eps)
    close(y, y_layer, 7)
    close(dgamma, dgamma_layer, 7)
    close(dx - dx.mean(-1, keepdims=True), dx_layer, 7)


@EPS
def test_l2_normalize_is_rms_norm_by_the_root_of_d(eps, rng):
    x, dy = rng.standard_normal((2, 5, 7))
    y, cache = nn.l2_normalize(x, eps=7 * eps)
    y_rms, cache_rms = nn.rms_norm(x, np.full(7, 7**-0.5), eps=eps)
    close(y, y_rms, 7)
    close(nn.l2_normalize_backward(dy, cache), nn.rms_norm_backward(dy, cache_rms)[0], 7)


def test_weight_norm_gives_columns_of_length_g(rng):
    v, dy = rng.standard_normal((2, 3, 2, 5, 4))
    g = np.array([1.5, -2.0, 0.0, 3.0])
    w, cache = nn.weight_norm(v, g, eps=1e-30)
    dv, dg = nn.weight_norm_backward(dy, cache)
    close(np.sqrt((w * w).sum((0, 1, 2))), abs(g), v[..., 0].size)
    # moving v along itself, or moving it where g is 0, changes nothing
    close((v * dv).sum((0, 1, 2)), 0 * g, v[..., 0].size)
    assert (dv[..., 2] == 0).all() and np.abs(dv[..., 0]).min() > 0
    close(dg, (dy * v).sum((0, 1, 2)) / np.sqrt((v * v).sum((0, 1, 2))), v[..., 0].size)


# ---- extreme inputs --------------------------------------------------------------------------

ONE = np.ones(1)
EXTREMES = {  # op, arrays, dy, config, y, dx: y is what the policy says, dx too
    "a batch of one row": (
        "batch_norm",
        (np.array([[7.0, -1e4]]), np.array([2.0, 3.0]), np.array([0.5, -0.5])),
        (np.array([[1.0, 2.0]]), np.array([0.0, 5.0]), np.array([3.0, 4.0])),
        {},
        [[0.5, -0.5]],
        [[0.0, 5.0]],  # the mean is x; the variance has a minimum
    ),
    "a constant channel": (
        "batch_norm",
        (np.full((4, 1), 1e4), 2 * ONE, ONE),
        (np.array([[1.0], [0.0], [0.0], [0.0]]), 0 * ONE, 0 * ONE),
        {"eps": 1e-4},
        [[1.0]] * 4,
        [[150.0], [-50.0], [-50.0], [-50.0]],
    ),
    "a constant row": (
        "layer_norm",
        (np.full((1, 2), -1e4), np.array([2.0, 3.0]), np.array([4.0, 5.0])),
        np.array([[1.0, 0.0]]),
        {"eps": 1e-4},
        [[4.0, 5.0]],
        [[100.0, -100.0]],
    ),
    "a row of length one": ("layer_norm", (7 * ONE, ONE, 3 * ONE), ONE, {}, [3.0], [0.0]),
    "an image of one pixel": (
        "instance_norm",
        (np.full((1, 1, 1, 1), 7.0), ONE, 3 * ONE),
        np.ones((1, 1, 1, 1)),
        {},
        [[[[3.0]]]],
        [[[[0.0]]]],
    ),
    "a group of one entry": (
        "group_norm",
        (np.array([[7.0, -1e4]]), np.ones(2), np.zeros(2)),
        np.ones((1, 2)),
        {"groups": 2},
        [[0.0, 0.0]],
        [[0.0, 0.0]],
    ),
    "a zero row": (
        "rms_norm",
        (np.zeros((1, 2)), np.array([2.0, 3.0])),
        np.ones((1, 2)),
        {"eps": 1e-4},
        [[0.0, 0.0]],
        [[200.0, 300.0]],
    ),
    "a zero vector": (
        "l2_normalize",
        (np.zeros((1, 2)),),
        np.array([[1.0, -2.0]]),
        {},
        [[0.0, 0.0]],
        [[1e6, -2e6]],
    ),
    "a zero column": (
        "weight_norm",
        (np.array([[0.0], [0.0]]), 3 * ONE),
        np.array([[1.0], [-2.0]]),
        {},
        [[0.0], [0.0]],
        [[3e6], [-6e6]],
    ),
    "a known variance of zero": (
        "batch_norm_inference",
        (np.array([[3.0]]), ONE, 0 * ONE, ONE, ONE),
        np.array([[2.0]]),
        {"eps": 1e-4},
        [[201.0]],
        [[200.0]],
    ),
}


@pytest.mark.parametrize("case", EXTREMES)
def test_extremes_have_the_stated_value_and_gradient(case):
    name, arrays, dy, config, y, dx = EXTREMES[case]
    out, cache = getattr(nn, name)(*arrays, **config)
    grads = getattr(nn, f"{name}_backward")(dy, cache)
    twin, pulled = value_and_pullback(getattr(jaxnn, name), config, arrays, dy)
    for a, b in zip(several(out), several(twin), strict=True):
        close(a, b, 8)
    for a, b in zip(several(grads), pulled, strict=True):
        close(a, b, 8)
    close(several(out)[0], np.array(y), 8)
    close(several(grads)[0], np.array(dx), 8)


def several(a):
    return a if isinstance(a, tuple) else (a,)


@pytest.mark.parametrize("size", [1e-4, 1e4])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@NORM
def test_inputs_of_any_scale_stay_finite(name, dtype, size, rng):
    x, gamma, beta, dy = (a.astype(dtype) for a in points(rng))
    for a in run(name, (size * x).astype(dtype), gamma, beta, dy):
        assert np.isfinite(a).all() and a.dtype == dtype


# ---- messages --------------------------------------------------------------------------------

X, G = np.ones((2, 6)), np.ones(6)
WRONG = {  # call, message
    "eps zero": (
        lambda p: p.layer_norm(X, G, G, eps=0),
        "standardize: eps is 0; wanted a positive float64, without which a constant input would be "
        "divided by 0; take 1e-5",
    ),
    "eps negative": (
        lambda p: p.rms_norm(X, G, eps=-1.0),
        "rms_norm: eps is -1.0; wanted a positive float64, without which a constant input would be "
        "divided by 0; take 1e-5",
    ),
    "eps too small for the dtype": (
        lambda p: p.l2_normalize(X.astype("float32"), eps=1e-50),
        "l2_normalize: eps is 1e-50; wanted a positive float32, without which a constant input "
        "would be divided by 0; take 1e-5",
    ),
    "eps NaN": (
        lambda p: p.weight_norm(X, G, eps=float("nan")),
        "weight_norm: eps is nan; wanted a positive float64, without which a constant input would "
        "be divided by 0; take 1e-5",
    ),
    "known statistics and eps zero": (
        lambda p: p.batch_norm_inference(X, G, G, G, G, eps=0.0),
        "batch_norm_inference: eps is 0.0; wanted a positive float64, without which a constant "
        "input would be divided by 0; take 1e-5",
    ),
    "negative variance": (
        lambda p: p.batch_norm_inference(X, G, -G, G, G),
        "batch_norm_inference: var goes down to -1.0; wanted variances, which are not negative; "
        "pass var, not its logarithm or a standard deviation with a sign",
    ),
    "axes": (
        lambda p: p.standardize(X, axes=(0, 2)),
        "standardize: axes are (0, 2); wanted different ones of the 2 of x, -2 to 1; leave out "
        "what does not exist or is named twice",
    ),
    "axes twice": (
        lambda p: p.standardize(X, axes=(1, -1)),
        "standardize: axes are (1, -1); wanted different ones of the 2 of x, -2 to 1; leave out "
        "what does not exist or is named twice",
    ),
    "no groups": (
        lambda p: p.group_norm(X, G, G, groups=0),
        "group_norm: groups is 0; wanted an integer >= 1 that divides the channels",
    ),
    "groups no integer": (
        lambda p: p.group_norm(X, G, G, groups=2.0),
        "group_norm: groups is 2.0; wanted an integer >= 1 that divides the channels",
    ),
    "groups that do not divide": (
        lambda p: p.group_norm(X, G, G, groups=4),
        "group_norm: x has shape (2, 6), but its axis {groups}*G must be a multiple of 4, got 6; "
        "wanted (N, *space, {groups}*G)",
    ),
}


@BACKENDS
@pytest.mark.parametrize("case", WRONG)
def test_messages(case, package, x64):
    call, message = WRONG[case]
    with pytest.raises(ValueError) as error:
        call(package)
    assert str(error.value) == message


def test_under_jit_a_negative_variance_is_nan():
    one = jnp.ones(1)
    y = jax.jit(jaxnn.batch_norm_inference)(jnp.ones((2, 1)), one, -one, one, one)
    assert jnp.isnan(y).all()
