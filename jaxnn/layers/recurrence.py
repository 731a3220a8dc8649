"""Layers around the recurrent ops, time-major."""

from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jax import lax

from jaxnn.initializers import glorot_uniform
from jaxnn.ops.recurrence import lstm
from jaxnn.trees import Tree

Array = jax.Array


@dataclass(frozen=True)
class LSTM:
    """`lstm` with its weights: params {w_x: (n_in, 4 n_hidden), w_h: (n_hidden, 4 n_hidden), b}."""

    n_in: int
    n_hidden: int
    initializer: Callable = glorot_uniform

    def init(self, rng) -> tuple[Tree, Tree]:
        H = self.n_hidden
        w_x = self.initializer(rng, (self.n_in, 4 * H))
        w_h = self.initializer(rng, (H, 4 * H))
        b = jnp.repeat(jnp.array((0.0, 1.0, 0.0, 0.0)), H)  # i, f, g, o
        return {"w_x": w_x, "w_h": w_h, "b": b}, {}

    def carry(self, batch: int) -> Tree:
        """The state that starts a stream of `batch` sequences: zeros."""
        zeros = jnp.zeros((batch, self.n_hidden))
        return {"h": zeros, "c": zeros}

    def forward(self, params: Tree, state: Tree, x: Array, *, rng=None, train=False):
        start = lax.stop_gradient(state or self.carry(x.shape[1]))
        h0, c0 = start["h"].astype(x.dtype), start["c"].astype(x.dtype)
        y, h, c = lstm(x, h0, c0, **params)
        carry = {"h": h.astype(start["h"].dtype), "c": c.astype(start["c"].dtype)}
        return y, lax.stop_gradient(carry) if state else state
