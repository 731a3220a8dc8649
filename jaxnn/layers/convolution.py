"""Layers around the convolutions."""

from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp

from jaxnn.initializers import glorot_uniform
from jaxnn.ops.convolution import conv1d, conv2d, conv3d, conv_transpose2d
from jaxnn.ops.windows import per_axis
from jaxnn.trees import Tree

Array = jax.Array


@dataclass(frozen=True)
class Conv1d:
    """`conv1d` with its kernels: params {w: (KL, n_in/groups, n_out), b: (n_out,)}."""

    n_in: int
    n_out: int
    size: int = 3
    stride: int = 1
    padding: int | str | tuple = 0
    dilation: int = 1
    groups: int = 1
    bias: bool = True
    initializer: Callable = glorot_uniform

    def init(self, rng) -> tuple[Tree, Tree]:
        return _params(self, rng, 1), {}

    def forward(self, params: Tree, state: Tree, x: Array, *, rng=None, train=False):
        return conv1d(x, **params, **_config(self)), state


@dataclass(frozen=True)
class Conv2d:
    """`conv2d` with its kernels: params {w: (KH, KW, n_in/groups, n_out), b: (n_out,)}."""

    n_in: int
    n_out: int
    size: int | tuple[int, int] = 3
    stride: int | tuple[int, int] = 1
    padding: int | str | tuple = 0
    dilation: int | tuple[int, int] = 1
    groups: int = 1
    bias: bool = True
    initializer: Callable = glorot_uniform

    def init(self, rng) -> tuple[Tree, Tree]:
        return _params(self, rng, 2), {}

    def forward(self, params: Tree, state: Tree, x: Array, *, rng=None, train=False):
        return conv2d(x, **params, **_config(self)), state


@dataclass(frozen=True)
class Conv3d:
    """`conv3d` with its kernels: params {w: (KD, KH, KW, n_in/groups, n_out), b: (n_out,)}."""

    n_in: int
    n_out: int
    size: int | tuple[int, int, int] = 3
    stride: int | tuple[int, int, int] = 1
    padding: int | str | tuple = 0
    dilation: int | tuple[int, int, int] = 1
    groups: int = 1
    bias: bool = True
    initializer: Callable = glorot_uniform

    def init(self, rng) -> tuple[Tree, Tree]:
        return _params(self, rng, 3), {}

    def forward(self, params: Tree, state: Tree, x: Array, *, rng=None, train=False):
        return conv3d(x, **params, **_config(self)), state


@dataclass(frozen=True)
class ConvTranspose2d:
    """`conv_transpose2d` with kernels: params {w: (KH, KW, n_out/groups, n_in), b: (n_out,)}."""

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

    def init(self, rng) -> tuple[Tree, Tree]:
        return _params(self, rng, 2, transposed=True), {}

    def forward(self, params: Tree, state: Tree, x: Array, *, rng=None, train=False):
        config = {"output_padding": self.output_padding, **_config(self)}
        return conv_transpose2d(x, **params, **config), state


def _params(layer, rng, n: int, transposed: bool = False) -> Tree:
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
    w = jnp.concatenate([v.swapaxes(-1, -2) if transposed else v for v in kernels], -1)
    return {"w": w, "b": jnp.zeros(layer.n_out)} if layer.bias else {"w": w}


def _config(layer) -> dict:
    """What the layers hand on to their op."""
    return {k: getattr(layer, k) for k in ("stride", "padding", "dilation", "groups")}
