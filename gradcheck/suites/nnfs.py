"""The classes of "Neural Networks from Scratch": output, dinputs, dweights, dbiases.

Losses return one value for each sample, and their backward gives the gradient of the mean; labels
come as numbers and one-hot. Logits near 1000 and -1000, predictions and targets of other sizes.
"""

import numpy as np

from gradcheck.suites.classes import Class
from gradcheck.suites.cs231n import labels, near_1000, tied


def distributions(rng: np.random.Generator, shape: tuple[int, ...], sizes: dict) -> np.ndarray:
    p = rng.uniform(0.5, 1.5, shape)
    return p / p.sum(axis=-1, keepdims=True)


def probabilities(rng: np.random.Generator, shape: tuple[int, ...], sizes: dict) -> np.ndarray:
    return rng.uniform(0.1, 0.9, shape)


def one_hot(rng: np.random.Generator, shape: tuple[int, ...], sizes: dict) -> np.ndarray:
    return np.eye(sizes["C"])[rng.integers(0, sizes["C"], sizes["N"])]


def numbers(rng: np.random.Generator, shape: tuple[int, ...], sizes: dict) -> np.ndarray:
    return labels(rng, (sizes["N"],), sizes)


def bits(rng: np.random.Generator, shape: tuple[int, ...], sizes: dict) -> np.ndarray:
    return (rng.random(shape) < 0.5).astype(float)


INPUTS = {"inputs": "dinputs"}
PREDICTIONS = {"y_pred": "dinputs"}
LABELLED = (
    {"N": 4, "C": 3, "y_pred": distributions, "y_true": numbers},
    {"N": 3, "C": 5, "y_pred": distributions, "y_true": one_hot},
)
SIZES = ({"N": 3, "C": 5}, {"N": 5, "C": 2})


def activation(name: str, *more: dict) -> Class:
    cases = ({"N": 3, "D": 5}, {"N": 5, "D": 2}, *more)
    trained = tuple(case | {"training": True} for case in cases)
    return Class(f"Activation_{name}", "inputs: N D", trained, INPUTS)


def loss(name: str, *cases: dict) -> Class:
    return Class(f"Loss_{name}", "y_pred: N C; y_true: N C", cases, PREDICTIONS, output="")


SUITE = (
    Class(
        "Layer_Dense",
        "inputs: N D; weights: D M; biases: 1 M",
        (
            {"N": 3, "D": 5, "M": 7, "n_inputs": 5, "n_neurons": 7, "training": True},
            {"N": 5, "D": 3, "M": 2, "n_inputs": 3, "n_neurons": 2, "training": True},
        ),
        INPUTS | {"weights": "dweights", "biases": "dbiases"},
    ),
    Class(
        "Layer_Dropout",
        "inputs: N D",
        (
            {"N": 5, "D": 7, "rate": 0.3, "training": True},
            {"N": 3, "D": 4, "rate": 0.8, "training": True},
        ),
        INPUTS,
    ),
    activation("ReLU", {"N": 4, "D": 3, "inputs": tied}),
    activation("Softmax", {"N": 4, "D": 3, "inputs": near_1000}),
    activation("Sigmoid"),
    activation("Tanh"),
    activation("Linear"),
    Class(
        "Activation_Softmax_Loss_CategoricalCrossentropy",
        "inputs: N C; y_true: N C",
        (
            {"N": 4, "C": 3, "y_true": numbers},
            {"N": 3, "C": 5, "y_true": one_hot},
            {"N": 4, "C": 5, "inputs": near_1000, "y_true": numbers},
        ),
        INPUTS,
        output="",
        handed="output",
    ),
    loss("CategoricalCrossentropy", *LABELLED),
    loss(
        "BinaryCrossentropy",
        *(case | {"y_pred": probabilities, "y_true": bits} for case in SIZES),
    ),
    loss("MeanSquaredError", *SIZES),
    loss("MeanAbsoluteError", *SIZES),
)
