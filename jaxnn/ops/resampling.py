"""Larger images from smaller ones, channels last."""

import jax
import jax.numpy as jnp
from jaxtyping import Float

from jaxnn.ops.windows import per_axis
from jaxnn.shapes import expect

Array = jax.Array


def upsample(
    x: Float[Array, "N H W C"], *, factor: int | tuple[int, int] = 2
) -> Float[Array, "N HO WO C"]:
    """Every pixel becomes a block of equal pixels.

    >>> x = jnp.array([1.0, 2.0]).reshape(1, 1, 2, 1)
    >>> upsample(x, factor=(1, 2)).ravel().tolist()
    [1.0, 1.0, 2.0, 2.0]
    """
    expect(upsample, x)
    r, s = per_axis("upsample: factor", factor, 1, 2)
    N, H, W, C = x.shape
    return jax.image.resize(x, (N, r * H, s * W, C), "nearest")


def upsample_bilinear2d(
    x: Float[Array, "N H W C"], *, factor: int | tuple[int, int] = 2
) -> Float[Array, "N HO WO C"]:
    """Every pixel is interpolated between its four neighbours of the smaller image.

    >>> x = jnp.array([0.0, 4.0]).reshape(1, 1, 2, 1)
    >>> upsample_bilinear2d(x, factor=(1, 2)).ravel().tolist()
    [0.0, 1.0, 3.0, 4.0]
    """
    expect(upsample_bilinear2d, x)
    r, s = per_axis("upsample_bilinear2d: factor", factor, 1, 2)
    N, H, W, C = x.shape
    return jax.image.resize(x, (N, r * H, s * W, C), "bilinear")


def pixel_shuffle(
    x: Float[Array, "N H W {factor}**2*C"], *, factor: int = 2
) -> Float[Array, "N HO WO C"]:
    """Channels become pixels: each group of r r channels one r x r block of an image.

    >>> pixel_shuffle(jnp.arange(4.0).reshape(1, 1, 1, 4), factor=2)[0, :, :, 0].tolist()
    [[0.0, 1.0], [2.0, 3.0]]
    """
    expect(pixel_shuffle, x, factor=factor)
    r, (_, H, W, D) = factor, x.shape
    h, w, c = jnp.ogrid[: r * H, : r * W, : D // r**2]
    return x[:, h // r, w // r, c * r**2 + h % r * r + w % r]
