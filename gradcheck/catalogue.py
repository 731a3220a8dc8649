"""What is shipped, and what its shapes cannot say: ranges, relations, configurations to vary.

This is data. Ops are named here and found in scratchnn and jaxnn when they are checked; nothing is
imported before. An op's `config` lists the values of each option, each of which is checked;
`where(sizes, config)` says which sizes fit together; `samplers` draw the arguments that are not
simply normal, as integers never are. A layer is built by either package from the same words.
"""

import math
from typing import Any

import numpy as np

from gradcheck.shipped import Layer, Op


def _labels(rng: np.random.Generator, shape: tuple[int, ...], sizes: dict[str, Any]) -> np.ndarray:
    return rng.integers(0, sizes["K"], shape)


def _sides(padding: Any, n: int) -> list[tuple[int, int]]:
    values = padding if isinstance(padding, tuple) else (padding,) * n
    return [v if isinstance(v, tuple) else (v, v) for v in values]


def _each(value: Any, n: int) -> tuple[int, ...]:
    return value if isinstance(value, tuple) else (value,) * n


def _kernel_fits(sizes: dict[str, Any], config: dict[str, Any]) -> bool:
    """The kernel, dilated, is no larger than the padded image, along H for KH and so on."""
    axes = [axis for axis in sizes if "K" + axis in sizes]
    if math.prod(sizes["K" + axis] for axis in axes) > 35:
        return False  # it would only take longer
    if config["padding"] == "same":
        return True
    dilations, sides = _each(config["dilation"], len(axes)), _sides(config["padding"], len(axes))
    return all(
        sizes[axis] + sum(pair) > d * (sizes["K" + axis] - 1)
        for axis, d, pair in zip(axes, dilations, sides, strict=True)
    )


def _something_is_left(sizes: dict[str, Any], config: dict[str, Any]) -> bool:
    """A transposed convolution: less output padding than stride, and not all of y cut off."""
    if sizes["KH"] * sizes["KW"] > 35:
        return False  # it would only take longer
    options = [_each(config[k], 2) for k in ("stride", "dilation", "output_padding")]
    return all(
        m < s and (sizes[axis] - 1) * s + d * (sizes["K" + axis] - 1) + 1 + m > sum(pair)
        for axis, s, d, m, pair in zip("HW", *options, _sides(config["padding"], 2), strict=True)
    )


def _window_fits(sizes: dict[str, Any], config: dict[str, Any]) -> bool:
    if config["padding"] == "same":
        return True
    window, sides = _each(config["size"], 2), _sides(config["padding"], 2)
    return all(
        sizes[axis] + sum(pair) >= K and max(pair) < K
        for axis, K, pair in zip("HW", window, sides, strict=True)
    )


OPS = (
    Op("linear"),
    Op("relu"),
    Op("sigmoid"),
    Op("tanh"),
    Op("softmax"),
    Op("log_softmax"),
    Op("cross_entropy", samplers={"labels": _labels}),
    Op("mse"),
    Op(
        "conv2d",
        config={
            "stride": (1, 2, 3, (2, 1)),
            "padding": (1, (0, 2), "same", ((1, 0), (0, 2))),
            "dilation": (1, 2, (1, 2), 1),
            "groups": (1, 1, 2, 3),
        },
        where=_kernel_fits,
    ),
    Op(
        "conv1d",
        config={
            "stride": (1, 2, 1),
            "padding": (0, "same", ((2, 1),)),
            "dilation": (1, 1, 2),
            "groups": (1, 3, 2),
        },
        where=_kernel_fits,
    ),
    Op(
        "conv3d",
        config={
            "stride": (1, (1, 2, 2), 2),
            "padding": (0, "same", (1, 0, 2)),
            "dilation": (1, 1, (1, 2, 1)),
            "groups": (1, 2, 1),
        },
        where=_kernel_fits,
    ),
    Op(
        "conv_transpose2d",
        config={
            "stride": (1, 2, (3, 2), 2),
            "padding": (0, 1, (1, 0), ((0, 2), (1, 0))),
            "output_padding": (0, 1, (2, 0), 0),
            "dilation": (1, 1, (1, 2), 2),
            "groups": (1, 1, 2, 3),
        },
        where=_something_is_left,
    ),
    Op(
        "max_pool2d",
        config={
            "size": (2, 3, (3, 2), 2),
            "stride": (None, 2, (1, 2), 1),
            "padding": (0, 1, "same", ((0, 1), (1, 0))),
        },
        where=_window_fits,
    ),
    Op(
        "avg_pool2d",
        config={
            "size": (2, 3, (3, 2), 3),
            "stride": (None, 2, (1, 2), 1),
            "padding": (0, 1, "same", ((0, 1), (2, 0))),
            "count_include_pad": (True, True, False, False),
        },
        where=_window_fits,
    ),
    Op("global_avg_pool2d"),
    Op("adaptive_avg_pool2d", config={"size": (1, (2, 3), 4)}),
    Op("upsample_nearest2d", config={"factor": (2, (3, 1))}),
    Op("upsample_bilinear2d", config={"factor": (2, (1, 3))}),
    Op("pixel_shuffle", config={"factor": (2, 3)}),
    Op("flatten"),
    Op("lstm_cell"),
    Op("lstm"),
)

LAYERS = (
    Layer("Linear", lambda nn: nn.Linear(3, 5), (2, 3)),
    Layer("Conv2d", lambda nn: nn.Conv2d(3, 5, (3, 2), stride=2, padding=1), (2, 7, 11, 3)),
    Layer(
        "Conv1d",
        lambda nn: nn.Conv1d(3, 5, 3, padding=((4, 0),), dilation=2, bias=False),
        (2, 7, 3),
    ),
    Layer(
        "Conv3d",
        lambda nn: nn.Conv3d(3, 2, (1, 3, 2), stride=(1, 2, 1), padding="same"),
        (2, 2, 5, 3, 3),
    ),
    Layer(
        "ConvTranspose2d",
        lambda nn: nn.ConvTranspose2d(6, 4, (3, 2), stride=2, output_padding=1, groups=2),
        (3, 5, 2, 6),
    ),
    Layer("LSTM", lambda nn: nn.LSTM(3, 5), (7, 2, 3)),
    Layer("Op", lambda nn: nn.Op(nn.max_pool2d, size=(2, 3), stride=1), (2, 5, 7, 3)),
    Layer("Residual", lambda nn: nn.Residual(nn.Linear(3, 3)), (2, 3)),
    Layer(
        "Sequential",  # fc occurs twice: one set of weights, gradients added
        lambda nn: nn.Sequential(
            (("fc", nn.Linear(3, 3)), ("act", nn.Op(nn.tanh)), ("fc", nn.Linear(3, 3)))
        ),
        (2, 3),
    ),
    Layer("MLP", lambda nn: nn.MLP((3, 7, 5)), (2, 3)),
    Layer("residual_cnn", lambda nn: nn.residual_cnn((4, 6, 3), (5, 2), 7, 11), (2, 4, 6, 3)),
)


def names() -> list[str]:
    """Everything shipped, in the order of the table."""
    return [entry.name for entry in (*OPS, *LAYERS)]


def find(name: str) -> Op | Layer:
    """The entry of that name."""
    return next(entry for entry in (*OPS, *LAYERS) if entry.name == name)
