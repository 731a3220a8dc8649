"""Convolutions, pooling and resampling: definitions, equalities between forms, extremes."""

import itertools
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxnn
import scratchnn as nn
from gradcheck import catalogue, shipped
from gradcheck.checks import check_subject
from scratchnn.initializers import he_normal
from scratchnn.ops import convolution
from tests.test_broken import sign_mutants

CONVOLUTIONS = {
    1: (nn.conv1d, nn.conv1d_backward),
    2: (nn.conv2d, nn.conv2d_backward),
    3: (nn.conv3d, nn.conv3d_backward),
}
IMAGE, KERNEL = (4, 7, 6), (2, 3, 2)  # of the first 1, 2 or 3 axes


def close(a, b):
    """Equal up to the rounding of a few hundred additions."""
    return a.shape == b.shape and np.max(np.abs(a - b)) <= 1e-12 * max(1.0, np.max(np.abs(b)))


def all_close(got, wanted):
    return all(close(a, b) for a, b in zip(got, wanted, strict=True))


def run(pair, arrays, config, dy=None):
    """(y, *gradients) of a pair, for a dy that depends on its shape alone."""
    f, f_backward = pair
    y, cache = f(*arrays, **config)
    dy = np.random.default_rng(1).standard_normal(y.shape) if dy is None else dy
    grads = f_backward(dy, cache)
    return y, *(grads if isinstance(grads, tuple) else (grads,))


def test_conv2d_is_the_sum_it_says(rng):
    x, w, b = (rng.standard_normal(n) for n in ((2, 7, 9, 4), (3, 2, 2, 6), (6,)))
    (s, t), (d, e), groups = (2, 3), (2, 1), 2
    padding = ((1, 0), (2, 1))
    config = {"stride": (s, t), "dilation": (d, e), "groups": groups, "padding": padding}
    y, _ = nn.conv2d(x, w, b, **config)
    p = np.pad(x, ((0, 0), *padding, (0, 0)))
    assert y.shape == (2, (8 - 5) // s + 1, (12 - 2) // t + 1, 6)
    for n, h, k, v in np.ndindex(*y.shape):
        total = b[v]
        for i, j, c in np.ndindex(3, 2, 2):
            total += p[n, s * h + d * i, t * k + e * j, v // 3 * 2 + c] * w[i, j, c, v]
        assert abs(y[n, h, k, v] - total) <= 1e-13 * max(1, abs(total))


@pytest.mark.parametrize("n", CONVOLUTIONS)
@pytest.mark.parametrize("groups", [2, 3])
def test_groups_are_convolutions_side_by_side(n, groups, rng):
    x = rng.standard_normal((2, *IMAGE[:n], 2 * groups))
    w = rng.standard_normal((*KERNEL[:n], 2, 5 * groups))
    b = rng.standard_normal(5 * groups)
    config = {"stride": 2, "padding": 1}
    y, dx, dw, db = run(CONVOLUTIONS[n], (x, w, b), config | {"groups": groups})
    dy = np.random.default_rng(1).standard_normal(y.shape)
    split = [np.split(a, groups, -1) for a in (x, w, b, dy, y, dx, dw, db)]
    for v, u, c, dv, *wanted in zip(*split, strict=True):
        assert all_close(run(CONVOLUTIONS[n], (v, u, c), config, dv), wanted)


def test_transposed_groups_are_convolutions_side_by_side(rng):
    pair = nn.conv_transpose2d, nn.conv_transpose2d_backward
    x, w, b = (rng.standard_normal(n) for n in ((2, 4, 3, 6), (3, 2, 5, 6), (15,)))
    config = {"stride": (2, 3), "padding": 1, "output_padding": (1, 2)}
    y, dx, dw, db = run(pair, (x, w, b), config | {"groups": 3})
    dy = np.random.default_rng(1).standard_normal(y.shape)
    split = [np.split(a, 3, -1) for a in (x, w, b, dy, y, dx, dw, db)]
    for v, u, c, dv, *wanted in zip(*split, strict=True):
        assert all_close(run(pair, (v, u, c), config, dv), wanted)


def test_depthwise_meets_every_channel_with_its_own_kernel(rng):
    x, w = rng.standard_normal((2, 5, 6, 3)), rng.standard_normal((3, 2, 1, 3))
    y, _ = nn.conv2d(x, w, groups=3)
    for c in range(3):
        alone, _ = nn.conv2d(x[..., [c]], w[..., [c]])
        assert close(y[..., [c]], alone)


@pytest.mark.parametrize("n", CONVOLUTIONS)
def test_dilation_is_a_kernel_stuffed_with_zeros(n, rng):
    dilation = (2, 3, 2)[:n]
    x = rng.standard_normal((2, *IMAGE[:n], 3))
    w, b = rng.standard_normal((*KERNEL[:n], 3, 5)), rng.standard_normal(5)
    between = tuple(slice(None, None, d) for d in dilation)
    stuffed = np.zeros(
        (*(d * (K - 1) + 1 for d, K in zip(dilation, KERNEL[:n], strict=True)), 3, 5)
    )
    stuffed[between] = w
    config = {"padding": 3, "stride": 2}
    y, dx, dw, db = run(CONVOLUTIONS[n], (x, w, b), config | {"dilation": dilation})
    wanted = run(CONVOLUTIONS[n], (x, stuffed, b), config)
    assert all_close((y, dx, dw, db), (*wanted[:2], wanted[2][between], wanted[3]))


def test_an_axis_of_one_is_no_axis(rng):
    x, w = rng.standard_normal((2, 7, 6, 3)), rng.standard_normal((3, 2, 3, 5))
    y2, dx2, dw2, _ = run(CONVOLUTIONS[2], (x, w), {"stride": (2, 1), "padding": (0, 1)})
    config = {"stride": (1, 2, 1), "padding": (0, 0, 1)}
    y3, dx3, dw3, _ = run(CONVOLUTIONS[3], (x[:, None], w[None]), config)
    assert all_close((y3[:, 0], dx3[:, 0], dw3[0]), (y2, dx2, dw2))
    y1, dx1, dw1, _ = run(CONVOLUTIONS[1], (x[:, 0], w[0]), {"dilation": 2})
    y2, dx2, dw2, _ = run(CONVOLUTIONS[2], (x[:, :1], w[:1]), {"dilation": (1, 2)})
    assert all_close((y2[:, 0], dx2[:, 0], dw2[0]), (y1, dx1, dw1))


def test_a_kernel_of_one_is_linear(rng):
    x, w, b = (rng.standard_normal(n) for n in ((2, 3, 4, 5), (1, 1, 5, 7), (7,)))
    y, dx, dw, db = run(CONVOLUTIONS[2], (x, w, b), {})
    pair = nn.linear, nn.linear_backward
    wanted = run(pair, (x, w[0, 0], b), {}, np.random.default_rng(1).standard_normal(y.shape))
    assert all_close((y, dx, dw[0, 0], db), wanted)


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"stride": 2, "padding": 1},
        {"stride": (2, 3), "padding": ((0, 2), (1, 0)), "dilation": (1, 2)},
        {"stride": 3, "padding": (0, 2), "groups": 2},
    ],
)
@pytest.mark.parametrize("H", [6, 7, 8])
def test_transposed_convolution_is_the_adjoint(config, H, rng):
    """<conv(u), x> = <u, conv_transpose(x)> with the same kernel; output_padding takes up what the
    stride leaves over."""
    groups = config.get("groups", 1)
    u = rng.standard_normal((2, H, 9, 3 * groups))
    w = rng.standard_normal((3, 2, 3, 5 * groups))
    y, cache = nn.conv2d(u, w, **config)
    x = rng.standard_normal(y.shape)
    plain, _ = nn.conv_transpose2d(x, w, **config)
    more = (H - plain.shape[1], 9 - plain.shape[2])
    back, _ = nn.conv_transpose2d(x, w, output_padding=more, **config)
    assert back.shape == u.shape
    assert abs((y * x).sum() - (u * back).sum()) <= 1e-12 * np.abs(y * x).sum()
    assert close(back, nn.conv2d_backward(x, cache)[0])


def test_transposed_convolution_without_overlap_copies_the_kernel():
    x = np.array([[1.0, 2.0], [3.0, 4.0]]).reshape(1, 2, 2, 1)
    w = np.array([[1.0, 10.0], [100.0, 1000.0]]).reshape(2, 2, 1, 1)
    y, _ = nn.conv_transpose2d(x, w, np.array([0.5]), stride=2)
    assert np.array_equal(y[0, :, :, 0], np.kron(x[0, :, :, 0], w[:, :, 0, 0]) + 0.5)


def test_output_padding_rows_hold_the_bias_alone(rng):
    x, w = rng.standard_normal((1, 2, 3, 2)), rng.standard_normal((2, 2, 4, 2))
    b = rng.standard_normal(4)
    y, _ = nn.conv_transpose2d(x, w, b, stride=3, output_padding=(2, 0))
    assert y.shape == (1, 7, 8, 4)
    assert np.array_equal(y[:, 5:], np.broadcast_to(b, (1, 2, 8, 4)))


@pytest.mark.parametrize("dilation", [1, 2])
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_same_padding_gives_one_output_per_stride(stride, dilation, rng):
    for L, K in itertools.product(range(1, 9), range(1, 5)):
        x, w = rng.standard_normal((1, L, 1)), rng.standard_normal((K, 1, 1))
        config = {"stride": stride, "dilation": dilation, "padding": "same"}
        y, dx, *_ = run(CONVOLUTIONS[1], (x, w), config)
        assert (y.shape[1], dx.shape[1]) == (-(-L // stride), L)


def test_forms_of_padding(rng):
    x, w = rng.standard_normal((2, 5, 6, 3)), rng.standard_normal((3, 2, 3, 4))

    def padded(padding):
        return run(CONVOLUTIONS[2], (x, w), {"padding": padding})

    assert all_close(padded("valid")[:3], padded(0)[:3])
    assert all_close(padded(2)[:3], padded(((2, 2), (2, 2)))[:3])
    assert all_close(padded((1, 0))[:3], padded(((1, 1), (0, 0)))[:3])
    assert all_close(padded("same")[:3], padded(((1, 1), (0, 1)))[:3])  # the odd zero goes after


def test_causal_convolution_reads_nothing_later(rng):
    x, w = rng.standard_normal((1, 6, 2)), rng.standard_normal((3, 2, 2))
    y, cache = nn.conv1d(x, w, padding=((4, 0),), dilation=2)
    dy = np.zeros_like(y)
    dy[:, 3] = 1
    dx, _, _ = nn.conv1d_backward(dy, cache)
    assert y.shape == x.shape
    assert not dx[:, 4:].any() and dx[:, 3].all()


def test_what_no_window_reaches_has_no_gradient(rng):
    x, w = rng.standard_normal((1, 8, 7, 2)), rng.standard_normal((2, 2, 2, 3))
    _, dx, *_ = run(CONVOLUTIONS[2], (x, w), {"stride": 3})
    assert not dx[:, [2, 5]].any() and not dx[:, :, [2, 5, 6]].any()
    assert dx[:, [0, 1, 3, 4, 6, 7]][:, :, [0, 1, 3, 4]].all()


HELPERS = ("_scatter", "_gather", "_total", "_offsets", "_without")
MUTANTS = [
    pytest.param(op, helper, mutant, id=f"{op}-{what}")
    for helper in HELPERS
    for what, mutant in sign_mutants(getattr(convolution, helper))
    for op in ("conv1d", "conv2d", "conv3d", "conv_transpose2d")
]


@pytest.mark.parametrize(("op", "helper", "mutant"), MUTANTS)
def test_a_changed_sign_in_a_helper_fails(op, helper, mutant, monkeypatch):
    monkeypatch.setattr(convolution, helper, mutant)
    subject = next(shipped.subjects(catalogue.find(op), seed=0, twin=False))
    report = check_subject(replace(subject, config=subject.config | {"padding": 1}))
    assert report.verdict in ("fail", "error")


def test_padding_never_wins(rng):
    x = -1 - rng.random((2, 4, 5, 3))
    y, dx = run((nn.max_pool2d, nn.max_pool2d_backward), (x,), {"size": 3, "padding": 2})
    dy = np.random.default_rng(1).standard_normal(y.shape)
    assert np.isin(y, x).all()
    assert close(dx.sum((1, 2)), dy.sum((1, 2)))  # none of dy went into the padding


@pytest.mark.parametrize("size", [2, (3, 2)])
def test_ties_go_to_the_first_in_both_packages(size, rng, x64):
    """Small integers tie in most windows; windows overlap and reach into the padding."""
    x = rng.integers(-1, 2, (2, 6, 5, 3)).astype(float)
    config = {"size": size, "stride": 1, "padding": 1}
    y, dx = run((nn.max_pool2d, nn.max_pool2d_backward), (x,), config)
    twin, vjp = jax.vjp(lambda x: jaxnn.max_pool2d(x, **config), jnp.asarray(x))
    dy = np.random.default_rng(1).standard_normal(y.shape)
    assert np.array_equal(y, twin)
    assert close(dx, np.asarray(vjp(jnp.asarray(dy))[0]))


@pytest.mark.parametrize("padding", [0, 1, "same", ((2, 0), (0, 1))])
def test_average_of_constants(padding):
    x = np.full((1, 5, 7, 2), 3.0)
    config = {"size": 3, "stride": 2, "padding": padding}
    y, _ = nn.avg_pool2d(x, count_include_pad=False, **config)
    assert close(y, np.full_like(y, 3.0))
    counted, _ = nn.avg_pool2d(x, **config)
    ones = np.ones((3, 3, 2, 2)) * np.eye(2)
    wanted, _ = nn.conv2d(x, ones / 9, stride=2, padding=padding)
    assert close(counted, wanted)


def test_average_pools_agree(rng):
    x = rng.standard_normal((2, 6, 4, 3))
    y, dx = run((nn.global_avg_pool2d, nn.global_avg_pool2d_backward), (x,), {})
    dy = np.random.default_rng(1).standard_normal(y.shape)[:, None, None]
    adaptive = nn.adaptive_avg_pool2d, nn.adaptive_avg_pool2d_backward
    average = nn.avg_pool2d, nn.avg_pool2d_backward
    for pair, config in ((adaptive, {"size": 1}), (average, {"size": (6, 4)})):
        assert all_close(run(pair, (x,), config, dy), (y[:, None, None], dx))
    wanted = run(average, (x,), {"size": (3, 2)})
    assert all_close(run(adaptive, (x,), {"size": 2}), wanted)


def test_adaptive_bins():
    x = np.arange(5.0).reshape(1, 5, 1, 1)
    for HO, bins in ((2, [(0, 3), (2, 5)]), (3, [(0, 2), (1, 4), (3, 5)])):
        y, _ = nn.adaptive_avg_pool2d(x, size=(HO, 1))
        assert close(y.ravel(), np.array([x.ravel()[i:j].mean() for i, j in bins]))
    y, _ = nn.adaptive_avg_pool2d(x, size=(10, 2))  # more bins than pixels: repeated
    assert close(y, x.repeat(2, 1).repeat(2, 2))


def test_upsampling_then_averaging_is_the_identity(rng):
    x = rng.standard_normal((2, 3, 4, 2))
    y, _ = nn.upsample(x, factor=(3, 2))
    assert close(nn.avg_pool2d(y, size=(3, 2))[0], x)


def test_bilinear_upsampling_is_exact_on_ramps():
    x = 2 * np.arange(5.0).reshape(1, 5, 1, 1) + np.ones((1, 5, 3, 1))
    y, cache = nn.upsample_bilinear2d(x, factor=(4, 2))
    row = (np.arange(20) + 0.5) / 4 - 0.5
    wanted = 1 + 2 * np.clip(row, 0, 4)
    assert close(y, np.broadcast_to(wanted[:, None, None], (1, 20, 6, 1)))
    dx = nn.upsample_bilinear2d_backward(np.ones_like(y), cache)
    assert close(dx.sum(), np.float64(y.size))  # weights sum to one


def test_pixel_shuffle_places_every_channel():
    r, (N, H, W, C) = 3, (2, 2, 4, 5)
    x = np.arange(float(N * H * W * C * r * r)).reshape(N, H, W, C * r * r)
    y, cache = nn.pixel_shuffle(x, factor=r)
    for n, h, w, c, i, j in np.ndindex(N, H, W, C, r, r):
        assert y[n, r * h + i, r * w + j, c] == x[n, h, w, c * r * r + i * r + j]
    assert np.array_equal(nn.pixel_shuffle_backward(y, cache), x)


def test_factor_one_changes_nothing(rng):
    x = rng.standard_normal((2, 3, 4, 2))
    for f in (nn.upsample, nn.upsample_bilinear2d, nn.pixel_shuffle):
        assert np.array_equal(f(x, factor=1)[0], x)


@pytest.mark.parametrize("scale", [1e4, 1e-300, 1e300])
def test_large_and_tiny_entries_stay_finite(scale):
    x = np.full((1, 4, 4, 1), scale)
    pools = (nn.max_pool2d, nn.avg_pool2d, nn.global_avg_pool2d)
    for f in (*pools, nn.upsample_bilinear2d, nn.upsample):
        assert np.allclose(f(x)[0], scale, rtol=1e-14, atol=0)


@pytest.mark.parametrize(
    ("layer", "shape", "inputs"),
    [
        (nn.Conv1d(64, 96, 3, groups=4, initializer=he_normal), (3, 16, 96), 3 * 16),
        (nn.Conv2d(64, 96, (3, 2), groups=8, initializer=he_normal), (3, 2, 8, 96), 6 * 8),
        (nn.Conv3d(16, 48, (2, 3, 2), initializer=he_normal), (2, 3, 2, 16, 48), 12 * 16),
        (
            nn.ConvTranspose2d(64, 96, 3, groups=4, initializer=he_normal),
            (3, 3, 24, 64),
            9 * 16,
        ),
        (nn.ConvTranspose2d(64, 16, 3, initializer=he_normal), (3, 3, 16, 64), 9 * 64),
    ],
)
def test_initial_variance_is_that_of_a_unit_in_its_group(layer, shape, inputs):
    params, _ = layer.init(np.random.default_rng(0))
    w = params["w"]
    assert w.shape == shape
    assert abs(w.var() * inputs / 2 - 1) < 8 / np.sqrt(w.size)  # five standard deviations
    assert not params["b"].any()


@pytest.mark.parametrize("name", ["Conv2d", "ConvTranspose2d"])
def test_every_group_has_its_own_kernels(name):
    params, _ = getattr(nn, name)(4, 6, groups=2).init(np.random.default_rng(0))
    one, other = np.split(params["w"], 2, -1)
    assert not np.array_equal(one, other)


def test_one_group_draws_as_before():
    params, _ = nn.Conv2d(3, 5, (3, 2)).init(np.random.default_rng(0))
    wanted = nn.initializers.glorot_uniform(np.random.default_rng(0), (3, 2, 3, 5))
    assert np.array_equal(params["w"], wanted)


ones = np.ones
FORMS = (
    "wanted an integer >= 0, or a pair of them, (rows, columns), or a pair (before, after) per axis"
)
SAME = FORMS + ', or "same" or "valid"'
MESSAGES = [
    (
        lambda nn: nn.conv2d(ones((1, 2, 2, 1)), ones((3, 3, 1, 1))),
        "conv2d: kernel 3 x 3 exceeds the padded image 2 x 2; wanted it to fit at least once; "
        "pad more or take a smaller one",
    ),
    (
        lambda nn: nn.conv1d(ones((1, 4, 1)), ones((3, 1, 1)), dilation=2),
        "conv1d: kernel 5 exceeds the padded image 4; wanted it to fit at least once; "
        "pad more or take a smaller one",
    ),
    (
        lambda nn: nn.conv2d(ones((1, 4, 4, 1)), ones((3, 3, 1, 1)), stride=0),
        "conv2d: stride is 0; wanted an integer >= 1, or a pair of them, (rows, columns)",
    ),
    (
        lambda nn: nn.conv1d(ones((1, 4, 1)), ones((3, 1, 1)), stride=(1, 2)),
        "conv1d: stride is (1, 2); wanted an integer >= 1",
    ),
    (
        lambda nn: nn.conv3d(ones((1, 4, 4, 4, 1)), ones((3, 3, 3, 1, 1)), dilation=(1, 2)),
        "conv3d: dilation is (1, 2); wanted an integer >= 1, or three of them, (depth, rows, "
        "columns)",
    ),
    (
        lambda nn: nn.conv2d(ones((1, 4, 4, 1)), ones((3, 3, 1, 1)), padding="full"),
        f"conv2d: padding is 'full'; {SAME}",
    ),
    (
        lambda nn: nn.conv2d(ones((1, 4, 4, 1)), ones((3, 3, 1, 1)), padding=(1, -1)),
        f"conv2d: padding is (1, -1); {SAME}",
    ),
    (
        lambda nn: nn.conv2d(ones((1, 4, 4, 3)), ones((3, 3, 1, 2)), groups=2),
        "conv2d: x has shape (1, 4, 4, 3), but its axis {groups}*C must be 2 (C = 1 from w); "
        "wanted (N, H, W, {groups}*C)",
    ),
    (
        lambda nn: nn.conv2d(ones((1, 4, 4, 2)), ones((3, 3, 1, 3)), groups=2),
        "conv2d: w has shape (3, 3, 1, 3), but its axis {groups}*K must be a multiple of 2, got 3; "
        "wanted (KH, KW, C, {groups}*K)",
    ),
    (
        lambda nn: nn.conv2d(ones((1, 4, 4, 2)), ones((3, 3, 1, 2)), groups=0),
        "conv2d: groups is 0; wanted an integer >= 1",
    ),
    (
        lambda nn: nn.conv_transpose2d(ones((1, 4, 4, 2)), ones((3, 3, 1, 2)), padding="same"),
        f"conv_transpose2d: padding is 'same'; {FORMS}",
    ),
    (
        lambda nn: nn.conv_transpose2d(ones((1, 1, 4, 2)), ones((3, 3, 1, 2)), padding=(1, 3)),
        "conv_transpose2d: padding ((1, 1), (3, 3)) leaves nothing of 3 x 6; wanted at least one "
        "pixel; take less padding",
    ),
    (
        lambda nn: nn.conv_transpose2d(
            ones((1, 4, 4, 2)), ones((3, 3, 1, 2)), stride=2, output_padding=2
        ),
        "conv_transpose2d: output_padding is 2; wanted less than the stride (2, 2), as a "
        "convolution loses no more; raise the stride or pad y yourself",
    ),
    (
        lambda nn: nn.max_pool2d(ones((1, 2, 2, 1)), size=3),
        "max_pool2d: window 3 x 3 exceeds the padded image 2 x 2; wanted it to fit at least once; "
        "pad more or take a smaller one",
    ),
    *(
        (
            lambda nn, pool=pool: getattr(nn, pool)(ones((1, 4, 4, 1)), size=(3, 2), padding=2),
            f"{pool}: padding is 2; wanted less than the window 3 x 2, or a window sees padding "
            "alone; pad less or take a larger size",
        )
        for pool in ("max_pool2d", "avg_pool2d")
    ),
    (
        lambda nn: nn.adaptive_avg_pool2d(ones((1, 4, 4, 1)), size=(0, 1)),
        "adaptive_avg_pool2d: size is (0, 1); wanted an integer >= 1, or a pair of them, (rows, "
        "columns)",
    ),
    (
        lambda nn: nn.pixel_shuffle(ones((1, 4, 4, 6)), factor=2),
        "pixel_shuffle: x has shape (1, 4, 4, 6), but its axis {factor}**2*C must be a multiple of "
        "4, got 6; wanted (N, H, W, {factor}**2*C)",
    ),
    (
        lambda nn: nn.Conv2d(3, 4, groups=2).init(np.random.default_rng(0)),
        "Conv2d: n_in is 3; wanted a multiple of groups = 2; change either",
    ),
    (
        lambda nn: nn.Conv1d(4, 4, groups=0).init(np.random.default_rng(0)),
        "Conv1d: groups is 0; wanted an integer >= 1",
    ),
]


@pytest.mark.parametrize("package", [nn, jaxnn], ids=["scratchnn", "jaxnn"])
@pytest.mark.parametrize(("call", "message"), MESSAGES)
def test_messages(package, call, message):
    with pytest.raises(ValueError) as error:
        call(package)
    assert str(error.value) == message
