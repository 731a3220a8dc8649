"""Training, in either backend, from one seed: same parameters, same batches, same losses."""

import importlib
import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from types import ModuleType

import numpy as np

from nnlab.datasets import Dataset, Split
from nnlab.experiments import Experiment

Array = np.ndarray

BACKENDS = ("numpy", "jax")
CHUNK = 25  # steps between two looks at the clock and the loss, at most


@dataclass(frozen=True)
class Progress:
    """Where training stands, after each chunk of steps.

    Attributes:
        epoch: the one at work, from 1.
        step: steps done.
        done: the share of the work or of the time, 0 to 1, whichever is further.
        loss: mean over the chunk, in nats.
        accuracy: of the validation data, 0 to 1, when it was just measured, else None.
        samples_per_second: in this chunk, without validation; for JAX, the first compiles.
        seconds: since the start.
    """

    epoch: int
    step: int
    done: float
    loss: float
    accuracy: float | None
    samples_per_second: float
    seconds: float


@dataclass(frozen=True, eq=False)
class Trained:
    """What training gives: params and state of the backend, the loss of each step, seconds."""

    params: dict
    state: dict
    losses: Array
    seconds: float


def loop(backend: str) -> ModuleType:
    """The module with the loop of a backend; jax is imported only for "jax".

    Raises:
        ValueError: no such backend.
        ModuleNotFoundError: JAX or optax is not installed.

    >>> loop("numpy").__name__
    'nnlab.numpy_loop'
    """
    if backend not in BACKENDS:
        raise ValueError(f"no backend {backend!r}; wanted one of {', '.join(BACKENDS)}")
    try:
        return importlib.import_module(f"nnlab.{backend}_loop")
    except ModuleNotFoundError as error:
        if error.name not in ("jax", "jaxlib", "optax"):
            raise
        raise ModuleNotFoundError(
            f"the backend jax needs {error.name}, which is not installed; "
            'pip install "scratchnn[lab]"'
        ) from None


def train(
    experiment: Experiment,
    dataset: Dataset,
    *,
    backend: str = "numpy",
    seed: int = 0,
    epochs: int | None = None,
    seconds: float | None = None,
    dtype: str = "float32",
    callback: Callable[[Progress], None] = lambda progress: None,
) -> Trained:
    """Train a model, and validate it after each epoch.

    Parameters come from `numpy.random.default_rng(seed)` and batches from another generator of
    that seed, whatever the backend. Each epoch visits the samples in a new order and leaves out
    those that fill no batch.

    Args:
        experiment: what to train.
        dataset: on what.
        backend: "numpy" (scratchnn) or "jax" (jaxnn).
        seed: 0 or more.
        epochs: stop after so many; by default the experiment's if `seconds` is not given either.
        seconds: stop at the end of the chunk of steps in which this time runs out.
        dtype: "float32" or "float64".
        callback: called with a `Progress` after each chunk.

    Raises:
        ValueError: no such backend, or fewer training samples than fill one batch.
        ModuleNotFoundError: JAX is wanted and not installed.
        FloatingPointError: the loss is not finite; the message says from which step on.

    >>> from nnlab import datasets, experiments
    >>> digits_mlp, digits = experiments.find("digits-mlp"), datasets.load("digits")
    >>> trained = train(digits_mlp, digits, epochs=2)
    >>> len(trained.losses), evaluate(digits_mlp, trained.params, trained.state, digits.test) > 0.8
    (56, True)
    """
    library = loop(backend)
    if epochs is None and seconds is None:
        epochs = experiment.epochs
    begin = perf_counter()
    losses: list[float] = []
    with library.precision(dtype):
        carry, placed = library.start(experiment, seed, dtype), library.place(dataset.train)
        per_epoch = len(dataset.train.x) // experiment.batch_size
        for epoch, batches, last in chunks(
            seed, len(dataset.train.x), experiment.batch_size, epochs
        ):
            chunk_begin = perf_counter()
            carry, chunk_losses = library.run(experiment, carry, placed, batches)
            rate = batches.size / (perf_counter() - chunk_begin)
            losses += chunk_losses.tolist()
            check_finite(losses, experiment)
            over = seconds is not None and perf_counter() - begin >= seconds
            accuracy = None
            if last or over:
                accuracy = evaluate(
                    experiment, carry[0], carry[1], dataset.validation, backend=backend
                )
            elapsed = perf_counter() - begin
            done = max(
                len(losses) / (epochs * per_epoch) if epochs else 0.0,
                elapsed / seconds if seconds else 0.0,
            )
            loss = float(chunk_losses.mean(dtype=float))
            callback(Progress(epoch, len(losses), min(done, 1.0), loss, accuracy, rate, elapsed))
            if over:
                break
    return Trained(carry[0], carry[1], np.array(losses), perf_counter() - begin)


def chunks(
    seed: int, samples: int, batch_size: int, epochs: int | None
) -> Iterator[tuple[int, Array, bool]]:
    """The batches of each epoch, in chunks of at most `CHUNK` steps and nearly one length.

    Lengths differ by at most one, so the JAX loop compiles for at most two.

    Yields:
        The epoch from 1, indices of samples (S, B), and whether the epoch ends with them.

    Raises:
        ValueError: the samples do not fill a batch.

    >>> [(e, b.shape, last) for e, b, last in chunks(0, samples=95, batch_size=3, epochs=1)]
    [(1, (16, 3), False), (1, (15, 3), True)]
    """
    steps = samples // batch_size
    if steps == 0:
        raise ValueError(
            f"{samples} training samples do not fill a batch of {batch_size}; take a smaller batch"
        )
    rng = np.random.default_rng((seed, 1))
    pieces = math.ceil(steps / CHUNK)
    for epoch in itertools.count(1) if epochs is None else range(1, epochs + 1):
        batches = rng.permutation(samples)[: steps * batch_size].reshape(steps, batch_size)
        for i, piece in enumerate(np.array_split(batches, pieces), 1):
            yield epoch, piece, i == pieces


def check_finite(losses: list[float], experiment: Experiment) -> None:
    """Say from which step on the loss is not finite.

    Raises:
        FloatingPointError: it is not.
    """
    if math.isfinite(losses[-1]):
        return
    step = next(i for i, loss in enumerate(losses, 1) if not math.isfinite(loss))
    rate = experiment.learning_rate
    raise FloatingPointError(
        f"{experiment.name}: the loss is {losses[step - 1]} at step {step}; "
        f"lower the learning rate, which is {rate:g}, say to {rate / 10:g}"
    )


def evaluate(
    experiment: Experiment, params: dict, state: dict, split: Split, *, backend: str = "numpy"
) -> float:
    """Accuracy: the share of labels that have the largest logit, 0 to 1.

    >>> from nnlab import datasets, experiments
    >>> digits_mlp, digits = experiments.find("digits-mlp"), datasets.load("digits")
    >>> params, state, _ = loop("numpy").start(digits_mlp, 0, "float32")
    >>> evaluate(digits_mlp, params, state, digits.test) < 0.5
    True
    """
    correct = logits(experiment, params, state, split, backend=backend).argmax(-1) == split.y
    return float(correct.mean())


def logits(
    experiment: Experiment, params: dict, state: dict, split: Split, *, backend: str = "numpy"
) -> Array:
    """Logits of a split, (N, K), computed 1,000 samples at a time."""
    library = loop(backend)
    leaf = next(iter(library.nn.trees.flatten(params).values()))
    with library.precision(str(leaf.dtype)):
        parts = [
            np.asarray(
                library.predict(experiment, params, state, split.x[i : i + 1000], split.scale)
            )
            for i in range(0, len(split.x), 1000)
        ]
    return np.concatenate(parts)


def save(path: str | Path, trained: Trained, backend: str) -> None:
    """Write params and state to one safetensors file that either backend loads.

    Raises:
        ValueError: the folder does not exist.
        OSError: the file cannot be written; one that was there is as it was.
    """
    loop(backend).checkpoints.save(path, {"params": trained.params, "state": trained.state})


def load(path: str | Path, experiment: Experiment, backend: str) -> tuple[dict, dict]:
    """(params, state) from a file written by `save`, whatever the backend was.

    Raises:
        ValueError: no such file, not a safetensors file, or not of this experiment's model.
    """
    library = loop(backend)
    params, state, _ = library.start(experiment, 0, "float32")
    tree = library.checkpoints.load(path, like={"params": params, "state": state})
    return tree["params"], tree.get("state", {})
