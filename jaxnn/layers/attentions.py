"""The self-attention layer, with its key and value buffers for generation."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from jaxnn.initializers import glorot_uniform
from jaxnn.ops.affine import linear
from jaxnn.ops.heads import grouped_attention, merge_heads, project_heads
from jaxnn.ops.positions import rotary
from jaxnn.trees import Tree

Array = jax.Array


@dataclass(frozen=True)
class MultiHeadAttention:
    """Self-attention of several heads, (N, T, d_model) to the same: `multi_head_attention` of x.

    Overfull buffers raise an error where their position is known, and give NaN under `jax.jit`.
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

    def init(self, rng) -> tuple[Tree, Tree]:
        D = self.d_model
        n_kv = D // self.heads * (self.kv_heads or self.heads)
        widths = {"w_q": D, "w_k": n_kv, "w_v": n_kv, "w_o": D}
        params = {name: self.initializer(rng, (D, width)) for name, width in widths.items()}
        if self.bias:
            params |= {"b_q": jnp.zeros(D), "b_v": jnp.zeros(n_kv), "b_o": jnp.zeros(D)}
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
        return {"k": jnp.zeros(shape), "v": jnp.zeros(shape), "position": jnp.zeros((), int)}

    def forward(self, params: Tree, state: Tree, x: Any, *, rng=None, train=False):
        x, mask = x if isinstance(x, tuple) else (x, None)
        T, start = x.shape[-2], state["position"] if state else 0
        heads, kv_heads = self.heads, self.kv_heads or self.heads
        q = project_heads(x, params["w_q"], params.get("b_q"), heads=heads)
        k = project_heads(x, params["w_k"], heads=kv_heads)
        v = project_heads(x, params["w_v"], params.get("b_v"), heads=kv_heads)
        q_r, k_r = q, k
        if self.rotary_base is not None:
            positions = start + jnp.arange(T)
            q_r = rotary(q, positions, base=self.rotary_base)
            k_r = rotary(k, positions, base=self.rotary_base)
        k_all, v_all = k_r, v
        if state:
            state = _append(lax.stop_gradient(state), k_r, v)
            k_all, v_all = state["k"].astype(x.dtype), state["v"].astype(x.dtype)
            mask = _up_to_now(mask, start, T, k_all)
        y_n = grouped_attention(
            q_r, k_all, v_all, mask, groups=heads // kv_heads, causal=self.causal and not state
        )
        y = linear(merge_heads(y_n), params["w_o"], params.get("b_o"))
        return y, lax.stop_gradient(state)


def _append(state: Tree, k: Array, v: Array) -> Tree:
    """The state after k and v are written behind what it holds."""
    start, T, length = state["position"], k.shape[-2], state["k"].shape[-2]
    known = 0 if isinstance(start, jax.core.Tracer) else start
    if known + T > length:
        raise ValueError(
            f"MultiHeadAttention: {T} steps after {start} exceed buffers of length {length}; "
            "wanted them to fit; start from a longer carry"
        )
    # under jit an overfull buffer gives NaN; a clamped write would be silently wrong
    k, v = (jnp.where(start + T > length, jnp.nan, z) for z in (k, v))

    def write(buffer: Array, z: Array) -> Array:
        return lax.dynamic_update_slice_in_dim(buffer, z.astype(buffer.dtype), start, axis=-2)

    return {"k": write(state["k"], k), "v": write(state["v"], v), "position": start + T}


def _up_to_now(mask: Array | None, start: Array | int, T: int, k: Array) -> Array:
    """Where step start + t may attend to the buffers: up to itself, and where the mask allows."""
    past = start + jnp.arange(T)[:, None] >= jnp.arange(k.shape[-2])
    return jnp.broadcast_to(past, (*k.shape[:-3], *past.shape)) if mask is None else mask & past
