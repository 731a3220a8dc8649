"""Layers around the gates."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from scratchnn.initializers import glorot_uniform
from scratchnn.ops.affine import linear, linear_backward
from scratchnn.ops.gated import swiglu, swiglu_backward
from scratchnn.trees import Tree

Array = np.ndarray


@dataclass(frozen=True)
class SwiGLU:
    """The feed-forward layer of a transformer, y = swiglu(x) w_out, as wide as its input.

    params {gate: {w: (n_in, n_hidden), v: likewise}, out: {w: (n_hidden, n_in)}}, no biases. With
    n_hidden = 8/3 n_in it has as many weights as linear, relu, linear with 4 n_in hidden units.

    Source: Shazeer, GLU Variants Improve Transformer, arXiv:2002.05202, equation 6.

    >>> layer = SwiGLU(3, 8)
    >>> params, state = layer.init(np.random.default_rng(0))
    >>> (y, state), cache = layer.forward(params, state, np.ones((2, 5, 3)))
    >>> dparams, dx = layer.backward(np.ones_like(y), cache)
    >>> y.shape, sorted(dparams["gate"]), sorted(dparams["out"])
    ((2, 5, 3), ['v', 'w'], ['w'])
    """

    n_in: int
    n_hidden: int
    initializer: Callable = glorot_uniform

    def init(self, rng: np.random.Generator) -> tuple[Tree, Tree]:
        w = self.initializer(rng, (self.n_in, self.n_hidden))
        v = self.initializer(rng, (self.n_in, self.n_hidden))
        w_out = self.initializer(rng, (self.n_hidden, self.n_in))
        return {"gate": {"w": w, "v": v}, "out": {"w": w_out}}, {}

    def forward(self, params: Tree, state: Tree, x: Array, *, rng=None, train=False):
        h, gate_cache = swiglu(x, **params["gate"])
        y, out_cache = linear(h, **params["out"])
        return (y, state), (gate_cache, out_cache)

    def backward(self, dy: Array, cache: tuple) -> tuple[Tree, Array]:
        gate_cache, out_cache = cache
        dh, dw_out, _ = linear_backward(dy, out_cache)
        dx, dw, dv = swiglu_backward(dh, gate_cache)
        return {"gate": {"w": dw, "v": dv}, "out": {"w": dw_out}}, dx
