"""The character model: recurrent layers that read a text and guess each next character."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from scratchnn.layers.affine import Linear
from scratchnn.layers.composition import Sequential
from scratchnn.trees import Tree

Array = np.ndarray


@dataclass(frozen=True)
class CharRNN:
    """One-hot characters, recurrent layers, linear: ids (T, N) -> logits (T, N, n_chars).

    `cell` is the class of the `n_layers` layers: RNN, GRU or LSTM. A text longer than T is cut into
    pieces: hand the returned state, which starts as `carry(batch)`, to the next call, and values
    flow on while gradients stop at the cut (truncated back-propagation through time).

    A one-hot row times w_x is a row of w_x, so the first layer's w_x is the embedding. The ids are
    integers and have no gradient.

    Source: Graves, Generating Sequences With Recurrent Neural Networks, arXiv:1308.0850.

    >>> from scratchnn.layers.recurrence import GRU
    >>> model = CharRNN(GRU, n_chars=7, n_hidden=3, n_layers=2)
    >>> params, _ = model.init(np.random.default_rng(0))
    >>> (logits, state), cache = model.forward(params, model.carry(2), np.array([[0, 6], [1, 2]]))
    >>> logits.shape, sorted(params), state["rnn2"]["h"].shape
    ((2, 2, 7), ['out', 'rnn1', 'rnn2'], (2, 3))
    """

    cell: Callable
    n_chars: int
    n_hidden: int
    n_layers: int = 1

    def body(self) -> Sequential:
        """What follows the one-hot characters."""
        sizes = [self.n_chars] + [self.n_hidden] * self.n_layers
        layers = [(f"rnn{k + 1}", self.cell(sizes[k], self.n_hidden)) for k in range(self.n_layers)]
        return Sequential((*layers, ("out", Linear(self.n_hidden, self.n_chars))))

    def init(self, rng: np.random.Generator) -> tuple[Tree, Tree]:
        return self.body().init(rng)

    def carry(self, batch: int) -> Tree:
        """The state that starts a stream of `batch` texts: zeros."""
        layer = self.cell(self.n_hidden, self.n_hidden)
        return {f"rnn{k + 1}": layer.carry(batch) for k in range(self.n_layers)}

    def forward(self, params: Tree, state: Tree, x: Array, *, rng=None, train=False):
        K = self.n_chars
        if x.min() < 0 or x.max() >= K:
            raise ValueError(
                f"CharRNN: ids run from {x.min()} to {x.max()}; wanted 0 to {K - 1} for the {K} "
                "characters; renumber the characters or widen the model"
            )
        one_hot = np.eye(K, dtype=params["out"]["w"].dtype)[x]
        return self.body().forward(params, state, one_hot, rng=rng, train=train)

    def backward(self, dy: Array, cache: tuple) -> tuple[Tree, None]:
        dparams, _ = self.body().backward(dy, cache)
        return dparams, None
