"""Layers around the recurrent ops, time-major."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from scratchnn.initializers import glorot_uniform
from scratchnn.ops.recurrence import lstm, lstm_backward
from scratchnn.trees import Tree

Array = np.ndarray


@dataclass(frozen=True)
class LSTM:
    """`lstm` with its weights: params {w_x: (n_in, 4 n_hidden), w_h: (n_hidden, 4 n_hidden), b}.

    It starts from zeros, or from the carry in `state`, and then returns the carry of the last
    step; the carry is not differentiated, which makes back-propagation through time truncated.
    The forget gate's bias starts at 1 (Jozefowicz et al., ICML 2015), so that it remembers.

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
    initializer: Callable = glorot_uniform

    def init(self, rng: np.random.Generator) -> tuple[Tree, Tree]:
        H = self.n_hidden
        w_x = self.initializer(rng, (self.n_in, 4 * H))
        w_h = self.initializer(rng, (H, 4 * H))
        b = np.repeat((0.0, 1.0, 0.0, 0.0), H)  # i, f, g, o
        return {"w_x": w_x, "w_h": w_h, "b": b}, {}

    def carry(self, batch: int) -> Tree:
        """The state that starts a stream of `batch` sequences: zeros."""
        zeros = np.zeros((batch, self.n_hidden))
        return {"h": zeros, "c": zeros}

    def forward(self, params: Tree, state: Tree, x: Array, *, rng=None, train=False):
        start = state or self.carry(x.shape[1])
        h0, c0 = start["h"].astype(x.dtype), start["c"].astype(x.dtype)
        (y, h, c), cache = lstm(x, h0, c0, **params)
        carry = {"h": h.astype(start["h"].dtype), "c": c.astype(start["c"].dtype)}
        return (y, carry if state else state), (cache, h, c)

    def backward(self, dy: Array, cache: tuple) -> tuple[Tree, Array]:
        cache, h, c = cache
        # the carry is not differentiated: zero cotangents for the final state
        dx, _, _, dw_x, dw_h, db = lstm_backward((dy, np.zeros_like(h), np.zeros_like(c)), cache)
        return {"w_x": dw_x, "w_h": dw_h, "b": db}, dx
