"""Layers around the recurrent ops, time-major.

They start from zeros, or from the carry in `state`, and then return the carry of the last step; the
carry is not differentiated, which makes back-propagation through time truncated. Masks do not pass
through layers: where sequences differ in length, call the ops, as `Seq2Seq` does.
"""

from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jax import lax

from jaxnn.initializers import glorot_uniform
from jaxnn.layers.composition import Layer
from jaxnn.ops.memory import lstm
from jaxnn.ops.recurrence import gru, rnn
from jaxnn.trees import Tree

Array = jax.Array


@dataclass(frozen=True)
class RNN:
    """`rnn` with its weights: params {w_x: (n_in, n_hidden), w_h: (n_hidden, n_hidden), b}."""

    n_in: int
    n_hidden: int
    initializer: Callable = glorot_uniform

    def init(self, rng) -> tuple[Tree, Tree]:
        H = self.n_hidden
        w_x = self.initializer(rng, (self.n_in, H))
        w_h = self.initializer(rng, (H, H))
        return {"w_x": w_x, "w_h": w_h, "b": jnp.zeros(H)}, {}

    def carry(self, batch: int) -> Tree:
        """The state that starts a stream of `batch` sequences: zeros."""
        return {"h": jnp.zeros((batch, self.n_hidden))}

    def forward(self, params: Tree, state: Tree, x: Array, *, rng=None, train=False):
        start = lax.stop_gradient(state or self.carry(x.shape[1]))
        y, h = rnn(x, start["h"].astype(x.dtype), **params)
        end = {"h": h.astype(start["h"].dtype)}
        return y, lax.stop_gradient(end) if state else state


@dataclass(frozen=True)
class GRU:
    """`gru` with its weights: params {w_x: (n_in, 3 n_hidden), w_h: ..., b_x, b_h: (3 n_hidden,)}.

    `linear_before_reset` says where the reset gate acts.
    """

    n_in: int
    n_hidden: int
    linear_before_reset: bool = True
    initializer: Callable = glorot_uniform

    def init(self, rng) -> tuple[Tree, Tree]:
        H = self.n_hidden
        w_x = self.initializer(rng, (self.n_in, 3 * H))
        w_h = self.initializer(rng, (H, 3 * H))
        return {"w_x": w_x, "w_h": w_h, "b_x": jnp.zeros(3 * H), "b_h": jnp.zeros(3 * H)}, {}

    def carry(self, batch: int) -> Tree:
        """The state that starts a stream of `batch` sequences: zeros."""
        return {"h": jnp.zeros((batch, self.n_hidden))}

    def forward(self, params: Tree, state: Tree, x: Array, *, rng=None, train=False):
        start = lax.stop_gradient(state or self.carry(x.shape[1]))
        h0 = start["h"].astype(x.dtype)
        y, h = gru(x, h0, **params, linear_before_reset=self.linear_before_reset)
        end = {"h": h.astype(start["h"].dtype)}
        return y, lax.stop_gradient(end) if state else state


@dataclass(frozen=True)
class LSTM:
    """`lstm` with its weights: params {w_x: (n_in, 4 n_hidden), w_h: (n_hidden, 4 n_hidden), b}.

    With peepholes also p: (3, n_hidden).
    """

    n_in: int
    n_hidden: int
    peepholes: bool = False
    initializer: Callable = glorot_uniform

    def init(self, rng) -> tuple[Tree, Tree]:
        H = self.n_hidden
        w_x = self.initializer(rng, (self.n_in, 4 * H))
        w_h = self.initializer(rng, (H, 4 * H))
        b = jnp.repeat(jnp.array((0.0, 1.0, 0.0, 0.0)), H)  # i, f, g, o
        params = {"w_x": w_x, "w_h": w_h, "b": b}
        return params | ({"p": jnp.zeros((3, H))} if self.peepholes else {}), {}

    def carry(self, batch: int) -> Tree:
        """The state that starts a stream of `batch` sequences: zeros."""
        zeros = jnp.zeros((batch, self.n_hidden))
        return {"h": zeros, "c": zeros}

    def forward(self, params: Tree, state: Tree, x: Array, *, rng=None, train=False):
        start = lax.stop_gradient(state or self.carry(x.shape[1]))
        h0, c0 = start["h"].astype(x.dtype), start["c"].astype(x.dtype)
        y, h, c = lstm(x, h0, c0, **params)
        end = {"h": h.astype(start["h"].dtype), "c": c.astype(start["c"].dtype)}
        return y, lax.stop_gradient(end) if state else state


@dataclass(frozen=True)
class Bidirectional:
    """One layer forwards in time, another backwards: their outputs side by side at every step.

    Params and state are {forward: ..., backward: ...}. There is no carry: the second layer starts
    at the end of the sequence, so a stream cannot be cut into pieces.
    """

    body_forward: Layer
    body_backward: Layer

    def init(self, rng) -> tuple[Tree, Tree]:
        (p_f, s_f), (p_b, s_b) = self.body_forward.init(rng), self.body_backward.init(rng)
        state = {"forward": s_f, "backward": s_b} if s_f or s_b else {}
        return {"forward": p_f, "backward": p_b}, state

    def forward(self, params: Tree, state: Tree, x: Array, *, rng=None, train=False):
        s_f, s_b = state.get("forward", {}), state.get("backward", {})
        y_f, s_f = self.body_forward.forward(params["forward"], s_f, x, rng=rng, train=train)
        y_b, s_b = self.body_backward.forward(
            params["backward"], s_b, x[::-1], rng=rng, train=train
        )
        y = jnp.concatenate((y_f, y_b[::-1]), axis=-1)
        return y, {"forward": s_f, "backward": s_b} if state else state
