"""What is shipped, and what its shapes cannot say: ranges, relations, configurations to vary.

This is data. Ops are named here and found in scratchnn and jaxnn when they are checked; nothing is
imported before. An op's `config` lists the values of each option, each of which is checked;
`where(sizes, config)` says which sizes fit together; `samplers` draw the arguments that are not
simply normal, as integers never are. A layer is built by either package from the same words.
"""

from typing import Any

import numpy as np

from gradcheck.shipped import Layer, Op


def _labels(rng: np.random.Generator, shape: tuple[int, ...], sizes: dict[str, Any]) -> np.ndarray:
    return rng.integers(0, sizes["K"], shape)


def _first_is_0(rng: np.random.Generator, shape: tuple[int, ...], sizes: dict) -> np.ndarray:
    """Labels of which one at least is not 1, so that 1 can be ignored."""
    labels = _labels(rng, shape, sizes)
    labels.flat[0] = 0
    return labels


def _classes_remain(sizes: dict[str, Any], config: dict[str, Any]) -> bool:
    """With one class left its weight cancels, and no derivative by it is left to look at."""
    return config["ignore_index"] is None or sizes["K"] >= 3


def _positive(rng: np.random.Generator, shape: tuple[int, ...], sizes: dict) -> np.ndarray:
    return rng.uniform(0.5, 1.5, shape)


def _probabilities(rng: np.random.Generator, shape: tuple[int, ...], sizes: dict) -> np.ndarray:
    """Distributions over the last axis, no entry so small that a difference step makes it < 0."""
    p = _positive(rng, shape, sizes)
    return p / p.sum(-1, keepdims=True)


def _two(value: Any) -> tuple[int, int]:
    return value if isinstance(value, tuple) else (value, value)


def _kernel_fits(sizes: dict[str, Any], config: dict[str, Any]) -> bool:
    ph, pw = _two(config["padding"])
    return sizes["H"] + 2 * ph >= sizes["KH"] and sizes["W"] + 2 * pw >= sizes["KW"]


def _window_fits(sizes: dict[str, Any], config: dict[str, Any]) -> bool:
    KH, KW = _two(config["size"])
    return sizes["H"] >= KH and sizes["W"] >= KW


def _most_labels(sizes: dict[str, Any]) -> int:
    """So many that the frames suffice even where all labels are equal."""
    return min(sizes["L"], (sizes["T"] + 1) // 2)


# labels are no 0 and no 1, so that either can be the blank
_CTC = {
    "labels": lambda rng, shape, sizes: rng.integers(2, sizes["K"], shape),
    "input_lengths": lambda rng, shape, sizes: rng.integers(
        2 * _most_labels(sizes) - 1, sizes["T"] + 1, shape
    ),
    "label_lengths": lambda rng, shape, sizes: rng.integers(0, _most_labels(sizes) + 1, shape),
}


OPS = (
    Op("linear"),
    Op("relu"),
    Op("sigmoid"),
    Op("tanh"),
    Op("softmax"),
    Op("log_softmax"),
    Op(
        "cross_entropy",
        config={"label_smoothing": (0.1, 0.0), "ignore_index": (1, None)},
        where=_classes_remain,
        samplers={"labels": _first_is_0, "weights": _positive},
    ),
    Op("soft_cross_entropy"),
    Op("binary_cross_entropy"),
    Op("kl_divergence", samplers={"q": _probabilities}),
    Op("hinge", config={"margin": (1.0, 0.3)}, samplers={"labels": _labels}),
    Op("mse"),
    Op("l1"),
    Op("huber", config={"delta": (1.0, 0.3)}),
    Op("cosine", config={"eps": (1e-8, 2.0)}),
    Op("triplet", config={"margin": (1.0, 0.3)}),
    Op(
        "ctc",
        config={"blank": (0, 1)},
        where=lambda sizes, config: sizes["K"] >= 3,
        samplers=_CTC,
    ),
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
