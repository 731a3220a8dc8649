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


def _ids(rng: np.random.Generator, shape: tuple[int, ...], sizes: dict[str, Any]) -> np.ndarray:
    return rng.integers(0, sizes["V"], shape)


def _variances(
    rng: np.random.Generator, shape: tuple[int, ...], sizes: dict[str, Any]
) -> np.ndarray:
    return rng.uniform(0.5, 2, shape)


def _turns(sizes: dict[str, Any], config: dict[str, Any]) -> bool:
    # the length of a single number takes all of it but a derivative of eps, too small to be seen
    entries = sizes["D"] if "D" in sizes else math.prod(sizes["fan"])
    return entries > 1 or config["eps"] == 1.0


def _axes_exist(sizes: dict[str, Any], config: dict[str, Any]) -> bool:
    return all(-len(sizes["batch"]) <= a < len(sizes["batch"]) for a in config["axes"])


def _two(value: Any) -> tuple[int, int]:
    return value if isinstance(value, tuple) else (value, value)


def _kernel_fits(sizes: dict[str, Any], config: dict[str, Any]) -> bool:
    ph, pw = _two(config["padding"])
    return sizes["H"] + 2 * ph >= sizes["KH"] and sizes["W"] + 2 * pw >= sizes["KW"]


def _window_fits(sizes: dict[str, Any], config: dict[str, Any]) -> bool:
    KH, KW = _two(config["size"])
    return sizes["H"] >= KH and sizes["W"] >= KW


_EPS = {"eps": (1e-5, 1.0)}

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
    Op(
        "standardize",
        config={"axes": ((-1,), (0,), (1, 0)), "eps": (1e-5, 1.0, 1e-3)},
        where=_axes_exist,
    ),
    Op("batch_norm", config=_EPS),
    Op("batch_norm_inference", config=_EPS, samplers={"var": _variances}),
    Op("layer_norm", config=_EPS),
    Op("group_norm", config={"groups": (2, 3, 1), "eps": (1e-5, 1.0, 1e-3)}),
    Op("instance_norm", config=_EPS),
    Op("rms_norm", config={"eps": (1e-6, 1.0)}),
    Op("l2_normalize", config={"eps": (1e-12, 1.0)}, where=_turns),
    Op("weight_norm", config={"eps": (1e-12, 1.0)}, where=_turns),
    Op("embedding", samplers={"ids": _ids}),
)

LAYERS = (
    Layer("Linear", lambda nn: nn.Linear(3, 5), (2, 3)),
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
    Layer("BatchNorm", lambda nn: nn.BatchNorm(3), (2, 5, 7, 3), train=True),
    Layer("LayerNorm", lambda nn: nn.LayerNorm(5, eps=0.1), (2, 3, 5)),
    Layer("RMSNorm", lambda nn: nn.RMSNorm(5, eps=0.1), (2, 3, 5)),
    Layer("GroupNorm", lambda nn: nn.GroupNorm(6, groups=2), (2, 5, 7, 6)),
    Layer("InstanceNorm", lambda nn: nn.InstanceNorm(3, eps=0.1), (2, 5, 7, 3)),
    Layer("WeightNorm", lambda nn: nn.WeightNorm(nn.Linear(3, 5)), (2, 3)),
    Layer("Embedding", lambda nn: nn.Embedding(5, 3), lambda rng: rng.integers(0, 5, (2, 7))),
    Layer("MLP", lambda nn: nn.MLP((3, 7, 5)), (2, 3)),
    Layer("residual_cnn", lambda nn: nn.residual_cnn((4, 6, 3), (5, 2), 7, 11), (2, 4, 6, 3)),
)


def names() -> list[str]:
    """Everything shipped, in the order of the table."""
    return [entry.name for entry in (*OPS, *LAYERS)]


def find(name: str) -> Op | Layer:
    """The entry of that name."""
    return next(entry for entry in (*OPS, *LAYERS) if entry.name == name)
