"""Pooling over windows of an image, channels last."""

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Float

from jaxnn.ops.convolution import two
from jaxnn.shapes import expect

Array = jax.Array


def max_pool2d(
    x: Float[Array, "N H W C"],
    *,
    size: int | tuple[int, int] = 2,
    stride: int | tuple[int, int] | None = None,
) -> Float[Array, "N HO WO C"]:
    """Largest entry of each window, channel by channel.

    Autodiff of `lax.reduce_window` gives a tie to the first entry, as the hand backward does;
    autodiff of `jnp.max` over stacked windows would split it.

    >>> x = jnp.array([[1.0, 5.0, 2.0], [5.0, 0.0, 3.0]]).reshape(1, 2, 3, 1)
    >>> max_pool2d(x, size=2, stride=1).ravel().tolist()
    [5.0, 5.0]
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
    return lax.reduce_window(x, -jnp.inf, lax.max, (1, KH, KW, 1), (1, s, t, 1), "VALID")
