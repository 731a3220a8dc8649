"""Layers that tell a sequence its positions."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp

from jaxnn.ops.embeddings import embedding
from jaxnn.trees import Tree

Array = jax.Array


@dataclass(frozen=True)
class LearnedPositions:
    """y_t = x_t + table_t, one learned vector per position: params {table: (length, d_model)}.

    Positions beyond the table raise an error where they are known, and give NaN under `jax.jit`.
    """

    length: int
    d_model: int

    def init(self, rng) -> tuple[Tree, Tree]:
        return {"table": jnp.asarray(0.02 * rng.standard_normal((self.length, self.d_model)))}, {}

    def carry(self, batch: int) -> Tree:
        """The state that starts a stream of `batch` sequences: position 0, the same for all."""
        return {"position": jnp.zeros((), int)}

    def forward(self, params: Tree, state: Tree, x: Array, *, rng=None, train=False):
        T, start = x.shape[-2], state["position"] if state else 0
        known = 0 if isinstance(start, jax.core.Tracer) else start
        if known + T > self.length:
            raise ValueError(
                f"LearnedPositions: {T} steps after {start} exceed the {self.length} positions; "
                "wanted them to fit; shorten the sequence or lengthen the table"
            )
        rows = embedding(start + jnp.arange(T), params["table"])
        return x + rows, {"position": start + T} if state else state
