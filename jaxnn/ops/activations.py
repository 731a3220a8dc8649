"""Activations: one array in, one array out."""

import jax
import jax.numpy as jnp
from jaxtyping import Float

from jaxnn.shapes import expect

Array = jax.Array


def relu(x: Float[Array, "*batch"]) -> Float[Array, "*batch"]:
    """Rectified linear unit, y = max(x, 0).

    `jax.nn.relu` has derivative 0 at the kink; autodiff of `jnp.maximum(x, 0)` would give 1/2.

    >>> relu(jnp.array([-1.0, 0.0, 2.0])).tolist()
    [0.0, 0.0, 2.0]
    """
    expect(relu, x)
    return jax.nn.relu(x)


def sigmoid(x: Float[Array, "*batch"]) -> Float[Array, "*batch"]:
    """Logistic function, y = 1 / (1 + exp(-x)).

    >>> sigmoid(jnp.array([0.0, -1000.0])).tolist()
    [0.5, 0.0]
    """
    expect(sigmoid, x)
    return jax.nn.sigmoid(x)


def tanh(x: Float[Array, "*batch"]) -> Float[Array, "*batch"]:
    """Hyperbolic tangent, y = tanh(x).

    >>> tanh(jnp.array([0.0])).tolist()
    [0.0]
    """
    expect(tanh, x)
    return jnp.tanh(x)


def softmax(x: Float[Array, "*batch K"]) -> Float[Array, "*batch K"]:
    """Softmax over the last axis, y_i = exp(x_i) / sum_j exp(x_j).

    >>> softmax(jnp.array([[0.0, 1000.0]])).tolist()
    [[0.0, 1.0]]
    """
    expect(softmax, x)
    return jax.nn.softmax(x, axis=-1)


def log_softmax(x: Float[Array, "*batch K"]) -> Float[Array, "*batch K"]:
    """Logarithm of the softmax over the last axis, y_i = x_i - log sum_j exp(x_j).

    >>> log_softmax(jnp.array([[0.0, 1000.0]])).tolist()
    [[-1000.0, 0.0]]
    """
    expect(log_softmax, x)
    return jax.nn.log_softmax(x, axis=-1)


def gelu(x: Float[Array, "*batch"], *, approximate: bool = False) -> Float[Array, "*batch"]:
    """Gaussian error linear unit, y = x Phi(x).

    >>> gelu(jnp.array([0.0])).tolist()
    [0.0]
    """
    expect(gelu, x)
    return jax.nn.gelu(x, approximate=approximate)
