"""Layers around the rectifiers with parameters."""

from dataclasses import dataclass

import numpy as np

from scratchnn.ops.rectifiers import prelu, prelu_backward
from scratchnn.trees import Tree

Array = np.ndarray


@dataclass(frozen=True)
class PReLU:
    """`prelu` with its slopes, one per channel: params {a: (n_channels,)}, at first all `slope`.

    Weight decay would pull the slopes to 0, which is relu; the source leaves them out of it.

    >>> layer = PReLU(3)
    >>> params, state = layer.init(np.random.default_rng(0))
    >>> (y, state), cache = layer.forward(params, state, np.array([[-4.0, 0.0, 4.0]]))
    >>> y.tolist(), layer.backward(np.ones_like(y), cache)[0]["a"].tolist()
    ([[-1.0, 0.0, 4.0]], [-4.0, 0.0, 0.0])
    """

    n_channels: int
    slope: float = 0.25

    def init(self, rng: np.random.Generator) -> tuple[Tree, Tree]:
        return {"a": np.full(self.n_channels, self.slope)}, {}

    def forward(self, params: Tree, state: Tree, x: Array, *, rng=None, train=False):
        y, cache = prelu(x, **params)
        return (y, state), cache

    def backward(self, dy: Array, cache: tuple) -> tuple[Tree, Array]:
        dx, da = prelu_backward(dy, cache)
        return {"a": da}, dx
