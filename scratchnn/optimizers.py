"""Optimisers as frozen configurations: `init` makes the state, `update` turns gradients to steps.

    state = optimizer.init(params)
    updates, state = optimizer.update(grads, state, params)
    params = apply_updates(params, updates)

g is the gradient, w a parameter, u its update, k = 0, 1, 2, ... the step; products and quotients
are entry by entry. A learning rate is a number or a schedule, a function of k (see
`scratchnn.schedules`). Gradients are clipped, and penalties added, by the plain functions at the
end, before `update`.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from scratchnn import trees
from scratchnn.trees import Tree

Rate = float | Callable[[int], float]


@dataclass(frozen=True)
class SGD:
    """Stochastic gradient descent, with momentum.

        t <- g + momentum t
        u = -rate t                        plain
        u = -rate (g + momentum t)         nesterov

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

    learning_rate: Rate
    momentum: float = 0.0
    nesterov: bool = False

    def init(self, params: Tree) -> Tree:
        return {"k": np.array(0), "t": trees.map(np.zeros_like, params)}

    def update(self, grads: Tree, state: Tree, params: Tree | None = None) -> tuple[Tree, Tree]:
        k, m = state["k"], self.momentum
        rate = _rate(self.learning_rate, k)
        t = trees.map(lambda g, t: g + m * t, grads, state["t"])
        step = trees.map(lambda g, t: g + m * t, grads, t) if self.nesterov else t
        return trees.map(lambda s: -rate * s, step), {"k": k + 1, "t": t}


@dataclass(frozen=True)
class AdaGrad:
    """A rate per entry that falls with the sum of its squared gradients.

        s <- s + g^2        u = -rate g / sqrt(s + eps)

    Source: Duchi, Hazan and Singer, JMLR 12 (2011), 2121-2159.

    >>> adagrad, params = AdaGrad(0.1, start=0.0), {"w": np.array([1.0])}
    >>> updates, _ = adagrad.update({"w": np.array([5.0])}, adagrad.init(params))
    >>> updates["w"].round(5).tolist()
    [-0.1]
    """

    learning_rate: Rate
    start: float = 0.1
    eps: float = 1e-7

    def init(self, params: Tree) -> Tree:
        return {"k": np.array(0), "s": trees.map(lambda w: np.full_like(w, self.start), params)}

    def update(self, grads: Tree, state: Tree, params: Tree | None = None) -> tuple[Tree, Tree]:
        rate = _rate(self.learning_rate, state["k"])
        s = trees.map(lambda g, s: s + g * g, grads, state["s"])
        updates = trees.map(lambda g, s: -rate * g / np.sqrt(s + self.eps), grads, s)
        return updates, {"k": state["k"] + 1, "s": s}


@dataclass(frozen=True)
class RMSprop:
    """AdaGrad with a running mean in place of the sum, so that the rate does not die out.

        v <- decay v + (1 - decay) g^2        u = -rate g / sqrt(v + eps)

    Source: Tieleman and Hinton, COURSERA lecture 6.5 (2012); Graves, arXiv:1308.0850.

    >>> rmsprop, params = RMSprop(0.1, decay=0.75), {"w": np.array([1.0])}
    >>> updates, _ = rmsprop.update({"w": np.array([5.0])}, rmsprop.init(params))
    >>> updates["w"].round(5).tolist()
    [-0.2]
    """

    learning_rate: Rate
    decay: float = 0.9
    eps: float = 1e-8

    def init(self, params: Tree) -> Tree:
        return {"k": np.array(0), "v": trees.map(np.zeros_like, params)}

    def update(self, grads: Tree, state: Tree, params: Tree | None = None) -> tuple[Tree, Tree]:
        rate, d = _rate(self.learning_rate, state["k"]), self.decay
        v = trees.map(lambda g, v: d * v + (1 - d) * g * g, grads, state["v"])
        updates = trees.map(lambda g, v: -rate * g / np.sqrt(v + self.eps), grads, v)
        return updates, {"k": state["k"] + 1, "v": v}


@dataclass(frozen=True)
class Adam:
    """Adaptive moment estimation.

        m <- b1 m + (1 - b1) g          v <- b2 v + (1 - b2) g^2
        u = -rate m/(1 - b1^(k+1)) / (sqrt(v/(1 - b2^(k+1))) + eps)

    The divisors undo the start of m and v at zero.

    Source: Kingma and Ba, arXiv:1412.6980.

    >>> adam, params = Adam(0.1), {"w": np.array([1.0, 1.0])}
    >>> updates, _ = adam.update({"w": np.array([3.0, -0.001])}, adam.init(params))
    >>> updates["w"].round(5).tolist()
    [-0.1, 0.1]
    """

    learning_rate: Rate
    b1: float = 0.9
    b2: float = 0.999
    eps: float = 1e-8

    def init(self, params: Tree) -> Tree:
        zeros = trees.map(np.zeros_like, params)
        return {"k": np.array(0), "m": zeros, "v": zeros}

    def update(self, grads: Tree, state: Tree, params: Tree | None = None) -> tuple[Tree, Tree]:
        b1, b2, k = self.b1, self.b2, state["k"]
        rate = _rate(self.learning_rate, k)
        m = trees.map(lambda g, m: b1 * m + (1 - b1) * g, grads, state["m"])
        v = trees.map(lambda g, v: b2 * v + (1 - b2) * g * g, grads, state["v"])
        start_m, start_v = 1 - b1 ** (int(k) + 1), 1 - b2 ** (int(k) + 1)
        updates = trees.map(
            lambda m, v: -rate * (m / start_m) / (np.sqrt(v / start_v) + self.eps), m, v
        )
        return updates, {"k": k + 1, "m": m, "v": v}


@dataclass(frozen=True)
class AdamW:
    """Adam with weight decay apart from the gradient's moments.

        u = (the update of Adam) - rate weight_decay w

    Source: Loshchilov and Hutter, arXiv:1711.05101.

    >>> adamw, params = AdamW(0.1, weight_decay=0.5), {"w": np.array([1.0])}
    >>> updates, _ = adamw.update({"w": np.array([3.0])}, adamw.init(params), params)
    >>> updates["w"].round(5).tolist()
    [-0.15]
    """

    learning_rate: Rate
    b1: float = 0.9
    b2: float = 0.999
    eps: float = 1e-8
    weight_decay: float = 1e-4

    def init(self, params: Tree) -> Tree:
        return Adam(self.learning_rate).init(params)

    def update(self, grads: Tree, state: Tree, params: Tree) -> tuple[Tree, Tree]:
        rate = _rate(self.learning_rate, state["k"])
        adam = Adam(self.learning_rate, self.b1, self.b2, self.eps)
        updates, state = adam.update(grads, state)
        return trees.map(lambda u, w: u - rate * self.weight_decay * w, updates, params), state


@dataclass(frozen=True)
class Lion:
    """Evolved sign momentum: every entry moves by the rate, up or down.

        u = -rate (sign(b1 m + (1 - b1) g) + weight_decay w)        m <- b2 m + (1 - b2) g

    Source: Chen et al., Symbolic Discovery of Optimization Algorithms, arXiv:2302.06675.

    >>> lion, params = Lion(0.1, weight_decay=0.0), {"w": np.array([1.0, 1.0])}
    >>> updates, _ = lion.update({"w": np.array([3.0, -0.001])}, lion.init(params), params)
    >>> updates["w"].tolist()
    [-0.1, 0.1]
    """

    learning_rate: Rate
    b1: float = 0.9
    b2: float = 0.99
    weight_decay: float = 1e-3

    def init(self, params: Tree) -> Tree:
        return {"k": np.array(0), "m": trees.map(np.zeros_like, params)}

    def update(self, grads: Tree, state: Tree, params: Tree) -> tuple[Tree, Tree]:
        rate, b1, b2 = _rate(self.learning_rate, state["k"]), self.b1, self.b2
        updates = trees.map(
            lambda g, m, w: -rate * (np.sign(b1 * m + (1 - b1) * g) + self.weight_decay * w),
            grads,
            state["m"],
            params,
        )
        m = trees.map(lambda g, m: b2 * m + (1 - b2) * g, grads, state["m"])
        return updates, {"k": state["k"] + 1, "m": m}


def apply_updates(params: Tree, updates: Tree) -> Tree:
    """params + updates, in the dtype of params.

    >>> apply_updates({"w": np.array([1.0])}, {"w": np.array([-0.5])})["w"].tolist()
    [0.5]
    """
    return trees.map(lambda w, u: (w + u).astype(w.dtype), params, updates)


def clip_by_value(grads: Tree, limit: float) -> Tree:
    """Every entry brought into [-limit, limit].

    >>> clip_by_value({"w": np.array([3.0, -0.5])}, 1.0)["w"].tolist()
    [1.0, -0.5]
    """
    return trees.map(lambda g: np.clip(g, -limit, limit), grads)


def clip_by_norm(grads: Tree, limit: float) -> Tree:
    """Every array scaled down to Euclidean norm `limit`, if it is longer.

    >>> clip_by_norm({"w": np.array([3.0, 4.0])}, 1.0)["w"].round(6).tolist()
    [0.6, 0.8]
    """
    return trees.map(lambda g: g * min(1.0, limit / max(_norm({"": g}), 1e-30)), grads)


def clip_by_global_norm(grads: Tree, limit: float) -> Tree:
    """All arrays scaled down together, to a norm of `limit` over all entries, if it is longer.

    The direction of the step is kept, which clipping array by array does not.

    Source: Pascanu, Mikolov and Bengio, arXiv:1211.5063.

    >>> clip_by_global_norm({"a": np.array([3.0]), "b": np.array([4.0])}, 1.0)["b"].tolist()
    [0.8]
    """
    factor = min(1.0, limit / max(_norm(grads), 1e-30))
    return trees.map(lambda g: g * factor, grads)


def add_l2(grads: Tree, params: Tree, strength: float) -> Tree:
    """The gradients of loss + strength/2 |w|^2: g + strength w.

    >>> add_l2({"w": np.array([1.0])}, {"w": np.array([2.0])}, 0.5)["w"].tolist()
    [2.0]
    """
    return trees.map(lambda g, w: g + strength * w, grads, params)


def softmax_rates(grads: Tree, temperature: float = 1.0) -> Tree:
    """An experiment: one learning rate, shared out to the arrays by a softmax.

    With r_j the root mean square of the gradient of array j, relative to their mean, and n arrays,
    array j's gradient is multiplied by

        n exp(r_j / temperature) / sum_i exp(r_i / temperature)

    The multipliers add up to n: the rate is moved from arrays with small gradients to arrays with
    large ones, the opposite of what Adam does, and at temperature -> infinity it is plain descent.

    >>> g = softmax_rates({"a": np.array([1.0]), "b": np.array([3.0])})
    >>> round(float(g["a"][0] + g["b"][0] / 3), 6)
    2.0
    """
    flat = trees.flatten(grads)
    r = np.array([np.sqrt(np.mean(g * g)) for g in flat.values()])
    e = np.exp((r - r.max()) / (temperature * (r.mean() or 1.0)))
    share = len(r) * e / e.sum()
    return trees.unflatten(
        {path: g * s.astype(g.dtype) for (path, g), s in zip(flat.items(), share, strict=True)}
    )


def _rate(learning_rate: Rate, k: np.ndarray) -> float:
    return learning_rate(int(k)) if callable(learning_rate) else learning_rate


def _norm(tree: Tree) -> float:
    squares = (np.sum(np.square(g, dtype=np.float64)) for g in trees.flatten(tree).values())
    return float(np.sqrt(sum(squares)))
