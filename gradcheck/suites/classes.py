"""Classes of a convention: the layers and losses that keep what they computed in attributes."""

import copy
import inspect
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import FunctionType, ModuleType
from typing import Any

import numpy as np

from gradcheck.layers import methods, seeded
from gradcheck.shapes import Axis
from gradcheck.subjects import Adapted, Subject, pair
from gradcheck.suites.ops import axes, draw, runs, shown


@dataclass(frozen=True)
class Class:
    """A class with forward and backward, as a convention has it, and the cases it is checked under.

    Args:
        name: of the class.
        shapes: of its inputs and parameters, as in "inputs: N D; weights: D M".
        cases: as of an `Op`; what is no array goes to the constructor or to the methods, to whoever
            has a parameter of that name.
        gradients: where the gradient of an input or a parameter is kept, by its name.
        output: where the forward keeps y. Empty for a loss: it returns the losses of the samples,
            or their mean, and the backward is handed what the loss was computed from, or the
            `handed` attribute, and gives the gradient of the mean.
    """

    name: str
    shapes: str
    cases: tuple[dict[str, Any], ...]
    gradients: dict[str, str]
    output: str = "output"
    handed: str = ""

    @cached_property
    def axes(self) -> dict[str, tuple[Axis, ...]]:
        return axes(self.shapes)

    def found(self, module: ModuleType) -> "RecognisedClass | None":
        """The class in a module whose methods want nothing that this does not know."""
        made = vars(module).get(self.name)
        if not isinstance(made, type) or made.__module__ != module.__name__:
            return None
        known = {n for case in self.cases for n in case} | self.axes.keys()
        for name, first in (("__init__", 0), ("forward", 0), ("backward", 1)):
            method = getattr(made, name, None)
            if not isinstance(method, FunctionType):
                if name == "__init__":
                    continue
                return None
            several = list(inspect.signature(method).parameters.values())[1 + first :]
            if not known.issuperset(p.name for p in several if p.default is p.empty):
                return None
        return RecognisedClass(self, module)


@dataclass(frozen=True)
class Instance:
    """Makes a pair from a class of a module, as `Subject.adapt` wants it; can be pickled."""

    cls: Class
    moving: tuple[str, ...]
    held: dict[str, Any] = field(default_factory=dict)

    def __call__(self, module: ModuleType) -> Adapted:
        made, loss = getattr(module, self.cls.name), not self.cls.output
        takes = {n: _parameters(getattr(made, n)) for n in ("__init__", "forward", "backward")}

        def call(method: str, instance: Any, first: tuple, given: dict[str, Any]) -> Any:
            names = takes[method][len(first) :]
            return getattr(instance, method)(*first, **{n: given[n] for n in names if n in given})

        def forward(*arrays: np.ndarray, **shown: Any) -> tuple[Any, Any]:
            given = copy.deepcopy(self.held) | dict(zip(self.moving, arrays, strict=True))
            with seeded():
                layer = made(**{n: given[n] for n in takes["__init__"] if n in given})
                for name in self.moving:
                    if name not in takes["forward"]:
                        setattr(layer, name, given[name])
                result = call("forward", layer, (), given)
            y = np.mean(result) if loss and result is not None else result
            return (y if loss else getattr(layer, self.cls.output, None)), (layer, given)

        def backward(dy: Any, cache: tuple) -> tuple:
            layer, given = copy.deepcopy(cache)
            first = dy
            if loss:
                handed = self.cls.handed
                first = getattr(layer, handed) if handed else given[self.moving[0]]
            with seeded():
                call("backward", layer, (first,), given)
            found = [getattr(layer, self.cls.gradients[n], None) for n in self.moving]
            return tuple(g if g is None or not loss else dy * g for g in found)

        return Adapted(forward, backward, methods(made, "forward"), methods(made, "backward"))


def _parameters(method: Any) -> list[str]:
    if not isinstance(method, FunctionType):
        return []
    return list(inspect.signature(method).parameters)[1:]


@dataclass(frozen=True)
class RecognisedClass:
    """A class of a suite in a module."""

    cls: Class
    module: ModuleType

    @property
    def name(self) -> str:
        return self.cls.name

    @property
    def functions(self) -> tuple[FunctionType, ...]:
        made = getattr(self.module, self.name)
        return made.forward, made.backward

    def subjects(self, seed: int, twin: bool = False) -> Iterator[Subject]:
        """The cases that run, at values drawn from a seed; all, where none runs."""
        drawn = [self.subject(k, seed) for k in range(len(self.cls.cases))]
        yield from [s for s in drawn if runs(s)] or drawn

    def subject(self, k: int, seed: int) -> Subject:
        case = self.cls.cases[k]
        names = dict.fromkeys([*self.cls.axes, *(n for n in case if not n[:1].isupper())])
        given = draw(names, self.cls.axes, case, np.random.default_rng([seed, k]))
        moving = tuple(self.cls.gradients)
        arrays = tuple(np.asarray(given.pop(n)) for n in moving)
        alone = replace(self.cls, cases=())  # they may draw by what cannot be pickled
        made = Instance(alone, moving, {n: v for n, v in given.items() if v is not None})
        functions = made(self.module)
        subject = pair(functions.forward, functions.backward, arrays, name=self.name)
        return replace(
            subject,
            names=moving,
            config=shown(given) | {n: case[n].__name__ for n in moving if n in case},
            axes={k: v for k, v in case.items() if k[:1].isupper()},
            file=functions.forwards[-1].__code__.co_filename,
            adapt=made,
            watch=(*functions.forwards, *functions.backwards),
        )
