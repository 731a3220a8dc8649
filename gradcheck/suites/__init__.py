"""Suites: the functions that a course or a library agreed on, by name and signature.

A suite is a tuple of `Op`s: what a function is called, which arrays it takes, and the cases under
which it is checked, chosen to be hard. A file that holds a function of that name and signature is
checked under them with no further word; one's own conventions stand in a `SUITE` of the file.
"""

import contextlib
import copy
import inspect
import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import FunctionType, ModuleType, SimpleNamespace
from typing import Any

import numpy as np

from gradcheck.shapes import Axis, read, shape
from gradcheck.subjects import Adapted, Subject, pair


@dataclass(frozen=True)
class Op:
    """A function with its backward, as a convention has it, and the cases it is checked under.

    Args:
        forward: the call, as in "conv_forward(x, w, b, conv_param)".
        backward: the call, as in "conv_backward(dout, cache)": its last parameter is the cache, the
            others are the gradients of what else the forward returns. Empty where the forward
            returns (loss, gradients).
        shapes: of the arrays, as in "x: N C H W; w: F C HH WW; b: F".
        cases: each a dict that holds sizes of axes, and values of parameters. A function draws a
            value: `f(rng, shape, sizes)`; so do functions inside a dict. What is not given is
            standard normal.
        gradients: the parameters that are differentiated; all float arrays, if empty.
    """

    forward: str
    backward: str
    shapes: str
    cases: tuple[dict[str, Any], ...]
    gradients: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return _call(self.backward or self.forward)[0].replace("_backward", "")

    @cached_property
    def axes(self) -> dict[str, tuple[Axis, ...]]:
        """The axes of each array, by parameter."""
        found = {}
        for part in self.shapes.split(";"):
            name, _, words = map(str.strip, part.partition(":"))
            spec = read(name, SimpleNamespace(dim_str=words, dtypes=("float64",)))
            found[name] = spec.axes if spec else ()
        return found

    def draw(self, case: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
        """The arguments of the forward in a case, by name."""

        def value(given: Any, size: tuple[int, ...] | None) -> Any:
            if isinstance(given, dict):
                return {k: value(v, None) for k, v in given.items()}
            return given(rng, size, case) if callable(given) else given

        found = {}
        for name in _call(self.forward)[1]:
            size = shape(self.axes[name], case, {}) if name in self.axes else None
            given = case.get(name, _normal if size is not None else {})
            found[name] = value(given, size)
        return found


def _normal(rng: np.random.Generator, shape: tuple[int, ...], sizes: dict) -> np.ndarray:
    return rng.standard_normal(shape)


@dataclass(frozen=True)
class Made:
    """Makes a pair from the functions of a module, as `Subject.adapt` wants it; can be pickled.

    `moving` are the parameters that are differentiated, `held` the values of the others.
    """

    forward: str
    backward: str
    parameters: tuple[str, ...]
    moving: tuple[str, ...]
    held: dict[str, Any] = field(default_factory=dict)

    def __call__(self, module: ModuleType) -> Adapted:
        f = getattr(module, self.forward)

        def call(arrays: tuple) -> Any:
            # copies, as running statistics are kept in dicts
            given = copy.deepcopy(self.held) | dict(zip(self.moving, arrays, strict=True))
            return f(*[given[p] for p in self.parameters])

        if not self.backward:
            return _of_loss(f, call)
        f_backward = getattr(module, self.backward)

        def forward(*arrays: np.ndarray, **shown: Any) -> Any:
            result = call(arrays)
            several = isinstance(result, tuple) and len(result) > 2
            return (result[:-1], result[-1]) if several else result

        def backward(dy: Any, cache: Any) -> Any:
            return f_backward(*(dy if isinstance(dy, tuple) else (dy,)), cache)

        return Adapted(forward, backward, (f,), (f_backward,))


def _of_loss(f: FunctionType, call: Any) -> Adapted:
    """The pair of a function that returns (loss, gradients); its backward runs it once more."""

    def forward(*arrays: np.ndarray, **shown: Any) -> Any:
        result = call(arrays)
        several = isinstance(result, tuple) and len(result) >= 2
        return (result[0], arrays) if several else result

    def backward(dloss: Any, arrays: tuple) -> Any:
        found = call(arrays)[1:]
        if any(g is None for g in found):
            return found
        return tuple(dloss * np.asarray(g) for g in found)

    return Adapted(forward, backward, (f,), (f,))


@dataclass(frozen=True)
class Recognised:
    """An op of a suite in a module, with the names that its functions have there."""

    op: Op
    module: ModuleType
    forward: str
    backward: str

    @property
    def name(self) -> str:
        return self.op.name

    @property
    def functions(self) -> tuple[FunctionType, ...]:
        return tuple(getattr(self.module, n) for n in (self.forward, self.backward) if n)

    def subjects(self, seed: int, twin: bool = False) -> Iterator[Subject]:
        """The cases that run, at values drawn from a seed; all, where none runs."""
        drawn = [self.subject(k, seed) for k in range(len(self.op.cases))]
        yield from [s for s in drawn if _runs(s)] or drawn

    def subject(self, k: int, seed: int) -> Subject:
        op, case = self.op, self.op.cases[k]
        parameters = _call(op.forward)[1]
        given = op.draw(case, np.random.default_rng([seed, k]))
        moving = op.gradients or tuple(n for n in parameters if n in op.axes)
        arrays = tuple(np.asarray(given.pop(n)) for n in moving)
        made = Made(self.forward, self.backward, parameters, moving, given)
        functions = made(self.module)
        drawn = {n: case[n].__name__ for n in moving if n in case}
        config = _shown(given) | drawn
        subject = pair(functions.forward, functions.backward, arrays, config, name=op.name)
        return replace(
            subject,
            names=moving,
            axes={k: v for k, v in case.items() if k not in parameters},
            file=functions.forwards[0].__code__.co_filename,
            adapt=made,
            watch=(*functions.forwards, *functions.backwards),
        )


def of(module: ModuleType) -> list[Recognised]:
    """What a module holds of its own `SUITE` and of the shipped ones, in the order of its file.

    A function that the module gives `CASES` for is left to those.
    """
    from gradcheck.suites import cs231n

    own, cases = getattr(module, "SUITE", ()), getattr(module, "CASES", {})
    found = {r.name: r for r in recognise(module, (*cs231n.SUITE, *own)) if r.name not in cases}
    return sorted(found.values(), key=lambda r: r.functions[-1].__code__.co_firstlineno)


def recognise(module: ModuleType, suite: Iterable[Op]) -> list[Recognised]:
    """The ops of a suite that a module defines: functions of that name and signature."""
    found = []
    for op in suite:
        names = [n for n, _ in map(_call, (op.forward, op.backward)) if n]
        wanted = [p for n, p in map(_call, (op.forward, op.backward)) if n]
        own = [vars(module).get(n) for n in names]
        if all(
            inspect.isfunction(f) and f.__module__ == module.__name__ and _takes(f, p)
            for f, p in zip(own, wanted, strict=True)
        ):
            found.append(Recognised(op, module, names[0], "".join(names[1:])))
    return found


def _call(text: str) -> tuple[str, tuple[str, ...]]:
    """The name and the parameters of a call.

    >>> _call("relu_backward(dout, cache)"), _call("")
    (('relu_backward', ('dout', 'cache')), ('', ()))
    """
    name, _, rest = text.partition("(")
    return name, tuple(re.findall(r"\w+", rest))


def _takes(f: FunctionType, wanted: tuple[str, ...]) -> bool:
    """Whether the parameters of f are these, and others only by default.

    The backward's are told by their number: only the forward's names say what is what.
    """
    parameters = list(inspect.signature(f).parameters.values())
    first, others = parameters[: len(wanted)], parameters[len(wanted) :]
    alike = [p.name.lower() == w.lower() for p, w in zip(first, wanted, strict=False)]
    return (
        len(alike) == len(wanted)
        and (all(alike) or wanted[-1] == "cache")
        and all(p.kind is p.POSITIONAL_OR_KEYWORD for p in first)
        and all(p.default is not p.empty or p.kind is p.VAR_KEYWORD for p in others)
    )


def _shown(given: dict[str, Any]) -> dict[str, Any]:
    """The single values among arguments, those of dicts by their key; of two alike the last."""
    flat: dict[str, Any] = {}
    for name, value in given.items():
        flat |= value if isinstance(value, dict) else {name: value}
    return {k: v for k, v in flat.items() if isinstance(v, (int, float, str)) and k != "seed"}


def _runs(subject: Subject) -> bool:
    """Whether the forward runs here, and says what a backward needs."""
    try:
        with np.errstate(all="ignore"), contextlib.redirect_stdout(io.StringIO()):
            return subject.run().cache is not None
    except Exception:  # sizes or options that it does not take
        return False
