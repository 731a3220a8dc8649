"""Transformers: GPT, which continues a sequence, and the encoder-decoder, which translates one."""

import math
from dataclasses import dataclass

import numpy as np

from scratchnn.layers.positions import LearnedPositions
from scratchnn.layers.transformers import DecoderBlock, TransformerBlock
from scratchnn.ops.activations import softmax
from scratchnn.ops.affine import linear, linear_backward
from scratchnn.ops.embeddings import embedding, embedding_backward
from scratchnn.ops.normalization import layer_norm, layer_norm_backward
from scratchnn.ops.positions import sinusoidal
from scratchnn.trees import Tree

Array = np.ndarray


@dataclass(frozen=True)
class GPT:
    """Decoder-only transformer, ids (N, T) to the logits (N, T, vocabulary) of each next id.

        h = blocks(table[ids] + positions)      y = norm(h) table^T

    Params {embedding: {table}, positions: {table}, block0, block1, ..., norm: {gamma, beta}};
    `rotary_base` turns queries and keys instead, and then there is no positions table. The table
    of the embedding is used at both ends, so its gradient has two shares. Ids have none.

    Source: Radford et al., Language Models are Unsupervised Multitask Learners (2019); tied
    embedding, Press and Wolf, arXiv:1608.05859.

    >>> model = GPT(vocabulary=5, length=8, d_model=6, heads=2, blocks=2)
    >>> params, state = model.init(np.random.default_rng(0))
    >>> (y, state), cache = model.forward(params, state, np.array([[0, 1, 4]]))
    >>> dparams, dx = model.backward(np.ones_like(y), cache)
    >>> y.shape, dx, sorted(dparams)
    ((1, 3, 5), None, ['block0', 'block1', 'embedding', 'norm', 'positions'])
    >>> model.generate(params, np.array([[0, 1]]), 3, np.random.default_rng(0)).shape
    (1, 5)
    """

    vocabulary: int
    length: int
    d_model: int
    heads: int
    blocks: int
    d_hidden: int | None = None
    kv_heads: int | None = None
    rotary_base: float | None = None

    def block(self) -> TransformerBlock:
        """One of the blocks, all of a form; the hidden layer is 4 d_model wide by default."""
        return TransformerBlock(
            self.d_model,
            self.heads,
            self.d_hidden or 4 * self.d_model,
            kv_heads=self.kv_heads,
            causal=True,
            rotary_base=self.rotary_base,
        )

    def init(self, rng: np.random.Generator) -> tuple[Tree, Tree]:
        V, D = self.vocabulary, self.d_model
        params = {"embedding": {"table": 0.02 * rng.standard_normal((V, D))}}
        if self.rotary_base is None:
            params["positions"], _ = LearnedPositions(self.length, D).init(rng)
        # each block adds to the residual stream twice; this keeps its variance at the end
        scale = 1 / math.sqrt(2 * self.blocks)
        for k in range(self.blocks):
            block, _ = self.block().init(rng)
            block["attention"]["w_o"] = scale * block["attention"]["w_o"]
            block["fc2"]["w"] = scale * block["fc2"]["w"]
            params[f"block{k}"] = block
        params["norm"] = {"gamma": np.ones(D), "beta": np.zeros(D)}
        return params, {}

    def carry(self, batch: int) -> Tree:
        """Empty key and value buffers for `length` steps, and position 0."""
        state = {f"block{k}": self.block().carry(batch, self.length) for k in range(self.blocks)}
        if self.rotary_base is None:
            state["positions"] = LearnedPositions(self.length, self.d_model).carry(batch)
        return state

    def forward(self, params: Tree, state: Tree, x: Array, *, rng=None, train=False):
        state, caches, positions_cache = dict(state), [], None
        h, embedding_cache = embedding(x, params["embedding"]["table"])
        if self.rotary_base is None:
            layer, s = LearnedPositions(self.length, self.d_model), state.get("positions", {})
            (h, s), positions_cache = layer.forward(params["positions"], s, h)
            if state:
                state["positions"] = s
        for k in range(self.blocks):
            name = f"block{k}"
            (h, s), cache = self.block().forward(params[name], state.get(name, {}), h)
            caches.append(cache)
            if state:
                state[name] = s
        n, norm_cache = layer_norm(h, **params["norm"])
        y, logits_cache = linear(n, params["embedding"]["table"].T)
        return (y, state), (embedding_cache, positions_cache, caches, norm_cache, logits_cache)

    def backward(self, dy: Array, cache: tuple) -> tuple[Tree, None]:
        embedding_cache, positions_cache, caches, norm_cache, logits_cache = cache
        dn, dtable_T, _ = linear_backward(dy, logits_cache)
        dh, dgamma, dbeta = layer_norm_backward(dn, norm_cache)
        dparams: Tree = {"norm": {"gamma": dgamma, "beta": dbeta}}
        for k in reversed(range(self.blocks)):
            dparams[f"block{k}"], dh = self.block().backward(dh, caches[k])
        if positions_cache is not None:
            layer = LearnedPositions(self.length, self.d_model)
            dparams["positions"], dh = layer.backward(dh, positions_cache)
        _, dtable_ids = embedding_backward(dh, embedding_cache)
        dparams["embedding"] = {"table": dtable_ids + dtable_T.T}
        return dparams, None

    def generate(
        self, params: Tree, ids: Array, steps: int, rng, temperature: float = 1.0
    ) -> Array:
        """The ids (N, T), followed by `steps` more, each drawn from the logits before it.

        Args:
            params: of the model.
            ids: what is to be continued.
            steps: how many ids to add.
            rng: anything with `.random(shape)`; one number is drawn per id.
            temperature: divides the logits; 0 takes the largest.

        Raises:
            ValueError: steps or temperature make no sense, or the sequence exceeds the length.
        """
        N, T = ids.shape
        _check(steps, temperature)
        if T + steps - 1 > self.length:
            raise ValueError(
                f"GPT: {T} ids and {steps} steps exceed the length {self.length}; wanted at most "
                f"{self.length + 1} in all; give the last ids only, or take fewer steps"
            )
        state, given = self.carry(N), ids
        for u in rng.random((steps, N)):
            (y, state), _ = self.forward(params, state, given)
            given = _draw(y[:, -1], u, temperature)[:, None].astype(ids.dtype)
            ids = np.concatenate((ids, given), axis=1)
        return ids


@dataclass(frozen=True)
class EncoderDecoder:
    """Encoder-decoder transformer, x = (source ids, target ids) to the logits of each next id.

        memory = norm(encoder blocks(sqrt(d) source[x0] + waves))     bidirectional
        y = norm(decoder blocks(sqrt(d) target[x1] + waves, memory)) target^T

    in the pre-norm form. Source ids equal to `pad` are attended to by nobody. Target ids need no
    mask: what is padded stands behind what is not. Params {source: {table}, target: {table},
    encoder0, ..., decoder0, ..., encoder_norm, decoder_norm}. The memory is read by every decoder
    block, and the target table at both ends, so both gradients are sums.

    Source: Vaswani et al., arXiv:1706.03762; pre-norm, arXiv:2002.04745.

    >>> model = EncoderDecoder(5, 7, d_model=6, heads=2, blocks=2)
    >>> params, state = model.init(np.random.default_rng(0))
    >>> x = np.array([[3, 1, 4, 0]]), np.array([[1, 6]])
    >>> (y, state), cache = model.forward(params, state, x)
    >>> dparams, dx = model.backward(np.ones_like(y), cache)
    >>> y.shape, dx
    ((1, 2, 7), (None, None))
    >>> model.generate(params, x, 3, np.random.default_rng(0)).shape
    (1, 5)
    """

    source_vocabulary: int
    target_vocabulary: int
    d_model: int
    heads: int
    blocks: int
    d_hidden: int | None = None
    pad: int = 0

    def encoder_block(self) -> TransformerBlock:
        """One of the encoder's blocks; the hidden layer is 4 d_model wide by default."""
        return TransformerBlock(self.d_model, self.heads, self.d_hidden or 4 * self.d_model)

    def decoder_block(self) -> DecoderBlock:
        """One of the decoder's blocks."""
        return DecoderBlock(self.d_model, self.heads, self.d_hidden or 4 * self.d_model)

    def init(self, rng: np.random.Generator) -> tuple[Tree, Tree]:
        D = self.d_model
        params = {}
        for name, V in (("source", self.source_vocabulary), ("target", self.target_vocabulary)):
            params[name] = {"table": rng.standard_normal((V, D)) / math.sqrt(D)}
        for k in range(self.blocks):
            params[f"encoder{k}"], _ = self.encoder_block().init(rng)
            params[f"decoder{k}"], _ = self.decoder_block().init(rng)
        for name in ("encoder_norm", "decoder_norm"):
            params[name] = {"gamma": np.ones(D), "beta": np.zeros(D)}
        return params, {}

    def carry(self, batch: int, length: int) -> Tree:
        """Empty key and value buffers of the decoder for `length` steps."""
        block = self.decoder_block()
        return {f"decoder{k}": block.carry(batch, length) for k in range(self.blocks)}

    def forward(self, params: Tree, state: Tree, x: tuple, *, rng=None, train=False):
        source, target = x
        memory, encoder_cache = self.encode(params, source)
        (y, state), decoder_cache = self.decode(params, state, (target, memory, source))
        return (y, state), (encoder_cache, decoder_cache)

    def backward(self, dy: Array, cache: tuple) -> tuple[Tree, tuple[None, None]]:
        encoder_cache, decoder_cache = cache
        ddecoder, dmemory = self.decode_backward(dy, decoder_cache)
        dencoder = self.encode_backward(dmemory, encoder_cache)
        return dencoder | ddecoder, (None, None)

    def encode(self, params: Tree, source: Array):
        """The memory (N, S, d_model) of the source ids (N, S), and the cache of its backward."""
        mask, caches = self._readable(source, source.shape[1]), []
        h, embedding_cache = self._embed(source, params["source"]["table"], 0)
        for k in range(self.blocks):
            ((h, _), cache) = self.encoder_block().forward(params[f"encoder{k}"], {}, (h, mask))
            caches.append(cache)
        memory, norm_cache = layer_norm(h, **params["encoder_norm"])
        return memory, (embedding_cache, caches, norm_cache)

    def encode_backward(self, dmemory: Array, cache: tuple) -> Tree:
        """The gradients of the encoder's parameters."""
        embedding_cache, caches, norm_cache = cache
        dh, dgamma, dbeta = layer_norm_backward(dmemory, norm_cache)
        dparams: Tree = {"encoder_norm": {"gamma": dgamma, "beta": dbeta}}
        for k in reversed(range(self.blocks)):
            dparams[f"encoder{k}"], (dh, _) = self.encoder_block().backward(dh, caches[k])
        _, dtable = embedding_backward(math.sqrt(self.d_model) * dh, embedding_cache)
        return dparams | {"source": {"table": dtable}}

    def decode(self, params: Tree, state: Tree, x: tuple):
        """Logits for the target ids, x = (target, memory, source), state, cache."""
        target, memory, source = x
        state, caches, table = dict(state), [], params["target"]["table"]
        start = int(state["decoder0"]["position"]) if state else 0
        mask = self._readable(source, target.shape[1])
        h, embedding_cache = self._embed(target, table, start)
        for k in range(self.blocks):
            name, block = f"decoder{k}", self.decoder_block()
            (h, s), cache = block.forward(params[name], state.get(name, {}), (h, memory, mask))
            caches.append(cache)
            if state:
                state[name] = s
        n, norm_cache = layer_norm(h, **params["decoder_norm"])
        y, logits_cache = linear(n, table.T)
        return (y, state), (embedding_cache, caches, norm_cache, logits_cache, memory.shape)

    def decode_backward(self, dy: Array, cache: tuple) -> tuple[Tree, Array]:
        """The gradients of the decoder's parameters, and that of the memory."""
        embedding_cache, caches, norm_cache, logits_cache, shape = cache
        dn, dtable_T, _ = linear_backward(dy, logits_cache)
        dh, dgamma, dbeta = layer_norm_backward(dn, norm_cache)
        dparams: Tree = {"decoder_norm": {"gamma": dgamma, "beta": dbeta}}
        dmemory = np.zeros(shape, dy.dtype)
        for k in reversed(range(self.blocks)):
            block = self.decoder_block()
            dparams[f"decoder{k}"], (dh, dmemory_k, _) = block.backward(dh, caches[k])
            dmemory = dmemory + dmemory_k
        _, dtable_ids = embedding_backward(math.sqrt(self.d_model) * dh, embedding_cache)
        dparams["target"] = {"table": dtable_ids + dtable_T.T}
        return dparams, dmemory

    def generate(self, params: Tree, x: tuple, steps: int, rng, temperature: float = 1.0) -> Array:
        """The target ids of x = (source, target), followed by `steps` more, as `GPT.generate`."""
        source, ids = x
        N, T = ids.shape
        _check(steps, temperature)
        memory, _ = self.encode(params, source)
        state, given = self.carry(N, T + steps), ids
        for u in rng.random((steps, N)):
            (y, state), _ = self.decode(params, state, (given, memory, source))
            given = _draw(y[:, -1], u, temperature)[:, None].astype(ids.dtype)
            ids = np.concatenate((ids, given), axis=1)
        return ids

    def _embed(self, ids: Array, table: Array, start: int) -> tuple[Array, tuple]:
        rows, cache = embedding(ids, table)
        waves = sinusoidal(start + np.arange(ids.shape[1]), features=self.d_model)
        return math.sqrt(self.d_model) * rows + waves.astype(rows.dtype), cache

    def _readable(self, source: Array, T: int) -> Array:
        """True where a step may attend to a source id: wherever it is no padding."""
        N, S = source.shape
        return np.broadcast_to((source != self.pad)[:, None], (N, T, S))


def _check(steps: int, temperature: float) -> None:
    if steps < 1 or temperature < 0:
        raise ValueError(
            f"generate: steps is {steps} and temperature {temperature}; wanted steps >= 1 and "
            "temperature >= 0, where 0 takes the likeliest"
        )


def _draw(logits: Array, u: Array, temperature: float) -> Array:
    """One id per row: the one in whose share of [0, 1) u falls."""
    if temperature == 0:
        return logits.argmax(-1)
    p, _ = softmax((logits - logits.max(-1, keepdims=True)) / temperature)
    # without the last edge, which rounding may leave below u
    return (p.cumsum(-1)[:, :-1] <= u[:, None]).sum(-1)
