"""The multi-layer perceptron, written out op by op: the first model to step through."""

from dataclasses import dataclass

import numpy as np

from scratchnn.initializers import he_normal
from scratchnn.ops.activations import relu, relu_backward
from scratchnn.ops.affine import linear, linear_backward
from scratchnn.trees import Tree

Array = np.ndarray


@dataclass(frozen=True)
class MLP:
    """linear, relu, linear, relu, ..., linear; params {fc1: {w, b}, fc2: {w, b}, ...}.

    Source: Rumelhart, Hinton and Williams (1986), doi:10.1038/323533a0.

    >>> model = MLP((3, 5, 2))
    >>> params, state = model.init(np.random.default_rng(0))
    >>> (y, state), cache = model.forward(params, state, np.ones((4, 3)))
    >>> dparams, dx = model.backward(np.ones_like(y), cache)
    >>> y.shape, dx.shape, sorted(dparams)
    ((4, 2), (4, 3), ['fc1', 'fc2'])
    """

    sizes: tuple[int, ...]

    def init(self, rng: np.random.Generator) -> tuple[Tree, Tree]:
        params = {}
        for k, (n_in, n_out) in enumerate(zip(self.sizes, self.sizes[1:], strict=False), 1):
            params[f"fc{k}"] = {"w": he_normal(rng, (n_in, n_out)), "b": np.zeros(n_out)}
        return params, {}

    def forward(self, params: Tree, state: Tree, x: Array, *, rng=None, train=False):
        last = len(self.sizes) - 1
        caches = []
        for k in range(1, last):
            x, linear_cache = linear(x, **params[f"fc{k}"])
            x, relu_cache = relu(x)
            caches.append((linear_cache, relu_cache))
        y, cache = linear(x, **params[f"fc{last}"])
        return (y, state), (caches, cache)

    def backward(self, dy: Array, cache: tuple) -> tuple[Tree, Array]:
        caches, last_cache = cache
        last = len(self.sizes) - 1
        dparams = {}
        dx, dw, db = linear_backward(dy, last_cache)
        dparams[f"fc{last}"] = {"w": dw, "b": db}
        for k in range(last - 1, 0, -1):
            linear_cache, relu_cache = caches[k - 1]
            dz = relu_backward(dx, relu_cache)
            dx, dw, db = linear_backward(dz, linear_cache)
            dparams[f"fc{k}"] = {"w": dw, "b": db}
        return dparams, dx
