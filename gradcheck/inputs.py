"""Inputs for a declared op: sizes for its axes, then arrays in those shapes.

Sizes are pairwise distinct primes where a gradient is compared, so that no axis can be taken for
another and every factor that is a size can be read off; so many axes that primes would make arrays
too large get the numbers from 1.
"""

import math
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np

from gradcheck.shapes import Spec, shape, specs

Array = np.ndarray
Sampler = Callable[[np.random.Generator, tuple[int, ...], dict[str, Any]], Array]
PRIMES = (2, 3, 5, 7, 11, 13, 17, 19, 23)
MOST = 2500  # entries of one array


class InputError(ValueError):
    """No inputs can be made for a function, and why."""


def axes(f: Callable) -> dict[str, bool]:
    """The axis names of f in order of appearance; True for a starred one.

    >>> axes(lambda x: None)
    {}
    """
    return {a.name: a.star for s in specs(f) if s for a in s.axes if a.name}


def distinct_sizes(
    f: Callable, where: Callable, config: dict[str, Any], rng: np.random.Generator
) -> dict[str, Any]:
    """Pairwise distinct primes for the axes of f; a starred name gets two of them.

    Where an array would be too large for that, a starred name gets one, or else the sizes are
    distinct numbers.

    Raises:
        InputError: no assignment satisfies `where(sizes, config)`.
    """
    names = axes(f)

    def draw(stars: int, numbers: tuple[int, ...]) -> dict[str, Any]:
        count = sum(stars if star else 1 for star in names.values())
        drawn = iter(int(n) for n in rng.permutation(numbers[: max(count, 2)]))
        return {
            name: tuple(next(drawn) for _ in range(stars)) if star else next(drawn)
            for name, star in names.items()
        }

    for stars, numbers in ((2, PRIMES), (1, PRIMES)):
        if sum(stars if star else 1 for star in names.values()) <= len(numbers):
            with suppress(InputError):
                return _first(f, lambda s=stars, n=numbers: draw(s, n), where, config)
    return _first(f, lambda: draw(2, tuple(range(1, 20))), where, config, tries=20_000)


def free_sizes(
    f: Callable, where: Callable, config: dict[str, Any], rng: np.random.Generator, most: int = 6
) -> dict[str, Any]:
    """Any sizes from 1 to `most`, equal ones too; a starred name gets no axis, one or three.

    It gets two in `distinct_sizes`, where an axis counted from the other end is the same one.

    Raises:
        InputError: no assignment satisfies `where(sizes, config)`.
    """
    names = axes(f)

    def draw() -> dict[str, Any]:
        def some(n: int) -> tuple[int, ...]:
            return tuple(int(k) for k in rng.integers(1, most + 1, n))

        return {
            n: some(int(rng.choice((0, 1, 3)))) if star else some(1)[0] for n, star in names.items()
        }

    return _first(f, draw, where, config)


def _first(
    f: Callable, draw: Callable, where: Callable, config: dict[str, Any], tries: int = 2000
) -> dict[str, Any]:
    for _ in range(tries):
        sizes = draw()
        shapes = [shape(s.axes, sizes, config) for s in specs(f) if s]
        if max(map(math.prod, shapes), default=0) <= MOST and where(sizes, config):
            return sizes
    raise InputError(
        f"{f.__name__}: found no sizes for {', '.join(axes(f))} that satisfy its conditions under "
        f"{config}; wanted some from {PRIMES}"
    )


def fill(
    f: Callable,
    sizes: dict[str, Any],
    config: dict[str, Any],
    rng: np.random.Generator,
    samplers: dict[str, Sampler] | None = None,
    absent: bool = False,
) -> tuple:
    """Arrays for the declared arguments of f: standard normal, or drawn by their sampler.

    Args:
        f: a function whose positional parameters all declare their shapes.
        sizes: of its axes.
        config: values that the shapes mention.
        rng: source of the numbers.
        samplers: by argument, `sampler(rng, shape, sizes)`; integer arguments need one.
        absent: whether optional arguments are None.

    Raises:
        InputError: an argument declares no shape, or is integer without a sampler.
    """
    return tuple(
        None
        if absent and spec and spec.optional
        else _array(f, i, spec, sizes, config, rng, samplers)
        for i, spec in enumerate(specs(f))
    )


def _array(
    f: Callable,
    i: int,
    spec: Spec | None,
    sizes: dict[str, Any],
    config: dict[str, Any],
    rng: np.random.Generator,
    samplers: dict[str, Sampler] | None,
) -> Array:
    if spec is None:
        raise InputError(
            f"{f.__name__}: argument {i + 1} declares no shape; annotate it, as in "
            f'x: Float[np.ndarray, "N D"], or add CASES = {{"{f.__name__}": lambda rng: (...)}}'
        )
    size = shape(spec.axes, sizes, config)
    if samplers and spec.name in samplers:
        return np.asarray(samplers[spec.name](rng, size, sizes))
    if spec.kind == "bool":
        return np.asarray(rng.random(size) < 0.5)
    if spec.kind == "int":
        raise InputError(
            f"{f.__name__}: {spec.name} is an integer array, of which nobody said the range; add "
            f'CASES = {{"{f.__name__}": lambda rng: (...)}}'
        )
    return rng.standard_normal(size)
