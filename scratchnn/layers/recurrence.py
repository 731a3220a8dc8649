"""Layers around the recurrent ops, time-major.

They start from zeros, or from the carry in `state`, and then return the carry of the last step; the
carry is not differentiated, which makes back-propagation through time truncated. Masks do not pass
through layers: where sequences differ in length, call the ops, as `Seq2Seq` does.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from scratchnn.initializers import glorot_uniform
from scratchnn.layers.composition import Layer
from scratchnn.ops.memory import lstm, lstm_backward
from scratchnn.ops.recurrence import gru, gru_backward, rnn, rnn_backward
from scratchnn.trees import Tree

Array = np.ndarray


@dataclass(frozen=True)
class RNN:
    """`rnn` with its weights: params {w_x: (n_in, n_hidden), w_h: (n_hidden, n_hidden), b}.

    >>> layer = RNN(3, 2)
    >>> params, state = layer.init(np.random.default_rng(0))
    >>> (y, state), cache = layer.forward(params, layer.carry(4), np.ones((5, 4, 3)))
    >>> y.shape, bool((state["h"] == y[-1]).all())
    ((5, 4, 2), True)
    """

    n_in: int
    n_hidden: int
    initializer: Callable = glorot_uniform

    def init(self, rng: np.random.Generator) -> tuple[Tree, Tree]:
        H = self.n_hidden
        w_x = self.initializer(rng, (self.n_in, H))
        w_h = self.initializer(rng, (H, H))
        return {"w_x": w_x, "w_h": w_h, "b": np.zeros(H)}, {}

    def carry(self, batch: int) -> Tree:
        """The state that starts a stream of `batch` sequences: zeros."""
        return {"h": np.zeros((batch, self.n_hidden))}

    def forward(self, params: Tree, state: Tree, x: Array, *, rng=None, train=False):
        start = state or self.carry(x.shape[1])
        (y, h), cache = rnn(x, start["h"].astype(x.dtype), **params)
        return (y, {"h": h.astype(start["h"].dtype)} if state else state), (cache, h)

    def backward(self, dy: Array, cache: tuple) -> tuple[Tree, Array]:
        cache, h = cache
        # the carry is not differentiated: zero cotangents for the final state
        dx, _, dw_x, dw_h, db, _ = rnn_backward((dy, np.zeros_like(h)), cache)
        return {"w_x": dw_x, "w_h": dw_h, "b": db}, dx


@dataclass(frozen=True)
class GRU:
    """`gru` with its weights: params {w_x: (n_in, 3 n_hidden), w_h: ..., b_x, b_h: (3 n_hidden,)}.

    >>> layer = GRU(3, 2, linear_before_reset=False)
    >>> params, state = layer.init(np.random.default_rng(0))
    >>> (y, state), cache = layer.forward(params, layer.carry(4), np.ones((5, 4, 3)))
    >>> y.shape, bool((state["h"] == y[-1]).all())
    ((5, 4, 2), True)
    """

    n_in: int
    n_hidden: int
    linear_before_reset: bool = True
    initializer: Callable = glorot_uniform

    def init(self, rng: np.random.Generator) -> tuple[Tree, Tree]:
        H = self.n_hidden
        w_x = self.initializer(rng, (self.n_in, 3 * H))
        w_h = self.initializer(rng, (H, 3 * H))
        return {"w_x": w_x, "w_h": w_h, "b_x": np.zeros(3 * H), "b_h": np.zeros(3 * H)}, {}

    def carry(self, batch: int) -> Tree:
        """The state that starts a stream of `batch` sequences: zeros."""
        return {"h": np.zeros((batch, self.n_hidden))}

    def forward(self, params: Tree, state: Tree, x: Array, *, rng=None, train=False):
        start = state or self.carry(x.shape[1])
        h0 = start["h"].astype(x.dtype)
        (y, h), cache = gru(x, h0, **params, linear_before_reset=self.linear_before_reset)
        return (y, {"h": h.astype(start["h"].dtype)} if state else state), (cache, h)

    def backward(self, dy: Array, cache: tuple) -> tuple[Tree, Array]:
        cache, h = cache
        # the carry is not differentiated: zero cotangents for the final state
        dx, _, dw_x, dw_h, db_x, db_h, _ = gru_backward((dy, np.zeros_like(h)), cache)
        return {"w_x": dw_x, "w_h": dw_h, "b_x": db_x, "b_h": db_h}, dx


@dataclass(frozen=True)
class LSTM:
    """`lstm` with its weights: params {w_x: (n_in, 4 n_hidden), w_h: (n_hidden, 4 n_hidden), b}.

    The forget gate's bias starts at 1 (Jozefowicz et al., ICML 2015), so that it remembers.
    Peepholes, params p: (3, n_hidden), start at 0, where they change nothing.

    >>> layer = LSTM(3, 2)
    >>> params, state = layer.init(np.random.default_rng(0))
    >>> (y, state), cache = layer.forward(params, state, np.ones((5, 4, 3)))
    >>> y.shape, state
    ((5, 4, 2), {})
    >>> (y, state), cache = layer.forward(params, layer.carry(4), np.ones((5, 4, 3)))
    >>> bool((state["h"] == y[-1]).all())
    True
    """

    n_in: int
    n_hidden: int
    peepholes: bool = False
    initializer: Callable = glorot_uniform

    def init(self, rng: np.random.Generator) -> tuple[Tree, Tree]:
        H = self.n_hidden
        w_x = self.initializer(rng, (self.n_in, 4 * H))
        w_h = self.initializer(rng, (H, 4 * H))
        b = np.repeat((0.0, 1.0, 0.0, 0.0), H)  # i, f, g, o
        params = {"w_x": w_x, "w_h": w_h, "b": b}
        return params | ({"p": np.zeros((3, H))} if self.peepholes else {}), {}

    def carry(self, batch: int) -> Tree:
        """The state that starts a stream of `batch` sequences: zeros."""
        zeros = np.zeros((batch, self.n_hidden))
        return {"h": zeros, "c": zeros}

    def forward(self, params: Tree, state: Tree, x: Array, *, rng=None, train=False):
        start = state or self.carry(x.shape[1])
        h0, c0 = start["h"].astype(x.dtype), start["c"].astype(x.dtype)
        (y, h, c), cache = lstm(x, h0, c0, **params)
        end = {"h": h.astype(start["h"].dtype), "c": c.astype(start["c"].dtype)}
        return (y, end if state else state), (cache, h, c)

    def backward(self, dy: Array, cache: tuple) -> tuple[Tree, Array]:
        cache, h, c = cache
        # the carry is not differentiated: zero cotangents for the final state
        dx, _, _, dw_x, dw_h, db, dp, _ = lstm_backward(
            (dy, np.zeros_like(h), np.zeros_like(c)), cache
        )
        dparams = {"w_x": dw_x, "w_h": dw_h, "b": db}
        return dparams | ({"p": dp} if self.peepholes else {}), dx


@dataclass(frozen=True)
class Bidirectional:
    """One layer forwards in time, another backwards: their outputs side by side at every step.

        y_f = body_forward(x)    y_b = reverse(body_backward(reverse(x)))    y = (y_f, y_b)

    x is used twice and reversal is its own transpose:

        dx = dx_f + reverse(dx_b)        dx_b from reverse(dy_b)

    Params and state are {forward: ..., backward: ...}. There is no carry: the second layer starts
    at the end of the sequence, so a stream cannot be cut into pieces.

    Source: Schuster and Paliwal, Bidirectional recurrent neural networks (1997),
    doi:10.1109/78.650093.

    >>> layer = Bidirectional(RNN(3, 2), RNN(3, 5))
    >>> params, state = layer.init(np.random.default_rng(0))
    >>> (y, state), cache = layer.forward(params, state, np.ones((7, 4, 3)))
    >>> y.shape, layer.backward(y, cache)[1].shape
    ((7, 4, 7), (7, 4, 3))
    """

    body_forward: Layer
    body_backward: Layer

    def init(self, rng: np.random.Generator) -> tuple[Tree, Tree]:
        (p_f, s_f), (p_b, s_b) = self.body_forward.init(rng), self.body_backward.init(rng)
        state = {"forward": s_f, "backward": s_b} if s_f or s_b else {}
        return {"forward": p_f, "backward": p_b}, state

    def forward(self, params: Tree, state: Tree, x: Array, *, rng=None, train=False):
        s_f, s_b = state.get("forward", {}), state.get("backward", {})
        (y_f, s_f), cache_f = self.body_forward.forward(
            params["forward"], s_f, x, rng=rng, train=train
        )
        (y_b, s_b), cache_b = self.body_backward.forward(
            params["backward"], s_b, x[::-1], rng=rng, train=train
        )
        y = np.concatenate((y_f, y_b[::-1]), axis=-1)
        new = {"forward": s_f, "backward": s_b} if state else state
        return (y, new), (cache_f, cache_b, y_f.shape[-1])

    def backward(self, dy: Array, cache: tuple) -> tuple[Tree, Array]:
        cache_f, cache_b, width = cache
        dparams_f, dx_f = self.body_forward.backward(dy[..., :width], cache_f)
        dparams_b, dx_b = self.body_backward.backward(dy[::-1, ..., width:], cache_b)
        return {"forward": dparams_f, "backward": dparams_b}, dx_f + dx_b[::-1]
