"""Relatives of relu: x where it is positive, something smaller where it is not."""

import jax
import jax.numpy as jnp
from jaxtyping import Float

from jaxnn.shapes import expect

Array = jax.Array


def leaky_relu(x: Float[Array, "*batch"], *, slope: float = 0.01) -> Float[Array, "*batch"]:
    """Leaky rectifier, y = x where x > 0, else slope x.

    `jax.nn.leaky_relu` has derivative 1 at the kink; here it is slope.

    >>> leaky_relu(jnp.array([-2.0, 0.0, 2.0]), slope=0.5).tolist()
    [-1.0, 0.0, 2.0]
    """
    expect(leaky_relu, x)
    return jnp.where(x > 0, x, slope * x)


def prelu(x: Float[Array, "*batch C"], a: Float[Array, " C"]) -> Float[Array, "*batch C"]:
    """Leaky rectifier with a learned slope per channel, y = x where x > 0, else a x.

    >>> prelu(jnp.array([[-2.0, 0.0, 2.0]]), jnp.array([0.5, 0.25, 0.1])).tolist()
    [[-1.0, 0.0, 2.0]]
    """
    expect(prelu, x, a)
    return jnp.where(x > 0, x, a * x)


def elu(x: Float[Array, "*batch"], *, alpha: float = 1.0) -> Float[Array, "*batch"]:
    """Exponential linear unit, y = x where x > 0, else alpha (exp(x) - 1).

    `jax.nn.elu` has derivative alpha at 0, as fixed here.

    >>> elu(jnp.array([-1000.0, 0.0, 2.0])).tolist()
    [-1.0, 0.0, 2.0]
    """
    expect(elu, x)
    return jax.nn.elu(x, alpha)


def selu(x: Float[Array, "*batch"]) -> Float[Array, "*batch"]:
    """Scaled exponential linear unit, y = scale elu(x) with alpha = 1.6733, scale = 1.0507.

    >>> [round(y, 4) for y in selu(jnp.array([-1000.0, 1.0])).tolist()]
    [-1.7581, 1.0507]
    """
    expect(selu, x)
    return jax.nn.selu(x)


def softplus(x: Float[Array, "*batch"]) -> Float[Array, "*batch"]:
    """Smooth rectifier, y = log(1 + exp(x)).

    >>> softplus(jnp.array([-1000.0, 1000.0])).tolist()
    [0.0, 1000.0]
    """
    expect(softplus, x)
    return jax.nn.softplus(x)
