"""Positions in a sequence: rotations of features, and waves."""

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Float, Integer

from jaxnn.shapes import expect

Array = jax.Array


def rotary(
    x: Float[Array, "*batch T 2*H"], positions: Integer[Array, " T"], *, base: float = 10000.0
) -> Float[Array, "*batch T 2*H"]:
    """Rotary position embedding: pairs of features turned by angles that grow with position.

    A pair is a complex number here, and turning it a product, as in the paper.

    >>> y = rotary(jnp.array([[1.0, 0.0], [1.0, 0.0]]), jnp.array([0, 1]))
    >>> [[round(float(v), 3) for v in t] for t in y]
    [[1.0, 0.0], [0.54, 0.841]]
    """
    expect(rotary, x, positions)
    H = x.shape[-1] // 2
    angle = positions[:, None] * base ** (-jnp.arange(H) / H)
    turn = lax.complex(jnp.cos(angle).astype(x.dtype), jnp.sin(angle).astype(x.dtype))
    y = lax.complex(x[..., :H], x[..., H:]) * turn
    return jnp.concatenate((y.real, y.imag), axis=-1)


def sinusoidal(
    positions: Integer[Array, "*batch"], *, features: int, base: float = 10000.0
) -> Float[Array, "*batch D"]:
    """Waves of position, y_t,2i = sin(t base^(-2i/D)) and y_t,2i+1 the cosine.

    >>> [[round(float(y), 3) for y in t] for t in sinusoidal(jnp.array([0, 1]), features=2)]
    [[0.0, 1.0], [0.841, 0.54]]
    """
    expect(sinusoidal, positions)
    if features < 2 or features % 2:
        raise ValueError(
            f"sinusoidal: features is {features}; wanted an even number, as every wave is a sine "
            "and a cosine; add one"
        )
    angle = positions[..., None] * base ** (-jnp.arange(0, features, 2) / features)
    waves = jnp.stack((jnp.sin(angle), jnp.cos(angle)), axis=-1)
    return waves.reshape(*positions.shape, features)
