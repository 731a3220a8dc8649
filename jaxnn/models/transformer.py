"""Transformers: GPT, which continues a sequence, and the encoder-decoder, which translates one."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxnn.layers.positions import LearnedPositions
from jaxnn.layers.transformers import DecoderBlock, TransformerBlock
from jaxnn.ops.activations import softmax
from jaxnn.ops.embeddings import embedding
from jaxnn.ops.normalization import layer_norm
from jaxnn.ops.positions import sinusoidal
from jaxnn.trees import Tree

Array = jax.Array


@dataclass(frozen=True)
class GPT:
    """Decoder-only transformer, ids (N, T) to the logits (N, T, vocabulary) of each next id.

    Autodiff adds the two shares of the table.

    >>> model = GPT(vocabulary=5, length=8, d_model=6, heads=2, blocks=2)
    >>> params, state = model.init(np.random.default_rng(0))
    >>> y, state = model.forward(params, state, jnp.array([[0, 1, 4]]))
    >>> y.shape, model.generate(params, jnp.array([[0, 1]]), 3, np.random.default_rng(0)).shape
    ((1, 3, 5), (1, 5))
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

    def init(self, rng) -> tuple[Tree, Tree]:
        V, D = self.vocabulary, self.d_model
        params = {"embedding": {"table": jnp.asarray(0.02 * rng.standard_normal((V, D)))}}
        if self.rotary_base is None:
            params["positions"], _ = LearnedPositions(self.length, D).init(rng)
        # each block adds to the residual stream twice; this keeps its variance at the end
        scale = 1 / math.sqrt(2 * self.blocks)
        for k in range(self.blocks):
            block, _ = self.block().init(rng)
            block["attention"]["w_o"] = scale * block["attention"]["w_o"]
            block["fc2"]["w"] = scale * block["fc2"]["w"]
            params[f"block{k}"] = block
        params["norm"] = {"gamma": jnp.ones(D), "beta": jnp.zeros(D)}
        return params, {}

    def carry(self, batch: int) -> Tree:
        """Empty key and value buffers for `length` steps, and position 0."""
        state = {f"block{k}": self.block().carry(batch, self.length) for k in range(self.blocks)}
        if self.rotary_base is None:
            state["positions"] = LearnedPositions(self.length, self.d_model).carry(batch)
        return state

    def forward(self, params: Tree, state: Tree, x: Array, *, rng=None, train=False):
        state = dict(state)
        h = embedding(x, params["embedding"]["table"])
        if self.rotary_base is None:
            layer, s = LearnedPositions(self.length, self.d_model), state.get("positions", {})
            h, s = layer.forward(params["positions"], s, h)
            if state:
                state["positions"] = s
        for k in range(self.blocks):
            name = f"block{k}"
            h, s = self.block().forward(params[name], state.get(name, {}), h)
            if state:
                state[name] = s
        n = layer_norm(h, **params["norm"])
        return n @ params["embedding"]["table"].T, state

    def generate(
        self, params: Tree, ids: Array, steps: int, rng, temperature: float = 1.0
    ) -> Array:
        """The ids (N, T), followed by `steps` more, each drawn from the logits before it.

        Args:
            params: of the model.
            ids: what is to be continued.
            steps: how many ids to add.
            rng: anything with `.random(shape)`; under `jax.jit` no NumPy generator, whose numbers
                would be the same at every call.
            temperature: divides the logits; 0 takes the largest.

        Raises:
            ValueError: steps or temperature make no sense, or the sequence exceeds the length.
            TypeError: a NumPy generator under `jax.jit`.
        """
        N, T = ids.shape
        _check(steps, temperature)
        if T + steps - 1 > self.length:
            raise ValueError(
                f"GPT: {T} ids and {steps} steps exceed the length {self.length}; wanted at most "
                f"{self.length + 1} in all; give the last ids only, or take fewer steps"
            )

        def step(state: Tree, given: Array) -> tuple[Array, Tree]:
            return self.forward(params, state, given)

        return _continue(step, self.carry(N), ids, _numbers(rng, (steps, N), ids), temperature)


@dataclass(frozen=True)
class EncoderDecoder:
    """Encoder-decoder transformer, x = (source ids, target ids) to the logits of each next id.

    Autodiff adds the shares of the memory, one per decoder block, and of the target table.
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

    def init(self, rng) -> tuple[Tree, Tree]:
        D = self.d_model
        params = {}
        for name, V in (("source", self.source_vocabulary), ("target", self.target_vocabulary)):
            params[name] = {"table": jnp.asarray(rng.standard_normal((V, D)) / math.sqrt(D))}
        for k in range(self.blocks):
            params[f"encoder{k}"], _ = self.encoder_block().init(rng)
            params[f"decoder{k}"], _ = self.decoder_block().init(rng)
        for name in ("encoder_norm", "decoder_norm"):
            params[name] = {"gamma": jnp.ones(D), "beta": jnp.zeros(D)}
        return params, {}

    def carry(self, batch: int, length: int) -> Tree:
        """Empty key and value buffers of the decoder for `length` steps."""
        block = self.decoder_block()
        return {f"decoder{k}": block.carry(batch, length) for k in range(self.blocks)}

    def forward(self, params: Tree, state: Tree, x: tuple, *, rng=None, train=False):
        source, target = x
        memory = self.encode(params, source)
        return self.decode(params, state, (target, memory, source))

    def encode(self, params: Tree, source: Array):
        """The memory (N, S, d_model) of the source ids (N, S)."""
        mask = self._readable(source, source.shape[1])
        h = self._embed(source, params["source"]["table"], 0)
        for k in range(self.blocks):
            h, _ = self.encoder_block().forward(params[f"encoder{k}"], {}, (h, mask))
        return layer_norm(h, **params["encoder_norm"])

    def decode(self, params: Tree, state: Tree, x: tuple):
        """Logits for the target ids, x = (target, memory, source), and state."""
        target, memory, source = x
        state, table = dict(state), params["target"]["table"]
        start = state["decoder0"]["position"] if state else 0
        mask = self._readable(source, target.shape[1])
        h = self._embed(target, table, start)
        for k in range(self.blocks):
            name, block = f"decoder{k}", self.decoder_block()
            h, s = block.forward(params[name], state.get(name, {}), (h, memory, mask))
            if state:
                state[name] = s
        n = layer_norm(h, **params["decoder_norm"])
        return n @ table.T, state

    def generate(self, params: Tree, x: tuple, steps: int, rng, temperature: float = 1.0) -> Array:
        """The target ids of x = (source, target), followed by `steps` more, as `GPT.generate`."""
        source, ids = x
        N, T = ids.shape
        _check(steps, temperature)
        memory = self.encode(params, source)

        def step(state: Tree, given: Array) -> tuple[Array, Tree]:
            return self.decode(params, state, (given, memory, source))

        u = _numbers(rng, (steps, N), ids)
        return _continue(step, self.carry(N, T + steps), ids, u, temperature)

    def _embed(self, ids: Array, table: Array, start: Array | int) -> Array:
        rows = embedding(ids, table)
        waves = sinusoidal(start + jnp.arange(ids.shape[1]), features=self.d_model)
        return math.sqrt(self.d_model) * rows + waves.astype(rows.dtype)

    def _readable(self, source: Array, T: int) -> Array:
        """True where a step may attend to a source id: wherever it is no padding."""
        N, S = source.shape
        return jnp.broadcast_to((source != self.pad)[:, None], (N, T, S))


def _check(steps: int, temperature: float) -> None:
    if steps < 1 or temperature < 0:
        raise ValueError(
            f"generate: steps is {steps} and temperature {temperature}; wanted steps >= 1 and "
            "temperature >= 0, where 0 takes the likeliest"
        )


def _numbers(rng, shape: tuple[int, ...], ids: Array) -> Array:
    """Uniform numbers for the draws, all at once."""
    if isinstance(ids, jax.core.Tracer) and isinstance(rng, np.random.Generator):
        raise TypeError(
            "generate: rng is a NumPy generator under tracing, whose numbers would be frozen into "
            "the compiled function; wanted a .random(shape) that traces, such as a key stream"
        )
    return jnp.asarray(rng.random(shape))


def _continue(step: Callable, state: Tree, ids: Array, u: Array, temperature: float) -> Array:
    """The ids, and one more for every row of u."""

    def draw(y: Array, u_t: Array) -> Array:
        return _draw(y[:, -1], u_t, temperature)[:, None].astype(ids.dtype)

    def next_one(carry: tuple[Tree, Array], u_t: Array) -> tuple[tuple[Tree, Array], Array]:
        state, given = carry
        y, state = step(state, given)
        given = draw(y, u_t)
        return (state, given), given

    y, state = step(state, ids)
    first = draw(y, u[0])
    _, more = lax.scan(next_one, (state, first), u[1:])
    return jnp.concatenate((ids, first, *more), axis=1)


def _draw(logits: Array, u: Array, temperature: float) -> Array:
    """One id per row: the one in whose share of [0, 1) u falls."""
    if temperature == 0:
        return logits.argmax(-1)
    p = softmax((logits - logits.max(-1, keepdims=True)) / temperature)
    # without the last edge, which rounding may leave below u
    return (p.cumsum(-1)[:, :-1] <= u[:, None]).sum(-1)
