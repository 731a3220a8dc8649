"""Layers around the normalisations, channels last."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jax import lax

from jaxnn.layers.composition import Layer
from jaxnn.ops.lengths import rms_norm, weight_norm
from jaxnn.ops.normalization import (
    batch_norm,
    batch_norm_inference,
    group_norm,
    instance_norm,
    layer_norm,
)
from jaxnn.trees import Tree

Array = jax.Array


@dataclass(frozen=True)
class BatchNorm:
    """`batch_norm` in training, `batch_norm_inference` else: params {gamma, beta}: (n_features,).

    momentum is the weight of the old statistics; var is the biased variance.
    """

    n_features: int
    momentum: float = 0.9
    eps: float = 1e-5

    def init(self, rng) -> tuple[Tree, Tree]:
        ones, zeros = jnp.ones(self.n_features), jnp.zeros(self.n_features)
        return {"gamma": ones, "beta": zeros}, {"mean": zeros, "var": ones}

    def forward(self, params: Tree, state: Tree, x: Array, *, rng=None, train=False):
        state = lax.stop_gradient(state)
        if not train:
            mean, var = state["mean"].astype(x.dtype), state["var"].astype(x.dtype)
            return batch_norm_inference(x, mean, var, **params, eps=self.eps), state
        y, mean, var = batch_norm(x, **params, eps=self.eps)
        state = {"mean": self._blend(state["mean"], mean), "var": self._blend(state["var"], var)}
        return y, lax.stop_gradient(state)

    def _blend(self, old: Array, new: Array) -> Array:
        return (self.momentum * old + (1 - self.momentum) * new).astype(old.dtype)


@dataclass(frozen=True)
class LayerNorm:
    """`layer_norm` with its scale and shift: params {gamma, beta}: (n_features,)."""

    n_features: int
    eps: float = 1e-5

    def init(self, rng) -> tuple[Tree, Tree]:
        return {"gamma": jnp.ones(self.n_features), "beta": jnp.zeros(self.n_features)}, {}

    def forward(self, params: Tree, state: Tree, x: Array, *, rng=None, train=False):
        return layer_norm(x, **params, eps=self.eps), state


@dataclass(frozen=True)
class RMSNorm:
    """`rms_norm` with its scale: params {gamma: (n_features,)}."""

    n_features: int
    eps: float = 1e-6

    def init(self, rng) -> tuple[Tree, Tree]:
        return {"gamma": jnp.ones(self.n_features)}, {}

    def forward(self, params: Tree, state: Tree, x: Array, *, rng=None, train=False):
        return rms_norm(x, **params, eps=self.eps), state


@dataclass(frozen=True)
class GroupNorm:
    """`group_norm` with its scale and shift: params {gamma, beta}: (n_features,)."""

    n_features: int
    groups: int
    eps: float = 1e-5

    def init(self, rng) -> tuple[Tree, Tree]:
        return {"gamma": jnp.ones(self.n_features), "beta": jnp.zeros(self.n_features)}, {}

    def forward(self, params: Tree, state: Tree, x: Array, *, rng=None, train=False):
        return group_norm(x, **params, groups=self.groups, eps=self.eps), state


@dataclass(frozen=True)
class InstanceNorm:
    """`instance_norm` with its scale and shift: params {gamma, beta}: (n_features,)."""

    n_features: int
    eps: float = 1e-5

    def init(self, rng) -> tuple[Tree, Tree]:
        return {"gamma": jnp.ones(self.n_features), "beta": jnp.zeros(self.n_features)}, {}

    def forward(self, params: Tree, state: Tree, x: Array, *, rng=None, train=False):
        return instance_norm(x, **params, eps=self.eps), state


@dataclass(frozen=True)
class WeightNorm:
    """A layer whose weights w are `weight_norm(v, g)`: params {v, g} for w, and the layer's others.

    The body is a layer with one array of weights called w, such as Linear or Conv2d.
    """

    body: Layer
    eps: float = 1e-12

    def init(self, rng) -> tuple[Tree, Tree]:
        params, state = self.body.init(rng)
        if "w" not in params:
            raise ValueError(
                f"WeightNorm: the body's params are {sorted(params)}; wanted weights called 'w'; "
                "wrap a layer such as Linear or Conv2d"
            )
        v = params.pop("w")
        g = jnp.sqrt((v * v).reshape(-1, v.shape[-1]).sum(0) + self.eps)
        return {**params, "v": v, "g": g}, state

    def forward(self, params: Tree, state: Tree, x: Array, *, rng=None, train=False):
        others = {k: p for k, p in params.items() if k not in ("v", "g")}
        w = weight_norm(params["v"], params["g"], eps=self.eps)
        return self.body.forward({**others, "w": w}, state, x, rng=rng, train=train)
