"""Sequence to sequence: an encoder reads, a decoder writes and looks back with attention."""

from dataclasses import dataclass

import numpy as np

from scratchnn import trees
from scratchnn.initializers import glorot_uniform
from scratchnn.layers.affine import Linear
from scratchnn.layers.recurrence import GRU
from scratchnn.ops.activations import tanh, tanh_backward
from scratchnn.ops.affine import linear, linear_backward
from scratchnn.ops.alignment import additive_attention, additive_attention_backward
from scratchnn.ops.recurrence import gru, gru_backward, gru_cell, gru_cell_backward
from scratchnn.trees import Tree

Array = np.ndarray


@dataclass(frozen=True)
class Seq2Seq:
    """Bidirectional encoder, decoder with additive attention: x = (source, target) -> logits.

    x holds integer ids, time first: the source (S, N), padded with the id `pad`, and what the
    decoder is given at each of its T steps (T, N): the right previous word (teacher forcing).
    The logits (T, N, n_target) are of the word at each step.

        e = source_table[source]    mask = source is no padding
        y_f, _ = gru(e, mask)    y_b, h_b = gru of e and mask reversed, y_b turned back
        keys = (y_f, y_b)        h = tanh(h_b w + b)                       the decoder starts there
        for every step t:
            context = additive_attention(h, keys, keys, mask)
            h = gru_cell((target_table[target_t], context), h)
            logits_t = (h, context) w + b

    Backwards, t runs down. h of step t is used by the logits, by the cell of step t + 1 and as its
    query, context by the logits and by the cell, keys by every step and there twice:

        dh = dh_read + (dh_cell + dquery of step t + 1)
        dcontext = dcontext_read + (the context's columns of dinput, the cell's input)
        dkeys = sum_t (dkeys_t + dvalues_t)

    and what is left at the first step goes back through tanh into h_b. A padded source place has
    no part in anything; a source of padding alone is attended to with weight 0.

    Source: Sutskever, Vinyals and Le, arXiv:1409.3215; Bahdanau, Cho and Bengio, arXiv:1409.0473.

    >>> model = Seq2Seq(n_source=7, n_target=5, n_embed=3, n_hidden=2)
    >>> params, state = model.init(np.random.default_rng(0))
    >>> source, target = np.array([[1, 2], [3, 0]]), np.array([[1, 1], [4, 2], [2, 3]])
    >>> (logits, _), cache = model.forward(params, state, (source, target))
    >>> dparams, dx = model.backward(logits, cache)
    >>> logits.shape, dx, dparams["source"]["table"][0].tolist()
    ((3, 2, 5), (None, None), [0.0, 0.0, 0.0])
    """

    n_source: int
    n_target: int
    n_embed: int
    n_hidden: int
    pad: int = 0

    def init(self, rng: np.random.Generator) -> tuple[Tree, Tree]:
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
        weights = {"attention": params["attention"], "decoder": params["decoder"]}
        e, target_cache = _lookup(target, **params["target"], what="target")
        keys, h, encoder_cache = self._encode(params, source)
        mask = (source != self.pad).T
        read, caches = [], []
        for e_t in e:
            (context, _), attention_cache = additive_attention(
                h, keys, keys, **weights["attention"], mask=mask
            )
            h, cell_cache = gru_cell(np.concatenate((e_t, context), -1), h, **weights["decoder"])
            read.append(np.concatenate((h, context), -1))
            caches.append((attention_cache, cell_cache))
        logits, out_cache = linear(np.stack(read), **params["out"])
        return (logits, state), (target_cache, encoder_cache, caches, out_cache, keys, weights)

    def backward(self, dy: Array, cache: tuple) -> tuple[Tree, tuple[None, None]]:
        target_cache, encoder_cache, caches, out_cache, keys, weights = cache
        E, H = self.n_embed, self.n_hidden
        dread, dw, db = linear_backward(dy, out_cache)
        dparams = trees.map(np.zeros_like, weights)
        dh, dkeys, de = np.zeros_like(dread[0, :, :H]), np.zeros_like(keys), []
        unread = np.zeros_like(keys[..., 0])  # cotangent of the attention weights, not used here
        for dread_t, (attention_cache, cell_cache) in zip(dread[::-1], caches[::-1], strict=True):
            dh_read, dcontext_read = dread_t[:, :H], dread_t[:, H:]
            dinput, dh_cell, *dcell = gru_cell_backward(dh_read + dh, cell_cache)
            dcontext = dcontext_read + dinput[:, E:]
            dquery, dkeys_t, dvalues_t, *dattention, _ = additive_attention_backward(
                (dcontext, unread), attention_cache
            )
            dh = dh_cell + dquery
            dkeys = dkeys + dkeys_t + dvalues_t
            de.append(dinput[:, :E])
            step = {"attention": _named(dattention, "w_q w_k v"), "decoder": _gru(dcell)}
            dparams = trees.add(dparams, step)
        dparams |= self._encode_backward(dkeys, dh, encoder_cache)
        dtable = _lookup_backward(np.stack(de[::-1]), target_cache)
        return dparams | {"target": {"table": dtable}, "out": {"w": dw, "b": db}}, (None, None)

    def _encode(self, params: Tree, source: Array) -> tuple[Array, Array, tuple]:
        """(keys, first state of the decoder), and the cache; keys are (N, S, 2 H), batch first."""
        e, source_cache = _lookup(source, **params["source"], what="source")
        mask = source != self.pad
        h0 = np.zeros((source.shape[1], self.n_hidden), e.dtype)
        (y_f, _), f_cache = gru(e, h0, **params["forward"], mask=mask)
        (y_b, h_b), b_cache = gru(e[::-1], h0, **params["backward"], mask=mask[::-1])
        keys = np.concatenate((y_f, y_b[::-1]), -1).swapaxes(0, 1)
        z, start_cache = linear(h_b, **params["start"])
        h, tanh_cache = tanh(z)
        return keys, h, (source_cache, f_cache, b_cache, start_cache, tanh_cache)

    def _encode_backward(self, dkeys: Array, dh: Array, cache: tuple) -> Tree:
        """From the keys and the decoder's first state, through both directions, to the source."""
        source_cache, f_cache, b_cache, start_cache, tanh_cache = cache
        dh_b, dw, db = linear_backward(tanh_backward(dh, tanh_cache), start_cache)
        dy_f, dy_b = np.split(dkeys.swapaxes(0, 1), 2, axis=-1)
        de_f, _, *d_f, _ = gru_backward((dy_f, np.zeros_like(dh_b)), f_cache)
        de_b, _, *d_b, _ = gru_backward((dy_b[::-1], dh_b), b_cache)
        dtable = _lookup_backward(de_f + de_b[::-1], source_cache)
        return {
            "source": {"table": dtable},
            "forward": _gru(d_f),
            "backward": _gru(d_b),
            "start": {"w": dw, "b": db},
        }


def _gru(grads: list[Array]) -> Tree:
    return _named(grads, "w_x w_h b_x b_h")


def _named(grads: list[Array], names: str) -> Tree:
    return dict(zip(names.split(), grads, strict=True))


def _lookup(ids: Array, table: Array, what: str) -> tuple[Array, tuple]:
    """One row of the table per id; its gradient adds where ids repeat."""
    V = len(table)
    if ids.min() < 0 or ids.max() >= V:
        raise ValueError(
            f"Seq2Seq: {what} ids run from {ids.min()} to {ids.max()}; wanted 0 to {V - 1}; "
            "renumber the words or widen the model"
        )
    return table[ids], (ids, table.shape)


def _lookup_backward(dy: Array, cache: tuple) -> Array:
    ids, shape = cache
    dtable = np.zeros(shape, dy.dtype)
    np.add.at(dtable, ids, dy)
    return dtable
