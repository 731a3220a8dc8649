"""Recurrent ops, time-major; `lax.scan` runs and differentiates the loop over time."""

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Float

from jaxnn.ops.activations import sigmoid, tanh
from jaxnn.shapes import expect

Array = jax.Array


def lstm_cell(
    x: Float[Array, "N D"],
    h: Float[Array, "N H"],
    c: Float[Array, "N H"],
    w_x: Float[Array, "D 4*H"],
    w_h: Float[Array, "H 4*H"],
    b: Float[Array, " 4*H"],
) -> tuple[Float[Array, "N H"], Float[Array, "N H"]]:
    """One step of a long short-term memory; gate order i, f, g, o.

    >>> x, h, c = jnp.ones((1, 2)), jnp.zeros((1, 1)), jnp.ones((1, 1))
    >>> h, c = lstm_cell(x, h, c, jnp.zeros((2, 4)), jnp.zeros((1, 4)), jnp.zeros(4))
    >>> float(c[0, 0]), round(float(h[0, 0]), 5)
    (0.5, 0.23106)
    """
    expect(lstm_cell, x, h, c, w_x, w_h, b)
    z = x @ w_x + h @ w_h + b
    z_i, z_f, z_g, z_o = jnp.split(z, 4, axis=-1)
    i, f, g, o = sigmoid(z_i), sigmoid(z_f), tanh(z_g), sigmoid(z_o)
    c_next = f * c + i * g
    h_next = o * tanh(c_next)
    return h_next, c_next


def lstm(
    x: Float[Array, "T N D"],
    h0: Float[Array, "N H"],
    c0: Float[Array, "N H"],
    w_x: Float[Array, "D 4*H"],
    w_h: Float[Array, "H 4*H"],
    b: Float[Array, " 4*H"],
) -> tuple[Float[Array, "T N H"], Float[Array, "N H"], Float[Array, "N H"]]:
    """Long short-term memory over a sequence: `lstm_cell` at t = 0, 1, ..., T - 1.

    >>> x, h0, c0 = jnp.ones((3, 1, 2)), jnp.zeros((1, 1)), jnp.ones((1, 1))
    >>> y, h, c = lstm(x, h0, c0, jnp.zeros((2, 4)), jnp.zeros((1, 4)), jnp.zeros(4))
    >>> y.shape, float(c[0, 0]), bool((y[-1] == h).all())
    ((3, 1, 1), 0.125, True)
    """
    expect(lstm, x, h0, c0, w_x, w_h, b)

    def step(state, x_t):
        h, c = state
        h, c = lstm_cell(x_t, h, c, w_x, w_h, b)
        return (h, c), h

    (h, c), y = lax.scan(step, (h0, c0), x)
    return y, h, c
