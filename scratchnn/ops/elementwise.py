"""Piecewise linear functions, entry by entry, each with a policy for its kinks."""

import numpy as np
from jaxtyping import Float

from scratchnn.shapes import expect

Array = np.ndarray


def clip(
    x: Float[Array, "*batch"], *, low: float, high: float
) -> tuple[Float[Array, "*batch"], tuple]:
    """The nearest number in [low, high], y = min(max(x, low), high).

        dx = dy where low <= x <= high, else 0

    At the bounds, which are kinks, the subgradient is fixed to 1: what was not moved passes dy on.

    Args:
        x: any shape.
        low: the least y; `-math.inf` for none.
        high: the largest y; `math.inf` for none.

    Returns:
        y and the cache of `clip_backward`.

    Raises:
        TypeError: x is not a floating array.
        ValueError: x is empty, or low exceeds high.

    Source: Clarke, Optimization and Nonsmooth Analysis (1983), section 2.1: where two slopes meet,
    the generalized gradient is all that lies between them.

    >>> y, cache = clip(np.array([-2.0, -1.0, 0.5, 3.0]), low=-1.0, high=1.0)
    >>> y.tolist(), clip_backward(np.ones(4), cache).tolist()
    ([-1.0, -1.0, 0.5, 1.0], [0.0, 1.0, 1.0, 0.0])
    """
    expect(clip, x)
    if not low <= high:
        raise ValueError(f"clip: low is {low} and high is {high}; wanted low <= high; swap them")
    return np.clip(x, low, high), ((low <= x) & (x <= high),)


def clip_backward(dy: Array, cache: tuple) -> Array:
    """dx = dy where low <= x <= high, else 0."""
    (inside,) = cache
    return dy * inside


def maximum(
    x1: Float[Array, "*batch"], x2: Float[Array, "*batch"]
) -> tuple[Float[Array, "*batch"], tuple]:
    """The larger of two arrays, entry by entry, y = max(x1, x2).

        dx1 = dy where x1 >= x2, else 0
        dx2 = dy where x1 <  x2, else 0

    A tie goes to x1, the first, as in `max_pool2d`: one valid subgradient; giving dy to both would
    not be one.

    Args:
        x1: any shape.
        x2: the same shape; nothing is broadcast.

    Returns:
        y and the cache of `maximum_backward`.

    Raises:
        TypeError: an array is not floating.
        ValueError: shapes differ, or are empty.

    Source: Rockafellar, Convex Analysis (1970), section 23.

    >>> y, cache = maximum(np.array([1.0, 2.0, 3.0]), np.array([3.0, 2.0, 1.0]))
    >>> y.tolist(), [g.tolist() for g in maximum_backward(np.ones(3), cache)]
    ([3.0, 2.0, 3.0], [[0.0, 1.0, 1.0], [1.0, 0.0, 0.0]])
    """
    expect(maximum, x1, x2)
    first = x1 >= x2
    return np.where(first, x1, x2), (first,)


def maximum_backward(dy: Array, cache: tuple) -> tuple[Array, Array]:
    """dx1 = dy where x1 >= x2, else 0;  dx2 = dy where x1 < x2, else 0."""
    (first,) = cache
    return dy * first, dy * ~first


def abs(x: Float[Array, "*batch"]) -> tuple[Float[Array, "*batch"], tuple]:
    """Absolute value, y = |x|.

        dx = dy sign(x)

    At the kink x = 0 the subgradient is fixed to 0, the middle of [-1, 1].

    Args:
        x: any shape.

    Returns:
        y and the cache of `abs_backward`.

    Raises:
        TypeError: x is not a floating array.
        ValueError: x is empty.

    Source: Rockafellar, Convex Analysis (1970), section 23.

    >>> y, cache = abs(np.array([-2.0, 0.0, 3.0]))
    >>> y.tolist(), abs_backward(np.ones(3), cache).tolist()
    ([2.0, 0.0, 3.0], [-1.0, 0.0, 1.0])
    """
    expect(abs, x)
    return np.abs(x), (np.sign(x),)


def abs_backward(dy: Array, cache: tuple) -> Array:
    """dx = dy sign(x)."""
    (sign,) = cache
    return dy * sign
