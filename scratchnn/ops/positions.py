"""Positions in a sequence: rotations of features, and waves."""

import numpy as np
from jaxtyping import Float, Integer

from scratchnn.shapes import expect

Array = np.ndarray


def rotary(
    x: Float[Array, "*batch T 2*H"], positions: Integer[Array, " T"], *, base: float = 10000.0
) -> tuple[Float[Array, "*batch T 2*H"], tuple]:
    """Rotary position embedding: pairs of features turned by angles that grow with position.

        a_ti = positions_t base^(-i/H)        i = 0, ..., H - 1
        y_ti     = x_ti cos a_ti - x_t,H+i sin a_ti
        y_t,H+i  = x_ti sin a_ti + x_t,H+i cos a_ti

    The pairs are (i, H + i), the two halves (as in GPT-NeoX and Llama; the paper pairs neighbours,
    which is a permutation of features). A rotation keeps norms, and the product of a rotated
    query and a rotated key depends on the difference of their positions only. The derivative
    of a rotation is the rotation, so dy is turned back:

        dx_ti    =  dy_ti cos a_ti + dy_t,H+i sin a_ti
        dx_t,H+i = -dy_ti sin a_ti + dy_t,H+i cos a_ti

    Args:
        x: queries or keys, an even number of features.
        positions: of each time step.
        base: the slowest pair turns about 1 / base radians per step.

    Returns:
        y and the cache of `rotary_backward`.

    Raises:
        ValueError: shapes do not fit, or the number of features is odd.
        TypeError: x is not floating, or positions are not integers.

    Source: Su et al., RoFormer, arXiv:2104.09864, section 3.2.

    >>> y, cache = rotary(np.array([[1.0, 0.0], [1.0, 0.0]]), np.array([0, 1]))
    >>> y.round(3).tolist(), rotary_backward(y, cache)[0].tolist()
    ([[1.0, 0.0], [0.54, 0.841]], [[1.0, 0.0], [1.0, 0.0]])
    """
    expect(rotary, x, positions)
    H = x.shape[-1] // 2
    angle = positions[:, None] * base ** (-np.arange(H) / H)
    cos, sin = np.cos(angle).astype(x.dtype), np.sin(angle).astype(x.dtype)
    x_first, x_second = x[..., :H], x[..., H:]
    y_first = x_first * cos - x_second * sin
    y_second = x_first * sin + x_second * cos
    return np.concatenate((y_first, y_second), axis=-1), (cos, sin)


def rotary_backward(dy: Array, cache: tuple) -> tuple[Array, None]:
    """dy turned back by the same angles."""
    cos, sin = cache
    H = cos.shape[-1]
    dy_first, dy_second = dy[..., :H], dy[..., H:]
    dx_first = dy_first * cos + dy_second * sin
    dx_second = dy_second * cos - dy_first * sin
    return np.concatenate((dx_first, dx_second), axis=-1), None


def sinusoidal(
    positions: Integer[Array, "*batch"], *, features: int, base: float = 10000.0
) -> Float[Array, "*batch D"]:
    """Waves of position, y_t,2i = sin(t base^(-2i/D)) and y_t,2i+1 the cosine.

    No argument has a derivative, so there is no backward. The encoding of t + n is a rotation of
    that of t, the same for all t.

    Args:
        positions: of each time step.
        features: D, an even number.
        base: the slowest wave turns about 1 / base radians per step.

    Returns:
        y, in [-1, 1], in double precision.

    Raises:
        ValueError: features is odd or < 2.
        TypeError: positions are not integers.

    Source: Vaswani et al., arXiv:1706.03762, section 3.5.

    >>> sinusoidal(np.array([0, 1]), features=2).round(3).tolist()
    [[0.0, 1.0], [0.841, 0.54]]
    """
    expect(sinusoidal, positions)
    if features < 2 or features % 2:
        raise ValueError(
            f"sinusoidal: features is {features}; wanted an even number, as every wave is a sine "
            "and a cosine; add one"
        )
    angle = positions[..., None] * base ** (-np.arange(0, features, 2) / features)
    waves = np.stack((np.sin(angle), np.cos(angle)), axis=-1)
    return waves.reshape(*positions.shape, features)
