"""Convolution (cross-correlation, as everywhere in deep learning), channels last."""

import jax
from jax import lax
from jaxtyping import Float

from jaxnn.ops.windows import fitting, pairs, per_axis
from jaxnn.shapes import expect

Array = jax.Array


def conv2d(
    x: Float[Array, "N H W {groups}*C"],
    w: Float[Array, "KH KW C {groups}*K"],
    b: Float[Array, " {groups}*K"] | None = None,
    *,
    stride: int | tuple[int, int] = 1,
    padding: int | str | tuple = 0,
    dilation: int | tuple[int, int] = 1,
    groups: int = 1,
) -> Float[Array, "N HO WO {groups}*K"]:
    """Two-dimensional convolution, without flipping the kernel.

    Autodiff turns the convolution into two more: of dy with the flipped kernel, dilated by the
    stride, for dx, and of x with dy for dw.

    >>> import jax.numpy as jnp
    >>> x, w = jnp.arange(4.0).reshape(1, 2, 2, 1), jnp.ones((2, 2, 1, 1))
    >>> conv2d(x, w, padding=1)[0, :, :, 0].tolist()
    [[0.0, 1.0, 1.0], [2.0, 6.0, 4.0], [2.0, 5.0, 3.0]]
    """
    expect(conv2d, x, w, b, groups=groups)
    return _conv("conv2d", x, w, b, stride, padding, dilation, groups)


def conv1d(
    x: Float[Array, "N L {groups}*C"],
    w: Float[Array, "KL C {groups}*K"],
    b: Float[Array, " {groups}*K"] | None = None,
    *,
    stride: int = 1,
    padding: int | str | tuple = 0,
    dilation: int = 1,
    groups: int = 1,
) -> Float[Array, "N LO {groups}*K"]:
    """One-dimensional convolution, without flipping the kernel.

    >>> import jax.numpy as jnp
    >>> x, w = jnp.array([[[1.0], [2.0], [4.0]]]), jnp.array([[[1.0]], [[10.0]]])
    >>> conv1d(x, w, padding=((1, 0),)).ravel().tolist()
    [10.0, 21.0, 42.0]
    """
    expect(conv1d, x, w, b, groups=groups)
    return _conv("conv1d", x, w, b, stride, padding, dilation, groups)


def conv3d(
    x: Float[Array, "N D H W {groups}*C"],
    w: Float[Array, "KD KH KW C {groups}*K"],
    b: Float[Array, " {groups}*K"] | None = None,
    *,
    stride: int | tuple[int, int, int] = 1,
    padding: int | str | tuple = 0,
    dilation: int | tuple[int, int, int] = 1,
    groups: int = 1,
) -> Float[Array, "N DO HO WO {groups}*K"]:
    """Three-dimensional convolution, without flipping the kernel.

    >>> import jax.numpy as jnp
    >>> x, w = jnp.ones((1, 2, 3, 4, 1)), jnp.ones((2, 2, 2, 1, 1))
    >>> conv3d(x, w, stride=(1, 1, 2))[0, 0, 0].tolist()
    [[8.0], [8.0]]
    """
    expect(conv3d, x, w, b, groups=groups)
    return _conv("conv3d", x, w, b, stride, padding, dilation, groups)


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
) -> Float[Array, "N HO WO {groups}*K"]:
    """Transposed convolution: the map from dy to dx of `conv2d`, used as a forward.

    JAX transposes `conv2d` itself, and differentiates what it gets.

    >>> import jax.numpy as jnp
    >>> x, w = jnp.array([1.0, 2.0]).reshape(1, 1, 2, 1), jnp.ones((1, 3, 1, 1))
    >>> conv_transpose2d(x, w, stride=2).ravel().tolist()
    [1.0, 1.0, 3.0, 2.0, 2.0]
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
    HO, WO = (H - before - after for H, (before, after) in zip(canvas, sides, strict=True))
    y_like = jax.ShapeDtypeStruct((len(x), HO, WO, groups * w.shape[2]), x.dtype)

    def conv(y):
        return _conv("conv2d", y, w, None, strides, sides, dilations, groups)

    (y,) = jax.linear_transpose(conv, y_like)(x)
    if b is not None:
        y = y + b
    return y


def _conv(op, x, w, b, stride, padding, dilation, groups) -> Array:
    """conv1d, conv2d and conv3d: any number of spatial axes."""
    n, image, kernel = w.ndim - 2, x.shape[1:-1], w.shape[:-2]
    strides = per_axis(f"{op}: stride", stride, 1, n)
    dilations = per_axis(f"{op}: dilation", dilation, 1, n)
    sides = fitting(f"{op}: kernel", padding, image, _reach(kernel, dilations), strides)
    axes = "DHW"[3 - n :]
    y = lax.conv_general_dilated(
        x,
        w,
        strides,
        sides,
        rhs_dilation=dilations,
        dimension_numbers=(f"N{axes}C", f"{axes}IO", f"N{axes}C"),
        feature_group_count=groups,
    )
    if b is not None:
        y = y + b
    return y


def _reach(kernel: tuple[int, ...], dilations: tuple[int, ...]) -> tuple[int, ...]:
    """The pixels from the first to the last entry of a window, d (KH - 1) + 1."""
    return tuple(d * (K - 1) + 1 for K, d in zip(kernel, dilations, strict=True))
