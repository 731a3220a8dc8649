"""The reader of shape strings such as ``"*batch D"`` and ``"H 4*H"``, and the errors it gives.

An op declares its shapes once, in its signature, in jaxtyping's form. This file reads them back:
`expect` checks the arrays of a call, `bind` gives the size of every axis, `shape` builds a shape
from sizes. An axis is a name (``N``), a number (``3``), any leading axes (``*batch``) or a
multiple of a name by a number or a configuration value (``4*H``, ``{groups}*G``), or by a power of
one (``{factor}**2*C``).

scratchnn, jaxnn and gradcheck do not import each other, so each holds this file, byte for byte;
``tests/test_mirror.py`` keeps the copies equal.
"""

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from numbers import Integral
from typing import Any, get_args

_AXIS = re.compile(
    r"(?P<star>\*)?(?:(?P<factor>\d+|\{\w+\})(?:\*\*(?P<power>\d))?\*)?"
    r"(?P<name>[A-Za-z_]\w*|\d+)"
)


@dataclass(frozen=True)
class Axis:
    """One axis: ``factor ** power * name``, or a plain number when `name` is empty."""

    name: str
    factor: int | str = 1  # a number, or the name of a configuration value
    star: bool = False
    power: int = 1

    def __str__(self) -> str:
        factor = f"{{{self.factor}}}" if isinstance(self.factor, str) else str(self.factor)
        factor += f"**{self.power}" * (self.power != 1)
        if not self.name:
            return factor
        return "*" * self.star + (self.name if self.factor == 1 else f"{factor}*{self.name}")

    def times(self, config: dict[str, Any]) -> int:
        factor = config[self.factor] if isinstance(self.factor, str) else self.factor
        return factor**self.power


@dataclass(frozen=True)
class Spec:
    """A declared array: its parameter's name, its axes, the dtypes it admits."""

    name: str
    axes: tuple[Axis, ...]
    dtypes: tuple[str, ...]
    optional: bool

    @property
    def kind(self) -> str:
        """``float``, ``int`` or ``bool``."""
        if "float64" in self.dtypes:
            return "float"
        return "int" if "int64" in self.dtypes else "bool"

    def __str__(self) -> str:
        return "(" + ", ".join(map(str, self.axes)) + ("," if len(self.axes) == 1 else "") + ")"


def read(name: str, annotation: Any) -> Spec | None:
    """The `Spec` of one annotation, or None where it declares no shape."""
    options = [a for a in get_args(annotation) if hasattr(a, "dim_str")]
    declared = annotation if hasattr(annotation, "dim_str") else options[0] if options else None
    if declared is None:
        return None
    axes = []
    for token in declared.dim_str.split():
        match = _AXIS.fullmatch(token)
        if match is None:
            raise ValueError(
                f"{name}: cannot read axis {token!r} of shape {declared.dim_str!r}; "
                "write a name, a number, *batch or a multiple such as 4*H"
            )
        star, factor, axis = match["star"], match["factor"], match["name"]
        if axis.isdigit():
            axes.append(Axis("", int(axis)))
        else:
            times = factor.strip("{}") if factor else "1"
            times = int(times) if times.isdigit() else times
            axes.append(Axis(axis, times, bool(star), int(match["power"] or 1)))
    return Spec(name, tuple(axes), tuple(declared.dtypes), declared is not annotation)


@cache
def specs(f: Callable) -> tuple[Spec | None, ...]:
    """The declared arrays of `f`, one per positional parameter, in order."""
    positional = [
        p
        for p in inspect.signature(f, eval_str=True).parameters.values()
        if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
    ]
    return tuple(read(p.name, p.annotation) for p in positional)


def shape(axes: tuple[Axis, ...], sizes: dict[str, Any], config: dict[str, Any]) -> tuple[int, ...]:
    """The shape that `axes` have at these sizes; a starred name's size is a tuple."""
    out: list[int] = []
    for axis in axes:
        if axis.star:
            out.extend(sizes[axis.name])
        else:
            out.append(axis.times(config) * (sizes[axis.name] if axis.name else 1))
    return tuple(out)


def bind(f: Callable, arrays: tuple, config: dict[str, Any] | None = None) -> dict[str, Any]:
    """The size of every axis named in the signature of `f`, as these arrays have them.

    Raises:
        TypeError: something is no array, or has the wrong kind of dtype.
        ValueError: a rank or a size does not fit, an axis is empty, or a configuration value that
            shapes mention is no integer >= 1.
    """
    config = config or {}
    sizes: dict[str, Any] = {}
    first: dict[str, str] = {}
    pairs = [(s, a) for s, a in zip(specs(f), arrays, strict=True) if s is not None]
    pairs = [(s, a) for s, a in pairs if not (a is None and s.optional)]
    for spec, array in pairs:
        _check_kind(f, spec, array)
        for name in (a.factor for a in spec.axes if isinstance(a.factor, str)):
            if not isinstance(config[name], Integral) or config[name] < 1:
                raise ValueError(
                    f"{f.__name__}: {name} is {config[name]!r}; wanted an integer >= 1"
                )
    # plain names first, so that 4*H may stand before H
    for multiples in (False, True):
        for spec, array in pairs:
            for axis, size in _walk(spec.axes, array.shape):
                if (axis.factor != 1 or not axis.name) == multiples:
                    _bind_axis(f, spec, array, axis, size, sizes, first, config)
    return sizes


def expect(f: Callable, *arrays: Any, **config: Any) -> None:
    """Check the arrays of a call of `f`; the first line of every op.

    What fits is remembered by shapes and dtypes, so that a repeated call costs a microsecond.
    `config` holds the values that the declared shapes mention, e.g. ``groups=groups``.
    """
    try:
        key = (f, *[None if a is None else (a.shape, a.dtype) for a in arrays], *config.items())
    except AttributeError:
        key = None
    if key is None or key not in _fitting:
        bind(f, arrays, config)
        _fitting.add(key)


_fitting: set = set()


def _check_kind(f: Callable, spec: Spec, array: Any) -> None:
    where = f"{f.__name__}: {spec.name}"
    if not hasattr(array, "shape") or not hasattr(array, "dtype"):
        raise TypeError(
            f"{where} is a {type(array).__name__}; wanted a {spec.kind} array of shape {spec}; "
            "convert it with asarray"
        )
    if array.dtype.name not in spec.dtypes:
        fix = {
            "float": "convert it with .astype('float64')",
            "int": "convert it with .astype('int64')",
            "bool": "compare, or convert it with .astype(bool)",
        }[spec.kind]
        kind = {"float": "a float", "int": "an integer", "bool": "a boolean"}[spec.kind]
        raise TypeError(f"{where} has dtype {array.dtype.name}; wanted {kind} dtype; {fix}")
    starred = any(a.star for a in spec.axes)
    rank = len(spec.axes) - starred
    if len(array.shape) != rank and not (starred and len(array.shape) > rank):
        raise ValueError(
            f"{where} has shape {tuple(array.shape)}; wanted {'at least ' * starred}{rank} "
            f"axes, {spec}; reshape it"
        )
    if 0 in array.shape:
        raise ValueError(
            f"{where} has shape {tuple(array.shape)}, an empty array; wanted {spec} with at "
            "least one entry along each axis; leave the empty batch out"
        )


def _walk(axes: tuple[Axis, ...], shape: tuple[int, ...]):
    """Pairs of a declared axis and its size; a starred axis takes what the others leave."""
    i = 0
    for axis in axes:
        n = len(shape) - len(axes) + 1 if axis.star else 1
        yield axis, tuple(shape[i : i + n]) if axis.star else shape[i]
        i += n


def _bind_axis(f, spec, array, axis, size, sizes, first, config):
    got = f"{f.__name__}: {spec.name} has shape {tuple(array.shape)}, but its axis {axis}"
    times = axis.times(config)
    if not axis.name:
        if size != times:
            raise ValueError(f"{got} must be {times}; wanted {spec}")
        return
    if axis.name == "_":
        return
    if axis.name not in sizes:
        if not axis.star and size % times:
            raise ValueError(f"{got} must be a multiple of {times}, got {size}; wanted {spec}")
        sizes[axis.name] = size if axis.star else size // times
        first[axis.name] = spec.name
    want = sizes[axis.name] if axis.star else times * sizes[axis.name]
    if size != want:
        square = len(spec.axes) == 2 and all(a.factor == 1 and not a.star for a in spec.axes)
        turned = square and all(
            sizes.get(a.name, n) == n for a, n in zip(spec.axes, array.shape[::-1], strict=True)
        )
        fix = f"{spec.name}.T would fit" if turned else f"wanted {spec}"
        known = f"{axis.name} = {sizes[axis.name]} from {first[axis.name]}"
        raise ValueError(f"{got} must be {want} ({known}); {fix}")
