"""Layers that act in training only."""

from dataclasses import dataclass

import numpy as np

from scratchnn.ops.regularization import dropout, dropout_backward, fraction
from scratchnn.trees import Tree

Array = np.ndarray


@dataclass(frozen=True)
class Dropout:
    """`dropout` with a mask drawn in training; the identity otherwise.

    An entry is kept where `rng.random(x.shape)` is at least `rate`, the fraction that is dropped.

    >>> layer = Dropout(0.5)
    >>> (y, _), cache = layer.forward({}, {}, np.ones(6), rng=np.random.default_rng(1), train=True)
    >>> y.tolist(), layer.backward(np.ones(6), cache)[1].tolist()
    ([2.0, 2.0, 0.0, 2.0, 0.0, 0.0], [2.0, 2.0, 0.0, 2.0, 0.0, 0.0])
    """

    rate: float

    def __post_init__(self):
        fraction("Dropout: rate", self.rate)

    def init(self, rng: np.random.Generator) -> tuple[Tree, Tree]:
        return {}, {}

    def forward(self, params: Tree, state: Tree, x: Array, *, rng=None, train=False):
        if not train:
            return (x, state), None
        if rng is None:
            raise ValueError(
                "Dropout: rng is None in training; wanted a source of random numbers with "
                "random(shape); pass rng=numpy.random.default_rng(seed), or train=False"
            )
        y, cache = dropout(x, rng.random(x.shape) >= self.rate, rate=self.rate)
        return (y, state), cache

    def backward(self, dy: Array, cache: tuple | None) -> tuple[Tree, Array]:
        if cache is None:
            return {}, dy
        dx, _ = dropout_backward(dy, cache)
        return {}, dx
