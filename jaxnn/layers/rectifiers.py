"""Layers around the rectifiers with parameters."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp

from jaxnn.ops.rectifiers import prelu
from jaxnn.trees import Tree

Array = jax.Array


@dataclass(frozen=True)
class PReLU:
    """`prelu` with its slopes, one per channel: params {a: (n_channels,)}, at first all `slope`."""

    n_channels: int
    slope: float = 0.25

    def init(self, rng) -> tuple[Tree, Tree]:
        return {"a": jnp.full(self.n_channels, self.slope)}, {}

    def forward(self, params: Tree, state: Tree, x: Array, *, rng=None, train=False):
        return prelu(x, **params), state
