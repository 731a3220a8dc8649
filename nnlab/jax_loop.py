"""The training loop over jaxnn: forward, loss, autodiff, update, compiled; see `numpy_loop`.

The data stays on the device, and a batch is drawn there by its indices. An accelerator scans over
many batches in one call. The experiment is static: one experiment and shape compiles once.
"""

import contextlib
from functools import partial
from typing import Any

import jax
import numpy as np
from jax import lax

import jaxnn as nn
from jaxnn import checkpoints as checkpoints
from jaxnn.optimizers import apply_updates
from jaxnn.trees import Tree
from nnlab.datasets import Split
from nnlab.experiments import Experiment

Array = jax.Array


def precision(dtype: str) -> contextlib.AbstractContextManager:
    """The context in which arrays may have this dtype; JAX makes float32 of float64 outside it."""
    return jax.enable_x64(dtype == "float64")


def place(split: Split) -> Split:
    """The split where the steps read it, on the device."""
    return Split(jax.device_put(split.x), jax.device_put(split.y), split.scale)


def start(experiment: Experiment, seed: int, dtype: str) -> tuple[Tree, Tree, Any]:
    """Fresh params, state and optimiser state."""
    params, state = experiment.model(nn).init(np.random.default_rng(seed))
    params, state = (nn.trees.map(lambda a: a.astype(dtype), tree) for tree in (params, state))
    return params, state, experiment.optimizer(nn, experiment.learning_rate).init(params)


def run(experiment: Experiment, carry: tuple, split: Split, batches: Any) -> tuple[tuple, Any]:
    """Train on some batches.

    Args:
        experiment: its model and optimiser are used.
        carry: params, state and optimiser state, from `start` or the last `run`.
        split: where the samples are.
        batches: indices of samples, (S, B): S steps, B samples each.

    Returns:
        The new carry, and the loss of each step before its update, (S,).
    """
    if jax.default_backend() != "cpu":
        carry, losses = scan(experiment, carry, split.x, split.y, split.scale, batches)
        return carry, np.asarray(losses)
    # on a CPU XLA's convolutions are several times slower inside a loop (jax-ml/jax issue 12868)
    losses = []
    for batch in batches:
        carry, loss = step(experiment, carry, split.x, split.y, split.scale, batch)
        losses.append(loss)
    return carry, np.array(losses)


@partial(jax.jit, static_argnums=0)
def scan(experiment: Experiment, carry: tuple, x: Array, y: Array, scale: Any, batches: Any):
    """All steps in one call: (the new carry, losses (S,))."""
    return lax.scan(
        lambda carry, batch: step(experiment, carry, x, y, scale, batch), carry, batches
    )


@partial(jax.jit, static_argnums=0)
def step(experiment: Experiment, carry: tuple, x: Array, y: Array, scale: Any, batch: Any):
    """One step: (the new carry, the loss before the update)."""
    model, optimizer = experiment.model(nn), experiment.optimizer(nn, experiment.learning_rate)

    def loss_and_state(params, state):
        logits, state = model.forward(params, state, scaled(x[batch], scale, params), train=True)
        return nn.cross_entropy(logits, y[batch]), state

    params, state, optimizer_state = carry
    (loss, state), grads = jax.value_and_grad(loss_and_state, has_aux=True)(params, state)
    updates, optimizer_state = optimizer.update(grads, optimizer_state, params)
    return (apply_updates(params, updates), state, optimizer_state), loss


@partial(jax.jit, static_argnums=0)
def predict(experiment: Experiment, params: Tree, state: Tree, x: Array, scale: Any) -> Array:
    """Logits of samples, (N, ...) -> (N, ..., K)."""
    logits, _ = experiment.model(nn).forward(params, state, scaled(x, scale, params))
    return logits


def scaled(x: Array, scale: Any, params: Tree) -> Array:
    """x / scale in the dtype of the parameters.

    >>> import jax.numpy as jnp
    >>> scaled(jnp.array([0, 255], jnp.uint8), 255.0, {"w": jnp.ones(1)}).tolist()
    [0.0, 1.0]
    """
    (dtype,) = {a.dtype for a in nn.trees.flatten(params).values()}
    return x.astype(dtype) / scale
