"""Layers around the gates."""

from collections.abc import Callable
from dataclasses import dataclass

import jax

from jaxnn.initializers import glorot_uniform
from jaxnn.ops.affine import linear
from jaxnn.ops.gated import swiglu
from jaxnn.trees import Tree

Array = jax.Array


@dataclass(frozen=True)
class SwiGLU:
    """The feed-forward layer of a transformer, y = swiglu(x) w_out, as wide as its input."""

    n_in: int
    n_hidden: int
    initializer: Callable = glorot_uniform

    def init(self, rng) -> tuple[Tree, Tree]:
        w = self.initializer(rng, (self.n_in, self.n_hidden))
        v = self.initializer(rng, (self.n_in, self.n_hidden))
        w_out = self.initializer(rng, (self.n_hidden, self.n_in))
        return {"gate": {"w": w, "v": v}, "out": {"w": w_out}}, {}

    def forward(self, params: Tree, state: Tree, x: Array, *, rng=None, train=False):
        h = swiglu(x, **params["gate"])
        return linear(h, **params["out"]), state
