"""Recurrent ops with one state, time-major, and back-propagation through time.

The `mask` of a sequence op is for sequences of unequal length, padded to T steps: where it is
False, the state is carried through unchanged and the output is zero, so the final state is that of
each sequence's last True step. The derivation stands in `rnn`; `gru` and `lstm` do the same.
"""

import numpy as np
from jaxtyping import Bool, Float

from scratchnn.ops.activations import sigmoid, sigmoid_backward, tanh, tanh_backward
from scratchnn.shapes import expect

Array = np.ndarray


def rnn_cell(
    x: Float[Array, "N D"],
    h: Float[Array, "N H"],
    w_x: Float[Array, "D H"],
    w_h: Float[Array, "H H"],
    b: Float[Array, " H"],
) -> tuple[Float[Array, "N H"], tuple]:
    """One step of a simple recurrent network, h' = tanh(x w_x + h w_h + b).

        z = x w_x + h w_h + b        h' = tanh(z)

        dz = dh' tanh'(z)
        dx = dz w_x^T   dh = dz w_h^T   dw_x = x^T dz   dw_h = h^T dz   db = sum_n dz

    Args:
        x: inputs of this step.
        h: hidden state before it.
        w_x: input weights.
        w_h: recurrent weights.
        b: bias.

    Returns:
        h' and the cache of `rnn_cell_backward`.

    Raises:
        ValueError: shapes do not fit, or an axis is empty.
        TypeError: an array is not floating.

    Source: Elman, Finding Structure in Time (1990), doi:10.1207/s15516709cog1402_1.

    >>> x, h, w_x, w_h = np.ones((1, 2)), np.zeros((1, 1)), np.zeros((2, 1)), np.ones((1, 1))
    >>> h, cache = rnn_cell(x, h, w_x, w_h, np.zeros(1))
    >>> h.tolist(), [g.tolist() for g in rnn_cell_backward(np.ones((1, 1)), cache)[1:3]]
    ([[0.0]], [[[1.0]], [[1.0], [1.0]]])
    """
    expect(rnn_cell, x, h, w_x, w_h, b)
    h_next, tanh_cache = tanh(x @ w_x + h @ w_h + b)
    return h_next, (x, h, w_x, w_h, tanh_cache)


def rnn_cell_backward(dy: Array, cache: tuple) -> tuple[Array, ...]:
    """dz = dh' tanh'(z), then z = x w_x + h w_h + b."""
    x, h, w_x, w_h, tanh_cache = cache
    dz = tanh_backward(dy, tanh_cache)
    dx = dz @ w_x.T
    dh = dz @ w_h.T
    dw_x = x.T @ dz
    dw_h = h.T @ dz
    db = dz.sum(0)
    return dx, dh, dw_x, dw_h, db


def rnn(
    x: Float[Array, "T N D"],
    h0: Float[Array, "N H"],
    w_x: Float[Array, "D H"],
    w_h: Float[Array, "H H"],
    b: Float[Array, " H"],
    mask: Bool[Array, "T N"] | None = None,
) -> tuple[tuple[Float[Array, "T N H"], Float[Array, "N H"]], tuple]:
    """Simple recurrent network over a sequence: `rnn_cell` at t = 0, 1, ..., T - 1.

        h_new = rnn_cell(x_t, h_t-1, w_x, w_h, b)
        h_t = h_new where mask_t, else h_t-1        y_t = h_new where mask_t, else 0

    Back-propagation through time walks t downwards. h_new is used by y_t and by h_t, and h_t-1 by
    the cell and, where the mask is False, directly by h_t:

        dh_new = dy_t + dh_t where mask_t, else 0
        dh_t-1 = (dh of the cell at step t) + (0 where mask_t, else dh_t)

    starting from the cotangent of the final state. Without a mask that is dh_new = dy_t + dh_t.
    The weights are used at every step, so their gradients are summed over t. Masked inputs are
    replaced by zero, so that whatever stands in the padding, NaN too, reaches no gradient.

    Args:
        x: the sequence, time first.
        h0: hidden state before it.
        w_x: input weights.
        w_h: recurrent weights.
        b: bias.
        mask: where the sequence has a step; everywhere, if absent.

    Returns:
        (y, h): the hidden states, zero where masked, and the last one; and the cache of
        `rnn_backward`.

    Raises:
        ValueError: shapes do not fit, or an axis is empty.
        TypeError: an array is not floating, or the mask not boolean.

    Source: Elman (1990), doi:10.1207/s15516709cog1402_1; Werbos, Backpropagation through time
    (1990), doi:10.1109/5.58337.

    >>> x, h0, w = np.ones((3, 1, 1)), np.zeros((1, 1)), np.ones((1, 1))
    >>> mask = np.array([[True], [True], [False]])
    >>> (y, h), cache = rnn(x, h0, w, w, np.zeros(1), mask)
    >>> float(y[2, 0, 0]), bool((h == y[1]).all())
    (0.0, True)
    >>> dx, dh0, *_ = rnn_backward((y, h), cache)
    >>> float(dx[2, 0, 0]), dh0.shape
    (0.0, (1, 1))
    """
    expect(rnn, x, h0, w_x, w_h, b, mask)
    m = np.ones((len(x), 1, 1), bool) if mask is None else mask[..., None]
    h, y, caches = h0, [], []
    for x_t, m_t in zip(np.where(m, x, 0), m, strict=True):
        h_new, cache = rnn_cell(x_t, h, w_x, w_h, b)
        h = np.where(m_t, h_new, h)
        y.append(np.where(m_t, h_new, 0))
        caches.append(cache)
    return (np.stack(y), h), (caches, m, w_x, w_h)


def rnn_backward(dy: tuple[Array, Array], cache: tuple) -> tuple:
    """From the last step to the first: dh_new = dy_t + dh where mask_t; weights add over t."""
    dy_all, dh = dy
    caches, m, w_x, w_h = cache
    dx, dw_x, dw_h, db = [], np.zeros_like(w_x), np.zeros_like(w_h), np.zeros_like(w_x[0])
    for dy_t, m_t, cell in zip(dy_all[::-1], m[::-1], caches[::-1], strict=True):
        dh_new, dh_kept = np.where(m_t, dy_t + dh, 0), np.where(m_t, 0, dh)
        dx_t, dh_cell, dw_x_t, dw_h_t, db_t = rnn_cell_backward(dh_new, cell)
        dh = dh_cell + dh_kept
        dx.append(dx_t)
        dw_x, dw_h, db = dw_x + dw_x_t, dw_h + dw_h_t, db + db_t
    return np.stack(dx[::-1]), dh, dw_x, dw_h, db, None


def gru_cell(
    x: Float[Array, "N D"],
    h: Float[Array, "N H"],
    w_x: Float[Array, "D 3*H"],
    w_h: Float[Array, "H 3*H"],
    b_x: Float[Array, " 3*H"],
    b_h: Float[Array, " 3*H"],
    *,
    linear_before_reset: bool = True,
) -> tuple[Float[Array, "N H"], tuple]:
    """One step of a gated recurrent unit; gate order r, z, n.

        a = x w_x + b_x                                a = (a_r, a_z, a_n)
        u = h w_h + b_h    for r and z                 w_h = (w_r, w_z, w_n)
        r = sigmoid(a_r + u_r)    z = sigmoid(a_z + u_z)
        n = tanh(a_n + k)
        h' = (1 - z) n + z h

    The reset gate r decides how much of the past the candidate n sees through k. It acts either
    on the recurrent product, its bias b_n included, or on the state before the product:

        linear_before_reset (PyTorch, cuDNN)       u_n = h w_n + b_n        k = r u_n
        else (the paper)                    s = r h,    u_n = s w_n + b_n        k = u_n

    Backward, with dn = dh' (1 - z) and dz = dh' (h - n):

        da_r = dr sigmoid'    da_z = dz sigmoid'    da_n = dn tanh'    du_r = da_r    du_z = da_z
        linear_before_reset:   du_n = da_n r    dr = da_n u_n    dh_n = du_n w_n^T
        else:   du_n = da_n    ds = du_n w_n^T    dr = ds h    dh_n = ds r
        dx = da w_x^T    dw_x = x^T da    db_x = sum_n da    db_h = sum_n du
        dw_h = (h^T du_r, h^T du_z, h^T du_n or s^T du_n)
        dh = dh' z + dh_n + (du_r, du_z) (w_r, w_z)^T

    Args:
        x: inputs of this step.
        h: hidden state before it.
        w_x: input weights, one block of H columns per gate.
        w_h: recurrent weights, likewise.
        b_x: bias of the input product, likewise.
        b_h: bias of the recurrent product, likewise; it differs from b_x in effect only where
            the reset gate multiplies it.
        linear_before_reset: as ONNX names it, whether the reset gate acts after the product.

    Returns:
        h' and the cache of `gru_cell_backward`.

    Raises:
        ValueError: shapes do not fit, or an axis is empty.
        TypeError: an array is not floating.

    Source: Cho et al., Learning Phrase Representations using RNN Encoder-Decoder (2014),
    arXiv:1406.1078.

    >>> x, h = np.ones((1, 2)), np.ones((1, 1))
    >>> h, cache = gru_cell(x, h, np.zeros((2, 3)), np.zeros((1, 3)), np.zeros(3), np.zeros(3))
    >>> h.tolist(), [g.shape for g in gru_cell_backward(h, cache)]
    ([[0.5]], [(1, 2), (1, 1), (2, 3), (1, 3), (3,), (3,)])
    """
    expect(gru_cell, x, h, w_x, w_h, b_x, b_h)
    H = h.shape[-1]
    a_r, a_z, a_n = np.split(x @ w_x + b_x, 3, axis=-1)
    u_r, u_z = np.split(h @ w_h[:, : 2 * H] + b_h[: 2 * H], 2, axis=-1)
    r, r_cache = sigmoid(a_r + u_r)
    z, z_cache = sigmoid(a_z + u_z)
    s = h if linear_before_reset else r * h  # what w_n multiplies
    u_n = s @ w_h[:, 2 * H :] + b_h[2 * H :]
    k = r * u_n if linear_before_reset else u_n
    n, n_cache = tanh(a_n + k)
    h_next = (1 - z) * n + z * h
    gates = (r, z, n, s, u_n, r_cache, z_cache, n_cache)
    return h_next, (x, h, w_x, w_h, gates, linear_before_reset)


def gru_cell_backward(dy: Array, cache: tuple) -> tuple[Array, ...]:
    """h' = (1 - z) n + z h, then the candidate with its reset gate, then the two products."""
    x, h, w_x, w_h, gates, linear_before_reset = cache
    r, z, n, s, u_n, r_cache, z_cache, n_cache = gates
    H = h.shape[-1]
    da_n = tanh_backward(dy * (1 - z), n_cache)
    if linear_before_reset:
        du_n = da_n * r
        dr = da_n * u_n
        dh_n = du_n @ w_h[:, 2 * H :].T
    else:
        du_n = da_n
        ds = du_n @ w_h[:, 2 * H :].T
        dr = ds * h
        dh_n = ds * r
    da_r = sigmoid_backward(dr, r_cache)
    da_z = sigmoid_backward(dy * (h - n), z_cache)
    da = np.concatenate((da_r, da_z, da_n), axis=-1)
    du_rz = np.concatenate((da_r, da_z), axis=-1)
    dx = da @ w_x.T
    dh = dy * z + dh_n + du_rz @ w_h[:, : 2 * H].T
    dw_x = x.T @ da
    dw_h = np.concatenate((h.T @ du_rz, s.T @ du_n), axis=-1)
    db_x = da.sum(0)
    db_h = np.concatenate((du_rz, du_n), axis=-1).sum(0)
    return dx, dh, dw_x, dw_h, db_x, db_h


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
) -> tuple[tuple[Float[Array, "T N H"], Float[Array, "N H"]], tuple]:
    """Gated recurrent unit over a sequence: `gru_cell` at t = 0, 1, ..., T - 1.

        h_new = gru_cell(x_t, h_t-1, w_x, w_h, b_x, b_h)
        h_t = h_new where mask_t, else h_t-1        y_t = h_new where mask_t, else 0

    Back-propagation through time is that of `rnn`:

        dh_new = dy_t + dh_t where mask_t, else 0
        dh_t-1 = (dh of the cell at step t) + (0 where mask_t, else dh_t)

    Args:
        x: the sequence, time first.
        h0: hidden state before it.
        w_x: input weights, gate order r, z, n.
        w_h: recurrent weights, likewise.
        b_x: bias of the input product, likewise.
        b_h: bias of the recurrent product, likewise.
        mask: where the sequence has a step; everywhere, if absent.
        linear_before_reset: where the reset gate acts, see `gru_cell`.

    Returns:
        (y, h): the hidden states, zero where masked, and the last one; and the cache of
        `gru_backward`.

    Raises:
        ValueError: shapes do not fit, or an axis is empty.
        TypeError: an array is not floating, or the mask not boolean.

    Source: Cho et al. (2014), arXiv:1406.1078.

    >>> x, h0, w_x = np.ones((3, 1, 2)), np.ones((1, 1)), np.zeros((2, 3))
    >>> (y, h), cache = gru(x, h0, w_x, np.zeros((1, 3)), np.zeros(3), np.zeros(3))
    >>> y.ravel().tolist(), float(gru_backward((0 * y, np.ones_like(h)), cache)[1][0, 0])
    ([0.5, 0.25, 0.125], 0.125)
    """
    expect(gru, x, h0, w_x, w_h, b_x, b_h, mask)
    m = np.ones((len(x), 1, 1), bool) if mask is None else mask[..., None]
    h, y, caches = h0, [], []
    for x_t, m_t in zip(np.where(m, x, 0), m, strict=True):
        h_new, cache = gru_cell(x_t, h, w_x, w_h, b_x, b_h, linear_before_reset=linear_before_reset)
        h = np.where(m_t, h_new, h)
        y.append(np.where(m_t, h_new, 0))
        caches.append(cache)
    return (np.stack(y), h), (caches, m, w_x, w_h)


def gru_backward(dy: tuple[Array, Array], cache: tuple) -> tuple:
    """From the last step to the first: dh_new = dy_t + dh where mask_t; weights add over t."""
    dy_all, dh = dy
    caches, m, w_x, w_h = cache
    dx, dw_x, dw_h = [], np.zeros_like(w_x), np.zeros_like(w_h)
    db_x, db_h = np.zeros_like(w_x[0]), np.zeros_like(w_h[0])
    for dy_t, m_t, cell in zip(dy_all[::-1], m[::-1], caches[::-1], strict=True):
        dh_new, dh_kept = np.where(m_t, dy_t + dh, 0), np.where(m_t, 0, dh)
        dx_t, dh_cell, dw_x_t, dw_h_t, db_x_t, db_h_t = gru_cell_backward(dh_new, cell)
        dh = dh_cell + dh_kept
        dx.append(dx_t)
        dw_x, dw_h = dw_x + dw_x_t, dw_h + dw_h_t
        db_x, db_h = db_x + db_x_t, db_h + db_h_t
    return np.stack(dx[::-1]), dh, dw_x, dw_h, db_x, db_h, None
