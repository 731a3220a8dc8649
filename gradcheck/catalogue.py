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


def _sides(padding: Any, n: int) -> list[tuple[int, int]]:
    values = padding if isinstance(padding, tuple) else (padding,) * n
    return [v if isinstance(v, tuple) else (v, v) for v in values]


def _each(value: Any, n: int) -> tuple[int, ...]:
    return value if isinstance(value, tuple) else (value,) * n


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
    """At least twice along each axis: a window that stays where it is shows no stride."""
    window = _each(config["size"], 2)
    strides = window if config["stride"] is None else _each(config["stride"], 2)
    if config["padding"] == "same":
        return all(sizes[axis] > s for axis, s in zip("HW", strides, strict=True))
    return all(
        sizes[axis] + sum(pair) >= K + s and max(pair) < K
        for axis, K, s, pair in zip(
            "HW", window, strides, _sides(config["padding"], 2), strict=True
        )
    )


def _two_inputs(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    return rng.standard_normal((2, 11, 3)), rng.standard_normal((2, 11, 5))


_EPS = {"eps": (1e-5, 1.0)}


def _characters(rng: np.random.Generator) -> np.ndarray:
    return rng.integers(0, 7, (5, 2))


def _sentences(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Source and target ids; the first source is shorter and padded with 0."""
    source, target = rng.integers(1, 13, (7, 2)), rng.integers(0, 11, (5, 2))
    source[4:, 0] = 0
    return source, target


# one feature, one unit: an axis of length 1 hides what other lengths show, and shows what they hide
_SINGLE = ({"T": 2, "N": 3, "D": 1, "H": 1},)


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
    Op(
        "cross_entropy",
        config={"label_smoothing": (0.1, 0.0), "ignore_index": (1, None)},
        where=_classes_remain,
        samplers={"labels": _first_is_0, "weights": _positive},
    ),
    Op("soft_cross_entropy", sizes=({"batch": (3,), "K": 1},)),
    Op("binary_cross_entropy"),
    Op("kl_divergence", samplers={"q": _probabilities}, sizes=({"batch": (3,), "K": 1},)),
    Op("hinge", config={"margin": (1.0, 0.3)}, samplers={"labels": _labels}),
    Op("mse"),
    Op("l1"),
    Op("huber", config={"delta": (1.0, 0.3)}),
    Op("cosine", config={"eps": (2.0, 1e-8)}, sizes=({"batch": (3,), "D": 1},)),
    Op("triplet", config={"margin": (1.0, 0.3)}),
    Op(
        "ctc",
        config={"blank": (0, 1)},
        where=lambda sizes, config: sizes["K"] >= 3,
        samplers=_CTC,
        # labels that repeat, at once or later, and differ; a single frame
        sizes=({"T": 9, "N": 7, "K": 4, "L": 4}, {"T": 1, "N": 2, "K": 3, "L": 1}),
    ),
    Op(
        "conv2d",
        config={
            "stride": (1, 2, 3, (2, 1)),
            "padding": (1, (0, 2), "same", ((1, 0), (2, 3))),
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
            "padding": (0, 1, (1, 0), ((0, 2), (1, 3))),
            "output_padding": (0, 1, (2, 0), 0),
            "dilation": (1, 1, (1, 2), 2),
            "groups": (1, 1, 2, 3),
        },
        where=_something_is_left,
    ),
    Op(
        "max_pool2d",
        config={
            "size": (2, 3, (3, 2), 4),
            "stride": (None, 2, (1, 2), 1),
            "padding": (0, 1, "same", ((1, 2), (3, 0))),
        },
        where=_window_fits,
    ),
    Op(
        "avg_pool2d",
        config={
            "size": (2, 3, (3, 2), 4),
            "stride": (None, 2, (1, 2), 1),
            "padding": (0, 1, "same", ((1, 2), (3, 0))),
            "count_include_pad": (True, True, False, False),
        },
        where=_window_fits,
    ),
    Op("global_avg_pool2d"),
    Op("adaptive_avg_pool2d", config={"size": (1, (2, 3), 4)}),
    Op("upsample", config={"factor": (2, (3, 1))}),
    Op("upsample_bilinear2d", config={"factor": (2, (1, 3))}),
    Op("pixel_shuffle", config={"factor": (2, 3)}),
    Op("flatten"),
    Op("rnn_cell", sizes=_SINGLE),
    Op("rnn", sizes=_SINGLE),
    Op("gru_cell", config={"linear_before_reset": (True, False)}, sizes=_SINGLE),
    Op("gru", config={"linear_before_reset": (True, False)}, sizes=_SINGLE),
    Op("lstm_cell", sizes=_SINGLE),
    Op("lstm", sizes=_SINGLE),
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
    Op("additive_attention"),
    Op("attention", config={"causal": (False, True), "scale": (None, 2.0)}),
    Op(
        "blockwise_attention",
        config={"causal": (True, False), "scale": (None, 2.0), "block": (2, 3, 128, 1)},
        sizes=({"batch": (), "T": 5, "D": 2, "S": 7, "M": 3},),
    ),
    Op("project_heads", config={"heads": (2, 3)}),
    Op("merge_heads"),
    Op(
        "grouped_attention",
        config={"groups": (2, 1, 3), "causal": (False, True, True)},
        sizes=({"batch": (), "N": 2, "T": 3, "D": 2, "S": 5, "M": 7},),
    ),
    Op(
        "multi_head_attention",
        config={"heads": (2, 4), "kv_heads": (2, 2), "causal": (False, True)},
        where=_heads_fit,
    ),
    Op("rotary", config={"base": (10000.0, 10.0)}, samplers={"positions": _positions}),
)

LAYERS = (
    Layer("Linear", lambda nn: nn.Linear(3, 5), (2, 3)),
    Layer("Bilinear", lambda nn: nn.Bilinear(3, 5, 7), _two_inputs),
    Layer("PReLU", lambda nn: nn.PReLU(3), (2, 5, 3)),
    Layer("SwiGLU", lambda nn: nn.SwiGLU(3, 7), (2, 5, 3)),
    Layer("Dropout", lambda nn: nn.Dropout(0.3), (5, 7, 3), train=True),
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
    Layer("BatchNorm", lambda nn: nn.BatchNorm(3), (2, 5, 7, 3), train=True),
    Layer("LayerNorm", lambda nn: nn.LayerNorm(5, eps=0.1), (2, 3, 5)),
    Layer("RMSNorm", lambda nn: nn.RMSNorm(5, eps=0.1), (2, 3, 5)),
    Layer("GroupNorm", lambda nn: nn.GroupNorm(6, groups=2), (2, 5, 7, 6)),
    Layer("InstanceNorm", lambda nn: nn.InstanceNorm(3, eps=0.1), (2, 5, 7, 3)),
    Layer("WeightNorm", lambda nn: nn.WeightNorm(nn.Linear(3, 5)), (2, 3)),
    Layer("Embedding", lambda nn: nn.Embedding(5, 3), lambda rng: rng.integers(0, 5, (2, 7))),
    Layer("MLP", lambda nn: nn.MLP((3, 7, 5)), (2, 3)),
    Layer("residual_cnn", lambda nn: nn.residual_cnn((4, 6, 3), (5, 2), 7, 11), (2, 4, 6, 3)),
    Layer("CharRNN", lambda nn: nn.CharRNN(nn.LSTM, 7, 3, n_layers=2), _characters),
    Layer("Seq2Seq", lambda nn: nn.Seq2Seq(13, 11, 5, 3), _sentences),
    Layer("LearnedPositions", lambda nn: nn.LearnedPositions(5, 7), (2, 3, 7)),
    Layer(
        "MultiHeadAttention",
        lambda nn: nn.MultiHeadAttention(8, 4, 2, causal=True, rotary_base=100.0),
        _sequence_and_mask,
    ),
    Layer("TransformerBlock", lambda nn: nn.TransformerBlock(6, 2, 5), (2, 3, 6)),
    Layer("DecoderBlock", lambda nn: nn.DecoderBlock(6, 2, 5), _sequence_memory_and_mask),
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
