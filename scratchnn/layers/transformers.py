"""Transformer blocks, written out: attention, feed-forward, and the sums where paths meet."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from scratchnn.initializers import glorot_uniform
from scratchnn.layers.attentions import MultiHeadAttention
from scratchnn.ops.affine import linear, linear_backward
from scratchnn.ops.gated import gelu, gelu_backward
from scratchnn.ops.heads import multi_head_attention, multi_head_attention_backward
from scratchnn.ops.normalization import layer_norm, layer_norm_backward
from scratchnn.trees import Tree

Array = np.ndarray


@dataclass(frozen=True)
class TransformerBlock:
    """Self-attention and a feed-forward net of one hidden layer, each with a residual and a norm.

        pre:   h = x + attention(norm1(x))      y = h + fc2(gelu(fc1(norm2(h))))
        post:  h = norm1(x + attention(x))      y = norm2(h + fc2(gelu(fc1(h))))

    Params {norm1, attention, norm2, fc1, fc2}; the state, and x with or without a mask, are those
    of `MultiHeadAttention`. x is used twice, by its attention and by the residual beside it, so
    its gradient has two shares, and so has that of h.

    Source: Vaswani et al., arXiv:1706.03762 (post); Xiong et al., On Layer Normalization in the
    Transformer Architecture, arXiv:2002.04745 (pre, which trains without warm-up).

    >>> block = TransformerBlock(6, heads=2, d_hidden=8)
    >>> params, state = block.init(np.random.default_rng(0))
    >>> (y, state), cache = block.forward(params, state, np.ones((4, 3, 6)))
    >>> dparams, dx = block.backward(np.ones_like(y), cache)
    >>> y.shape, dx.shape, sorted(dparams)
    ((4, 3, 6), (4, 3, 6), ['attention', 'fc1', 'fc2', 'norm1', 'norm2'])
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

    def init(self, rng: np.random.Generator) -> tuple[Tree, Tree]:
        D = self.d_model
        attention, state = self.attention().init(rng)
        params = {"norm1": _norm(D), "attention": attention, "norm2": _norm(D)}
        return params | _net(rng, D, self.d_hidden, self.initializer), state

    def carry(self, batch: int, length: int) -> Tree:
        """The buffers of its attention."""
        return self.attention().carry(batch, length)

    def forward(self, params: Tree, state: Tree, x: Any, *, rng=None, train=False):
        with_mask = isinstance(x, tuple)
        x, mask = x if with_mask else (x, None)
        attention, p = self.attention(), params["attention"]
        if self.norm == "pre":
            n, norm1_cache = layer_norm(x, **params["norm1"])
            (a, state), attention_cache = attention.forward(p, state, (n, mask))
            h = x + a
            m, norm2_cache = layer_norm(h, **params["norm2"])
            f, net_cache = _feed_forward(m, params["fc1"], params["fc2"])
            y = h + f
        else:
            (a, state), attention_cache = attention.forward(p, state, (x, mask))
            r = x + a
            h, norm1_cache = layer_norm(r, **params["norm1"])
            f, net_cache = _feed_forward(h, params["fc1"], params["fc2"])
            u = h + f
            y, norm2_cache = layer_norm(u, **params["norm2"])
        return (y, state), (norm1_cache, attention_cache, norm2_cache, net_cache, with_mask)

    def backward(self, dy: Array, cache: tuple) -> tuple[Tree, Any]:
        norm1_cache, attention_cache, norm2_cache, net_cache, with_mask = cache
        attention = self.attention()
        if self.norm == "pre":
            dm, dfc1, dfc2 = _feed_forward_backward(dy, net_cache)
            dh_m, *dnorm2 = layer_norm_backward(dm, norm2_cache)
            dh = dy + dh_m
            dattention, (dn, _) = attention.backward(dh, attention_cache)
            dx_n, *dnorm1 = layer_norm_backward(dn, norm1_cache)
            dx = dh + dx_n
        else:
            du, *dnorm2 = layer_norm_backward(dy, norm2_cache)
            dh_f, dfc1, dfc2 = _feed_forward_backward(du, net_cache)
            dh = du + dh_f
            dr, *dnorm1 = layer_norm_backward(dh, norm1_cache)
            dattention, (dx_a, _) = attention.backward(dr, attention_cache)
            dx = dr + dx_a
        dparams = {"norm1": _norm_grads(dnorm1), "attention": dattention}
        dparams |= {"norm2": _norm_grads(dnorm2), "fc1": dfc1, "fc2": dfc2}
        return dparams, (dx, None) if with_mask else dx


@dataclass(frozen=True)
class DecoderBlock:
    """A causal pre-norm block that also attends to a memory: x is (x, memory, mask or None).

        h = x + attention(norm1(x))
        g = h + cross(norm2(h), memory, memory, mask)
        y = g + fc2(gelu(fc1(norm3(g))))

    Params {norm1, attention, norm2, cross, norm3, fc1, fc2}; the state is that of the causal
    attention. The mask is True where a step may attend to the memory. The memory is read by the
    keys and by the values, so dmemory has two shares here, and more from the other blocks.

    Source: Vaswani et al., arXiv:1706.03762, section 3.1.

    >>> block = DecoderBlock(6, heads=2, d_hidden=8)
    >>> params, state = block.init(np.random.default_rng(0))
    >>> x = np.ones((4, 3, 6)), np.ones((4, 5, 6)), None
    >>> (y, state), cache = block.forward(params, state, x)
    >>> dparams, (dx, dmemory, _) = block.backward(np.ones_like(y), cache)
    >>> y.shape, dx.shape, dmemory.shape
    ((4, 3, 6), (4, 3, 6), (4, 5, 6))
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

    def init(self, rng: np.random.Generator) -> tuple[Tree, Tree]:
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
        attention = self.attention()
        n1, norm1_cache = layer_norm(x, **params["norm1"])
        (a, state), attention_cache = attention.forward(params["attention"], state, n1)
        h = x + a
        n2, norm2_cache = layer_norm(h, **params["norm2"])
        c, cross_cache = multi_head_attention(
            n2, memory, memory, **params["cross"], mask=mask, heads=self.heads
        )
        g = h + c
        n3, norm3_cache = layer_norm(g, **params["norm3"])
        f, net_cache = _feed_forward(n3, params["fc1"], params["fc2"])
        norms = (norm1_cache, norm2_cache, norm3_cache)
        return (g + f, state), (norms, attention_cache, cross_cache, net_cache)

    def backward(self, dy: Array, cache: tuple) -> tuple[Tree, tuple[Array, Array, None]]:
        (norm1_cache, norm2_cache, norm3_cache), attention_cache, cross_cache, net_cache = cache
        dn3, dfc1, dfc2 = _feed_forward_backward(dy, net_cache)
        dg_n3, *dnorm3 = layer_norm_backward(dn3, norm3_cache)
        dg = dy + dg_n3
        dn2, dmemory_k, dmemory_v, *dcross, _ = multi_head_attention_backward(dg, cross_cache)
        dmemory = dmemory_k + dmemory_v
        dh_n2, *dnorm2 = layer_norm_backward(dn2, norm2_cache)
        dh = dg + dh_n2
        dattention, dn1 = self.attention().backward(dh, attention_cache)
        dx_n1, *dnorm1 = layer_norm_backward(dn1, norm1_cache)
        dx = dh + dx_n1
        names = ("w_q", "w_k", "w_v", "w_o", "b_q", "b_v", "b_o")
        dparams = {"norm1": _norm_grads(dnorm1), "attention": dattention}
        dparams |= {"norm2": _norm_grads(dnorm2), "cross": dict(zip(names, dcross, strict=True))}
        dparams |= {"norm3": _norm_grads(dnorm3), "fc1": dfc1, "fc2": dfc2}
        return dparams, (dx, dmemory, None)


def _norm(D: int) -> Tree:
    return {"gamma": np.ones(D), "beta": np.zeros(D)}


def _norm_grads(grads: list[Array]) -> Tree:
    dgamma, dbeta = grads
    return {"gamma": dgamma, "beta": dbeta}


def _net(rng: np.random.Generator, D: int, n_hidden: int, initializer: Callable) -> Tree:
    return {
        "fc1": {"w": initializer(rng, (D, n_hidden)), "b": np.zeros(n_hidden)},
        "fc2": {"w": initializer(rng, (n_hidden, D)), "b": np.zeros(D)},
    }


def _feed_forward(x: Array, fc1: Tree, fc2: Tree) -> tuple[Array, tuple]:
    """y = fc2(gelu(fc1(x))), the same net at every position."""
    z, fc1_cache = linear(x, **fc1)
    a, gelu_cache = gelu(z)
    y, fc2_cache = linear(a, **fc2)
    return y, (fc1_cache, gelu_cache, fc2_cache)


def _feed_forward_backward(dy: Array, cache: tuple) -> tuple[Array, Tree, Tree]:
    fc1_cache, gelu_cache, fc2_cache = cache
    da, dw2, db2 = linear_backward(dy, fc2_cache)
    dz = gelu_backward(da, gelu_cache)
    dx, dw1, db1 = linear_backward(dz, fc1_cache)
    return dx, {"w": dw1, "b": db1}, {"w": dw2, "b": db2}
