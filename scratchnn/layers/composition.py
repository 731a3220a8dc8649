"""Layers made of an op without parameters, or of other layers.

A layer is a frozen dataclass of configuration with three methods (`Layer`); arrays live outside,
in params (trained) and state (not trained), nested dicts of one structure.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from scratchnn import trees
from scratchnn.trees import Tree

Array = np.ndarray


class Layer(Protocol):
    """What every layer offers; no layer inherits it."""

    def init(self, rng: np.random.Generator) -> tuple[Tree, Tree]:
        """Fresh params and state."""

    def forward(self, params: Tree, state: Tree, x: Array, *, rng=None, train=False) -> Any:
        """((y, new state), cache); the new state has the structure of the given one."""

    def backward(self, dy: Array, cache: tuple) -> tuple[Tree, Array]:
        """(dparams, dx); dparams has the structure of params."""


@dataclass(frozen=True, init=False)
class Op:
    """A layer without parameters, made of a one-argument op and its configuration.

    >>> from scratchnn.ops.pooling import max_pool2d
    >>> layer = Op(max_pool2d, size=2)
    >>> (y, _), cache = layer.forward({}, {}, np.ones((1, 4, 6, 3)))
    >>> y.shape, layer.backward(y, cache)[1].shape
    ((1, 2, 3, 3), (1, 4, 6, 3))
    """

    op: Callable
    config: tuple[tuple[str, Any], ...]

    def __init__(self, op: Callable, **config: Any):
        object.__setattr__(self, "op", op)
        object.__setattr__(self, "config", tuple(sorted(config.items())))

    def init(self, rng: np.random.Generator) -> tuple[Tree, Tree]:
        return {}, {}

    def forward(self, params: Tree, state: Tree, x: Array, *, rng=None, train=False):
        y, cache = self.op(x, **dict(self.config))
        return (y, state), cache

    def backward(self, dy: Array, cache: tuple) -> tuple[Tree, Array]:
        # the pair is found by its name, next to the op
        op_backward = getattr(sys.modules[self.op.__module__], f"{self.op.__name__}_backward")
        return {}, op_backward(dy, cache)


@dataclass(frozen=True)
class Residual:
    """y = x + body(x); params and state are the body's.

    x is used twice, so dx = dy + (the body's dx).

    >>> from scratchnn.ops.activations import relu
    >>> (y, _), cache = Residual(Op(relu)).forward({}, {}, np.array([-1.0, 2.0]))
    >>> y.tolist(), Residual(Op(relu)).backward(np.ones(2), cache)[1].tolist()
    ([-1.0, 4.0], [1.0, 2.0])
    """

    body: Layer

    def init(self, rng: np.random.Generator) -> tuple[Tree, Tree]:
        return self.body.init(rng)

    def forward(self, params: Tree, state: Tree, x: Array, *, rng=None, train=False):
        (y, state), cache = self.body.forward(params, state, x, rng=rng, train=train)
        return (x + y, state), cache

    def backward(self, dy: Array, cache: tuple) -> tuple[Tree, Array]:
        dparams, dx = self.body.backward(dy, cache)
        return dparams, dy + dx


@dataclass(frozen=True)
class Sequential:
    """Named layers, one after the other; params {name: params of that layer}.

    A name that occurs again is the same layer with the same weights: its gradients are added.

    >>> from scratchnn.layers.affine import Linear
    >>> model = Sequential((("a", Linear(3, 3)), ("a", Linear(3, 3)), ("b", Linear(3, 2))))
    >>> params, state = model.init(np.random.default_rng(0))
    >>> sorted(params)
    ['a', 'b']
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

    def init(self, rng: np.random.Generator) -> tuple[Tree, Tree]:
        params, state = {}, {}
        for name, layer in dict(self.layers).items():
            p, s = layer.init(rng)
            if p:
                params[name] = p
            if s:
                state[name] = s
        return params, state

    def forward(self, params: Tree, state: Tree, x: Array, *, rng=None, train=False):
        state, caches = dict(state), []
        for name, layer in self.layers:
            p, s = params.get(name, {}), state.get(name, {})
            (x, s), cache = layer.forward(p, s, x, rng=rng, train=train)
            if name in state:
                state[name] = s
            caches.append(cache)
        return (x, state), (caches,)

    def backward(self, dy: Array, cache: tuple) -> tuple[Tree, Array]:
        (caches,) = cache
        dparams: Tree = {}
        for (name, layer), layer_cache in zip(self.layers[::-1], caches[::-1], strict=True):
            d, dy = layer.backward(dy, layer_cache)
            if d:
                dparams[name] = trees.add(dparams[name], d) if name in dparams else d
        return dparams, dy
