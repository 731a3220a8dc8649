"""Bugs of one derivative rule, found by giving the forward that rule: g names itself.

The right gradient is the derivative of <dy, y>. A backward in which the rule of one operation is
wrong returns the derivative of another forward, in which that operation moves as the wrong rule
has it: a lost path does not move at all, a wrong sign moves the other way, a lost tanh' moves with
slope 1. So each hypothesis is a forward in which one operation is replaced by its value here plus
a wrong tangent; it holds if the derivative along random directions is the one that g gives. How
the backward is written does not matter.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gradcheck.instrument import Hook, Site
from gradcheck.samples import Operation, is_number, operands

Array = np.ndarray


@dataclass(frozen=True)
class Source:
    """A value of the forward: the result of the operation at a site, or its operand j."""

    site: Site
    j: int | None = None

    def of(self, operation: Operation) -> Any:
        return operation.result if self.j is None else operation.given[self.j]


# (occurrence, operation as it runs now, the source's value now) -> what the operation gives instead
Rule = Callable[[int, Operation, Any], Any]


@dataclass
class Bent(Hook):
    """Replaces the results of one operation by what a rule says; those in `still` never move."""

    site: Site
    rule: Rule
    source: Source | None = None
    still: dict[int, Any] = field(default_factory=dict)
    k: int = 0
    last: Any = None
    value: Any = None

    def call(self, site: Site, f: Callable, /, *args: Any, **kwargs: Any) -> Any:
        result = f(*args, **kwargs)
        return self.seen(site, f, args, kwargs, result) if is_number(result) else result

    def assign(self, site: Site, value: Any) -> Any:
        if value is self.last or not is_number(value):
            return value
        return self.seen(site, None, (value,), {}, value)

    def seen(self, site: Site, f: Callable | None, args: tuple, kwargs: dict, result: Any) -> Any:
        if id(site) in self.still:
            self.last = self.still[id(site)]
            return self.last
        if self.source is not None and site is self.source.site:
            self.value = np.array(
                result if self.source.j is None else operands(f, args)[self.source.j]
            )
        if site is self.site:
            now = Operation(site, f, operands(f, args), kwargs, result)
            bent = np.asarray(self.rule(self.k, now, self.value))
            self.k += 1
            result = bent if isinstance(result, np.ndarray) else np.float64(bent)
        self.last = result
        return result


def change(new: Any, old: Any) -> Array:
    """new - old; what stays infinite, as a masked score does, has not moved."""
    return np.where(np.equal(new, old), 0.0, np.subtract(new, old))


def line(ops: list[Operation]) -> str:
    """Where an operation stands, in words."""
    return f"line {ops[0].site.line}"


def numbers(ops: list[Operation]) -> list[int]:
    """The operands that are numbers at every occurrence."""
    least = min(len(o.given) for o in ops)
    return [j for j in range(least) if all(is_number(o.given[j]) for o in ops)]


def grouped(operations: list[Operation]) -> dict[int, list[Operation]]:
    """By site; two calls in one expression may stand at one column, so that sites may be equal."""
    found: dict[int, list[Operation]] = {}
    for o in operations:
        found.setdefault(id(o.site), []).append(o)
    return found


def again(operation: Operation, given: tuple) -> Any:
    """The same operation of other operands."""
    f = operation.f
    if f is None:
        return given[0]
    if isinstance(getattr(f, "__self__", None), np.ndarray):
        return getattr(given[0], f.__name__)(*given[1:], **operation.options)
    return f(*given, **operation.options)
