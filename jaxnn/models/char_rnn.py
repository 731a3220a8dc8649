"""The character model: recurrent layers that read a text and guess each next character."""

from collections.abc import Callable
from dataclasses import dataclass

import jax

from jaxnn.layers.affine import Linear
from jaxnn.layers.composition import Sequential
from jaxnn.trees import Tree

Array = jax.Array


@dataclass(frozen=True)
class CharRNN:
    """One-hot characters, recurrent layers, linear: ids (T, N) -> logits (T, N, n_chars).

    Ids are checked where their values are known; under `jax.jit` one out of range reads as a row
    of zeros.
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

    def init(self, rng) -> tuple[Tree, Tree]:
        return self.body().init(rng)

    def carry(self, batch: int) -> Tree:
        """The state that starts a stream of `batch` texts: zeros."""
        layer = self.cell(self.n_hidden, self.n_hidden)
        return {f"rnn{k + 1}": layer.carry(batch) for k in range(self.n_layers)}

    def forward(self, params: Tree, state: Tree, x: Array, *, rng=None, train=False):
        K = self.n_chars
        if not isinstance(x, jax.core.Tracer) and (x.min() < 0 or x.max() >= K):
            raise ValueError(
                f"CharRNN: ids run from {x.min()} to {x.max()}; wanted 0 to {K - 1} for the {K} "
                "characters; renumber the characters or widen the model"
            )
        one_hot = jax.nn.one_hot(x, K, dtype=params["out"]["w"].dtype)
        return self.body().forward(params, state, one_hot, rng=rng, train=train)
