"""Changes of shape that keep every entry."""

import math

import numpy as np
from jaxtyping import Float

from scratchnn.shapes import expect

Array = np.ndarray


def flatten(  # the shape strings are no expressions
    x: Float[Array, "N *rest"],  # noqa: F821
) -> tuple[Float[Array, "N D"], tuple]:
    """All axes after the first as one, in row-major order.

        y_n,d = x_n,i,j,...        D = product of the sizes of the rest

    Every entry has one place in y, so dx is dy in the shape of x.

    Args:
        x: a batch of anything.

    Returns:
        y and the cache of `flatten_backward`.

    Raises:
        TypeError: x is not a floating array.
        ValueError: x has no axis, or an empty one.

    >>> y, cache = flatten(np.zeros((2, 3, 5)))
    >>> y.shape, flatten_backward(y, cache).shape
    ((2, 15), (2, 3, 5))
    """
    expect(flatten, x)
    N, *rest = x.shape
    return x.reshape(N, math.prod(rest)), (x.shape,)


def flatten_backward(dy: Array, cache: tuple) -> Array:
    """dx is dy in the shape of x."""
    (shape,) = cache
    return dy.reshape(shape)
