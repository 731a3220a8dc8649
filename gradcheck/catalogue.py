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


def _wide(rng: np.random.Generator, shape: tuple[int, ...], sizes: dict[str, Any]) -> np.ndarray:
    """Reaches beyond kinks at -3 and 3."""
    return 4 * rng.standard_normal(shape)


def _two(value: Any) -> tuple[int, int]:
    return value if isinstance(value, tuple) else (value, value)


def _kernel_fits(sizes: dict[str, Any], config: dict[str, Any]) -> bool:
    ph, pw = _two(config["padding"])
    return sizes["H"] + 2 * ph >= sizes["KH"] and sizes["W"] + 2 * pw >= sizes["KW"]


def _window_fits(sizes: dict[str, Any], config: dict[str, Any]) -> bool:
    KH, KW = _two(config["size"])
    return sizes["H"] >= KH and sizes["W"] >= KW


def _two_inputs(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    return rng.standard_normal((2, 11, 3)), rng.standard_normal((2, 11, 5))


OPS = (
    Op("linear", sizes=({"batch": (), "D": 3, "M": 2},)),  # any leading axes, and none
    Op("bilinear", sizes=({"batch": (), "I": 3, "J": 5, "K": 2},)),
    Op("relu"),
    Op("sigmoid"),
    Op("tanh"),
    Op("softmax"),
    Op("log_softmax"),
    Op("leaky_relu", config={"slope": (0.01, 0.0, -0.5)}),
    Op("prelu"),
    Op("elu", config={"alpha": (1.0, 0.3)}),
    Op("selu"),
    Op("softplus"),
    Op("silu"),
    Op("gelu", config={"approximate": (True, False)}),
    Op("hardswish", samplers={"x": _wide}),
    Op("glu"),
    Op("swiglu"),
    Op("clip", config={"low": (-0.5, -math.inf, 0.25), "high": (1.0, 0.5, math.inf)}),
    Op("maximum"),
    Op("abs"),
    Op("dropout", config={"rate": (0.5, 0.0, 0.9)}),
    Op("cross_entropy", samplers={"labels": _labels}),
    Op("mse"),
    Op(
        "conv2d",
        config={"stride": (1, 2, 3, (2, 1)), "padding": (0, 1, 2, (0, 2))},
        where=_kernel_fits,
    ),
    Op(
        "max_pool2d",
        config={"size": (2, 3, (3, 2), 2), "stride": (None, 2, (1, 2), 1)},
        where=_window_fits,
    ),
    Op("flatten"),
    Op("lstm_cell"),
    Op("lstm"),
)

LAYERS = (
    Layer("Linear", lambda nn: nn.Linear(3, 5), (2, 3)),
    Layer("Bilinear", lambda nn: nn.Bilinear(3, 5, 7), _two_inputs),
    Layer("PReLU", lambda nn: nn.PReLU(3), (2, 5, 3)),
    Layer("SwiGLU", lambda nn: nn.SwiGLU(3, 7), (2, 5, 3)),
    Layer("Dropout", lambda nn: nn.Dropout(0.3), (5, 7, 3), train=True),
    Layer("Conv2d", lambda nn: nn.Conv2d(3, 5, (3, 2), stride=2, padding=1), (2, 7, 11, 3)),
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
