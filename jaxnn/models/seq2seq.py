"""Sequence to sequence: an encoder reads, a decoder writes and looks back with attention."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jax import lax

from jaxnn.initializers import glorot_uniform
from jaxnn.layers.affine import Linear
from jaxnn.layers.recurrence import GRU
from jaxnn.ops.activations import tanh
from jaxnn.ops.affine import linear
from jaxnn.ops.alignment import additive_attention
from jaxnn.ops.recurrence import gru, gru_cell
from jaxnn.trees import Tree

Array = jax.Array


@dataclass(frozen=True)
class Seq2Seq:
    """Bidirectional encoder, decoder with additive attention: x = (source, target) -> logits.

    x holds integer ids, time first: the source (S, N), padded with the id `pad`, and what the
    decoder is given at each of its T steps (T, N): the right previous word (teacher forcing).
    Ids are checked where their values are known; under `jax.jit` one out of range makes the
    logits NaN rather than wrong.
    """

    n_source: int
    n_target: int
    n_embed: int
    n_hidden: int
    pad: int = 0

    def init(self, rng) -> tuple[Tree, Tree]:
        E, H = self.n_embed, self.n_hidden
        params = {
            "source": {"table": glorot_uniform(rng, (self.n_source, E))},
            "target": {"table": glorot_uniform(rng, (self.n_target, E))},
            "forward": GRU(E, H).init(rng)[0],
            "backward": GRU(E, H).init(rng)[0],
            "start": Linear(H, H).init(rng)[0],
            "attention": {
                "w_q": glorot_uniform(rng, (H, H)),
                "w_k": glorot_uniform(rng, (2 * H, H)),
                "v": glorot_uniform(rng, (H, 1))[:, 0],
            },
            "decoder": GRU(E + 2 * H, H).init(rng)[0],
            "out": Linear(3 * H, self.n_target).init(rng)[0],
        }
        return params, {}

    def forward(self, params: Tree, state: Tree, x: tuple, *, rng=None, train=False):
        source, target = x
        if source.shape[1] != target.shape[1]:
            raise ValueError(
                f"Seq2Seq: source has {source.shape[1]} columns, target {target.shape[1]}; wanted "
                "one pair per column; put time first"
            )
        e = _lookup(target, **params["target"], what="target")
        keys, h = self._encode(params, source)
        mask = (source != self.pad).T

        def step(h, e_t):
            context, _ = additive_attention(h, keys, keys, **params["attention"], mask=mask)
            h = gru_cell(jnp.concatenate((e_t, context), -1), h, **params["decoder"])
            return h, jnp.concatenate((h, context), -1)

        _, read = lax.scan(step, h, e)
        return linear(read, **params["out"]), state

    def _encode(self, params: Tree, source: Array) -> tuple[Array, Array]:
        """(keys, first state of the decoder); keys are (N, S, 2 H), batch first."""
        e = _lookup(source, **params["source"], what="source")
        mask = source != self.pad
        h0 = jnp.zeros((source.shape[1], self.n_hidden), e.dtype)
        y_f, _ = gru(e, h0, **params["forward"], mask=mask)
        y_b, h_b = gru(e[::-1], h0, **params["backward"], mask=mask[::-1])
        keys = jnp.concatenate((y_f, y_b[::-1]), -1).swapaxes(0, 1)
        return keys, tanh(linear(h_b, **params["start"]))


def _lookup(ids: Array, table: Array, what: str) -> Array:
    V = len(table)
    if not isinstance(ids, jax.core.Tracer) and (ids.min() < 0 or ids.max() >= V):
        raise ValueError(
            f"Seq2Seq: {what} ids run from {ids.min()} to {ids.max()}; wanted 0 to {V - 1}; "
            "renumber the words or widen the model"
        )
    ids = jnp.where(ids < 0, V, ids)  # out of range, so that it fills and does not wrap
    return jnp.take(table, ids, axis=0, mode="fill")
