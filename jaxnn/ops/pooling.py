"""Pooling over windows of an image, channels last."""

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Float

from jaxnn.ops.windows import Pairs, fitting, per_axis
from jaxnn.shapes import expect

Array = jax.Array


def max_pool2d(
    x: Float[Array, "N H W C"],
    *,
    size: int | tuple[int, int] = 2,
    stride: int | tuple[int, int] | None = None,
    padding: int | str | tuple = 0,
) -> Float[Array, "N HO WO C"]:
    """Largest entry of each window, channel by channel.

    Autodiff of `lax.reduce_window` gives a tie to the first entry, as the hand backward does;
    autodiff of `jnp.max` over stacked windows would split it. It pads with its start, -inf.

    >>> x = jnp.array([[1.0, 5.0, 2.0], [5.0, 0.0, 3.0]]).reshape(1, 2, 3, 1)
    >>> max_pool2d(x, size=2, stride=1).ravel().tolist()
    [5.0, 5.0]
    """
    expect(max_pool2d, x)
    window, strides, sides = _slide("max_pool2d", x, size, stride, padding)
    return lax.reduce_window(
        x, -jnp.inf, lax.max, (1, *window, 1), (1, *strides, 1), ((0, 0), *sides, (0, 0))
    )


def avg_pool2d(
    x: Float[Array, "N H W C"],
    *,
    size: int | tuple[int, int] = 2,
    stride: int | tuple[int, int] | None = None,
    padding: int | str | tuple = 0,
    count_include_pad: bool = True,
) -> Float[Array, "N HO WO C"]:
    """Mean of each window, channel by channel.

    >>> x = jnp.array([3.0, 1.0, 5.0]).reshape(1, 1, 3, 1)
    >>> avg_pool2d(x, size=(1, 2), stride=1, padding=(0, 1)).ravel().tolist()
    [1.5, 2.0, 3.0, 2.5]
    """
    expect(avg_pool2d, x)
    window, strides, sides = _slide("avg_pool2d", x, size, stride, padding)

    def total(z):
        return lax.reduce_window(
            z, 0.0, lax.add, (1, *window, 1), (1, *strides, 1), ((0, 0), *sides, (0, 0))
        )

    count = window[0] * window[1] if count_include_pad else total(jnp.ones_like(x))
    return total(x) / count


def global_avg_pool2d(x: Float[Array, "N H W C"]) -> Float[Array, "N C"]:
    """Mean of each channel over the whole image.

    >>> global_avg_pool2d(jnp.arange(4.0).reshape(1, 2, 2, 1)).tolist()
    [[1.5]]
    """
    expect(global_avg_pool2d, x)
    return x.mean((1, 2))


def adaptive_avg_pool2d(
    x: Float[Array, "N H W C"], *, size: int | tuple[int, int]
) -> Float[Array, "N HO WO C"]:
    """Mean over bins that cover the image, as many as the output shall have pixels.

    >>> adaptive_avg_pool2d(jnp.arange(3.0).reshape(1, 1, 3, 1), size=(1, 2)).ravel().tolist()
    [0.5, 1.5]
    """
    expect(adaptive_avg_pool2d, x)
    HO, WO = per_axis("adaptive_avg_pool2d: size", size, 1, 2)
    rows, columns = _bins(x.shape[1], HO), _bins(x.shape[2], WO)
    return jnp.stack([jnp.stack([x[:, i, j].mean((1, 2)) for j in columns], 1) for i in rows], 1)


def _bins(H: int, HO: int) -> list[slice]:
    """From floor(h H / HO) up to ceil((h + 1) H / HO)."""
    return [slice(h * H // HO, -(-(h + 1) * H // HO)) for h in range(HO)]


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
