"""Layers that tell a sequence its positions."""

from dataclasses import dataclass

import numpy as np

from scratchnn.ops.embeddings import embedding, embedding_backward
from scratchnn.trees import Tree

Array = np.ndarray


@dataclass(frozen=True)
class LearnedPositions:
    """y_t = x_t + table_t, one learned vector per position: params {table: (length, d_model)}.

    The state of `carry` holds how many steps came before; without it x starts at position 0. Every
    sequence of the batch reads the same rows, so dtable sums over the batch.

    Source: Gehring et al., Convolutional Sequence to Sequence Learning, arXiv:1705.03122.

    >>> layer = LearnedPositions(5, 2)
    >>> params, state = layer.init(np.random.default_rng(0))
    >>> (y, state), cache = layer.forward(params, state, np.zeros((4, 3, 2)))
    >>> dparams, dx = layer.backward(np.ones_like(y), cache)
    >>> bool((y[0] == params["table"][:3]).all()), dparams["table"][:, 0].tolist()
    (True, [4.0, 4.0, 4.0, 0.0, 0.0])
    """

    length: int
    d_model: int

    def init(self, rng: np.random.Generator) -> tuple[Tree, Tree]:
        return {"table": 0.02 * rng.standard_normal((self.length, self.d_model))}, {}

    def carry(self, batch: int) -> Tree:
        """The state that starts a stream of `batch` sequences: position 0, the same for all."""
        return {"position": np.zeros((), int)}

    def forward(self, params: Tree, state: Tree, x: Array, *, rng=None, train=False):
        T, start = x.shape[-2], int(state["position"]) if state else 0
        if start + T > self.length:
            raise ValueError(
                f"LearnedPositions: {T} steps after {start} exceed the {self.length} positions; "
                "wanted them to fit; shorten the sequence or lengthen the table"
            )
        rows, cache = embedding(start + np.arange(T), params["table"])
        if state:
            state = {"position": np.asarray(state["position"] + T)}
        return (x + rows, state), (cache,)

    def backward(self, dy: Array, cache: tuple) -> tuple[Tree, Array]:
        (cache,) = cache
        drows = dy.reshape(-1, *dy.shape[-2:]).sum(0)
        _, dtable = embedding_backward(drows, cache)
        return {"table": dtable}, dy
