"""The training loop over scratchnn: forward, loss, backward by hand, update; see `jax_loop`."""

import contextlib
from typing import Any

import numpy as np

import scratchnn as nn
from nnlab.datasets import Split
from nnlab.experiments import Experiment
from scratchnn import checkpoints as checkpoints
from scratchnn.optimizers import apply_updates
from scratchnn.trees import Tree

Array = np.ndarray


def precision(dtype: str) -> contextlib.AbstractContextManager:
    """The context in which arrays may have this dtype; NumPy needs none."""
    return contextlib.nullcontext()


def place(split: Split) -> Split:
    """The split where the steps read it; NumPy reads it where it is."""
    return split


def start(experiment: Experiment, seed: int, dtype: str) -> tuple[Tree, Tree, Tree]:
    """Fresh params, state and optimiser state."""
    params, state = experiment.model(nn).init(np.random.default_rng(seed))
    params, state = (nn.trees.map(lambda a: a.astype(dtype), tree) for tree in (params, state))
    return params, state, experiment.optimizer(nn, experiment.learning_rate).init(params)


def run(experiment: Experiment, carry: tuple, split: Split, batches: Array) -> tuple[tuple, Array]:
    """Train on some batches.

    Args:
        experiment: its model and optimiser are used.
        carry: params, state and optimiser state, from `start` or the last `run`.
        split: where the samples are.
        batches: indices of samples, (S, B): S steps, B samples each.

    Returns:
        The new carry, and the loss of each step before its update, (S,).
    """
    model, optimizer = experiment.model(nn), experiment.optimizer(nn, experiment.learning_rate)
    params, state, optimizer_state = carry
    losses = []
    # what overflows ends as a loss that is not finite, which the caller reports
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        for batch in batches:
            x = scaled(split.x[batch], split.scale, params)
            (logits, state), cache = model.forward(params, state, x, train=True)
            loss, loss_cache = nn.cross_entropy(logits, split.y[batch])
            dlogits, _, _ = nn.cross_entropy_backward(1.0, loss_cache)
            grads, _ = model.backward(dlogits, cache)
            updates, optimizer_state = optimizer.update(grads, optimizer_state, params)
            params = apply_updates(params, updates)
            losses.append(loss)
    return (params, state, optimizer_state), np.array(losses)


def predict(experiment: Experiment, params: Tree, state: Tree, x: Any, scale: float) -> Array:
    """Logits of samples, (N, ...) -> (N, ..., K)."""
    (logits, _), _ = experiment.model(nn).forward(params, state, scaled(x, scale, params))
    return logits


def scaled(x: Array, scale: float, params: Tree) -> Array:
    """x / scale in the dtype of the parameters.

    >>> scaled(np.array([0, 255], np.uint8), 255.0, {"w": np.ones(1, np.float32)})
    array([0., 1.], dtype=float32)
    """
    (dtype,) = {a.dtype for a in nn.trees.flatten(params).values()}
    return x.astype(dtype) / scale
