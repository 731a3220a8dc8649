"""Convolution (cross-correlation, as everywhere in deep learning), channels last."""

import numpy as np
from jaxtyping import Float
from numpy.lib.stride_tricks import sliding_window_view

from scratchnn.shapes import expect

Array = np.ndarray


def conv2d(
    x: Float[Array, "N H W C"],
    w: Float[Array, "KH KW C K"],
    b: Float[Array, " K"] | None = None,
    *,
    stride: int | tuple[int, int] = 1,
    padding: int | tuple[int, int] = 0,
) -> tuple[Float[Array, "N HO WO K"], tuple]:
    """Two-dimensional convolution, without flipping the kernel.

    With p the zero-padded input and stride (s, t):

        y_nhwk = b_k + sum_ijc p_n,sh+i,tw+j,c w_ijck
        HO = (H + 2 padding - KH) // s + 1, WO likewise

    Each w_ijck meets one strided patch of p, for every n, h and w:

        dw_ijck = sum_nhw p_n,sh+i,tw+j,c dy_nhwk

    and each y_nhwk spreads back over its receptive field, windows adding where they overlap:

        dp_n,sh+i,tw+j,c += sum_k dy_nhwk w_ijck        dx = dp without its padding

    Rows and columns that no window reaches (the stride does not divide) keep dx = 0.

    Args:
        x: images, channels last.
        w: kernels.
        b: bias per output channel, or None for none.
        stride: step between windows, in pixels, one number or one per axis.
        padding: zeros added on each side, in pixels, one number or one per axis.

    Returns:
        y and the cache of `conv2d_backward`.

    Raises:
        ValueError: shapes do not fit, the kernel exceeds the padded image, or a stride < 1.
        TypeError: an array is not floating.

    Source: Dumoulin and Visin, A guide to convolution arithmetic for deep learning,
    arXiv:1603.07285.

    >>> x, w = np.arange(4.0).reshape(1, 2, 2, 1), np.ones((2, 2, 1, 1))
    >>> y, cache = conv2d(x, w, padding=1)
    >>> y[0, :, :, 0].tolist()
    [[0.0, 1.0, 1.0], [2.0, 6.0, 4.0], [2.0, 5.0, 3.0]]
    >>> dx, dw, db = conv2d_backward(np.ones_like(y), cache)
    >>> dx[0, :, :, 0].tolist(), dw[:, :, 0, 0].tolist(), db
    ([[4.0, 4.0], [4.0, 4.0]], [[6.0, 6.0], [6.0, 6.0]], None)
    """
    expect(conv2d, x, w, b)
    (s, t), (ph, pw) = two("conv2d: stride", stride, 1), two("conv2d: padding", padding, 0)
    KH, KW = w.shape[:2]
    p = np.pad(x, ((0, 0), (ph, ph), (pw, pw), (0, 0)))
    H, W = p.shape[1:3]
    if KH > H or KW > W:
        raise ValueError(
            f"conv2d: kernel {KH} x {KW} exceeds the padded image {H} x {W}; "
            "wanted it to fit at least once; pad more or take a smaller kernel"
        )
    windows = sliding_window_view(p, (KH, KW), axis=(1, 2))[:, ::s, ::t]  # N HO WO C KH KW
    y = np.tensordot(windows, w, axes=((4, 5, 3), (0, 1, 2)))
    if b is not None:
        y = y + b
    return y, (p, w, b is not None, s, t, ph, pw)


def conv2d_backward(dy: Array, cache: tuple) -> tuple[Array, Array, Array | None]:
    """dw_ijck = sum_nhw p_n,sh+i,tw+j,c dy_nhwk;  dp_n,sh+i,tw+j,c += sum_k dy_nhwk w_ijck."""
    p, w, has_bias, s, t, ph, pw = cache
    _, HO, WO, _ = dy.shape
    KH, KW = w.shape[:2]
    dp = np.zeros_like(p)
    dw = np.empty_like(w)
    for i in range(KH):
        for j in range(KW):
            rows, columns = slice(i, i + s * HO, s), slice(j, j + t * WO, t)
            dw[i, j] = np.tensordot(p[:, rows, columns], dy, axes=((0, 1, 2), (0, 1, 2)))
            dp[:, rows, columns] += dy @ w[i, j].T
    dx = dp[:, ph : dp.shape[1] - ph, pw : dp.shape[2] - pw]
    db = dy.sum((0, 1, 2)) if has_bias else None
    return dx, dw, db


def two(what: str, value: int | tuple[int, int], least: int) -> tuple[int, int]:
    """A configuration value per spatial axis."""
    pair = value if isinstance(value, tuple) else (value, value)
    if len(pair) != 2 or not all(isinstance(v, (int, np.integer)) and v >= least for v in pair):
        raise ValueError(
            f"{what} is {value!r}; wanted an integer >= {least}, or a pair of them, (rows, columns)"
        )
    return pair
