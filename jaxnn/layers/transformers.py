"""Transformer blocks, written out: attention, feed-forward, and the sums where paths meet."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from jaxnn.initializers import glorot_uniform
from jaxnn.layers.attentions import MultiHeadAttention
from jaxnn.ops.affine import linear
from jaxnn.ops.gated import gelu
from jaxnn.ops.heads import multi_head_attention
from jaxnn.ops.normalization import layer_norm
from jaxnn.trees import Tree

Array = jax.Array


@dataclass(frozen=True)
class TransformerBlock:
    """Self-attention and a feed-forward net of one hidden layer, each with a residual and a norm.

    pre:   h = x + attention(norm1(x))      y = h + fc2(gelu(fc1(norm2(h))))
    post:  h = norm1(x + attention(x))      y = norm2(h + fc2(gelu(fc1(h))))
    """

    d_model: int
    heads: int
    d_hidden: int
    norm: str = "pre"
    kv_heads: int | None = None
    causal: bool = False
    rotary_base: float | None = None
    initializer: Callable = glorot_uniform

    def __post_init__(self):
        if self.norm not in ("pre", "post"):
            raise ValueError(f"TransformerBlock: norm is {self.norm!r}; wanted 'pre' or 'post'")
        self.attention()  # which checks its sizes

    def attention(self) -> MultiHeadAttention:
        """The attention layer of this block."""
        return MultiHeadAttention(
            self.d_model,
            self.heads,
            self.kv_heads,
            self.causal,
            self.rotary_base,
            initializer=self.initializer,
        )

    def init(self, rng) -> tuple[Tree, Tree]:
        D = self.d_model
        attention, state = self.attention().init(rng)
        params = {"norm1": _norm(D), "attention": attention, "norm2": _norm(D)}
        return params | _net(rng, D, self.d_hidden, self.initializer), state

    def carry(self, batch: int, length: int) -> Tree:
        """The buffers of its attention."""
        return self.attention().carry(batch, length)

    def forward(self, params: Tree, state: Tree, x: Any, *, rng=None, train=False):
        x, mask = x if isinstance(x, tuple) else (x, None)
        attention, p = self.attention(), params["attention"]
        if self.norm == "pre":
            n = layer_norm(x, **params["norm1"])
            a, state = attention.forward(p, state, (n, mask))
            h = x + a
            m = layer_norm(h, **params["norm2"])
            y = h + _feed_forward(m, params["fc1"], params["fc2"])
        else:
            a, state = attention.forward(p, state, (x, mask))
            h = layer_norm(x + a, **params["norm1"])
            f = _feed_forward(h, params["fc1"], params["fc2"])
            y = layer_norm(h + f, **params["norm2"])
        return y, state


@dataclass(frozen=True)
class DecoderBlock:
    """A causal pre-norm block that also attends to a memory: x is (x, memory, mask or None).

    h = x + attention(norm1(x))
    g = h + cross(norm2(h), memory, memory, mask)
    y = g + fc2(gelu(fc1(norm3(g))))
    """

    d_model: int
    heads: int
    d_hidden: int
    initializer: Callable = glorot_uniform

    def attention(self) -> MultiHeadAttention:
        """The causal attention layer of this block; its memory is read by one of the same form."""
        return MultiHeadAttention(
            self.d_model, self.heads, causal=True, initializer=self.initializer
        )

    def init(self, rng) -> tuple[Tree, Tree]:
        D = self.d_model
        attention, state = self.attention().init(rng)
        cross, _ = self.attention().init(rng)
        params = {"norm1": _norm(D), "attention": attention, "norm2": _norm(D), "cross": cross}
        params["norm3"] = _norm(D)
        return params | _net(rng, D, self.d_hidden, self.initializer), state

    def carry(self, batch: int, length: int) -> Tree:
        """The buffers of its causal attention."""
        return self.attention().carry(batch, length)

    def forward(self, params: Tree, state: Tree, x: Any, *, rng=None, train=False):
        x, memory, mask = x
        n1 = layer_norm(x, **params["norm1"])
        a, state = self.attention().forward(params["attention"], state, n1)
        h = x + a
        n2 = layer_norm(h, **params["norm2"])
        c = multi_head_attention(n2, memory, memory, **params["cross"], mask=mask, heads=self.heads)
        g = h + c
        n3 = layer_norm(g, **params["norm3"])
        return g + _feed_forward(n3, params["fc1"], params["fc2"]), state


def _norm(D: int) -> Tree:
    return {"gamma": jnp.ones(D), "beta": jnp.zeros(D)}


def _net(rng, D: int, n_hidden: int, initializer: Callable) -> Tree:
    return {
        "fc1": {"w": initializer(rng, (D, n_hidden)), "b": jnp.zeros(n_hidden)},
        "fc2": {"w": initializer(rng, (n_hidden, D)), "b": jnp.zeros(D)},
    }


def _feed_forward(x: Array, fc1: Tree, fc2: Tree) -> Array:
    """y = fc2(gelu(fc1(x))), the same net at every position."""
    return linear(gelu(linear(x, **fc1)), **fc2)
