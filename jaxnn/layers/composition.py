"""Layers made of an op without parameters, or of other layers.

A layer is a frozen dataclass of configuration with two methods (`Layer`), so it can be a static
argument of `jax.jit`; arrays live outside, in params and state.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import jax

from jaxnn.trees import Tree

Array = jax.Array


class Layer(Protocol):
    """What every layer offers; no layer inherits it."""

    def init(self, rng) -> tuple[Tree, Tree]:
        """Fresh params and state."""

    def forward(self, params: Tree, state: Tree, x: Array, *, rng=None, train=False) -> Any:
        """(y, new state); the new state has the structure of the given one."""


@dataclass(frozen=True, init=False)
class Op:
    """A layer without parameters, made of a one-argument op and its configuration."""

    op: Callable
    config: tuple[tuple[str, Any], ...]

    def __init__(self, op: Callable, **config: Any):
        object.__setattr__(self, "op", op)
        object.__setattr__(self, "config", tuple(sorted(config.items())))

    def init(self, rng) -> tuple[Tree, Tree]:
        return {}, {}

    def forward(self, params: Tree, state: Tree, x: Array, *, rng=None, train=False):
        return self.op(x, **dict(self.config)), state


@dataclass(frozen=True)
class Residual:
    """y = x + body(x); params and state are the body's."""

    body: Layer

    def init(self, rng) -> tuple[Tree, Tree]:
        return self.body.init(rng)

    def forward(self, params: Tree, state: Tree, x: Array, *, rng=None, train=False):
        y, state = self.body.forward(params, state, x, rng=rng, train=train)
        return x + y, state


@dataclass(frozen=True)
class Sequential:
    """Named layers, one after the other; params {name: params of that layer}.

    A name that occurs again is the same layer with the same weights; autodiff adds its gradients.
    """

    layers: tuple[tuple[str, Layer], ...]

    def __post_init__(self):
        named: dict[str, Layer] = {}
        for name, layer in self.layers:
            if named.setdefault(name, layer) != layer:
                raise ValueError(
                    f"Sequential: two different layers are named {name!r}, {named[name]} and "
                    f"{layer}; a shared name means shared weights, so rename one"
                )

    def init(self, rng) -> tuple[Tree, Tree]:
        params, state = {}, {}
        for name, layer in dict(self.layers).items():
            p, s = layer.init(rng)
            if p:
                params[name] = p
            if s:
                state[name] = s
        return params, state

    def forward(self, params: Tree, state: Tree, x: Array, *, rng=None, train=False):
        state = dict(state)
        for name, layer in self.layers:
            p, s = params.get(name, {}), state.get(name, {})
            x, s = layer.forward(p, s, x, rng=rng, train=train)
            if name in state:
                state[name] = s
        return x, state
