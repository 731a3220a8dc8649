"""Pooling over windows of an image, channels last."""

import numpy as np
from jaxtyping import Float
from numpy.lib.stride_tricks import sliding_window_view

from scratchnn.ops.convolution import two
from scratchnn.shapes import expect

Array = np.ndarray


def max_pool2d(
    x: Float[Array, "N H W C"],
    *,
    size: int | tuple[int, int] = 2,
    stride: int | tuple[int, int] | None = None,
) -> tuple[Float[Array, "N HO WO C"], tuple]:
    """Largest entry of each window, channel by channel.

    With window (KH, KW) and stride (s, t):

        y_nhwc = max_ij x_n,sh+i,tw+j,c
        HO = (H - KH) // s + 1, WO likewise

    Each y_nhwc is a copy of one entry, the first largest of its window in row-major order, so

        dx_n,sh+i,tw+j,c += dy_nhwc        at the (i, j) that won

    An entry that wins several overlapping windows collects from each of them. A tie goes to the
    first entry: one valid subgradient; giving dy to every tied entry would not be one.

    Args:
        x: images, channels last.
        size: window, in pixels, one number or one per axis.
        stride: step between windows, in pixels; by default `size`, so that they do not overlap.

    Returns:
        y and the cache of `max_pool2d_backward`.

    Raises:
        ValueError: the window exceeds the image, or size or stride < 1.
        TypeError: x is not a floating array.

    Source: Boureau, Ponce and LeCun, A Theoretical Analysis of Feature Pooling in Visual
    Recognition, ICML 2010.

    >>> x = np.array([[1.0, 5.0, 2.0], [5.0, 0.0, 3.0]]).reshape(1, 2, 3, 1)
    >>> y, cache = max_pool2d(x, size=2, stride=1)
    >>> y.ravel().tolist(), max_pool2d_backward(np.ones_like(y), cache)[0, :, :, 0].tolist()
    ([5.0, 5.0], [[0.0, 2.0, 0.0], [0.0, 0.0, 0.0]])
    """
    expect(max_pool2d, x)
    KH, KW = two("max_pool2d: size", size, 1)
    s, t = (KH, KW) if stride is None else two("max_pool2d: stride", stride, 1)
    H, W = x.shape[1:3]
    if KH > H or KW > W:
        raise ValueError(
            f"max_pool2d: window {KH} x {KW} exceeds the image {H} x {W}; "
            "wanted it to fit at least once; take a smaller size"
        )
    windows = sliding_window_view(x, (KH, KW), axis=(1, 2))[:, ::s, ::t]
    flat = windows.reshape(*windows.shape[:4], KH * KW)  # N HO WO C KH*KW
    winner = flat.argmax(-1)[..., None]
    y = np.take_along_axis(flat, winner, -1)[..., 0]
    return y, (winner[..., 0], x.shape, KH, KW, s, t)


def max_pool2d_backward(dy: Array, cache: tuple) -> Array:
    """dx_n,sh+i,tw+j,c += dy_nhwc at the (i, j) that won."""
    winner, shape, KH, KW, s, t = cache
    _, HO, WO, _ = dy.shape
    dx = np.zeros(shape, dy.dtype)
    for i in range(KH):
        for j in range(KW):
            dx[:, i : i + s * HO : s, j : j + t * WO : t] += dy * (winner == i * KW + j)
    return dx
