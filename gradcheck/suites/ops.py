"""Functions of a convention: their names and signatures, and the cases they are checked under."""

import contextlib
import copy
import inspect
import io
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from types import FunctionType, ModuleType, SimpleNamespace
from typing import Any

import numpy as np

from gradcheck.inputs import InputError
from gradcheck.layers import seeded
from gradcheck.samples import leaves
from gradcheck.shapes import Axis, read, shape
from gradcheck.subjects import Adapted, ContractError, Subject, nothing, pair


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
        forward, backward = _call(self.forward)[0], _call(self.backward)[0]
        stem = backward.replace("_backward", "")
        return stem if stem != backward else forward

    @property
    def parameters(self) -> tuple[str, ...]:
        return _call(self.forward)[1]

    @cached_property
    def axes(self) -> dict[str, tuple[Axis, ...]]:
        return axes(self.shapes)

    def found(self, module: ModuleType) -> "Recognised | None":
        """The op in a module that defines its functions, with these parameters."""
        calls = [call for call in (_call(self.forward), _call(self.backward)) if call[0]]
        own = [vars(module).get(name) for name, _ in calls]
        for f, (_, wanted) in zip(own, calls, strict=True):
            if (
                not inspect.isfunction(f)
                or f.__module__ != module.__name__
                or not _takes(f, wanted)
            ):
                return None
        return Recognised(self, module, calls[0][0], "".join(name for name, _ in calls[1:]))


def axes(shapes: str) -> dict[str, tuple[Axis, ...]]:
    """The axes of each array, by name.

    Raises:
        ValueError: an axis cannot be read.

    >>> {name: list(map(str, several)) for name, several in axes("x: N D; b: 4*D").items()}
    {'x': ['N', 'D'], 'b': ['4*D']}
    """
    found = {}
    for part in shapes.split(";"):
        name, _, words = map(str.strip, part.partition(":"))
        spec = read(name, SimpleNamespace(dim_str=words, dtypes=("float64",)))
        found[name] = spec.axes if spec else ()
    return found


def draw(
    names: Iterable[str],
    axes: dict[str, tuple[Axis, ...]],
    case: dict[str, Any],
    rng: np.random.Generator,
) -> dict[str, Any]:
    """The arguments of these names in a case.

    Raises:
        InputError: the case gives no size of an axis.
    """
    wanted = [a.name for several in axes.values() for a in several if a.name]
    if missing := [name for name in wanted if name not in case]:
        raise InputError(
            f"SUITE: a case of {', '.join(axes)} gives no size of axis {missing[0]} (it gives "
            f'{", ".join(case) or "nothing"}); add "{missing[0]}": 3'
        )

    def value(given: Any, size: tuple[int, ...] | None) -> Any:
        if isinstance(given, dict):
            return {k: value(v, None) for k, v in given.items()}
        return given(rng, size, case) if callable(given) else given

    found = {}
    for name in names:
        size = shape(axes[name], case, {}) if name in axes else None
        found[name] = value(case.get(name, _normal if size is not None else {}), size)
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
    outputs: int = 1

    def __call__(self, module: ModuleType) -> Adapted:
        f = getattr(module, self.forward)
        still = seeded if _draws(f) else contextlib.nullcontext  # to seed takes longer than most do

        def call(arrays: tuple, wanted: int, what: str) -> Any:
            # copies, as running statistics are kept in dicts
            given = copy.deepcopy(self.held) | dict(zip(self.moving, arrays, strict=True))
            with still():
                result = f(*[given[p] for p in self.parameters])
            count = len(result) if isinstance(result, tuple) else 1
            if not nothing(result) and count != wanted:
                raise ContractError(
                    "shape",
                    f"{self.forward} returned {f'{count} values' if count > 1 else 'one value'}; "
                    f"wanted {what}",
                    f.__code__.co_firstlineno,
                )
            return result

        if not self.backward:
            return _of_loss(f, partial(call, wanted=1 + len(self.moving), what="(loss, gradient)"))
        f_backward = getattr(module, self.backward)
        outputs = self.outputs
        what = f"{outputs} outputs and the cache" if outputs > 1 else "the pair (y, cache)"

        def forward(*arrays: np.ndarray, **shown: Any) -> Any:
            result = call(arrays, outputs + 1, what)
            several = outputs > 1 and not nothing(result)
            return (result[:-1], result[-1]) if several else result

        def backward(dy: Any, cache: Any) -> Any:
            with still():
                return f_backward(*(dy if isinstance(dy, tuple) else (dy,)), cache)

        return Adapted(forward, backward, (f,), (f_backward,))


def _draws(f: FunctionType) -> bool:
    """Whether a function, or one of its module that it names, draws random numbers."""
    queue, seen = [f], {f}
    while queue:
        g = queue.pop()
        if "random" in g.__code__.co_names:
            return True
        named = (g.__globals__.get(n) for n in g.__code__.co_names)
        found = {h for h in named if isinstance(h, FunctionType)} - seen
        queue += found
        seen |= found
    return False


def _of_loss(f: FunctionType, call: Callable[[tuple], Any]) -> Adapted:
    """The pair of a function that returns (loss, gradients); its backward runs it once more."""

    def forward(*arrays: np.ndarray, **shown: Any) -> Any:
        result = call(arrays)
        return result if nothing(result) else (result[0], arrays)

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
        yield from [s for s in drawn if runs(s)] or drawn

    def subject(self, k: int, seed: int) -> Subject:
        op, case = self.op, self.op.cases[k]
        given = draw(op.parameters, op.axes, case, np.random.default_rng([seed, k]))
        moving = op.gradients or tuple(n for n in op.parameters if n in op.axes)
        arrays = tuple(np.asarray(given.pop(n)) for n in moving)
        outputs = len(_call(op.backward)[1]) - 1
        made = Made(self.forward, self.backward, op.parameters, moving, given, outputs)
        functions = made(self.module)
        drawn = {n: case[n].__name__ for n in moving if n in case}
        config = shown(given) | drawn
        subject = pair(functions.forward, functions.backward, arrays, config, name=op.name)
        return replace(
            subject,
            names=moving,
            axes={k: v for k, v in case.items() if k not in op.parameters},
            file=functions.forwards[0].__code__.co_filename,
            adapt=made,
            watch=(*functions.forwards, *functions.backwards),
        )


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


def shown(given: dict[str, Any]) -> dict[str, Any]:
    """The single values among arguments, those of dicts by their key; of two alike the last."""
    flat: dict[str, Any] = {}
    for name, value in given.items():
        flat |= value if isinstance(value, dict) else {name: value}
    return {k: v for k, v in flat.items() if isinstance(v, (int, float, str)) and k != "seed"}


def runs(subject: Subject) -> bool:
    """Whether the forward runs here, and says what a backward needs."""
    try:
        with np.errstate(all="ignore"), contextlib.redirect_stdout(io.StringIO()):
            cache = subject.run().cache
            # a backward that is not told the mode is that of training, as most courses have it
            told = subject.config.get("mode") != "test" or "test" in leaves(cache, str)
            return cache is not None and told
    except ContractError:
        return True
    except Exception:  # sizes or options that it does not take
        return False
