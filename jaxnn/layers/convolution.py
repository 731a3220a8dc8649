"""Layers around the convolutions."""

from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp

from jaxnn.initializers import glorot_uniform
from jaxnn.ops.convolution import conv2d, two
from jaxnn.trees import Tree

Array = jax.Array


@dataclass(frozen=True)
class Conv2d:
    """`conv2d` with its kernels: params {w: (KH, KW, n_in, n_out), b: (n_out,)}."""

    n_in: int
    n_out: int
    size: int | tuple[int, int] = 3
    stride: int | tuple[int, int] = 1
    padding: int | tuple[int, int] = 0
    bias: bool = True
    initializer: Callable = glorot_uniform

    def init(self, rng) -> tuple[Tree, Tree]:
        shape = (*two("Conv2d: size", self.size, 1), self.n_in, self.n_out)
        params = {"w": self.initializer(rng, shape)}
        if self.bias:
            params["b"] = jnp.zeros(self.n_out)
        return params, {}

    def forward(self, params: Tree, state: Tree, x: Array, *, rng=None, train=False):
        return conv2d(x, **params, stride=self.stride, padding=self.padding), state
