"""Recurrent ops with a memory cell, time-major, and the gate orders of other libraries.

Gates stand side by side in the columns of every weight: the order is i, f, g, o, that of PyTorch.
"""

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Bool, Float

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
    p: Float[Array, "3 H"] | None = None,
) -> tuple[Float[Array, "N H"], Float[Array, "N H"]]:
    """One step of a long short-term memory; gate order i, f, g, o.

    >>> x, h, c = jnp.ones((1, 2)), jnp.zeros((1, 1)), jnp.ones((1, 1))
    >>> h, c = lstm_cell(x, h, c, jnp.zeros((2, 4)), jnp.zeros((1, 4)), jnp.zeros(4))
    >>> float(c[0, 0]), round(float(h[0, 0]), 5)
    (0.5, 0.23106)
    """
    expect(lstm_cell, x, h, c, w_x, w_h, b, p)
    p_i, p_f, p_o = (0, 0, 0) if p is None else p
    z = x @ w_x + h @ w_h + b
    z_i, z_f, z_g, z_o = jnp.split(z, 4, axis=-1)
    i, f, g = sigmoid(z_i + p_i * c), sigmoid(z_f + p_f * c), tanh(z_g)
    c_next = f * c + i * g
    o = sigmoid(z_o + p_o * c_next)
    h_next = o * tanh(c_next)
    return h_next, c_next


def lstm(
    x: Float[Array, "T N D"],
    h0: Float[Array, "N H"],
    c0: Float[Array, "N H"],
    w_x: Float[Array, "D 4*H"],
    w_h: Float[Array, "H 4*H"],
    b: Float[Array, " 4*H"],
    p: Float[Array, "3 H"] | None = None,
    mask: Bool[Array, "T N"] | None = None,
) -> tuple[Float[Array, "T N H"], Float[Array, "N H"], Float[Array, "N H"]]:
    """Long short-term memory over a sequence: `lstm_cell` at t = 0, 1, ..., T - 1.

    >>> x, h0, c0 = jnp.ones((3, 1, 2)), jnp.zeros((1, 1)), jnp.ones((1, 1))
    >>> y, h, c = lstm(x, h0, c0, jnp.zeros((2, 4)), jnp.zeros((1, 4)), jnp.zeros(4))
    >>> y.shape, float(c[0, 0]), bool((y[-1] == h).all())
    ((3, 1, 1), 0.125, True)
    """
    expect(lstm, x, h0, c0, w_x, w_h, b, p, mask)
    m = jnp.ones((len(x), 1, 1), bool) if mask is None else mask[..., None]

    def step(state, now):
        h, c = state
        x_t, m_t = now
        h_new, c_new = lstm_cell(x_t, h, c, w_x, w_h, b, p)
        h, c = jnp.where(m_t, h_new, h), jnp.where(m_t, c_new, c)
        return (h, c), jnp.where(m_t, h_new, 0)

    (h, c), y = lax.scan(step, (h0, c0), (jnp.where(m, x, 0), m))
    return y, h, c


def reorder_gates(w: Array, given: str, wanted: str) -> Array:
    """The same weights with the gate blocks of their last axis in another order.

    The orders of the ONNX operators stand in the docstring of scratchnn's function of this name.

    >>> reorder_gates(jnp.array([1, 2, 3, 4]), "iofc", "ifco").tolist()
    [1, 3, 4, 2]
    """
    gates = len(given)
    if len(set(given)) != gates or sorted(given) != sorted(wanted):
        raise ValueError(
            f"reorder_gates: cannot order {given!r} as {wanted!r}; wanted the same letters in "
            "both, each once"
        )
    if w.ndim == 0 or w.shape[-1] % gates:
        raise ValueError(
            f"reorder_gates: the last axis of shape {w.shape} holds no {gates} equal blocks; "
            "wanted the gates side by side there; transpose it, as ONNX and PyTorch stack rows"
        )
    blocks = dict(zip(given, jnp.split(w, gates, axis=-1), strict=True))
    return jnp.concatenate([blocks[gate] for gate in wanted], axis=-1)
