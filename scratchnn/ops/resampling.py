"""Larger images from smaller ones, channels last."""

import numpy as np
from jaxtyping import Float

from scratchnn.ops.windows import per_axis
from scratchnn.shapes import expect

Array = np.ndarray


def upsample(
    x: Float[Array, "N H W C"], *, factor: int | tuple[int, int] = 2
) -> tuple[Float[Array, "N HO WO C"], tuple]:
    """Every pixel becomes a block of equal pixels.

    With factor (r, s):

        y_nhwc = x_n,h//r,w//s,c        HO = r H, WO = s W
        dx_nhwc = sum over 0 <= i < r, 0 <= j < s of dy_n,rh+i,sw+j,c

    Args:
        x: images, channels last.
        factor: height and width of a block, in pixels, one number or one per axis.

    Returns:
        y and the cache of `upsample_backward`.

    Raises:
        ValueError: factor < 1.
        TypeError: x is not a floating array.

    Source: Odena, Dumoulin and Olah, Deconvolution and Checkerboard Artifacts (2016),
    doi:10.23915/distill.00003.

    >>> y, cache = upsample(np.array([1.0, 2.0]).reshape(1, 1, 2, 1), factor=(1, 2))
    >>> y.ravel().tolist(), upsample_backward(y, cache).ravel().tolist()
    ([1.0, 1.0, 2.0, 2.0], [2.0, 4.0])
    """
    expect(upsample, x)
    r, s = per_axis("upsample: factor", factor, 1, 2)
    return x.repeat(r, axis=1).repeat(s, axis=2), (x.shape, r, s)


def upsample_backward(dy: Array, cache: tuple) -> Array:
    """dx_nhwc = sum over 0 <= i < r, 0 <= j < s of dy_n,rh+i,sw+j,c."""
    (N, H, W, C), r, s = cache
    return dy.reshape(N, H, r, W, s, C).sum((2, 4))


def upsample_bilinear2d(
    x: Float[Array, "N H W C"], *, factor: int | tuple[int, int] = 2
) -> tuple[Float[Array, "N HO WO C"], tuple]:
    """Every pixel is interpolated between its four neighbours of the smaller image.

    Pixels are unit squares, so row h of y, of r H, has its centre at (h + 1/2) / r - 1/2 in rows of
    x; beyond the outermost centres the image is constant. With A_hi = max(0, 1 - |centre - i|), the
    weight of row i there, and B likewise along W:

        y_nhwc = sum_ij A_hi B_wj x_nijc        HO = r H, WO = s W
        dx_nijc = sum_hw A_hi B_wj dy_nhwc

    Args:
        x: images, channels last.
        factor: (r, s), the enlargement, one number or one per axis.

    Returns:
        y and the cache of `upsample_bilinear2d_backward`.

    Raises:
        ValueError: factor < 1.
        TypeError: x is not a floating array.

    Source: Press et al., Numerical Recipes (2nd edition, 1992), section 3.6; the centres are those
    of PyTorch's `align_corners=False` and of TensorFlow.

    >>> y, cache = upsample_bilinear2d(np.array([0.0, 4.0]).reshape(1, 1, 2, 1), factor=(1, 2))
    >>> y.ravel().tolist(), upsample_bilinear2d_backward(y, cache).ravel().tolist()
    ([0.0, 1.0, 3.0, 4.0], [1.5, 6.5])
    """
    expect(upsample_bilinear2d, x)
    r, s = per_axis("upsample_bilinear2d: factor", factor, 1, 2)
    A, B = _tents(x.shape[1], r).astype(x.dtype), _tents(x.shape[2], s).astype(x.dtype)
    return np.einsum("hi,wj,nijc->nhwc", A, B, x, optimize=True), (A, B)


def upsample_bilinear2d_backward(dy: Array, cache: tuple) -> Array:
    """dx_nijc = sum_hw A_hi B_wj dy_nhwc."""
    A, B = cache
    return np.einsum("hi,wj,nhwc->nijc", A, B, dy, optimize=True)


def pixel_shuffle(
    x: Float[Array, "N H W {factor}**2*C"], *, factor: int = 2
) -> tuple[Float[Array, "N HO WO C"], tuple]:
    """Channels become pixels: each group of r r channels one r x r block of an image.

    With r the factor:

        y_n,rh+i,rw+j,c = x_n,h,w,crr+ir+j        HO = r H, WO = r W

    Every entry has one place in y, so dx is dy moved back. This is the order of PyTorch's channels;
    TensorFlow's `depth_to_space` reads channel irC + jC + c instead.

    Args:
        x: images, channels last.
        factor: r, in pixels.

    Returns:
        y and the cache of `pixel_shuffle_backward`.

    Raises:
        ValueError: r r does not divide the channels, or factor < 1.
        TypeError: x is not a floating array.

    Source: Shi et al., Real-Time Single Image and Video Super-Resolution Using an Efficient
    Sub-Pixel Convolutional Neural Network, arXiv:1609.05158.

    >>> y, cache = pixel_shuffle(np.arange(4.0).reshape(1, 1, 1, 4), factor=2)
    >>> y[0, :, :, 0].tolist(), pixel_shuffle_backward(y, cache).ravel().tolist()
    ([[0.0, 1.0], [2.0, 3.0]], [0.0, 1.0, 2.0, 3.0])
    """
    expect(pixel_shuffle, x, factor=factor)
    N, H, W, D = x.shape
    r, C = factor, D // factor**2
    blocks = x.reshape(N, H, W, C, r, r).transpose(0, 1, 4, 2, 5, 3)  # N H r W r C
    return blocks.reshape(N, H * r, W * r, C), (x.shape, r)


def pixel_shuffle_backward(dy: Array, cache: tuple) -> Array:
    """dx_n,h,w,crr+ir+j = dy_n,rh+i,rw+j,c."""
    (N, H, W, D), r = cache
    blocks = dy.reshape(N, H, r, W, r, D // r**2)
    return blocks.transpose(0, 1, 3, 5, 2, 4).reshape(N, H, W, D)


def _tents(H: int, r: int) -> Array:
    """A_hi = max(0, 1 - |centre of h - i|)."""
    centre = np.clip((np.arange(r * H) + 0.5) / r - 0.5, 0, H - 1)
    return np.maximum(0, 1 - np.abs(centre[:, None] - np.arange(H)))
