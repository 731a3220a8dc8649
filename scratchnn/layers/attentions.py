"""The self-attention layer, with its key and value buffers for generation."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from scratchnn.initializers import glorot_uniform
from scratchnn.ops.affine import linear, linear_backward
from scratchnn.ops.heads import (
    grouped_attention,
    grouped_attention_backward,
    merge_heads,
    merge_heads_backward,
    project_heads,
    project_heads_backward,
)
from scratchnn.ops.positions import rotary, rotary_backward
from scratchnn.trees import Tree

Array = np.ndarray


@dataclass(frozen=True)
class MultiHeadAttention:
    """Self-attention of several heads, (N, T, d_model) to the same: `multi_head_attention` of x.

    Params {w_q, w_k, w_v, w_o, b_q, b_v, b_o}, no bias for keys. x is an array, or a tuple of it
    and a mask, True where a query may attend; then dx is (dx, None). `rotary_base` turns queries
    and keys by their positions (see `rotary`); None leaves them.

    Given the buffers of `carry` as state, a causal layer writes the keys and values of x after
    those of the calls before, and attends to all of them: step by step it gives what one call
    gives. What the buffers held before is not differentiated. A mask is then (N, T, length).

    >>> layer = MultiHeadAttention(6, heads=2, causal=True)
    >>> params, state = layer.init(np.random.default_rng(0))
    >>> x = np.random.default_rng(1).standard_normal((4, 3, 6))
    >>> (y, _), cache = layer.forward(params, state, x)
    >>> (first, state), _ = layer.forward(params, layer.carry(4, 8), x[:, :2])
    >>> (last, state), _ = layer.forward(params, state, x[:, 2:])
    >>> bool(abs(np.concatenate((first, last), 1) - y).max() < 1e-15), int(state["position"])
    (True, 3)
    """

    d_model: int
    heads: int
    kv_heads: int | None = None
    causal: bool = False
    rotary_base: float | None = None
    bias: bool = True
    initializer: Callable = glorot_uniform

    def __post_init__(self):
        if self.d_model % self.heads:
            raise ValueError(
                f"MultiHeadAttention: d_model {self.d_model} does not divide into {self.heads} "
                "heads; wanted a multiple"
            )
        if self.heads % (self.kv_heads or self.heads):
            raise ValueError(
                f"MultiHeadAttention: {self.heads} heads do not divide into {self.kv_heads} "
                "kv_heads; wanted a multiple; equal numbers share nothing"
            )

    def init(self, rng: np.random.Generator) -> tuple[Tree, Tree]:
        D = self.d_model
        n_kv = D // self.heads * (self.kv_heads or self.heads)
        widths = {"w_q": D, "w_k": n_kv, "w_v": n_kv, "w_o": D}
        params = {name: self.initializer(rng, (D, width)) for name, width in widths.items()}
        if self.bias:
            params |= {"b_q": np.zeros(D), "b_v": np.zeros(n_kv), "b_o": np.zeros(D)}
        return params, {}

    def carry(self, batch: int, length: int) -> Tree:
        """Empty buffers for the keys and values of `length` steps, and how many are filled."""
        if not self.causal:
            raise ValueError(
                "MultiHeadAttention: carry of a layer that is not causal; wanted causal=True; "
                "steps that are still to come cannot be attended to"
            )
        N = self.kv_heads or self.heads
        shape = (batch, N, length, self.d_model // self.heads)
        return {"k": np.zeros(shape), "v": np.zeros(shape), "position": np.zeros((), int)}

    def forward(self, params: Tree, state: Tree, x: Any, *, rng=None, train=False):
        with_mask = isinstance(x, tuple)
        x, mask = x if with_mask else (x, None)
        T, start = x.shape[-2], int(state["position"]) if state else 0
        heads, kv_heads = self.heads, self.kv_heads or self.heads
        q, q_cache = project_heads(x, params["w_q"], params.get("b_q"), heads=heads)
        k, k_cache = project_heads(x, params["w_k"], heads=kv_heads)
        v, v_cache = project_heads(x, params["w_v"], params.get("b_v"), heads=kv_heads)
        q_r, k_r, turns = q, k, None
        if self.rotary_base is not None:
            positions = start + np.arange(T)
            q_r, q_turn = rotary(q, positions, base=self.rotary_base)
            k_r, k_turn = rotary(k, positions, base=self.rotary_base)
            turns = (q_turn, k_turn)
        k_all, v_all, own = k_r, v, slice(None)
        if state:
            state = _append(state, k_r, v)
            k_all, v_all = state["k"].astype(x.dtype), state["v"].astype(x.dtype)
            own = slice(start, start + T)
            mask = _up_to_now(mask, start, T, k_all)
        y_n, attention_cache = grouped_attention(
            q_r, k_all, v_all, mask, groups=heads // kv_heads, causal=self.causal and not state
        )
        merged, merge_cache = merge_heads(y_n)
        y, o_cache = linear(merged, params["w_o"], params.get("b_o"))
        parts = (q_cache, k_cache, v_cache, attention_cache, merge_cache, o_cache)
        return (y, state), (parts, turns, own, with_mask)

    def backward(self, dy: Array, cache: tuple) -> tuple[Tree, Any]:
        parts, turns, own, with_mask = cache
        q_cache, k_cache, v_cache, attention_cache, merge_cache, o_cache = parts
        dmerged, dw_o, db_o = linear_backward(dy, o_cache)
        dy_n = merge_heads_backward(dmerged, merge_cache)
        dq_r, dk_all, dv_all, _ = grouped_attention_backward(dy_n, attention_cache)
        dk_r, dv = dk_all[..., own, :], dv_all[..., own, :]  # what x wrote, of what buffers hold
        dq, dk = dq_r, dk_r
        if turns is not None:
            q_turn, k_turn = turns
            dq, _ = rotary_backward(dq_r, q_turn)
            dk, _ = rotary_backward(dk_r, k_turn)
        dx_q, dw_q, db_q = project_heads_backward(dq, q_cache)
        dx_k, dw_k, _ = project_heads_backward(dk, k_cache)
        dx_v, dw_v, db_v = project_heads_backward(dv, v_cache)
        dx = dx_q + dx_k + dx_v
        dparams: Tree = {"w_q": dw_q, "w_k": dw_k, "w_v": dw_v, "w_o": dw_o}
        if self.bias:
            dparams |= {"b_q": db_q, "b_v": db_v, "b_o": db_o}
        return dparams, (dx, None) if with_mask else dx


def _append(state: Tree, k: Array, v: Array) -> Tree:
    """The state after k and v are written behind what it holds."""
    start, T, length = int(state["position"]), k.shape[-2], state["k"].shape[-2]
    if start + T > length:
        raise ValueError(
            f"MultiHeadAttention: {T} steps after {start} exceed buffers of length {length}; "
            "wanted them to fit; start from a longer carry"
        )
    buffers = {"k": state["k"].copy(), "v": state["v"].copy()}
    buffers["k"][..., start : start + T, :] = k
    buffers["v"][..., start : start + T, :] = v
    return {**buffers, "position": np.asarray(state["position"] + T)}


def _up_to_now(mask: Array | None, start: int, T: int, k: Array) -> Array:
    """Where step start + t may attend to the buffers: up to itself, and where the mask allows."""
    past = start + np.arange(T)[:, None] >= np.arange(k.shape[-2])
    return np.broadcast_to(past, (*k.shape[:-3], *past.shape)) if mask is None else mask & past
