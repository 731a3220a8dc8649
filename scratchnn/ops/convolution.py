"""Convolution (cross-correlation, as everywhere in deep learning), channels last.

conv2d is the one to read; conv1d and conv3d are it with one axis less and one more. All of them,
and the transposed convolution, are made of three sums at the end of this file: `_gather` for y,
`_scatter` for dx and `_overlap` for dw.
"""

import numpy as np
from jaxtyping import Float
from numpy.lib.stride_tricks import sliding_window_view

from scratchnn.ops.windows import Pairs, fitting, pairs, per_axis
from scratchnn.shapes import expect

Array = np.ndarray
Sizes = tuple[int, ...]


def conv2d(
    x: Float[Array, "N H W {groups}*C"],
    w: Float[Array, "KH KW C {groups}*K"],
    b: Float[Array, " {groups}*K"] | None = None,
    *,
    stride: int | tuple[int, int] = 1,
    padding: int | str | tuple = 0,
    dilation: int | tuple[int, int] = 1,
    groups: int = 1,
) -> tuple[Float[Array, "N HO WO {groups}*K"], tuple]:
    """Two-dimensional convolution, without flipping the kernel.

    With p the zero-padded input, stride (s, t) and dilation (d, e):

        y_nhwk = b_k + sum_ijc p_n,sh+di,tw+ej,c w_ijck
        HO = (H + padding before and after - d (KH - 1) - 1) // s + 1, WO likewise

    Each w_ijck meets one strided patch of p, for every n, h and w:

        dw_ijck = sum_nhw p_n,sh+di,tw+ej,c dy_nhwk

    and each y_nhwk spreads back over the receptive field it read, windows adding where they
    overlap:

        dp_n,sh+di,tw+ej,c += sum_k dy_nhwk w_ijck        dx = dp without its padding

    Rows and columns that no window reaches (the stride does not divide) keep dx = 0.

    Groups split the channels into equal blocks, in order, and the formulas hold block by block:
    outputs k of block g see inputs c of block g alone. As many groups as channels are a depthwise
    convolution.

    Args:
        x: images, channels last.
        w: kernels.
        b: bias per output channel, or None for none.
        stride: step between windows, in pixels, one number or one per axis.
        padding: zeros around the image, in pixels: one number, one per axis, a pair (before, after)
            per axis, "valid" for none, or "same" for HO = ceil(H / s), an odd zero going after.
        dilation: step between the entries of a window, in pixels, one number or one per axis.
        groups: number of blocks of channels.

    Returns:
        y and the cache of `conv2d_backward`.

    Raises:
        ValueError: shapes do not fit, the kernel exceeds the padded image, or a stride, dilation
            or groups < 1.
        TypeError: an array is not floating.

    Source: Dumoulin and Visin, A guide to convolution arithmetic for deep learning,
    arXiv:1603.07285; dilation, Yu and Koltun, arXiv:1511.07122; groups, Krizhevsky, Sutskever and
    Hinton, ImageNet Classification with Deep Convolutional Neural Networks, NeurIPS 2012;
    depthwise, Chollet, arXiv:1610.02357.

    >>> x, w = np.arange(4.0).reshape(1, 2, 2, 1), np.ones((2, 2, 1, 1))
    >>> y, cache = conv2d(x, w, padding=1)
    >>> y[0, :, :, 0].tolist()
    [[0.0, 1.0, 1.0], [2.0, 6.0, 4.0], [2.0, 5.0, 3.0]]
    >>> dx, dw, db = conv2d_backward(np.ones_like(y), cache)
    >>> dx[0, :, :, 0].tolist(), dw[:, :, 0, 0].tolist(), db
    ([[4.0, 4.0], [4.0, 4.0]], [[6.0, 6.0], [6.0, 6.0]], None)
    """
    expect(conv2d, x, w, b, groups=groups)
    return _conv("conv2d", x, w, b, stride, padding, dilation, groups)


def conv2d_backward(dy: Array, cache: tuple) -> tuple[Array, Array, Array | None]:
    """dw_ijck = sum_nhw p_n,sh+di,tw+ej,c dy_nhwk;  dp_n,sh+di,tw+ej,c += sum_k dy_nhwk w_ijck."""
    return _conv_backward(dy, cache)


def conv1d(
    x: Float[Array, "N L {groups}*C"],
    w: Float[Array, "KL C {groups}*K"],
    b: Float[Array, " {groups}*K"] | None = None,
    *,
    stride: int = 1,
    padding: int | str | tuple = 0,
    dilation: int = 1,
    groups: int = 1,
) -> tuple[Float[Array, "N LO {groups}*K"], tuple]:
    """One-dimensional convolution, without flipping the kernel.

    With p the zero-padded input, stride s and dilation d:

        y_nlk = b_k + sum_ic p_n,sl+di,c w_ick
        LO = (L + padding before and after - d (KL - 1) - 1) // s + 1

        dw_ick = sum_nl p_n,sl+di,c dy_nlk
        dp_n,sl+di,c += sum_k dy_nlk w_ick        dx = dp without its padding

    Padding ((d (KL - 1), 0),) makes it causal: y at l then reads nothing after l.

    Args:
        x: sequences, channels last.
        w: kernels.
        b: bias per output channel, or None for none.
        stride: step between windows.
        padding: zeros at the ends: one number, a pair in a tuple, "valid" or "same"; see `conv2d`.
        dilation: step between the entries of a window.
        groups: number of blocks of channels, see `conv2d`.

    Returns:
        y and the cache of `conv1d_backward`.

    Raises:
        ValueError: shapes do not fit, the kernel exceeds the padded sequence, or a stride,
            dilation or groups < 1.
        TypeError: an array is not floating.

    Source: Waibel et al., Phoneme recognition using time-delay neural networks (1989),
    doi:10.1109/29.21701.

    >>> x, w = np.array([[[1.0], [2.0], [4.0]]]), np.array([[[1.0]], [[10.0]]])
    >>> y, cache = conv1d(x, w, padding=((1, 0),))
    >>> y.ravel().tolist(), conv1d_backward(np.ones_like(y), cache)[0].ravel().tolist()
    ([10.0, 21.0, 42.0], [11.0, 11.0, 10.0])
    """
    expect(conv1d, x, w, b, groups=groups)
    return _conv("conv1d", x, w, b, stride, padding, dilation, groups)


def conv1d_backward(dy: Array, cache: tuple) -> tuple[Array, Array, Array | None]:
    """dw_ick = sum_nl p_n,sl+di,c dy_nlk;  dp_n,sl+di,c += sum_k dy_nlk w_ick."""
    return _conv_backward(dy, cache)


def conv3d(
    x: Float[Array, "N D H W {groups}*C"],
    w: Float[Array, "KD KH KW C {groups}*K"],
    b: Float[Array, " {groups}*K"] | None = None,
    *,
    stride: int | tuple[int, int, int] = 1,
    padding: int | str | tuple = 0,
    dilation: int | tuple[int, int, int] = 1,
    groups: int = 1,
) -> tuple[Float[Array, "N DO HO WO {groups}*K"], tuple]:
    """Three-dimensional convolution, without flipping the kernel.

    With p the zero-padded input, stride (r, s, t) and dilation (c, d, e), m the input channel:

        y_nzhwk = b_k + sum_aijm p_n,rz+ca,sh+di,tw+ej,m w_aijmk
        DO = (D + padding before and after - c (KD - 1) - 1) // r + 1, HO and WO likewise

        dw_aijmk = sum_nzhw p_n,rz+ca,sh+di,tw+ej,m dy_nzhwk
        dp_n,rz+ca,sh+di,tw+ej,m += sum_k dy_nzhwk w_aijmk        dx = dp without its padding

    Args:
        x: volumes or clips, (batch, depth or time, rows, columns, channels).
        w: kernels.
        b: bias per output channel, or None for none.
        stride: step between windows, one number or one per axis.
        padding: zeros around the volume: one number, one per axis, a pair (before, after) per
            axis, "valid" or "same"; see `conv2d`.
        dilation: step between the entries of a window, one number or one per axis.
        groups: number of blocks of channels, see `conv2d`.

    Returns:
        y and the cache of `conv3d_backward`.

    Raises:
        ValueError: shapes do not fit, the kernel exceeds the padded volume, or a stride, dilation
            or groups < 1.
        TypeError: an array is not floating.

    Source: Tran et al., Learning Spatiotemporal Features with 3D Convolutional Networks,
    arXiv:1412.0767.

    >>> x, w = np.ones((1, 2, 3, 4, 1)), np.ones((2, 2, 2, 1, 1))
    >>> y, cache = conv3d(x, w, stride=(1, 1, 2))
    >>> y.shape, y[0, 0, 0].tolist()
    ((1, 1, 2, 2, 1), [[8.0], [8.0]])
    """
    expect(conv3d, x, w, b, groups=groups)
    return _conv("conv3d", x, w, b, stride, padding, dilation, groups)


def conv3d_backward(dy: Array, cache: tuple) -> tuple[Array, Array, Array | None]:
    """dw = sum over n, z, h and w of p dy;  dp += sum over k of dy w, as written above."""
    return _conv_backward(dy, cache)


def conv_transpose2d(
    x: Float[Array, "N H W {groups}*C"],
    w: Float[Array, "KH KW K {groups}*C"],
    b: Float[Array, " {groups}*K"] | None = None,
    *,
    stride: int | tuple[int, int] = 1,
    padding: int | tuple = 0,
    output_padding: int | tuple[int, int] = 0,
    dilation: int | tuple[int, int] = 1,
    groups: int = 1,
) -> tuple[Float[Array, "N HO WO {groups}*K"], tuple]:
    """Transposed convolution: the map from dy to dx of `conv2d`, used as a forward.

    The kernel is that of the convolution from K to C channels whose transpose this is, so its
    outputs stand before its inputs. With stride (s, t) and dilation (d, e):

        q_n,sh+di,tw+ej,k += sum_c x_nhwc w_ijkc        y = b + q without its padding
        HO = (H - 1) s - padding before and after + d (KH - 1) + 1 + output_padding, WO likewise

    Its derivative is the transpose of the transpose, so the convolution itself:

        dx_nhwc = sum_ijk dq_n,sh+di,tw+ej,k w_ijkc        dq = dy, padded with zeros
        dw_ijkc = sum_nhw dq_n,sh+di,tw+ej,k x_nhwc

    Args:
        x: images, channels last.
        w: kernels, outputs before inputs.
        b: bias per output channel, or None for none.
        stride: step between the windows of y, in pixels, one number or one per axis.
        padding: pixels cut off from q, being the padding of the convolution: one number, one per
            axis, or a pair (before, after) per axis.
        output_padding: further rows and columns of y, at its end, that a convolution with this
            stride would not reach; less than the stride.
        dilation: step between the entries of a window, in pixels, one number or one per axis.
        groups: number of blocks of channels, see `conv2d`.

    Returns:
        y and the cache of `conv_transpose2d_backward`.

    Raises:
        ValueError: shapes do not fit, the padding leaves nothing, the output padding is not less
            than the stride, or a stride, dilation or groups < 1.
        TypeError: an array is not floating.

    Source: Dumoulin and Visin, A guide to convolution arithmetic for deep learning,
    arXiv:1603.07285, section 4.

    >>> x, w = np.array([1.0, 2.0]).reshape(1, 1, 2, 1), np.ones((1, 3, 1, 1))
    >>> y, cache = conv_transpose2d(x, w, stride=2)
    >>> y.ravel().tolist(), conv_transpose2d_backward(y, cache)[0].ravel().tolist()
    ([1.0, 1.0, 3.0, 2.0, 2.0], [5.0, 7.0])
    """
    expect(conv_transpose2d, x, w, b, groups=groups)
    op, kernel = "conv_transpose2d", w.shape[:2]
    strides = per_axis(f"{op}: stride", stride, 1, 2)
    dilations = per_axis(f"{op}: dilation", dilation, 1, 2)
    more = per_axis(f"{op}: output_padding", output_padding, 0, 2)
    sides = pairs(f"{op}: padding", padding, 2)
    if any(m >= s for m, s in zip(more, strides, strict=True)):
        raise ValueError(
            f"{op}: output_padding is {output_padding!r}; wanted less than the stride {strides}, "
            "as a convolution loses no more; raise the stride or pad y yourself"
        )
    canvas = [
        (H - 1) * s + K + m
        for H, s, K, m in zip(x.shape[1:3], strides, _reach(kernel, dilations), more, strict=True)
    ]
    if any(before + after >= H for H, (before, after) in zip(canvas, sides, strict=True)):
        raise ValueError(
            f"{op}: padding {sides} leaves nothing of {canvas[0]} x {canvas[1]}; wanted at least "
            "one pixel; take less padding"
        )
    q_shape = (len(x), *canvas, groups * w.shape[2])
    q = _scatter(x, w, q_shape, strides, dilations, groups)
    y = _without(q, sides)
    if b is not None:
        y = y + b
    return y, (x, w, b is not None, strides, dilations, groups, sides)


def conv_transpose2d_backward(dy: Array, cache: tuple) -> tuple[Array, Array, Array | None]:
    """dx_nhwc = sum_ijk dq_n,sh+di,tw+ej,k w_ijkc;  dw_ijkc = sum_nhw dq_n,sh+di,tw+ej,k x_nhwc."""
    x, w, has_bias, strides, dilations, groups, sides = cache
    dq = np.pad(dy, ((0, 0), *sides, (0, 0)))
    dx = _gather(dq, w, strides, dilations, groups)
    dw = _overlap(dq, x, w.shape, strides, dilations, groups)
    db = _total(dy) if has_bias else None
    return dx, dw, db


def _conv(op, x, w, b, stride, padding, dilation, groups) -> tuple[Array, tuple]:
    """conv1d, conv2d and conv3d: any number of spatial axes."""
    n, image, kernel = w.ndim - 2, x.shape[1:-1], w.shape[:-2]
    strides = per_axis(f"{op}: stride", stride, 1, n)
    dilations = per_axis(f"{op}: dilation", dilation, 1, n)
    sides = fitting(f"{op}: kernel", padding, image, _reach(kernel, dilations), strides)
    p = np.pad(x, ((0, 0), *sides, (0, 0)))
    y = _gather(p, w, strides, dilations, groups)
    if b is not None:
        y = y + b
    return y, (p, w, b is not None, strides, dilations, groups, sides)


def _conv_backward(dy: Array, cache: tuple) -> tuple[Array, Array, Array | None]:
    p, w, has_bias, strides, dilations, groups, sides = cache
    dw = _overlap(p, dy, w.shape, strides, dilations, groups)
    dp = _scatter(dy, w, p.shape, strides, dilations, groups)
    dx = _without(dp, sides)
    db = _total(dy) if has_bias else None
    return dx, dw, db


# the three sums, and what they need; comments name the axes of conv2d


def _gather(p: Array, w: Array, strides: Sizes, dilations: Sizes, groups: int) -> Array:
    """y_nhwk = sum_ijc p_n,sh+di,tw+ej,c w_ijck, as one product of matrices per group."""
    n = len(strides)
    windows = sliding_window_view(p, _reach(w.shape[:n], dilations), tuple(range(1, n + 1)))
    every = [slice(None, None, step) for step in (*strides, *dilations)]
    windows = np.moveaxis(windows, n + 1, -1)[:, *every]  # N HO WO KH KW C
    blocks = _blocks(groups, p.shape[-1], w.shape[-1])
    ys = [np.tensordot(windows[..., c], w[..., k], axes=n + 1) for c, k in blocks]
    return np.concatenate(ys, -1) if groups > 1 else ys[0]


def _scatter(
    dy: Array, w: Array, shape: Sizes, strides: Sizes, dilations: Sizes, groups: int
) -> Array:
    """dp_n,sh+di,tw+ej,c += sum_k dy_nhwk w_ijck, one kernel offset (i, j) at a time."""
    dp = np.zeros(shape, dy.dtype)
    blocks = _blocks(groups, shape[-1], w.shape[-1])
    for at, met in _offsets(w.shape[:-2], dy.shape[1:-1], strides, dilations):
        for c, k in blocks:
            dp[*met, c] += np.tensordot(dy[..., k], w[*at, :, k], axes=(-1, -1))
    return dp


def _overlap(
    p: Array, dy: Array, shape: Sizes, strides: Sizes, dilations: Sizes, groups: int
) -> Array:
    """dw_ijck = sum_nhw p_n,sh+di,tw+ej,c dy_nhwk, one kernel offset (i, j) at a time."""
    dw = np.zeros(shape, dy.dtype)
    rows = tuple(range(dy.ndim - 1))  # N HO WO
    blocks = _blocks(groups, p.shape[-1], shape[-1])
    for at, met in _offsets(shape[:-2], dy.shape[1:-1], strides, dilations):
        for c, k in blocks:
            dw[*at, :, k] = np.tensordot(p[*met, c], dy[..., k], axes=(rows, rows))
    return dw


def _total(dy: Array) -> Array:
    """sum_nhw dy_nhwk, image by image: one long running sum would lose digits in float32."""
    return dy.sum(tuple(range(1, dy.ndim - 1))).sum(0)


def _offsets(kernel: Sizes, out: Sizes, strides: Sizes, dilations: Sizes) -> list[tuple]:
    """Every (i, j), and where it meets p: in all n, rows sh + di and columns tw + ej."""

    def met(i: int, HO: int, s: int, d: int) -> slice:
        return slice(d * i, d * i + s * HO, s)

    return [
        (at, (slice(None), *map(met, at, out, strides, dilations))) for at in np.ndindex(kernel)
    ]


def _blocks(groups: int, n_in: int, n_out: int) -> list[tuple[slice, slice]]:
    """The input and the output channels of each group."""
    C, K = n_in // groups, n_out // groups
    return [(slice(g * C, (g + 1) * C), slice(g * K, (g + 1) * K)) for g in range(groups)]


def _reach(kernel: Sizes, dilations: Sizes) -> Sizes:
    """The pixels from the first to the last entry of a window, d (KH - 1) + 1."""
    return tuple(d * (K - 1) + 1 for K, d in zip(kernel, dilations, strict=True))


def _without(p: Array, sides: Pairs) -> Array:
    """p without its padding."""
    axes = zip(p.shape[1:-1], sides, strict=True)
    return p[:, *(slice(before, H - after) for H, (before, after) in axes)]
