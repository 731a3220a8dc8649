"""Networks of a convention: classes whose method loss(X, y) returns the loss and all gradients."""

import inspect
from collections.abc import Iterator
from dataclasses import dataclass, replace
from types import FunctionType, ModuleType
from typing import Any

import numpy as np

from gradcheck.finding import find
from gradcheck.found import Found
from gradcheck.layers import positional
from gradcheck.subjects import Subject
from gradcheck.suites.ops import axes, draw, runs, shown


@dataclass(frozen=True)
class Network:
    """A class with a loss, as a convention has it, and the cases it is checked under.

    Args:
        name: of the class.
        shapes: of what the loss is given, in order, as in "X: N D; y: N".
        cases: as of an `Op`; what is in lower case goes to the constructor. A case that a
            constructor does not take is left out.
        method: that returns (loss, gradients).
    """

    name: str
    shapes: str
    cases: tuple[dict[str, Any], ...]
    method: str = "loss"

    def found(self, module: ModuleType) -> "RecognisedNetwork | None":
        """The class in a module whose constructor takes one of the cases at least."""
        made = vars(module).get(self.name)
        if not isinstance(made, type) or made.__module__ != module.__name__:
            return None
        own = [f for f in find(module) if f.name == f"{self.name}.{self.method}"]
        cases = [case for case in self.cases if _takes(made, self.settings(case))]
        return RecognisedNetwork(self, own[0], tuple(cases)) if own and cases else None

    def settings(self, case: dict[str, Any]) -> dict[str, Any]:
        return {n: v for n, v in case.items() if n not in axes(self.shapes) and n.islower()}


def _takes(made: type, settings: dict[str, Any]) -> bool:
    parameters = positional(made)
    wanted = [n for n, p in parameters.items() if p.default is inspect.Parameter.empty]
    return settings.keys() <= parameters.keys() and set(wanted) <= settings.keys()


@dataclass(frozen=True)
class RecognisedNetwork:
    """A network of a suite in a module, and the cases that its constructor takes."""

    network: Network
    own: Found
    cases: tuple[dict[str, Any], ...]

    @property
    def name(self) -> str:
        return self.own.name

    @property
    def functions(self) -> tuple[FunctionType, ...]:
        assert isinstance(self.own.f, FunctionType)
        return (self.own.f,)

    def subjects(self, seed: int, twin: bool = False) -> Iterator[Subject]:
        """The cases that run, at values drawn from a seed; all, where none runs."""
        drawn = [self.subject(k, seed) for k in range(len(self.cases))]
        yield from [s for s in drawn if runs(s)] or drawn

    def subject(self, k: int, seed: int) -> Subject:
        network, case = self.network, self.cases[k]
        shapes, settings = axes(network.shapes), network.settings(case)
        arrays = draw(shapes, shapes, case, np.random.default_rng([seed, k]))
        sizes = {n: v for n, v in case.items() if n not in settings and n not in shapes}
        subject = self.own.subject(tuple(arrays.values()), {}, sizes, (), settings, seed=seed + k)
        return replace(subject, axes=sizes | shown(settings))
