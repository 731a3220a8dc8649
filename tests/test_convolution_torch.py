"""Convolutions, pools and resampling against PyTorch, in value and gradient; channels first there.

Runs where torch is installed, and needs nothing else of the extras.
"""

import numpy as np
import pytest

import scratchnn as nn

torch = pytest.importorskip("torch")
F = torch.nn.functional


def first(a):
    """Channels first."""
    return np.moveaxis(a, -1, 1)


def last(a):
    return np.moveaxis(a, 1, -1)


def kernel_first(w):
    """KH KW C K as K C KH KW."""
    return np.moveaxis(w, (-1, -2), (0, 1))


def kernel_last(w):
    return np.moveaxis(w, (0, 1), (-1, -2))


def pull(f, arrays, dy):
    """y of torch and the gradients for dy."""
    leaves = [torch.tensor(np.ascontiguousarray(a), requires_grad=True) for a in arrays]
    y = f(*leaves)
    y.backward(torch.tensor(np.ascontiguousarray(dy)))
    return y.detach().numpy(), [leaf.grad.numpy() for leaf in leaves]


def agree(got, wanted):
    assert got.shape == wanted.shape
    assert np.max(np.abs(got - wanted)) <= 1e-12 * max(1.0, np.max(np.abs(wanted)))


def compare_convolutions(name, theirs, x, w, b, config, **other):
    f, f_backward = getattr(nn, name), getattr(nn, f"{name}_backward")
    y, cache = f(x, w, b, **config)
    dy = np.random.default_rng(1).standard_normal(y.shape)
    dx, dw, db = f_backward(dy, cache)
    arrays = (first(x), kernel_first(w), b)
    v, (dv, du, dc) = pull(lambda *a: theirs(*a, **(config | other)), arrays, first(dy))
    agree(y, last(v))
    agree(dx, last(dv))
    agree(dw, kernel_last(du))
    agree(db, dc)


CONFIGS = [
    {},
    {"stride": 2, "padding": 1},
    {"stride": 3, "padding": 2, "dilation": 2},
    {"groups": 2, "stride": 2, "padding": 1, "dilation": 2},
    {"groups": 6},
    {"padding": "same", "dilation": 2},
    {"padding": "valid", "stride": 2},
]


@pytest.mark.parametrize("config", CONFIGS, ids=str)
@pytest.mark.parametrize("n", [1, 2, 3])
def test_convolutions(n, config):
    rng = np.random.default_rng(0)
    groups = config.get("groups", 1)
    x = rng.standard_normal((2, *(9, 8, 7)[:n], 6))
    w = rng.standard_normal((*(3, 1, 3)[:n], 6 // groups, 12))
    b = rng.standard_normal(12)
    compare_convolutions(f"conv{n}d", getattr(F, f"conv{n}d"), x, w, b, config)


@pytest.mark.parametrize(
    "config",
    [
        {"stride": (1, 2), "padding": (2, 0), "dilation": (2, 1)},
        {"stride": (3, 1), "padding": (0, 1), "groups": 3},
    ],
    ids=str,
)
def test_conv2d_of_pairs(config):
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((2, 9, 8, 6)), rng.standard_normal((3, 2, 6, 12))
    w = w[:, :, : 6 // config.get("groups", 1)]
    compare_convolutions("conv2d", F.conv2d, x, w, rng.standard_normal(12), config)


@pytest.mark.parametrize("stride", [2, (1, 3)])
def test_padding_of_two_sides(stride):
    rng = np.random.default_rng(0)
    x, w, b = (rng.standard_normal(s) for s in ((2, 6, 5, 3), (2, 3, 3, 4), (4,)))
    (top, bottom), (left, right) = sides = ((0, 2), (3, 1))

    def theirs(x, w, b, **config):
        return F.conv2d(F.pad(x, (left, right, top, bottom)), w, b, stride=stride)

    compare_convolutions("conv2d", theirs, x, w, b, {"stride": stride, "padding": sides})


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"stride": 2, "padding": 1, "output_padding": 1},
        {"stride": (3, 2), "padding": (0, 2), "output_padding": (2, 0), "dilation": (1, 2)},
        {"stride": 2, "groups": 2},
        {"groups": 4, "padding": 1},
    ],
    ids=str,
)
def test_conv_transpose2d(config):
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((2, 4, 5, 4)), rng.standard_normal((3, 2, 3, 4))
    b = rng.standard_normal(3 * config.get("groups", 1))
    compare_convolutions("conv_transpose2d", F.conv_transpose2d, x, w, b, config)


def compare(name, theirs, x, config):
    f, f_backward = getattr(nn, name), getattr(nn, f"{name}_backward")
    y, cache = f(x, **config)
    dy = np.random.default_rng(1).standard_normal(y.shape)
    v, (dv,) = pull(theirs, (first(x),), first(dy))
    agree(y, last(v))
    agree(f_backward(dy, cache), last(dv))


WINDOWS = [
    {"size": 2},
    {"size": 3, "stride": 2, "padding": 1},
    {"size": (3, 2), "stride": 1, "padding": (1, 0)},
    {"size": (2, 4), "stride": (3, 2), "padding": (0, 2)},
]


@pytest.mark.parametrize("config", WINDOWS, ids=str)
@pytest.mark.parametrize("tied", [False, True])
def test_max_pool2d(config, tied):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, 7, 8, 3))
    x = np.round(x) if tied else x
    size, rest = config["size"], {k: v for k, v in config.items() if k != "size"}
    compare("max_pool2d", lambda z: F.max_pool2d(z, size, **rest), x, config)


@pytest.mark.parametrize("config", WINDOWS, ids=str)
@pytest.mark.parametrize("count", [True, False])
def test_avg_pool2d(config, count):
    x = np.random.default_rng(0).standard_normal((2, 7, 8, 3))
    size, rest = config["size"], {k: v for k, v in config.items() if k != "size"}
    rest["count_include_pad"] = count
    compare("avg_pool2d", lambda z: F.avg_pool2d(z, size, **rest), x, rest | {"size": size})


@pytest.mark.parametrize("size", [1, 2, 3, (4, 5), (7, 8), (10, 17)], ids=str)
def test_adaptive_avg_pool2d(size):
    x = np.random.default_rng(0).standard_normal((2, 7, 8, 3))
    compare("adaptive_avg_pool2d", lambda z: F.adaptive_avg_pool2d(z, size), x, {"size": size})


@pytest.mark.parametrize("factor", [1, 2, 3])
def test_pixel_shuffle(factor):
    x = np.random.default_rng(0).standard_normal((2, 4, 5, 3 * factor**2))
    compare("pixel_shuffle", lambda z: F.pixel_shuffle(z, factor), x, {"factor": factor})


@pytest.mark.parametrize("mode", ["nearest", "bilinear"])
@pytest.mark.parametrize("factor", [1, 2, (3, 1), (2, 5)], ids=str)
def test_upsampling(mode, factor):
    x = np.random.default_rng(0).standard_normal((2, 4, 5, 3))
    scale = factor if isinstance(factor, tuple) else (factor, factor)
    compare(
        f"upsample_{mode}2d",
        lambda z: F.interpolate(z, scale_factor=tuple(map(float, scale)), mode=mode),
        x,
        {"factor": factor},
    )
