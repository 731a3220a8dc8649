"""The multi-layer perceptron, written out op by op: the first model to step through."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp

from jaxnn.initializers import he_normal
from jaxnn.ops.activations import relu
from jaxnn.ops.affine import linear
from jaxnn.trees import Tree

Array = jax.Array


@dataclass(frozen=True)
class MLP:
    """linear, relu, linear, relu, ..., linear; params {fc1: {w, b}, fc2: {w, b}, ...}."""

    sizes: tuple[int, ...]

    def init(self, rng) -> tuple[Tree, Tree]:
        params = {}
        for k, (n_in, n_out) in enumerate(zip(self.sizes, self.sizes[1:], strict=False), 1):
            params[f"fc{k}"] = {"w": he_normal(rng, (n_in, n_out)), "b": jnp.zeros(n_out)}
        return params, {}

    def forward(self, params: Tree, state: Tree, x: Array, *, rng=None, train=False):
        last = len(self.sizes) - 1
        for k in range(1, last):
            x = relu(linear(x, **params[f"fc{k}"]))
        return linear(x, **params[f"fc{last}"]), state
