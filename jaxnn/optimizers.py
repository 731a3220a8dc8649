"""The optimisers of scratchnn, by name and signature, through optax.

state = optimizer.init(params)
updates, state = optimizer.update(grads, state)
params = apply_updates(params, updates)
"""

import optax

from jaxnn.trees import Tree


def SGD(  # noqa: N802  (the name of its twin, a class)
    learning_rate: float, momentum: float = 0.0, nesterov: bool = False
) -> optax.GradientTransformation:
    """Stochastic gradient descent with momentum.

    >>> SGD(0.5).update({"w": 1.0}, SGD(0.5).init({"w": 0.0}))[0]["w"]
    -0.5
    """
    return optax.sgd(learning_rate, momentum=momentum or None, nesterov=nesterov)


def Adam(  # noqa: N802
    learning_rate: float, b1: float = 0.9, b2: float = 0.999, eps: float = 1e-8
) -> optax.GradientTransformation:
    """Adaptive moment estimation.

    >>> import jax.numpy as jnp
    >>> adam, params = Adam(0.1), {"w": jnp.ones(2)}
    >>> updates, _ = adam.update({"w": jnp.array([3.0, -0.001])}, adam.init(params))
    >>> [round(float(u), 4) for u in updates["w"]]
    [-0.1, 0.1]
    """
    return optax.adam(learning_rate, b1=b1, b2=b2, eps=eps)


def apply_updates(params: Tree, updates: Tree) -> Tree:
    """params + updates, in the dtype of params.

    >>> float(apply_updates({"w": 1.0}, {"w": -0.5})["w"])
    0.5
    """
    return optax.apply_updates(params, updates)
