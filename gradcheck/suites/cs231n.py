"""The layers of Stanford's CS231n assignments, under the conditions that their notebooks never use.

Strides from 1 to 3, windows that overlap and strides that do not divide, paddings from 0 to 2,
images and windows that are not square, tied maxima, repeated words, random gammas, eps = 1, both
modes, scores near 1000 and -1000. Where an assertion of the code refuses a case, it is left out.
"""

from typing import Any

import numpy as np

from gradcheck.suites.networks import Network
from gradcheck.suites.ops import Op


def labels(rng: np.random.Generator, shape: tuple[int, ...], sizes: dict) -> np.ndarray:
    return rng.integers(0, sizes["C"], shape)


def words(rng: np.random.Generator, shape: tuple[int, ...], sizes: dict) -> np.ndarray:
    """More words than the vocabulary has, so that some occur twice; and one that never does."""
    return rng.integers(1, sizes["V"], shape)


def counted(rng: np.random.Generator, shape: tuple[int, ...], sizes: dict) -> np.ndarray:
    """About half of the entries, in no pattern; the first counts."""
    mask = rng.random(shape) < 0.5
    mask.flat[:2] = True, False
    return mask


def near_1000(rng: np.random.Generator, shape: tuple[int, ...], sizes: dict) -> np.ndarray:
    """Scores near 1000 or -1000, all of a row: exp of them is infinite, or zero."""
    signs = np.where(np.arange(shape[0]) % 2, -1e3, 1e3)
    return signs.reshape(-1, *[1] * (len(shape) - 1)) + rng.standard_normal(shape)


def tied(rng: np.random.Generator, shape: tuple[int, ...], sizes: dict) -> np.ndarray:
    """The numbers -1, 0 and 1: maxima tie, and margins and rectifiers are at their kinks."""
    return rng.integers(-1, 2, shape).astype(float)


def _running(rng: np.random.Generator, _: None, sizes: dict) -> np.ndarray:
    return rng.uniform(0.5, 2, sizes["C"] if "C" in sizes else sizes["D"])


TRAIN: dict[str, Any] = {"mode": "train", "eps": 1e-5}
TRAIN_EPS = {"mode": "train", "eps": 1.0}
TEST = {"mode": "test", "eps": 1.0, "running_mean": _running, "running_var": _running}

AFFINE = (
    {"N": 3, "d": (2, 5), "D": 10, "M": 7},
    {"N": 5, "d": (3,), "D": 3, "M": 2},
)
BATCH_NORM = (
    {"N": 5, "D": 3, "bn_param": TRAIN},
    {"N": 4, "D": 5, "bn_param": TRAIN_EPS},
    {"N": 3, "D": 4, "bn_param": TEST},
)
SPATIAL = (
    {"N": 2, "C": 3, "H": 4, "W": 5, "bn_param": TRAIN},
    {"N": 3, "C": 2, "H": 4, "W": 3, "bn_param": TRAIN_EPS},
    {"N": 2, "C": 3, "H": 4, "W": 5, "bn_param": TEST},
)
CONV = tuple(
    {"N": N, "C": C, "F": F, "H": H, "W": W, "HH": HH, "WW": WW}
    | {"conv_param": {"stride": stride, "pad": pad}}
    for N, C, F, H, W, HH, WW, stride, pad in (
        (2, 3, 1, 3, 2, 3, 3, 1, 1),
        (1, 2, 3, 3, 4, 2, 3, 1, 0),
        (2, 1, 3, 5, 4, 3, 2, 2, 0),
        (3, 2, 1, 3, 4, 3, 2, 2, 2),
        (2, 1, 3, 4, 5, 3, 4, 3, 1),
        (1, 3, 2, 5, 3, 2, 2, 2, 1),  # which does not divide
    )
)
POOL = tuple(
    {"N": 2, "C": 3, "H": H, "W": W}
    | ({"x": tied} if ties else {})
    | {"pool_param": {"pool_height": height, "pool_width": width, "stride": stride}}
    for H, W, height, width, stride, ties in (
        (4, 6, 2, 2, 2, False),
        (4, 5, 3, 2, 1, False),
        (5, 7, 3, 3, 2, False),
        (4, 7, 1, 4, 3, False),
        (4, 2, 2, 2, 2, True),
        (5, 6, 2, 3, 2, False),  # which does not divide
    )
)
STEP = ({"N": 3, "D": 5, "H": 4}, {"N": 5, "D": 2, "H": 3})
SEQUENCE = ({"N": 2, "T": 3, "D": 5, "H": 4}, {"N": 3, "T": 4, "D": 2, "H": 3})
SCORES = (
    {"N": 5, "C": 3, "y": labels},
    {"N": 4, "C": 5, "x": near_1000, "y": labels},
)


SUITE: tuple[Op | Network, ...] = (
    Op("affine_forward(x, w, b)", "affine_backward(dout, cache)", "x: N *d; w: D M; b: M", AFFINE),
    Op(
        "relu_forward(x)",
        "relu_backward(dout, cache)",
        "x: *d",
        ({"d": (3, 5)}, {"d": (2, 3, 4), "x": tied}),
    ),
    *(
        Op(
            "batchnorm_forward(x, gamma, beta, bn_param)",
            f"batchnorm_backward{alt}(dout, cache)",
            "x: N D; gamma: D; beta: D",
            BATCH_NORM,
        )
        for alt in ("", "_alt")
    ),
    Op(
        "layernorm_forward(x, gamma, beta, ln_param)",
        "layernorm_backward(dout, cache)",
        "x: N D; gamma: D; beta: D",
        ({"N": 3, "D": 5, "ln_param": {"eps": 1e-5}}, {"N": 5, "D": 4, "ln_param": {"eps": 1.0}}),
    ),
    Op(
        "dropout_forward(x, dropout_param)",
        "dropout_backward(dout, cache)",
        "x: *d",
        (
            {"d": (5, 7), "dropout_param": {"p": 0.3, "mode": "train", "seed": 1}},
            {"d": (2, 3, 5), "dropout_param": {"p": 0.8, "mode": "train", "seed": 2}},
            {"d": (3, 4), "dropout_param": {"p": 0.3, "mode": "test", "seed": 3}},
        ),
    ),
    *(
        Op(
            f"conv_forward_{how}(x, w, b, conv_param)",
            f"conv_backward_{how}(dout, cache)",
            "x: N C H W; w: F C HH WW; b: F",
            CONV,
        )
        for how in ("naive", "fast", "im2col", "strided")
    ),
    *(
        Op(
            f"max_pool_forward_{how}(x, pool_param)",
            f"max_pool_backward_{how}(dout, cache)",
            "x: N C H W",
            POOL,
        )
        for how in ("naive", "fast", "im2col", "reshape")
    ),
    Op(
        "spatial_batchnorm_forward(x, gamma, beta, bn_param)",
        "spatial_batchnorm_backward(dout, cache)",
        "x: N C H W; gamma: C; beta: C",
        SPATIAL,
    ),
    Op(
        "spatial_groupnorm_forward(x, gamma, beta, G, gn_param)",
        "spatial_groupnorm_backward(dout, cache)",
        "x: N C H W; gamma: 1 C 1 1; beta: 1 C 1 1",
        (
            {"N": 2, "C": 6, "H": 3, "W": 4, "G": 2, "gn_param": {"eps": 1e-5}},
            {"N": 3, "C": 6, "H": 2, "W": 5, "G": 3, "gn_param": {"eps": 1.0}},
        ),
    ),
    *(
        Op(
            f"{name}_loss(x, y)",
            "",
            "x: N C; y: N",
            (*SCORES, {"N": 5, "C": 4, "x": tied, "y": labels}),
            gradients=("x",),
        )
        for name in ("svm", "softmax")
    ),
    *(
        Op(
            f"{name}_loss_{how}(W, X, y, reg)",
            "",
            "W: D C; X: N D; y: N",
            (
                {"N": 5, "D": 3, "C": 4, "y": labels, "reg": 0.3},
                {"N": 3, "D": 4, "C": 2, "y": labels, "reg": 0.0},
            ),
            gradients=("W",),
        )
        for name in ("svm", "softmax")
        for how in ("naive", "vectorized")
    ),
    Op(
        "rnn_step_forward(x, prev_h, Wx, Wh, b)",
        "rnn_step_backward(dnext_h, cache)",
        "x: N D; prev_h: N H; Wx: D H; Wh: H H; b: H",
        STEP,
    ),
    Op(
        "rnn_forward(x, h0, Wx, Wh, b)",
        "rnn_backward(dh, cache)",
        "x: N T D; h0: N H; Wx: D H; Wh: H H; b: H",
        SEQUENCE,
    ),
    Op(
        "word_embedding_forward(x, W)",
        "word_embedding_backward(dout, cache)",
        "x: N T; W: V D",
        ({"N": 2, "T": 5, "V": 4, "D": 3, "x": words},),
    ),
    Op(
        "lstm_step_forward(x, prev_h, prev_c, Wx, Wh, b)",
        "lstm_step_backward(dnext_h, dnext_c, cache)",
        "x: N D; prev_h: N H; prev_c: N H; Wx: D 4*H; Wh: H 4*H; b: 4*H",
        STEP,
    ),
    Op(
        "lstm_forward(x, h0, Wx, Wh, b)",
        "lstm_backward(dh, cache)",
        "x: N T D; h0: N H; Wx: D 4*H; Wh: H 4*H; b: 4*H",
        SEQUENCE,
    ),
    Op(
        "temporal_affine_forward(x, w, b)",
        "temporal_affine_backward(dout, cache)",
        "x: N T D; w: D M; b: M",
        ({"N": 2, "T": 3, "D": 5, "M": 7}, {"N": 3, "T": 4, "D": 2, "M": 5}),
    ),
    Op(
        "temporal_softmax_loss(x, y, mask)",
        "",
        "x: N T C; y: N T; mask: N T",
        (
            {"N": 2, "T": 3, "C": 5, "y": labels, "mask": counted},
            {"N": 3, "T": 4, "C": 2, "x": near_1000, "y": labels, "mask": counted},
        ),
        gradients=("x",),
    ),
    Op(
        "affine_relu_forward(x, w, b)",
        "affine_relu_backward(dout, cache)",
        "x: N *d; w: D M; b: M",
        AFFINE,
    ),
    *(
        Op(
            f"affine_{norm}_relu_forward(x, w, b, gamma, beta, {norm}_param)",
            f"affine_{norm}_relu_backward(dout, cache)",
            "x: N *d; w: D M; b: M; gamma: M; beta: M",
            tuple(c | {f"{norm}_param": p} for c, p in zip(AFFINE, params, strict=True)),
        )
        for norm, params in (("bn", (TRAIN, TRAIN_EPS)), ("ln", ({"eps": 1e-5}, {"eps": 1.0})))
    ),
    Op(
        "conv_relu_forward(x, w, b, conv_param)",
        "conv_relu_backward(dout, cache)",
        "x: N C H W; w: F C HH WW; b: F",
        CONV[:3],
    ),
    Op(
        "conv_bn_relu_forward(x, w, b, gamma, beta, conv_param, bn_param)",
        "conv_bn_relu_backward(dout, cache)",
        "x: N C H W; w: F C HH WW; b: F; gamma: F; beta: F",
        tuple(c | {"bn_param": p} for c, p in zip(CONV, (TRAIN, TRAIN_EPS), strict=False)),
    ),
    Op(
        "conv_relu_pool_forward(x, w, b, conv_param, pool_param)",
        "conv_relu_pool_backward(dout, cache)",
        "x: N C H W; w: F C HH WW; b: F",
        tuple(
            {"N": 2, "C": 4, "F": 3, "H": 4, "W": 6, "HH": 3, "WW": 3}
            | {"conv_param": {"stride": 1, "pad": 1}}
            | {"pool_param": {"pool_height": 2, "pool_width": 2, "stride": stride}}
            for stride in (2, 1)
        ),
    ),
    Network(
        "TwoLayerNet",
        "X: N D; y: N",
        tuple(
            {"N": 3, "D": 5, "C": 4, "y": labels} | settings
            for settings in (
                {"input_dim": 5, "hidden_dim": 7, "num_classes": 4, "reg": 0.0},
                {"input_dim": 5, "hidden_dim": 7, "num_classes": 4, "reg": 0.25},
                {"input_size": 5, "hidden_size": 7, "output_size": 4},  # of the first assignment
            )
        ),
    ),
    Network(
        "FullyConnectedNet",
        "X: N D; y: N",
        tuple(
            {"N": 3, "D": 5, "C": 4, "y": labels, "hidden_dims": [6, 7], "dtype": np.float64}
            | {"input_dim": 5, "num_classes": 4, **more}
            for more in (
                {"reg": 0.0},
                {"reg": 0.25},
                {"normalization": "batchnorm"},
                {"normalization": "layernorm"},
                {"use_batchnorm": True},
                {"dropout_keep_ratio": 0.5, "seed": 1},
                {"dropout": 0.5, "seed": 1},
            )
        ),
    ),
    Network(
        "ThreeLayerConvNet",
        "X: N B H W; y: N",
        tuple(
            {"N": 2, "B": 3, "H": 4, "W": 6, "C": 5, "y": labels, "dtype": np.float64, "reg": reg}
            | {"input_dim": (3, 4, 6), "num_filters": 2, "filter_size": 3}
            | {"hidden_dim": 7, "num_classes": 5}
            for reg in (0.0, 0.25)
        ),
    ),
)
