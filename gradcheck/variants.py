"""Further cases of the layers in the catalogue: what their first case leaves out.

An option has two values, and a backward that is right for the one may be wrong for the other. Each
case is given by the fields in which it differs from the layer's entry.
"""

from typing import Any

import numpy as np

Fields = dict[str, Any]


def _sequence_and_mask(rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    return rng.standard_normal((2, 3, 8)), rng.random((2, 3, 3)) < 0.6


def _statistics(layer: Any) -> dict[str, np.ndarray]:
    """Of batches before; no zeros and ones, at which much is the same."""
    return {"mean": np.array([0.5, -1.0, 2.0]), "var": np.array([0.25, 2.0, 3.0])}


def _two_steps_later(layer: Any) -> dict[str, np.ndarray]:
    """Buffers for 7 steps, of which two are filled."""
    rng, state = np.random.default_rng(0), layer.carry(2, 7)
    filled = {k: rng.standard_normal(np.shape(state[k])) for k in ("k", "v")}
    return {**filled, "position": np.asarray(2)}


OTHERS: dict[str, tuple[Fields, ...]] = {
    "Linear": ({"build": lambda nn: nn.Linear(3, 5, bias=False)},),
    "Bilinear": ({"build": lambda nn: nn.Bilinear(3, 5, 7, bias=False)},),
    "Dropout": ({"train": False},),
    "Conv1d": ({"build": lambda nn: nn.Conv1d(3, 5, 2)},),
    "Conv2d": ({"build": lambda nn: nn.Conv2d(3, 5, 2, bias=False)},),
    "Conv3d": ({"build": lambda nn: nn.Conv3d(3, 2, (2, 1, 3), bias=False)},),
    "ConvTranspose2d": ({"build": lambda nn: nn.ConvTranspose2d(6, 4, (1, 2), bias=False)},),
    "GRU": ({"build": lambda nn: nn.GRU(3, 5)},),
    "LSTM": ({"build": lambda nn: nn.LSTM(3, 5)},),
    "BatchNorm": ({"train": False, "state": _statistics},),
    "WeightNorm": ({"build": lambda nn: nn.WeightNorm(nn.Linear(3, 5, bias=False))},),
    "MLP": ({"build": lambda nn: nn.MLP((3, 7, 2, 5))},),
    "LearnedPositions": ({"state": lambda layer: {"position": np.asarray(2)}},),
    "MultiHeadAttention": (
        {"build": lambda nn: nn.MultiHeadAttention(8, 2, bias=False), "x": (2, 3, 8)},
        {"x": (2, 3, 8), "state": _two_steps_later},
    ),
    "TransformerBlock": (
        {"build": lambda nn: nn.TransformerBlock(8, 4, 5, "post", 2), "x": _sequence_and_mask},
    ),
    "GPT": ({"build": lambda nn: nn.GPT(7, 5, 4, 2, 2, d_hidden=3, rotary_base=10.0)},),
}
