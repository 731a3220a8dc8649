"""Dropout."""

import jax
import jax.numpy as jnp
from jaxtyping import Bool, Float

from jaxnn.shapes import expect

Array = jax.Array


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
) -> Float[Array, "*batch"]:
    """Drop what the mask does not keep and scale up the rest, y = x mask / (1 - rate).

    >>> dropout(jnp.array([1.0, 2.0]), jnp.array([True, False]), rate=0.75).tolist()
    [4.0, 0.0]
    """
    expect(dropout, x, mask)
    return jnp.where(mask, x, 0) / (1 - fraction("dropout: rate", rate))
