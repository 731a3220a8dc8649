"""Pooling over windows of an image, channels last."""

import numpy as np
from jaxtyping import Float
from numpy.lib.stride_tricks import sliding_window_view

from scratchnn.ops.windows import Pairs, fitting, per_axis
from scratchnn.shapes import expect

Array = np.ndarray


def max_pool2d(
    x: Float[Array, "N H W C"],
    *,
    size: int | tuple[int, int] = 2,
    stride: int | tuple[int, int] | None = None,
    padding: int | str | tuple = 0,
) -> tuple[Float[Array, "N HO WO C"], tuple]:
    """Largest entry of each window, channel by channel.

    With p the padded input, window (KH, KW) and stride (s, t):

        y_nhwc = max_ij p_n,sh+i,tw+j,c
        HO = (H + padding before and after - KH) // s + 1, WO likewise

    Each y_nhwc is a copy of one entry, the first largest of its window in row-major order, so

        dp_n,sh+i,tw+j,c += dy_nhwc        at the (i, j) that won;  dx = dp without its padding

    An entry that wins several overlapping windows collects from each of them. A tie goes to the
    first entry: one valid subgradient; giving dy to every tied entry would not be one. Padding is
    -inf and never wins, where zeros would win over negative entries.

    Args:
        x: images, channels last.
        size: window, in pixels, one number or one per axis.
        stride: step between windows, in pixels; by default `size`, so that they do not overlap.
        padding: as in `conv2d`; less than the window, which so always sees an entry.

    Returns:
        y and the cache of `max_pool2d_backward`.

    Raises:
        ValueError: the window exceeds the padded image, a padding reaches the window, or size or
            stride < 1.
        TypeError: x is not a floating array.

    Source: Boureau, Ponce and LeCun, A Theoretical Analysis of Feature Pooling in Visual
    Recognition, ICML 2010.

    >>> x = np.array([[1.0, 5.0, 2.0], [5.0, 0.0, 3.0]]).reshape(1, 2, 3, 1)
    >>> y, cache = max_pool2d(x, size=2, stride=1)
    >>> y.ravel().tolist(), max_pool2d_backward(np.ones_like(y), cache)[0, :, :, 0].tolist()
    ([5.0, 5.0], [[0.0, 2.0, 0.0], [0.0, 0.0, 0.0]])
    """
    expect(max_pool2d, x)
    (KH, KW), (s, t), sides = _slide("max_pool2d", x, size, stride, padding)
    p = np.pad(x, ((0, 0), *sides, (0, 0)), constant_values=-np.inf)
    windows = sliding_window_view(p, (KH, KW), axis=(1, 2))[:, ::s, ::t]
    flat = windows.reshape(*windows.shape[:4], KH * KW)  # N HO WO C KH*KW
    winner = flat.argmax(-1)[..., None]
    y = np.take_along_axis(flat, winner, -1)[..., 0]
    return y, (winner[..., 0], p.shape, KH, KW, s, t, sides)


def max_pool2d_backward(dy: Array, cache: tuple) -> Array:
    """dp_n,sh+i,tw+j,c += dy_nhwc at the (i, j) that won;  dx = dp without its padding."""
    winner, shape, KH, KW, s, t, ((top, bottom), (left, right)) = cache
    _, HO, WO, _ = dy.shape
    dp = np.zeros(shape, dy.dtype)
    for i in range(KH):
        for j in range(KW):
            dp[:, i : i + s * HO : s, j : j + t * WO : t] += dy * (winner == i * KW + j)
    return dp[:, top : shape[1] - bottom, left : shape[2] - right]


def avg_pool2d(
    x: Float[Array, "N H W C"],
    *,
    size: int | tuple[int, int] = 2,
    stride: int | tuple[int, int] | None = None,
    padding: int | str | tuple = 0,
    count_include_pad: bool = True,
) -> tuple[Float[Array, "N HO WO C"], tuple]:
    """Mean of each window, channel by channel.

    With p the zero-padded input, window (KH, KW) and stride (s, t):

        y_nhwc = 1/count_hw sum_ij p_n,sh+i,tw+j,c
        HO = (H + padding before and after - KH) // s + 1, WO likewise

    where count_hw is KH KW, or, without `count_include_pad`, the number of entries of x among them.

        dp_n,sh+i,tw+j,c += dy_nhwc / count_hw        dx = dp without its padding

    Args:
        x: images, channels last.
        size: window, in pixels, one number or one per axis.
        stride: step between windows, in pixels; by default `size`, so that they do not overlap.
        padding: as in `conv2d`; less than the window, which so always sees an entry.
        count_include_pad: whether padding counts as zeros, as it does by default in PyTorch, or not
            at all, as in TensorFlow.

    Returns:
        y and the cache of `avg_pool2d_backward`.

    Raises:
        ValueError: the window exceeds the padded image, a padding reaches the window, or size or
            stride < 1.
        TypeError: x is not a floating array.

    Source: LeCun, Bottou, Bengio and Haffner, Gradient-based learning applied to document
    recognition (1998), doi:10.1109/5.726791.

    >>> x = np.array([3.0, 1.0, 5.0]).reshape(1, 1, 3, 1)
    >>> y, cache = avg_pool2d(x, size=(1, 2), stride=1, padding=(0, 1))
    >>> y.ravel().tolist(), avg_pool2d_backward(np.ones_like(y), cache).ravel().tolist()
    ([1.5, 2.0, 3.0, 2.5], [1.0, 1.0, 1.0])
    """
    expect(avg_pool2d, x)
    (KH, KW), (s, t), sides = _slide("avg_pool2d", x, size, stride, padding)
    p = np.pad(x, ((0, 0), *sides, (0, 0)))
    windows = sliding_window_view(p, (KH, KW), axis=(1, 2))[:, ::s, ::t]
    counted = np.pad(np.ones(x.shape[1:3], x.dtype), sides, constant_values=count_include_pad)
    count = sliding_window_view(counted, (KH, KW))[::s, ::t].sum((2, 3))[..., None]  # HO WO 1
    y = windows.sum((4, 5)) / count
    return y, (count, p.shape, KH, KW, s, t, sides)


def avg_pool2d_backward(dy: Array, cache: tuple) -> Array:
    """dp_n,sh+i,tw+j,c += dy_nhwc / count_hw;  dx = dp without its padding."""
    count, shape, KH, KW, s, t, ((top, bottom), (left, right)) = cache
    _, HO, WO, _ = dy.shape
    share = dy / count
    dp = np.zeros(shape, dy.dtype)
    for i in range(KH):
        for j in range(KW):
            dp[:, i : i + s * HO : s, j : j + t * WO : t] += share
    return dp[:, top : shape[1] - bottom, left : shape[2] - right]


def global_avg_pool2d(x: Float[Array, "N H W C"]) -> tuple[Float[Array, "N C"], tuple]:
    """Mean of each channel over the whole image.

        y_nc = 1/(H W) sum_hw x_nhwc        dx_nhwc = dy_nc / (H W)

    Args:
        x: images, channels last.

    Returns:
        y and the cache of `global_avg_pool2d_backward`.

    Raises:
        ValueError: x has not four axes, or an empty one.
        TypeError: x is not a floating array.

    Source: Lin, Chen and Yan, Network in Network, arXiv:1312.4400.

    >>> y, cache = global_avg_pool2d(np.arange(4.0).reshape(1, 2, 2, 1))
    >>> y.tolist(), global_avg_pool2d_backward(np.ones((1, 1)), cache).ravel().tolist()
    ([[1.5]], [0.25, 0.25, 0.25, 0.25])
    """
    expect(global_avg_pool2d, x)
    return x.mean((1, 2)), (x.shape,)


def global_avg_pool2d_backward(dy: Array, cache: tuple) -> Array:
    """dx_nhwc = dy_nc / (H W)."""
    (shape,) = cache
    _, H, W, _ = shape
    return np.broadcast_to((dy / (H * W))[:, None, None], shape).copy()


def adaptive_avg_pool2d(
    x: Float[Array, "N H W C"], *, size: int | tuple[int, int]
) -> tuple[Float[Array, "N HO WO C"], tuple]:
    """Mean over bins that cover the image, as many as the output shall have pixels.

    Of HO bins along H, bin h runs from floor(h H / HO) up to, not including, ceil((h + 1) H / HO):
    none is empty, and neighbours share a pixel where HO does not divide H. With the matrix A of
    those means, A_hi = 1/length of bin h for i in it, else 0, and B likewise along W:

        y_nhwc = sum_ij A_hi B_wj x_nijc
        dx_nijc = sum_hw A_hi B_wj dy_nhwc

    Args:
        x: images, channels last.
        size: (HO, WO), or one number for both; may exceed that of the image.

    Returns:
        y and the cache of `adaptive_avg_pool2d_backward`.

    Raises:
        ValueError: size < 1.
        TypeError: x is not a floating array.

    Source: He et al., Spatial Pyramid Pooling in Deep Convolutional Networks for Visual
    Recognition, arXiv:1406.4729; the bins are PyTorch's.

    >>> y, cache = adaptive_avg_pool2d(np.arange(3.0).reshape(1, 1, 3, 1), size=(1, 2))
    >>> y.ravel().tolist(), adaptive_avg_pool2d_backward(y, cache).ravel().tolist()
    ([0.5, 1.5], [0.25, 1.0, 0.75])
    """
    expect(adaptive_avg_pool2d, x)
    HO, WO = per_axis("adaptive_avg_pool2d: size", size, 1, 2)
    A, B = _bins(x.shape[1], HO).astype(x.dtype), _bins(x.shape[2], WO).astype(x.dtype)
    return np.einsum("hi,wj,nijc->nhwc", A, B, x, optimize=True), (A, B)


def adaptive_avg_pool2d_backward(dy: Array, cache: tuple) -> Array:
    """dx_nijc = sum_hw A_hi B_wj dy_nhwc."""
    A, B = cache
    return np.einsum("hi,wj,nhwc->nijc", A, B, dy, optimize=True)


def _bins(H: int, HO: int) -> Array:
    """A_hi = 1/length of bin h for i in it, else 0."""
    i, h = np.arange(H), np.arange(HO)[:, None]
    inside = (i >= h * H // HO) & (i < -(-(h + 1) * H // HO))
    return inside / inside.sum(1, keepdims=True)


def _slide(
    op: str, x: Array, size, stride, padding
) -> tuple[tuple[int, ...], tuple[int, ...], Pairs]:
    """Window, strides and padding of a pooling."""
    window = per_axis(f"{op}: size", size, 1, 2)
    strides = window if stride is None else per_axis(f"{op}: stride", stride, 1, 2)
    sides = fitting(f"{op}: window", padding, x.shape[1:3], window, strides)
    if any(max(pair) >= K for pair, K in zip(sides, window, strict=True)):
        raise ValueError(
            f"{op}: padding is {padding!r}; wanted less than the window {window[0]} x {window[1]}, "
            "or a window sees padding alone; pad less or take a larger size"
        )
    return window, strides, sides
