"""Recurrent ops with one state, time-major; `lax.scan` runs and differentiates the loop over time.

The `mask` of a sequence op is for sequences of unequal length, padded to T steps: where it is
False, the state is carried through unchanged and the output is zero.
"""

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Bool, Float

from jaxnn.ops.activations import sigmoid, tanh
from jaxnn.shapes import expect

Array = jax.Array


def rnn_cell(
    x: Float[Array, "N D"],
    h: Float[Array, "N H"],
    w_x: Float[Array, "D H"],
    w_h: Float[Array, "H H"],
    b: Float[Array, " H"],
) -> Float[Array, "N H"]:
    """One step of a simple recurrent network, h' = tanh(x w_x + h w_h + b).

    >>> x, h, w_x, w_h = jnp.ones((1, 2)), jnp.zeros((1, 1)), jnp.zeros((2, 1)), jnp.ones((1, 1))
    >>> rnn_cell(x, h, w_x, w_h, jnp.zeros(1)).tolist()
    [[0.0]]
    """
    expect(rnn_cell, x, h, w_x, w_h, b)
    return tanh(x @ w_x + h @ w_h + b)


def rnn(
    x: Float[Array, "T N D"],
    h0: Float[Array, "N H"],
    w_x: Float[Array, "D H"],
    w_h: Float[Array, "H H"],
    b: Float[Array, " H"],
    mask: Bool[Array, "T N"] | None = None,
) -> tuple[Float[Array, "T N H"], Float[Array, "N H"]]:
    """Simple recurrent network over a sequence: `rnn_cell` at t = 0, 1, ..., T - 1.

    Masked inputs are replaced by zero before the step: a NaN that `where` drops afterwards would
    still reach the gradients, as 0 times NaN.

    >>> x, h0, w = jnp.ones((3, 1, 1)), jnp.zeros((1, 1)), jnp.ones((1, 1))
    >>> y, h = rnn(x, h0, w, w, jnp.zeros(1), jnp.array([[True], [True], [False]]))
    >>> float(y[2, 0, 0]), bool((h == y[1]).all())
    (0.0, True)
    """
    expect(rnn, x, h0, w_x, w_h, b, mask)
    m = jnp.ones((len(x), 1, 1), bool) if mask is None else mask[..., None]

    def step(h, now):
        x_t, m_t = now
        h_new = rnn_cell(x_t, h, w_x, w_h, b)
        return jnp.where(m_t, h_new, h), jnp.where(m_t, h_new, 0)

    h, y = lax.scan(step, h0, (jnp.where(m, x, 0), m))
    return y, h


def gru_cell(
    x: Float[Array, "N D"],
    h: Float[Array, "N H"],
    w_x: Float[Array, "D 3*H"],
    w_h: Float[Array, "H 3*H"],
    b_x: Float[Array, " 3*H"],
    b_h: Float[Array, " 3*H"],
    *,
    linear_before_reset: bool = True,
) -> Float[Array, "N H"]:
    """One step of a gated recurrent unit; gate order r, z, n.

    >>> x, h = jnp.ones((1, 2)), jnp.ones((1, 1))
    >>> gru_cell(x, h, jnp.zeros((2, 3)), jnp.zeros((1, 3)), jnp.zeros(3), jnp.zeros(3)).tolist()
    [[0.5]]
    """
    expect(gru_cell, x, h, w_x, w_h, b_x, b_h)
    a_r, a_z, a_n = jnp.split(x @ w_x + b_x, 3, axis=-1)
    w_r, w_z, w_n = jnp.split(w_h, 3, axis=-1)
    b_r, b_z, b_n = jnp.split(b_h, 3)
    r = sigmoid(a_r + h @ w_r + b_r)
    z = sigmoid(a_z + h @ w_z + b_z)
    k = r * (h @ w_n + b_n) if linear_before_reset else (r * h) @ w_n + b_n
    n = tanh(a_n + k)
    return (1 - z) * n + z * h


def gru(
    x: Float[Array, "T N D"],
    h0: Float[Array, "N H"],
    w_x: Float[Array, "D 3*H"],
    w_h: Float[Array, "H 3*H"],
    b_x: Float[Array, " 3*H"],
    b_h: Float[Array, " 3*H"],
    mask: Bool[Array, "T N"] | None = None,
    *,
    linear_before_reset: bool = True,
) -> tuple[Float[Array, "T N H"], Float[Array, "N H"]]:
    """Gated recurrent unit over a sequence: `gru_cell` at t = 0, 1, ..., T - 1.

    >>> x, h0, w_x = jnp.ones((3, 1, 2)), jnp.ones((1, 1)), jnp.zeros((2, 3))
    >>> y, h = gru(x, h0, w_x, jnp.zeros((1, 3)), jnp.zeros(3), jnp.zeros(3))
    >>> y.ravel().tolist(), h.tolist()
    ([0.5, 0.25, 0.125], [[0.125]])
    """
    expect(gru, x, h0, w_x, w_h, b_x, b_h, mask)
    m = jnp.ones((len(x), 1, 1), bool) if mask is None else mask[..., None]

    def step(h, now):
        x_t, m_t = now
        h_new = gru_cell(x_t, h, w_x, w_h, b_x, b_h, linear_before_reset=linear_before_reset)
        return jnp.where(m_t, h_new, h), jnp.where(m_t, h_new, 0)

    h, y = lax.scan(step, h0, (jnp.where(m, x, 0), m))
    return y, h
