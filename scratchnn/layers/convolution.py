"""Layers around the convolutions."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from scratchnn.initializers import glorot_uniform
from scratchnn.ops.convolution import (
    conv1d,
    conv1d_backward,
    conv2d,
    conv2d_backward,
    conv3d,
    conv3d_backward,
    conv_transpose2d,
    conv_transpose2d_backward,
)
from scratchnn.ops.windows import per_axis
from scratchnn.trees import Tree

Array = np.ndarray


@dataclass(frozen=True)
class Conv1d:
    """`conv1d` with its kernels: params {w: (KL, n_in/groups, n_out), b: (n_out,)}.

    >>> layer = Conv1d(4, 8, size=3, padding=((2, 0),))
    >>> params, state = layer.init(np.random.default_rng(0))
    >>> (y, state), cache = layer.forward(params, state, np.ones((2, 5, 4)))
    >>> y.shape
    (2, 5, 8)
    """

    n_in: int
    n_out: int
    size: int = 3
    stride: int = 1
    padding: int | str | tuple = 0
    dilation: int = 1
    groups: int = 1
    bias: bool = True
    initializer: Callable = glorot_uniform

    def init(self, rng: np.random.Generator) -> tuple[Tree, Tree]:
        return _params(self, rng, 1), {}

    def forward(self, params: Tree, state: Tree, x: Array, *, rng=None, train=False):
        y, cache = conv1d(x, **params, **_config(self))
        return (y, state), cache

    def backward(self, dy: Array, cache: tuple) -> tuple[Tree, Array]:
        dx, dw, db = conv1d_backward(dy, cache)
        return {"w": dw, "b": db} if self.bias else {"w": dw}, dx


@dataclass(frozen=True)
class Conv2d:
    """`conv2d` with its kernels: params {w: (KH, KW, n_in/groups, n_out), b: (n_out,)}.

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
    padding: int | str | tuple = 0
    dilation: int | tuple[int, int] = 1
    groups: int = 1
    bias: bool = True
    initializer: Callable = glorot_uniform

    def init(self, rng: np.random.Generator) -> tuple[Tree, Tree]:
        return _params(self, rng, 2), {}

    def forward(self, params: Tree, state: Tree, x: Array, *, rng=None, train=False):
        y, cache = conv2d(x, **params, **_config(self))
        return (y, state), cache

    def backward(self, dy: Array, cache: tuple) -> tuple[Tree, Array]:
        dx, dw, db = conv2d_backward(dy, cache)
        return {"w": dw, "b": db} if self.bias else {"w": dw}, dx


@dataclass(frozen=True)
class Conv3d:
    """`conv3d` with its kernels: params {w: (KD, KH, KW, n_in/groups, n_out), b: (n_out,)}.

    >>> layer = Conv3d(1, 8, size=3, padding="same", stride=(1, 2, 2))
    >>> params, state = layer.init(np.random.default_rng(0))
    >>> (y, state), cache = layer.forward(params, state, np.ones((2, 3, 5, 7, 1)))
    >>> y.shape
    (2, 3, 3, 4, 8)
    """

    n_in: int
    n_out: int
    size: int | tuple[int, int, int] = 3
    stride: int | tuple[int, int, int] = 1
    padding: int | str | tuple = 0
    dilation: int | tuple[int, int, int] = 1
    groups: int = 1
    bias: bool = True
    initializer: Callable = glorot_uniform

    def init(self, rng: np.random.Generator) -> tuple[Tree, Tree]:
        return _params(self, rng, 3), {}

    def forward(self, params: Tree, state: Tree, x: Array, *, rng=None, train=False):
        y, cache = conv3d(x, **params, **_config(self))
        return (y, state), cache

    def backward(self, dy: Array, cache: tuple) -> tuple[Tree, Array]:
        dx, dw, db = conv3d_backward(dy, cache)
        return {"w": dw, "b": db} if self.bias else {"w": dw}, dx


@dataclass(frozen=True)
class ConvTranspose2d:
    """`conv_transpose2d` with kernels: params {w: (KH, KW, n_out/groups, n_in), b: (n_out,)}.

    >>> layer = ConvTranspose2d(4, 8, size=2, stride=2)
    >>> params, state = layer.init(np.random.default_rng(0))
    >>> (y, state), cache = layer.forward(params, state, np.ones((2, 5, 7, 4)))
    >>> y.shape
    (2, 10, 14, 8)
    """

    n_in: int
    n_out: int
    size: int | tuple[int, int] = 3
    stride: int | tuple[int, int] = 1
    padding: int | tuple = 0
    output_padding: int | tuple[int, int] = 0
    dilation: int | tuple[int, int] = 1
    groups: int = 1
    bias: bool = True
    initializer: Callable = glorot_uniform

    def init(self, rng: np.random.Generator) -> tuple[Tree, Tree]:
        return _params(self, rng, 2, transposed=True), {}

    def forward(self, params: Tree, state: Tree, x: Array, *, rng=None, train=False):
        config = {"output_padding": self.output_padding, **_config(self)}
        y, cache = conv_transpose2d(x, **params, **config)
        return (y, state), cache

    def backward(self, dy: Array, cache: tuple) -> tuple[Tree, Array]:
        dx, dw, db = conv_transpose2d_backward(dy, cache)
        return {"w": dw, "b": db} if self.bias else {"w": dw}, dx


def _params(layer, rng: np.random.Generator, n: int, transposed: bool = False) -> Tree:
    """Kernels of n spatial axes, and a bias of zeros.

    Every group is drawn for itself, inputs before outputs, so that its fans are those of a unit:
    KH KW n_in/groups inputs. Strides, which thin out either fan, are not counted.
    """
    name = type(layer).__name__
    (groups,) = per_axis(f"{name}: groups", layer.groups, 1, 1)
    for what, channels in (("n_in", layer.n_in), ("n_out", layer.n_out)):
        if channels % groups:
            raise ValueError(
                f"{name}: {what} is {channels}; wanted a multiple of groups = {groups}; "
                "change either"
            )
    size = per_axis(f"{name}: size", layer.size, 1, n)
    shape = (*size, layer.n_in // groups, layer.n_out // groups)
    kernels = [layer.initializer(rng, shape) for _ in range(groups)]
    w = np.concatenate([v.swapaxes(-1, -2) if transposed else v for v in kernels], -1)
    return {"w": w, "b": np.zeros(layer.n_out)} if layer.bias else {"w": w}


def _config(layer) -> dict:
    """What the layers hand on to their op."""
    return {k: getattr(layer, k) for k in ("stride", "padding", "dilation", "groups")}
