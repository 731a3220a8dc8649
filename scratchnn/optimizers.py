"""Optimisers as frozen configurations: `init` makes the state, `update` turns gradients to steps.

state = optimizer.init(params)
updates, state = optimizer.update(grads, state)
params = apply_updates(params, updates)
"""

from dataclasses import dataclass

import numpy as np

from scratchnn import trees
from scratchnn.trees import Tree


@dataclass(frozen=True)
class SGD:
    """Stochastic gradient descent with momentum.

        t <- g + momentum t
        u = -learning_rate t                        plain
        u = -learning_rate (g + momentum t)         nesterov

    Source: Polyak (1964), doi:10.1016/0041-5553(64)90137-5; Sutskever et al., On the importance
    of initialization and momentum in deep learning, ICML 2013.

    >>> sgd, params = SGD(0.5, momentum=0.5), {"w": np.array([1.0])}
    >>> state = sgd.init(params)
    >>> for _ in range(2):
    ...     updates, state = sgd.update({"w": np.array([1.0])}, state)
    ...     params = apply_updates(params, updates)
    >>> params["w"].tolist()
    [-0.25]
    """

    learning_rate: float
    momentum: float = 0.0
    nesterov: bool = False

    def init(self, params: Tree) -> Tree:
        return {"t": trees.map(np.zeros_like, params)}

    def update(self, grads: Tree, state: Tree, params: Tree | None = None) -> tuple[Tree, Tree]:
        m = self.momentum
        t = trees.map(lambda g, t: g + m * t, grads, state["t"])
        step = trees.map(lambda g, t: g + m * t, grads, t) if self.nesterov else t
        return trees.map(lambda s: -self.learning_rate * s, step), {"t": t}


@dataclass(frozen=True)
class Adam:
    """Adaptive moment estimation.

        m <- b1 m + (1 - b1) g          v <- b2 v + (1 - b2) g^2
        u = -learning_rate m/(1 - b1^k) / (sqrt(v/(1 - b2^k)) + eps)

    at step k = 1, 2, ...; the divisors undo the start of m and v at zero.

    Source: Kingma and Ba, arXiv:1412.6980.

    >>> adam, params = Adam(0.1), {"w": np.array([1.0, 1.0])}
    >>> updates, _ = adam.update({"w": np.array([3.0, -0.001])}, adam.init(params))
    >>> updates["w"].round(5).tolist()
    [-0.1, 0.1]
    """

    learning_rate: float
    b1: float = 0.9
    b2: float = 0.999
    eps: float = 1e-8

    def init(self, params: Tree) -> Tree:
        zeros = trees.map(np.zeros_like, params)
        return {"k": np.array(0), "m": zeros, "v": zeros}

    def update(self, grads: Tree, state: Tree, params: Tree | None = None) -> tuple[Tree, Tree]:
        b1, b2, k = self.b1, self.b2, state["k"] + 1
        m = trees.map(lambda g, m: b1 * m + (1 - b1) * g, grads, state["m"])
        v = trees.map(lambda g, v: b2 * v + (1 - b2) * g * g, grads, state["v"])
        start_m, start_v = 1 - b1 ** int(k), 1 - b2 ** int(k)
        updates = trees.map(
            lambda m, v: -self.learning_rate * (m / start_m) / (np.sqrt(v / start_v) + self.eps),
            m,
            v,
        )
        return updates, {"k": k, "m": m, "v": v}


def apply_updates(params: Tree, updates: Tree) -> Tree:
    """params + updates, in the dtype of params.

    >>> apply_updates({"w": np.array([1.0])}, {"w": np.array([-0.5])})["w"].tolist()
    [0.5]
    """
    return trees.map(lambda p, u: (p + u).astype(p.dtype), params, updates)
