"""Layers around the normalisations, channels last."""

from dataclasses import dataclass

import numpy as np

from scratchnn.layers.composition import Layer
from scratchnn.ops.lengths import rms_norm, rms_norm_backward, weight_norm, weight_norm_backward
from scratchnn.ops.normalization import (
    batch_norm,
    batch_norm_backward,
    batch_norm_inference,
    batch_norm_inference_backward,
    group_norm,
    group_norm_backward,
    instance_norm,
    instance_norm_backward,
    layer_norm,
    layer_norm_backward,
)
from scratchnn.trees import Tree

Array = np.ndarray


@dataclass(frozen=True)
class BatchNorm:
    """`batch_norm` in training, `batch_norm_inference` else: params {gamma, beta}: (n_features,).

    The running statistics are the state {mean, var}, blended at each step of training:

        mean' = momentum mean + (1 - momentum) mean of the batch        var' likewise

    momentum is the weight of the old value (PyTorch's is that of the new one), and var is the
    biased variance by which the batch is divided (PyTorch blends in n/(n - 1) times it), so that a
    batch of one row is no exception. They are not differentiated.

    >>> layer = BatchNorm(1, momentum=0.75)
    >>> params, state = layer.init(np.random.default_rng(0))
    >>> x = np.array([[1.0], [3.0]])
    >>> (y, state), cache = layer.forward(params, state, x, train=True)
    >>> state["mean"].tolist(), state["var"].tolist(), y.round(3).tolist()
    ([0.5], [1.0], [[-1.0], [1.0]])
    >>> (y, state), cache = layer.forward(params, state, x)
    >>> state["mean"].tolist(), y.round(3).tolist()
    ([0.5], [[0.5], [2.5]])
    """

    n_features: int
    momentum: float = 0.9
    eps: float = 1e-5

    def init(self, rng: np.random.Generator) -> tuple[Tree, Tree]:
        ones, zeros = np.ones(self.n_features), np.zeros(self.n_features)
        return {"gamma": ones, "beta": zeros}, {"mean": zeros, "var": ones}

    def forward(self, params: Tree, state: Tree, x: Array, *, rng=None, train=False):
        if not train:
            mean, var = state["mean"].astype(x.dtype), state["var"].astype(x.dtype)
            y, cache = batch_norm_inference(x, mean, var, **params, eps=self.eps)
            return (y, state), (cache, train)
        (y, mean, var), cache = batch_norm(x, **params, eps=self.eps)
        state = {"mean": self._blend(state["mean"], mean), "var": self._blend(state["var"], var)}
        return (y, state), (cache, train)

    def backward(self, dy: Array, cache: tuple) -> tuple[Tree, Array]:
        cache, train = cache
        if train:
            dx, dgamma, dbeta = batch_norm_backward((dy, 0.0, 0.0), cache)
        else:
            dx, _, _, dgamma, dbeta = batch_norm_inference_backward(dy, cache)
        return {"gamma": dgamma, "beta": dbeta}, dx

    def _blend(self, old: Array, new: Array) -> Array:
        return (self.momentum * old + (1 - self.momentum) * new).astype(old.dtype)


@dataclass(frozen=True)
class LayerNorm:
    """`layer_norm` with its scale and shift: params {gamma, beta}: (n_features,).

    >>> layer = LayerNorm(2)
    >>> params, state = layer.init(np.random.default_rng(0))
    >>> (y, state), cache = layer.forward(params, state, np.array([[1.0, 3.0]]))
    >>> y.round(3).tolist()
    [[-1.0, 1.0]]
    """

    n_features: int
    eps: float = 1e-5

    def init(self, rng: np.random.Generator) -> tuple[Tree, Tree]:
        return {"gamma": np.ones(self.n_features), "beta": np.zeros(self.n_features)}, {}

    def forward(self, params: Tree, state: Tree, x: Array, *, rng=None, train=False):
        y, cache = layer_norm(x, **params, eps=self.eps)
        return (y, state), cache

    def backward(self, dy: Array, cache: tuple) -> tuple[Tree, Array]:
        dx, dgamma, dbeta = layer_norm_backward(dy, cache)
        return {"gamma": dgamma, "beta": dbeta}, dx


@dataclass(frozen=True)
class RMSNorm:
    """`rms_norm` with its scale: params {gamma: (n_features,)}.

    >>> layer = RMSNorm(2)
    >>> params, state = layer.init(np.random.default_rng(0))
    >>> (y, state), cache = layer.forward(params, state, np.array([[1.0, 7.0]]))
    >>> y.round(3).tolist()
    [[0.2, 1.4]]
    """

    n_features: int
    eps: float = 1e-6

    def init(self, rng: np.random.Generator) -> tuple[Tree, Tree]:
        return {"gamma": np.ones(self.n_features)}, {}

    def forward(self, params: Tree, state: Tree, x: Array, *, rng=None, train=False):
        y, cache = rms_norm(x, **params, eps=self.eps)
        return (y, state), cache

    def backward(self, dy: Array, cache: tuple) -> tuple[Tree, Array]:
        dx, dgamma = rms_norm_backward(dy, cache)
        return {"gamma": dgamma}, dx


@dataclass(frozen=True)
class GroupNorm:
    """`group_norm` with its scale and shift: params {gamma, beta}: (n_features,).

    >>> layer = GroupNorm(4, groups=2)
    >>> params, state = layer.init(np.random.default_rng(0))
    >>> (y, state), cache = layer.forward(params, state, np.array([[1.0, 3.0, 8.0, 8.0]]))
    >>> y.round(3).tolist()
    [[-1.0, 1.0, 0.0, 0.0]]
    """

    n_features: int
    groups: int
    eps: float = 1e-5

    def init(self, rng: np.random.Generator) -> tuple[Tree, Tree]:
        return {"gamma": np.ones(self.n_features), "beta": np.zeros(self.n_features)}, {}

    def forward(self, params: Tree, state: Tree, x: Array, *, rng=None, train=False):
        y, cache = group_norm(x, **params, groups=self.groups, eps=self.eps)
        return (y, state), cache

    def backward(self, dy: Array, cache: tuple) -> tuple[Tree, Array]:
        dx, dgamma, dbeta = group_norm_backward(dy, cache)
        return {"gamma": dgamma, "beta": dbeta}, dx


@dataclass(frozen=True)
class InstanceNorm:
    """`instance_norm` with its scale and shift: params {gamma, beta}: (n_features,).

    >>> layer = InstanceNorm(1)
    >>> params, state = layer.init(np.random.default_rng(0))
    >>> (y, state), cache = layer.forward(params, state, np.array([[[1.0], [3.0]]]))
    >>> y.round(3).tolist()
    [[[-1.0], [1.0]]]
    """

    n_features: int
    eps: float = 1e-5

    def init(self, rng: np.random.Generator) -> tuple[Tree, Tree]:
        return {"gamma": np.ones(self.n_features), "beta": np.zeros(self.n_features)}, {}

    def forward(self, params: Tree, state: Tree, x: Array, *, rng=None, train=False):
        y, cache = instance_norm(x, **params, eps=self.eps)
        return (y, state), cache

    def backward(self, dy: Array, cache: tuple) -> tuple[Tree, Array]:
        dx, dgamma, dbeta = instance_norm_backward(dy, cache)
        return {"gamma": dgamma, "beta": dbeta}, dx


@dataclass(frozen=True)
class WeightNorm:
    """A layer whose weights w are `weight_norm(v, g)`: params {v, g} for w, and the layer's others.

    The body is a layer with one array of weights called w, such as Linear or Conv2d; it starts as
    it would without.

    >>> from scratchnn.layers.affine import Linear
    >>> layer = WeightNorm(Linear(3, 2))
    >>> params, state = layer.init(np.random.default_rng(0))
    >>> {k: p.shape for k, p in params.items()}
    {'b': (2,), 'v': (3, 2), 'g': (2,)}
    """

    body: Layer
    eps: float = 1e-12

    def init(self, rng: np.random.Generator) -> tuple[Tree, Tree]:
        params, state = self.body.init(rng)
        if "w" not in params:
            raise ValueError(
                f"WeightNorm: the body's params are {sorted(params)}; wanted weights called 'w'; "
                "wrap a layer such as Linear or Conv2d"
            )
        v = params.pop("w")
        g = np.sqrt((v * v).reshape(-1, v.shape[-1]).sum(0) + self.eps)
        return {**params, "v": v, "g": g}, state

    def forward(self, params: Tree, state: Tree, x: Array, *, rng=None, train=False):
        others = {k: p for k, p in params.items() if k not in ("v", "g")}
        w, w_cache = weight_norm(params["v"], params["g"], eps=self.eps)
        out, cache = self.body.forward({**others, "w": w}, state, x, rng=rng, train=train)
        return out, (cache, w_cache)

    def backward(self, dy: Array, cache: tuple) -> tuple[Tree, Array]:
        cache, w_cache = cache
        dparams, dx = self.body.backward(dy, cache)
        others = {k: d for k, d in dparams.items() if k != "w"}
        dv, dg = weight_norm_backward(dparams["w"], w_cache)
        return {**others, "v": dv, "g": dg}, dx
