"""Layers around the affine ops."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from scratchnn.initializers import glorot_uniform
from scratchnn.ops.affine import bilinear, bilinear_backward, linear, linear_backward
from scratchnn.trees import Tree

Array = np.ndarray


@dataclass(frozen=True)
class Linear:
    """`linear` with its weights: params {w: (n_in, n_out), b: (n_out,)}.

    >>> layer = Linear(3, 2)
    >>> params, state = layer.init(np.random.default_rng(0))
    >>> (y, state), cache = layer.forward(params, state, np.ones((4, 3)))
    >>> dparams, dx = layer.backward(np.ones_like(y), cache)
    >>> y.shape, dparams["b"].tolist()
    ((4, 2), [4.0, 4.0])
    """

    n_in: int
    n_out: int
    bias: bool = True
    initializer: Callable = glorot_uniform

    def init(self, rng: np.random.Generator) -> tuple[Tree, Tree]:
        params = {"w": self.initializer(rng, (self.n_in, self.n_out))}
        if self.bias:
            params["b"] = np.zeros(self.n_out)
        return params, {}

    def forward(self, params: Tree, state: Tree, x: Array, *, rng=None, train=False):
        y, cache = linear(x, **params)
        return (y, state), cache

    def backward(self, dy: Array, cache: tuple) -> tuple[Tree, Array]:
        dx, dw, db = linear_backward(dy, cache)
        return {"w": dw, "b": db} if self.bias else {"w": dw}, dx


@dataclass(frozen=True)
class Bilinear:
    """`bilinear` with its weights: params {w: (n_in1, n_in2, n_out), b: (n_out,)}; x = (x1, x2).

    An output sums n_in1 n_in2 products, which is the fan-in that initializers read off the shape.

    >>> layer = Bilinear(3, 5, 2)
    >>> params, state = layer.init(np.random.default_rng(0))
    >>> (y, state), cache = layer.forward(params, state, (np.ones((4, 3)), np.ones((4, 5))))
    >>> dparams, (dx1, dx2) = layer.backward(np.ones_like(y), cache)
    >>> y.shape, dx1.shape, dx2.shape
    ((4, 2), (4, 3), (4, 5))
    """

    n_in1: int
    n_in2: int
    n_out: int
    bias: bool = True
    initializer: Callable = glorot_uniform

    def init(self, rng: np.random.Generator) -> tuple[Tree, Tree]:
        params = {"w": self.initializer(rng, (self.n_in1, self.n_in2, self.n_out))}
        if self.bias:
            params["b"] = np.zeros(self.n_out)
        return params, {}

    def forward(self, params: Tree, state: Tree, x: tuple[Array, Array], *, rng=None, train=False):
        x1, x2 = x
        y, cache = bilinear(x1, x2, **params)
        return (y, state), cache

    def backward(self, dy: Array, cache: tuple) -> tuple[Tree, tuple[Array, Array]]:
        dx1, dx2, dw, db = bilinear_backward(dy, cache)
        return {"w": dw, "b": db} if self.bias else {"w": dw}, (dx1, dx2)
