"""Recurrent ops with a memory cell, time-major, and the gate orders of other libraries.

Gates stand side by side in the columns of every weight: the order is i, f, g, o, that of PyTorch.
"""

import numpy as np
from jaxtyping import Bool, Float

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
    p: Float[Array, "3 H"] | None = None,
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

    Peepholes p = (p_i, p_f, p_o) let three gates see the memory, one weight per unit; i and f see
    the cell state c before this step, o sees c' after it:

        z_i += p_i c    z_f += p_f c    z_o += p_o c'
        dc' += dz_o p_o               dc += dz_i p_i + dz_f p_f
        dp_i = sum_n dz_i c           dp_f = sum_n dz_f c           dp_o = sum_n dz_o c'

    Args:
        x: inputs of this step.
        h: hidden state before it.
        c: cell state before it.
        w_x: input weights, one block of H columns per gate.
        w_h: recurrent weights, likewise.
        b: bias, likewise.
        p: peephole weights, one row for each of i, f, o.

    Returns:
        (h', c') and the cache of `lstm_cell_backward`.

    Raises:
        ValueError: shapes do not fit, or an axis is empty.
        TypeError: an array is not floating.

    Source: Hochreiter and Schmidhuber, Long Short-Term Memory (1997),
    doi:10.1162/neco.1997.9.8.1735; forget gate: Gers, Schmidhuber and Cummins (2000),
    doi:10.1162/089976600300015015; peepholes: Gers, Schraudolph and Schmidhuber, JMLR 3 (2002)
    115-143.

    >>> x, h, c = np.ones((1, 2)), np.zeros((1, 1)), np.ones((1, 1))
    >>> (h, c), cache = lstm_cell(x, h, c, np.zeros((2, 4)), np.zeros((1, 4)), np.zeros(4))
    >>> float(c[0, 0]), round(float(h[0, 0]), 6)
    (0.5, 0.231059)
    >>> [g.shape for g in lstm_cell_backward((h, c), cache)[:-1]]
    [(1, 2), (1, 1), (1, 1), (2, 4), (1, 4), (4,)]
    """
    expect(lstm_cell, x, h, c, w_x, w_h, b, p)
    z = x @ w_x + h @ w_h + b
    z_i, z_f, z_g, z_o = np.split(z, 4, axis=-1)
    if p is not None:
        z_i, z_f = z_i + p[0] * c, z_f + p[1] * c
    i, i_cache = sigmoid(z_i)
    f, f_cache = sigmoid(z_f)
    g, g_cache = tanh(z_g)
    c_next = f * c + i * g
    if p is not None:
        z_o = z_o + p[2] * c_next
    o, o_cache = sigmoid(z_o)
    tanh_c, tanh_cache = tanh(c_next)
    h_next = o * tanh_c
    gates = (i, f, g, o, tanh_c, i_cache, f_cache, g_cache, o_cache, tanh_cache)
    return (h_next, c_next), (x, h, c, c_next, w_x, w_h, p, gates)


def lstm_cell_backward(dy: tuple[Array, Array], cache: tuple) -> tuple:
    """dc' = dc'_next + dh' o tanh'(c'), then the four gates, then z = x w_x + h w_h + b."""
    dh_next, dc_from_next = dy
    x, h, c, c_next, w_x, w_h, p, gates = cache
    i, f, g, o, tanh_c, i_cache, f_cache, g_cache, o_cache, tanh_cache = gates
    dz_o = sigmoid_backward(dh_next * tanh_c, o_cache)
    dc_next = dc_from_next + tanh_backward(dh_next * o, tanh_cache)
    if p is not None:
        dc_next = dc_next + dz_o * p[2]
    dz_i = sigmoid_backward(dc_next * g, i_cache)
    dz_f = sigmoid_backward(dc_next * c, f_cache)
    dz_g = tanh_backward(dc_next * i, g_cache)
    dz = np.concatenate((dz_i, dz_f, dz_g, dz_o), axis=-1)
    dx = dz @ w_x.T
    dh = dz @ w_h.T
    dc = dc_next * f
    dw_x = x.T @ dz
    dw_h = h.T @ dz
    db = dz.sum(0)
    dp = None
    if p is not None:
        dc = dc + dz_i * p[0] + dz_f * p[1]
        dp = np.stack(((dz_i * c).sum(0), (dz_f * c).sum(0), (dz_o * c_next).sum(0)))
    return dx, dh, dc, dw_x, dw_h, db, dp


def lstm(
    x: Float[Array, "T N D"],
    h0: Float[Array, "N H"],
    c0: Float[Array, "N H"],
    w_x: Float[Array, "D 4*H"],
    w_h: Float[Array, "H 4*H"],
    b: Float[Array, " 4*H"],
    p: Float[Array, "3 H"] | None = None,
    mask: Bool[Array, "T N"] | None = None,
) -> tuple[tuple[Float[Array, "T N H"], Float[Array, "N H"], Float[Array, "N H"]], tuple]:
    """Long short-term memory over a sequence: `lstm_cell` at t = 0, 1, ..., T - 1.

        (h_new, c_new) = lstm_cell(x_t, h_t-1, c_t-1, w_x, w_h, b, p)
        (h_t, c_t) = (h_new, c_new) where mask_t, else (h_t-1, c_t-1)
        y_t = h_new where mask_t, else 0

    Back-propagation through time is that of `rnn`, with a second state:

        dh_new = dy_t + dh_t where mask_t, else 0        dc_new = dc_t where mask_t, else 0
        dh_t-1 = (dh of the cell at step t) + (0 where mask_t, else dh_t), dc_t-1 likewise

    starting from the cotangents of the final state; the weights are used at every step, so their
    gradients are summed over t.

    Args:
        x: the sequence, time first.
        h0: hidden state before it.
        c0: cell state before it.
        w_x: input weights, gate order i, f, g, o.
        w_h: recurrent weights, likewise.
        b: bias, likewise.
        p: peephole weights of i, f, o; see `lstm_cell`.
        mask: where the sequence has a step; everywhere, if absent.

    Returns:
        (y, h, c): the hidden states, zero where masked, the last hidden and the last cell state;
        and the cache of `lstm_backward`.

    Raises:
        ValueError: shapes do not fit, or an axis is empty.
        TypeError: an array is not floating, or the mask not boolean.

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
    expect(lstm, x, h0, c0, w_x, w_h, b, p, mask)
    m = np.ones((len(x), 1, 1), bool) if mask is None else mask[..., None]
    h, c = h0, c0
    y, caches = [], []
    for x_t, m_t in zip(np.where(m, x, 0), m, strict=True):
        (h_new, c_new), cache = lstm_cell(x_t, h, c, w_x, w_h, b, p)
        h, c = np.where(m_t, h_new, h), np.where(m_t, c_new, c)
        y.append(np.where(m_t, h_new, 0))
        caches.append(cache)
    return (np.stack(y), h, c), (caches, m, w_x, w_h, p)


def lstm_backward(dy: tuple[Array, Array, Array], cache: tuple) -> tuple:
    """From the last step to the first: dh_new = dy_t + dh where mask_t; weights add over t."""
    dy_all, dh, dc = dy
    caches, m, w_x, w_h, p = cache
    dx, dw_x, dw_h, db = [], np.zeros_like(w_x), np.zeros_like(w_h), np.zeros_like(w_x[0])
    dp = None if p is None else np.zeros_like(p)
    for dy_t, m_t, cell in zip(dy_all[::-1], m[::-1], caches[::-1], strict=True):
        dh_new, dh_kept = np.where(m_t, dy_t + dh, 0), np.where(m_t, 0, dh)
        dc_new, dc_kept = np.where(m_t, dc, 0), np.where(m_t, 0, dc)
        dx_t, dh_cell, dc_cell, dw_x_t, dw_h_t, db_t, dp_t = lstm_cell_backward(
            (dh_new, dc_new), cell
        )
        dh, dc = dh_cell + dh_kept, dc_cell + dc_kept
        dx.append(dx_t)
        dw_x, dw_h, db = dw_x + dw_x_t, dw_h + dw_h_t, db + db_t
        dp = None if p is None else dp + dp_t
    return np.stack(dx[::-1]), dh, dc, dw_x, dw_h, db, dp, None


def reorder_gates(w: Array, given: str, wanted: str) -> Array:
    """The same weights with the gate blocks of their last axis in another order.

    Letters name the blocks. For the ONNX operators, direction 0, with B = (Wb, Rb):

        LSTM  w_x = reorder_gates(W[0].T, "iofc", "ifco"), w_h likewise from R[0].T,
              b likewise from Wb + Rb; ONNX calls our g c
              p = reorder_gates(P[0], "iof", "ifo").reshape(3, H)
        GRU   w_x = reorder_gates(W[0].T, "zrh", "rzh"), w_h likewise from R[0].T,
              b_x and b_h likewise from Wb and Rb; ONNX calls our n h

    and `gru(..., linear_before_reset=False)` unless the operator says 1. Keras orders its kernels
    ifco and zrh. PyTorch has our orders, transposed.

    Args:
        w: weights or biases, the gates side by side along the last axis.
        given: the order they have, a letter per gate.
        wanted: the order to return, the same letters.

    Returns:
        A new array of the same shape.

    Raises:
        ValueError: the letters differ or repeat, or the last axis does not hold a block for each.

    Source: ONNX operators LSTM and GRU, attributes W, R, B and P.

    >>> reorder_gates(np.array([1, 2, 3, 4]), "iofc", "ifco").tolist()
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
    blocks = dict(zip(given, np.split(w, gates, axis=-1), strict=True))
    return np.concatenate([blocks[gate] for gate in wanted], axis=-1)
