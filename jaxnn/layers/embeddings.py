"""Layers around the embedding."""

from collections.abc import Callable
from dataclasses import dataclass

import jax

from jaxnn.initializers import standard_normal
from jaxnn.ops.embeddings import embedding
from jaxnn.trees import Tree

Array = jax.Array


@dataclass(frozen=True)
class Embedding:
    """`embedding` with its table: params {table: (n_ids, n_features)}."""

    n_ids: int
    n_features: int
    initializer: Callable = standard_normal

    def init(self, rng) -> tuple[Tree, Tree]:
        return {"table": self.initializer(rng, (self.n_ids, self.n_features))}, {}

    def forward(self, params: Tree, state: Tree, x: Array, *, rng=None, train=False):
        return embedding(x, **params), state
