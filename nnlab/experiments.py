"""Experiments, as data: what is trained on what, and how.

A model or an optimiser is a function of the library that builds it, `scratchnn` or `jaxnn`, whose
names are the same, so one line describes both backends.
"""

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any


@dataclass(frozen=True)
class Experiment:
    """One thing to train.

    Attributes:
        name: for the command line and the checkpoint.
        description: one line.
        dataset: a name for `nnlab.datasets.load`.
        model: from scratchnn or jaxnn to a model, of scaled samples to logits.
        optimizer: from scratchnn or jaxnn and a learning rate to an optimiser.
        learning_rate: constant.
        batch_size: in samples.
        epochs: how often the training data is seen by default.
    """

    name: str
    description: str
    dataset: str
    model: Callable[[Any], Any]
    optimizer: Callable[[Any, float], Any]
    learning_rate: float
    batch_size: int
    epochs: int


def adam(nn: ModuleType, learning_rate: float) -> Any:
    """Adam, of either library.

    >>> import scratchnn
    >>> adam(scratchnn, 0.001).learning_rate
    0.001
    """
    return nn.optimizers.Adam(learning_rate)


def momentum(nn: ModuleType, learning_rate: float) -> Any:
    """Gradient descent with Nesterov's momentum of 0.9, of either library.

    >>> import scratchnn
    >>> momentum(scratchnn, 0.01).momentum
    0.9
    """
    return nn.optimizers.SGD(learning_rate, momentum=0.9, nesterov=True)


def flat_mlp(nn: ModuleType, sizes: tuple[int, ...]) -> Any:
    """An MLP on images, whose pixels become one axis.

    >>> import scratchnn
    >>> flat_mlp(scratchnn, (64, 10)).layers[1]
    ('mlp', MLP(sizes=(64, 10)))
    """
    return nn.Sequential((("flatten", nn.Op(nn.flatten)), ("mlp", nn.MLP(sizes))))


EXPERIMENTS = (
    Experiment(
        name="digits-mlp",
        description="8 x 8 digits, one hidden layer; seconds, and no download",
        dataset="digits",
        model=lambda nn: flat_mlp(nn, (64, 64, 10)),
        optimizer=adam,
        learning_rate=0.005,
        batch_size=50,
        epochs=20,
    ),
    Experiment(
        name="mnist-mlp",
        description="28 x 28 digits, two hidden layers",
        dataset="mnist",
        model=lambda nn: flat_mlp(nn, (784, 256, 128, 10)),
        optimizer=adam,
        learning_rate=0.001,
        batch_size=100,
        epochs=8,
    ),
    Experiment(
        name="mnist-cnn",
        description="28 x 28 digits, four convolutions, two of them residual",
        dataset="mnist",
        model=lambda nn: nn.residual_cnn((28, 28, 1), (8, 16), 64, 10),
        optimizer=momentum,
        learning_rate=0.01,
        batch_size=50,
        epochs=2,
    ),
)


def find(name: str) -> Experiment:
    """An experiment by name.

    Raises:
        ValueError: no such experiment; the message names a near miss, or all.

    >>> find("mnist-cnn").dataset
    'mnist'
    """
    named = {e.name: e for e in EXPERIMENTS}
    if name not in named:
        near = difflib.get_close_matches(name, named, 1)
        fix = f"did you mean {near[0]}?" if near else f"wanted one of {', '.join(named)}"
        raise ValueError(f"no experiment {name!r}; {fix}")
    return named[name]
