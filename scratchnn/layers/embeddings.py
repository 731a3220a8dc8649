"""Layers around the embedding."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from scratchnn.initializers import standard_normal
from scratchnn.ops.embeddings import embedding, embedding_backward
from scratchnn.trees import Tree

Array = np.ndarray


@dataclass(frozen=True)
class Embedding:
    """`embedding` with its table: params {table: (n_ids, n_features)}.

    Its input is integers, so dx is None.

    >>> layer = Embedding(5, 2)
    >>> params, state = layer.init(np.random.default_rng(0))
    >>> (y, state), cache = layer.forward(params, state, np.array([[1, 1, 4]]))
    >>> dparams, dx = layer.backward(np.ones_like(y), cache)
    >>> y.shape, dparams["table"][:, 0].tolist(), dx
    ((1, 3, 2), [0.0, 2.0, 0.0, 0.0, 1.0], None)
    """

    n_ids: int
    n_features: int
    initializer: Callable = standard_normal

    def init(self, rng: np.random.Generator) -> tuple[Tree, Tree]:
        return {"table": self.initializer(rng, (self.n_ids, self.n_features))}, {}

    def forward(self, params: Tree, state: Tree, x: Array, *, rng=None, train=False):
        y, cache = embedding(x, **params)
        return (y, state), cache

    def backward(self, dy: Array, cache: tuple) -> tuple[Tree, None]:
        dx, dtable = embedding_backward(dy, cache)
        return {"table": dtable}, dx
