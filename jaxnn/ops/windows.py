"""How a window slides: a configuration value per spatial axis, and the padding around it."""

from numbers import Integral

from jax import lax

AXES = {
    1: "",
    2: ", or a pair of them, (rows, columns)",
    3: ", or three of them, (depth, rows, columns)",
}
Pairs = tuple[tuple[int, int], ...]


def per_axis(what: str, value: int | tuple[int, ...], least: int, n: int) -> tuple[int, ...]:
    """A configuration value for each of n spatial axes.

    Raises:
        ValueError: not one integer >= least, nor n of them.

    >>> per_axis("conv2d: stride", 2, 1, 2), per_axis("conv2d: stride", (2, 1), 1, 2)
    ((2, 2), (2, 1))
    """
    values = value if isinstance(value, tuple) else (value,) * n
    if len(values) != n or not all(_integer(v, least) for v in values):
        raise ValueError(f"{what} is {value!r}; wanted an integer >= {least}{AXES[n]}")
    return values


def pairs(what: str, padding: int | str | tuple, n: int, words: str = "") -> Pairs:
    """Padding (before, after) each of n spatial axes, in entries.

    Args:
        what: the op and the option, for the message.
        padding: one number for both sides, one per axis, or a pair (before, after) per axis.
        n: number of spatial axes.
        words: what else the caller takes, for the message.

    Raises:
        ValueError: padding is none of these.

    >>> pairs("conv2d: padding", (1, 2), 2), pairs("conv2d: padding", ((1, 0), (0, 2)), 2)
    (((1, 1), (2, 2)), ((1, 0), (0, 2)))
    """
    values = padding if isinstance(padding, tuple) else (padding,) * n
    sides = tuple(v if isinstance(v, tuple) else (v, v) for v in values)
    if len(sides) != n or not all(len(s) == 2 and all(_integer(v, 0) for v in s) for s in sides):
        raise ValueError(
            f"{what} is {padding!r}; wanted an integer >= 0{AXES[n]}, "
            f"or a pair (before, after) per axis{words}"
        )
    return sides


def fitting(
    what: str,
    padding: int | str | tuple,
    image: tuple[int, ...],
    window: tuple[int, ...],
    strides: tuple[int, ...],
) -> Pairs:
    """Padding (before, after) each spatial axis with which the window fits at least once.

    "valid" is no padding. "same" gives ceil(H / s) windows, one per image pixel at stride 1; of an
    odd total the larger half goes after.

    Args:
        what: the op and its word for the window, for the messages.
        padding: "same", "valid", or what `pairs` takes.
        image: spatial sizes.
        window: spatial sizes, with dilation.
        strides: steps between windows.

    Raises:
        ValueError: padding is none of these, or the window exceeds the padded image.

    >>> fitting("conv2d: kernel", "same", (5, 6), (3, 2), (1, 2))
    ((1, 1), (0, 0))
    """
    if padding in ("same", "valid"):
        sides = tuple(lax.padtype_to_pads(image, window, strides, padding.upper()))
    else:
        op = what.split(":")[0]
        sides = pairs(f"{op}: padding", padding, len(image), ', or "same" or "valid"')
    padded = [before + H + after for H, (before, after) in zip(image, sides, strict=True)]
    if any(K > H for K, H in zip(window, padded, strict=True)):
        raise ValueError(
            f"{what} {_by(window)} exceeds the padded image {_by(padded)}; wanted it to fit at "
            "least once; pad more or take a smaller one"
        )
    return sides


def _by(sizes) -> str:
    """3 x 5, for messages.

    >>> _by((3, 5))
    '3 x 5'
    """
    return " x ".join(map(str, sizes))


def _integer(value, least: int) -> bool:
    return isinstance(value, Integral) and int(value) >= least
