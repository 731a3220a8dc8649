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


def _ids(rng: np.random.Generator, shape: tuple[int, ...], sizes: dict[str, Any]) -> np.ndarray:
    return rng.integers(0, sizes["V"], shape)


def _positions(
    rng: np.random.Generator, shape: tuple[int, ...], sizes: dict[str, Any]
) -> np.ndarray:
    return rng.integers(0, 50, shape)


def _heads_fit(sizes: dict[str, Any], config: dict[str, Any]) -> bool:
    return config["heads"] % config["kv_heads"] == 0


def _sequence_and_mask(rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    return rng.standard_normal((2, 3, 8)), rng.random((2, 3, 3)) < 0.6


def _sequence_memory_and_mask(rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    x, memory = rng.standard_normal((2, 3, 6)), rng.standard_normal((2, 5, 6))
    return x, memory, rng.random((2, 3, 5)) < 0.6


def _two(value: Any) -> tuple[int, int]:
    return value if isinstance(value, tuple) else (value, value)


def _kernel_fits(sizes: dict[str, Any], config: dict[str, Any]) -> bool:
    ph, pw = _two(config["padding"])
    return sizes["H"] + 2 * ph >= sizes["KH"] and sizes["W"] + 2 * pw >= sizes["KW"]


def _window_fits(sizes: dict[str, Any], config: dict[str, Any]) -> bool:
    KH, KW = _two(config["size"])
    return sizes["H"] >= KH and sizes["W"] >= KW


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
    Op("gelu", config={"approximate": (False, True)}),
    Op("layer_norm", config={"eps": (1e-5, 1.0)}),
    Op("embedding", samplers={"ids": _ids}),
    Op("attention", config={"causal": (False, True), "scale": (None, 2.0)}),
    Op(
        "blockwise_attention",
        config={"causal": (False, True, False), "scale": (None, 2.0, None), "block": (2, 3, 128)},
    ),
    Op("project_heads", config={"heads": (2, 3)}),
    Op("merge_heads"),
    Op("grouped_attention", config={"groups": (2, 1, 3), "causal": (False, True, True)}),
    Op(
        "multi_head_attention",
        config={"heads": (2, 4), "kv_heads": (2, 2), "causal": (False, True)},
        where=_heads_fit,
    ),
    Op("rotary", config={"base": (10000.0, 10.0)}, samplers={"positions": _positions}),
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
    Layer("LearnedPositions", lambda nn: nn.LearnedPositions(5, 7), (2, 3, 7)),
    Layer(
        "MultiHeadAttention",
        lambda nn: nn.MultiHeadAttention(8, 4, 2, causal=True, rotary_base=100.0),
        _sequence_and_mask,
    ),
    Layer("TransformerBlock", lambda nn: nn.TransformerBlock(6, 2, 5), (2, 3, 6)),
    Layer("DecoderBlock", lambda nn: nn.DecoderBlock(6, 2, 5), _sequence_memory_and_mask),
    Layer("MLP", lambda nn: nn.MLP((3, 7, 5)), (2, 3)),
    Layer("residual_cnn", lambda nn: nn.residual_cnn((4, 6, 3), (5, 2), 7, 11), (2, 4, 6, 3)),
    Layer(
        "GPT", lambda nn: nn.GPT(7, 5, 6, 2, 1, d_hidden=5), lambda rng: rng.integers(0, 7, (2, 3))
    ),
    Layer(
        "EncoderDecoder",
        lambda nn: nn.EncoderDecoder(5, 7, 6, 2, 1, d_hidden=3),
        lambda rng: (rng.integers(0, 5, (2, 5)), rng.integers(0, 7, (2, 3))),
    ),
)


def names() -> list[str]:
    """Everything shipped, in the order of the table."""
    return [entry.name for entry in (*OPS, *LAYERS)]


def find(name: str) -> Op | Layer:
    """The entry of that name."""
    return next(entry for entry in (*OPS, *LAYERS) if entry.name == name)
