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


def _two(value: Any) -> tuple[int, int]:
    return value if isinstance(value, tuple) else (value, value)


def _kernel_fits(sizes: dict[str, Any], config: dict[str, Any]) -> bool:
    ph, pw = _two(config["padding"])
    return sizes["H"] + 2 * ph >= sizes["KH"] and sizes["W"] + 2 * pw >= sizes["KW"]


def _window_fits(sizes: dict[str, Any], config: dict[str, Any]) -> bool:
    KH, KW = _two(config["size"])
    return sizes["H"] >= KH and sizes["W"] >= KW


def _characters(rng: np.random.Generator) -> np.ndarray:
    return rng.integers(0, 7, (5, 2))


def _sentences(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Source and target ids; the first source is shorter and padded with 0."""
    source, target = rng.integers(1, 13, (7, 2)), rng.integers(0, 11, (5, 2))
    source[4:, 0] = 0
    return source, target


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
    Op("rnn_cell"),
    Op("rnn"),
    Op("gru_cell", config={"linear_before_reset": (True, False)}),
    Op("gru", config={"linear_before_reset": (True, False)}),
    Op("lstm_cell"),
    Op("lstm"),
    Op("additive_attention"),
)

LAYERS = (
    Layer("Linear", lambda nn: nn.Linear(3, 5), (2, 3)),
    Layer("Conv2d", lambda nn: nn.Conv2d(3, 5, (3, 2), stride=2, padding=1), (2, 7, 11, 3)),
    Layer("RNN", lambda nn: nn.RNN(3, 5), (7, 2, 3)),
    Layer("GRU", lambda nn: nn.GRU(3, 5, linear_before_reset=False), (7, 2, 3)),
    Layer("LSTM", lambda nn: nn.LSTM(3, 5, peepholes=True), (7, 2, 3)),
    Layer("Bidirectional", lambda nn: nn.Bidirectional(nn.GRU(3, 5), nn.RNN(3, 2)), (7, 2, 3)),
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
    Layer("CharRNN", lambda nn: nn.CharRNN(nn.LSTM, 7, 3, n_layers=2), _characters),
    Layer("Seq2Seq", lambda nn: nn.Seq2Seq(13, 11, 5, 3), _sentences),
)


def names() -> list[str]:
    """Everything shipped, in the order of the table."""
    return [entry.name for entry in (*OPS, *LAYERS)]


def find(name: str) -> Op | Layer:
    """The entry of that name."""
    return next(entry for entry in (*OPS, *LAYERS) if entry.name == name)
