"""Convolution (cross-correlation, as everywhere in deep learning), channels last."""

import jax
from jax import lax
from jaxtyping import Float

from jaxnn.shapes import expect

Array = jax.Array


def conv2d(
    x: Float[Array, "N H W C"],
    w: Float[Array, "KH KW C K"],
    b: Float[Array, " K"] | None = None,
    *,
    stride: int | tuple[int, int] = 1,
    padding: int | tuple[int, int] = 0,
) -> Float[Array, "N HO WO K"]:
    """Two-dimensional convolution, without flipping the kernel.

    Autodiff turns the convolution into two more: of dy with the flipped kernel, dilated by the
    stride, for dx, and of x with dy for dw.

    >>> import jax.numpy as jnp
    >>> x, w = jnp.arange(4.0).reshape(1, 2, 2, 1), jnp.ones((2, 2, 1, 1))
    >>> conv2d(x, w, padding=1)[0, :, :, 0].tolist()
    [[0.0, 1.0, 1.0], [2.0, 6.0, 4.0], [2.0, 5.0, 3.0]]
    """
    expect(conv2d, x, w, b)
    (s, t), (ph, pw) = two("conv2d: stride", stride, 1), two("conv2d: padding", padding, 0)
    KH, KW = w.shape[:2]
    H, W = x.shape[1] + 2 * ph, x.shape[2] + 2 * pw
    if KH > H or KW > W:
        raise ValueError(
            f"conv2d: kernel {KH} x {KW} exceeds the padded image {H} x {W}; "
            "wanted it to fit at least once; pad more or take a smaller kernel"
        )
    y = lax.conv_general_dilated(
        x, w, (s, t), ((ph, ph), (pw, pw)), dimension_numbers=("NHWC", "HWIO", "NHWC")
    )
    if b is not None:
        y = y + b
    return y


def two(what: str, value: int | tuple[int, int], least: int) -> tuple[int, int]:
    """A configuration value per spatial axis."""
    pair = value if isinstance(value, tuple) else (value, value)
    if len(pair) != 2 or not all(isinstance(v, int) and v >= least for v in pair):
        raise ValueError(
            f"{what} is {value!r}; wanted an integer >= {least}, or a pair of them, (rows, columns)"
        )
    return pair
