"""Layers around the affine ops."""

from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp

from jaxnn.initializers import glorot_uniform
from jaxnn.ops.affine import bilinear, linear
from jaxnn.trees import Tree

Array = jax.Array


@dataclass(frozen=True)
class Linear:
    """`linear` with its weights: params {w: (n_in, n_out), b: (n_out,)}."""

    n_in: int
    n_out: int
    bias: bool = True
    initializer: Callable = glorot_uniform

    def init(self, rng) -> tuple[Tree, Tree]:
        params = {"w": self.initializer(rng, (self.n_in, self.n_out))}
        if self.bias:
            params["b"] = jnp.zeros(self.n_out)
        return params, {}

    def forward(self, params: Tree, state: Tree, x: Array, *, rng=None, train=False):
        return linear(x, **params), state


@dataclass(frozen=True)
class Bilinear:
    """`bilinear` with its weights: params {w: (n_in1, n_in2, n_out), b: (n_out,)}; x = (x1, x2)."""

    n_in1: int
    n_in2: int
    n_out: int
    bias: bool = True
    initializer: Callable = glorot_uniform

    def init(self, rng) -> tuple[Tree, Tree]:
        params = {"w": self.initializer(rng, (self.n_in1, self.n_in2, self.n_out))}
        if self.bias:
            params["b"] = jnp.zeros(self.n_out)
        return params, {}

    def forward(self, params: Tree, state: Tree, x: tuple[Array, Array], *, rng=None, train=False):
        x1, x2 = x
        return bilinear(x1, x2, **params), state
