"""Dropout."""

import numpy as np
from jaxtyping import Bool, Float

from scratchnn.shapes import expect

Array = np.ndarray


def fraction(name: str, value: float) -> float:
    """A configuration value in [0, 1).

    Raises:
        ValueError: it lies elsewhere.

    >>> fraction("dropout: rate", 0.5)
    0.5
    """
    if not 0 <= value < 1:
        raise ValueError(
            f"{name} is {value}; wanted the fraction that is dropped, at least 0 and less than 1"
        )
    return value


def dropout(
    x: Float[Array, "*batch"], mask: Bool[Array, "*batch"], *, rate: float
) -> tuple[Float[Array, "*batch"], tuple]:
    """Drop what the mask does not keep and scale up the rest, y = x mask / (1 - rate).

        dx = dy mask / (1 - rate)

    With a mask that keeps an entry with probability 1 - rate, y has mean x. Evaluation therefore
    needs no scaling; the source has it the other way round.

    Args:
        x: any shape.
        mask: true where x is kept.
        rate: the fraction that is dropped; not the fraction that is kept.

    Returns:
        y and the cache of `dropout_backward`.

    Raises:
        TypeError: x is not floating, or mask not boolean.
        ValueError: shapes differ or are empty, or rate is outside [0, 1).

    Source: Srivastava, Hinton, Krizhevsky, Sutskever and Salakhutdinov, Dropout: A Simple Way to
    Prevent Neural Networks from Overfitting, JMLR 15 (2014), 1929-1958.

    >>> y, cache = dropout(np.array([1.0, 2.0]), np.array([True, False]), rate=0.75)
    >>> y.tolist(), dropout_backward(np.ones(2), cache)[0].tolist()
    ([4.0, 0.0], [4.0, 0.0])
    """
    expect(dropout, x, mask)
    kept = 1 - fraction("dropout: rate", rate)
    return x * mask / kept, (mask, kept)


def dropout_backward(dy: Array, cache: tuple) -> tuple[Array, None]:
    """dx = dy mask / (1 - rate)."""
    mask, kept = cache
    return dy * mask / kept, None
