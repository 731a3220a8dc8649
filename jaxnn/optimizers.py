"""The optimisers of scratchnn, by name and signature, through optax.

    state = optimizer.init(params)
    updates, state = optimizer.update(grads, state, params)
    params = apply_updates(params, updates)

`scratchnn.optimizers` holds the formulas.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import optax

from jaxnn import trees
from jaxnn.trees import Tree

Rate = float | Callable


def SGD(  # noqa: N802  (the name of its twin, a class)
    learning_rate: Rate, momentum: float = 0.0, nesterov: bool = False
) -> optax.GradientTransformation:
    """Stochastic gradient descent, with momentum.

    >>> SGD(0.5).update({"w": 1.0}, SGD(0.5).init({"w": 0.0}))[0]["w"]
    -0.5
    """
    return optax.sgd(learning_rate, momentum=momentum or None, nesterov=nesterov)


def AdaGrad(  # noqa: N802
    learning_rate: Rate, start: float = 0.1, eps: float = 1e-7
) -> optax.GradientTransformation:
    """A rate per entry that falls with the sum of its squared gradients."""
    return optax.adagrad(learning_rate, initial_accumulator_value=start, eps=eps)


def RMSprop(  # noqa: N802
    learning_rate: Rate, decay: float = 0.9, eps: float = 1e-8
) -> optax.GradientTransformation:
    """AdaGrad with a running mean in place of the sum, so that the rate does not die out."""
    return optax.rmsprop(learning_rate, decay=decay, eps=eps)


def Adam(  # noqa: N802
    learning_rate: Rate, b1: float = 0.9, b2: float = 0.999, eps: float = 1e-8
) -> optax.GradientTransformation:
    """Adaptive moment estimation.

    >>> adam, params = Adam(0.1), {"w": jnp.ones(2)}
    >>> updates, _ = adam.update({"w": jnp.array([3.0, -0.001])}, adam.init(params))
    >>> [round(float(u), 4) for u in updates["w"]]
    [-0.1, 0.1]
    """
    return optax.adam(learning_rate, b1=b1, b2=b2, eps=eps)


def AdamW(  # noqa: N802
    learning_rate: Rate,
    b1: float = 0.9,
    b2: float = 0.999,
    eps: float = 1e-8,
    weight_decay: float = 1e-4,
) -> optax.GradientTransformation:
    """Adam with weight decay apart from the gradient's moments."""
    return optax.adamw(learning_rate, b1=b1, b2=b2, eps=eps, weight_decay=weight_decay)


def Lion(  # noqa: N802
    learning_rate: Rate, b1: float = 0.9, b2: float = 0.99, weight_decay: float = 1e-3
) -> optax.GradientTransformation:
    """Evolved sign momentum: every entry moves by the rate, up or down."""
    return optax.lion(learning_rate, b1=b1, b2=b2, weight_decay=weight_decay)


def apply_updates(params: Tree, updates: Tree) -> Tree:
    """params + updates, in the dtype of params.

    >>> float(apply_updates({"w": 1.0}, {"w": -0.5})["w"])
    0.5
    """
    return optax.apply_updates(params, updates)


def clip_by_value(grads: Tree, limit: float) -> Tree:
    """Every entry brought into [-limit, limit]."""
    return jax.tree.map(lambda g: jnp.clip(g, -limit, limit), grads)


def clip_by_norm(grads: Tree, limit: float) -> Tree:
    """Every array scaled down to Euclidean norm `limit`, if it is longer."""
    return jax.tree.map(lambda g: clip_by_global_norm({"": g}, limit)[""], grads)


def clip_by_global_norm(grads: Tree, limit: float) -> Tree:
    """All arrays scaled down together, to a norm of `limit` over all entries, if it is longer."""
    clip = optax.clip_by_global_norm(limit)
    return clip.update(grads, clip.init(grads))[0]


def add_l2(grads: Tree, params: Tree, strength: float) -> Tree:
    """The gradients of loss + strength/2 |w|^2: g + strength w."""
    decay = optax.add_decayed_weights(strength)
    return decay.update(grads, decay.init(params), params)[0]


def softmax_rates(grads: Tree, temperature: float = 1.0) -> Tree:
    """An experiment: one learning rate, shared out to the arrays by a softmax."""
    flat = trees.flatten(grads)
    r = jnp.array([jnp.sqrt(jnp.mean(g * g)) for g in flat.values()])
    mean = jnp.where(r.mean() > 0, r.mean(), 1.0)
    share = len(flat) * jax.nn.softmax(r / (temperature * mean))
    return trees.unflatten({path: g * s for (path, g), s in zip(flat.items(), share, strict=True)})
