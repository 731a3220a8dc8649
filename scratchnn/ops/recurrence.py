"""Recurrent ops, time-major, and back-propagation through time."""

import numpy as np
from jaxtyping import Float

from scratchnn.ops.activations import sigmoid, sigmoid_backward, tanh, tanh_backward
from scratchnn.shapes import expect

Array = np.ndarray


def lstm_cell(
    x: Float[Array, "N D"],
    h: Float[Array, "N H"],
    c: Float[Array, "N H"],
    w_x: Float[Array, "D 4*H"],
    w_h: Float[Array, "H 4*H"],
    b: Float[Array, " 4*H"],
) -> tuple[tuple[Float[Array, "N H"], Float[Array, "N H"]], tuple]:
    """One step of a long short-term memory; gate order i, f, g, o.

        z = x w_x + h w_h + b                  z = (z_i, z_f, z_g, z_o)
        i = sigmoid(z_i)   f = sigmoid(z_f)   g = tanh(z_g)   o = sigmoid(z_o)
        c' = f c + i g
        h' = o tanh(c')

    c' is used twice, by h' and by the next step, so its cotangent has two shares:

        do = dh' tanh(c')                      dc' = dc'_next + dh' o tanh'(c')
        df = dc' c     di = dc' g     dg = dc' i     dc = dc' f
        dz = (di sigmoid'(z_i), df sigmoid'(z_f), dg tanh'(z_g), do sigmoid'(z_o))
        dx = dz w_x^T   dh = dz w_h^T   dw_x = x^T dz   dw_h = h^T dz   db = sum_n dz

    Args:
        x: inputs of this step.
        h: hidden state before it.
        c: cell state before it.
        w_x: input weights, one block of H columns per gate.
        w_h: recurrent weights, likewise.
        b: bias, likewise.

    Returns:
        (h', c') and the cache of `lstm_cell_backward`.

    Raises:
        ValueError: shapes do not fit, or an axis is empty.
        TypeError: an array is not floating.

    Source: Hochreiter and Schmidhuber, Long Short-Term Memory (1997),
    doi:10.1162/neco.1997.9.8.1735; forget gate: Gers, Schmidhuber and Cummins (2000),
    doi:10.1162/089976600300015015.

    >>> x, h, c = np.ones((1, 2)), np.zeros((1, 1)), np.ones((1, 1))
    >>> (h, c), cache = lstm_cell(x, h, c, np.zeros((2, 4)), np.zeros((1, 4)), np.zeros(4))
    >>> float(c[0, 0]), round(float(h[0, 0]), 6)
    (0.5, 0.231059)
    >>> [g.shape for g in lstm_cell_backward((h, c), cache)]
    [(1, 2), (1, 1), (1, 1), (2, 4), (1, 4), (4,)]
    """
    expect(lstm_cell, x, h, c, w_x, w_h, b)
    z = x @ w_x + h @ w_h + b
    z_i, z_f, z_g, z_o = np.split(z, 4, axis=-1)
    i, i_cache = sigmoid(z_i)
    f, f_cache = sigmoid(z_f)
    g, g_cache = tanh(z_g)
    o, o_cache = sigmoid(z_o)
    c_next = f * c + i * g
    tanh_c, tanh_cache = tanh(c_next)
    h_next = o * tanh_c
    gates = (i, f, g, o, tanh_c, i_cache, f_cache, g_cache, o_cache, tanh_cache)
    return (h_next, c_next), (x, h, c, w_x, w_h, gates)


def lstm_cell_backward(dy: tuple[Array, Array], cache: tuple) -> tuple[Array, ...]:
    """dc' = dc'_next + dh' o tanh'(c'), then the four gates, then z = x w_x + h w_h + b."""
    dh_next, dc_from_next = dy
    x, h, c, w_x, w_h, gates = cache
    i, f, g, o, tanh_c, i_cache, f_cache, g_cache, o_cache, tanh_cache = gates
    dc_next = dc_from_next + tanh_backward(dh_next * o, tanh_cache)
    dz_i = sigmoid_backward(dc_next * g, i_cache)
    dz_f = sigmoid_backward(dc_next * c, f_cache)
    dz_g = tanh_backward(dc_next * i, g_cache)
    dz_o = sigmoid_backward(dh_next * tanh_c, o_cache)
    dz = np.concatenate((dz_i, dz_f, dz_g, dz_o), axis=-1)
    dx = dz @ w_x.T
    dh = dz @ w_h.T
    dc = dc_next * f
    dw_x = x.T @ dz
    dw_h = h.T @ dz
    db = dz.sum(0)
    return dx, dh, dc, dw_x, dw_h, db


def lstm(
    x: Float[Array, "T N D"],
    h0: Float[Array, "N H"],
    c0: Float[Array, "N H"],
    w_x: Float[Array, "D 4*H"],
    w_h: Float[Array, "H 4*H"],
    b: Float[Array, " 4*H"],
) -> tuple[tuple[Float[Array, "T N H"], Float[Array, "N H"], Float[Array, "N H"]], tuple]:
    """Long short-term memory over a sequence: `lstm_cell` at t = 0, 1, ..., T - 1.

        (h_t, c_t) = lstm_cell(x_t, h_t-1, c_t-1, w_x, w_h, b)        y = (h_0, ..., h_T-1)

    Back-propagation through time walks t downwards. h_t is used by y and by step t + 1, so

        dh_t = dy_t + dh from step t + 1       dc_t = dc from step t + 1

    starting from the cotangents of the final state; the weights are used at every step, so their
    gradients are summed over t.

    Args:
        x: the sequence, time first.
        h0: hidden state before it.
        c0: cell state before it.
        w_x: input weights, gate order i, f, g, o.
        w_h: recurrent weights, likewise.
        b: bias, likewise.

    Returns:
        (y, h, c): all hidden states, the last hidden and the last cell state; and the cache of
        `lstm_backward`.

    Raises:
        ValueError: shapes do not fit, or an axis is empty.
        TypeError: an array is not floating.

    Source: Hochreiter and Schmidhuber (1997), doi:10.1162/neco.1997.9.8.1735; Werbos,
    Backpropagation through time (1990), doi:10.1109/5.58337.

    >>> x, h0, c0 = np.ones((3, 1, 2)), np.zeros((1, 1)), np.ones((1, 1))
    >>> (y, h, c), cache = lstm(x, h0, c0, np.zeros((2, 4)), np.zeros((1, 4)), np.zeros(4))
    >>> y.shape, float(c[0, 0]), bool((y[-1] == h).all())
    ((3, 1, 1), 0.125, True)
    >>> dx, dh0, dc0, *_ = lstm_backward((np.zeros_like(y), 0 * h, np.ones_like(c)), cache)
    >>> float(dc0[0, 0])
    0.125
    """
    expect(lstm, x, h0, c0, w_x, w_h, b)
    h, c = h0, c0
    y, caches = [], []
    for x_t in x:
        (h, c), cache = lstm_cell(x_t, h, c, w_x, w_h, b)
        y.append(h)
        caches.append(cache)
    return (np.stack(y), h, c), (caches, w_x, w_h)


def lstm_backward(dy: tuple[Array, Array, Array], cache: tuple) -> tuple[Array, ...]:
    """From the last step to the first: dh_t = dy_t + dh from step t + 1; weights add over t."""
    dy_all, dh, dc = dy
    caches, w_x, w_h = cache
    dx, dw_x, dw_h, db = [], np.zeros_like(w_x), np.zeros_like(w_h), np.zeros_like(w_x[0])
    for dy_t, cell in zip(dy_all[::-1], caches[::-1], strict=True):
        dx_t, dh, dc, dw_x_t, dw_h_t, db_t = lstm_cell_backward((dy_t + dh, dc), cell)
        dx.append(dx_t)
        dw_x, dw_h, db = dw_x + dw_x_t, dw_h + dw_h_t, db + db_t
    return np.stack(dx[::-1]), dh, dc, dw_x, dw_h, db
