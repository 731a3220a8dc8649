"""Layers around the convolutions."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from scratchnn.initializers import glorot_uniform
from scratchnn.ops.convolution import conv2d, conv2d_backward, two
from scratchnn.trees import Tree

Array = np.ndarray


@dataclass(frozen=True)
class Conv2d:
    """`conv2d` with its kernels: params {w: (KH, KW, n_in, n_out), b: (n_out,)}.

    >>> layer = Conv2d(1, 8, size=3, padding=1)
    >>> params, state = layer.init(np.random.default_rng(0))
    >>> (y, state), cache = layer.forward(params, state, np.ones((2, 5, 7, 1)))
    >>> y.shape
    (2, 5, 7, 8)
    """

    n_in: int
    n_out: int
    size: int | tuple[int, int] = 3
    stride: int | tuple[int, int] = 1
    padding: int | tuple[int, int] = 0
    bias: bool = True
    initializer: Callable = glorot_uniform

    def init(self, rng: np.random.Generator) -> tuple[Tree, Tree]:
        shape = (*two("Conv2d: size", self.size, 1), self.n_in, self.n_out)
        params = {"w": self.initializer(rng, shape)}
        if self.bias:
            params["b"] = np.zeros(self.n_out)
        return params, {}

    def forward(self, params: Tree, state: Tree, x: Array, *, rng=None, train=False):
        y, cache = conv2d(x, **params, stride=self.stride, padding=self.padding)
        return (y, state), cache

    def backward(self, dy: Array, cache: tuple) -> tuple[Tree, Array]:
        dx, dw, db = conv2d_backward(dy, cache)
        return {"w": dw, "b": db} if self.bias else {"w": dw}, dx
