"""Bugs of one derivative rule, found by giving the forward that rule: g names itself.

The right gradient is the derivative of <dy, y>. A backward in which the rule of one operation is
wrong returns the derivative of another forward, in which that operation moves as the wrong rule
has it: a lost path does not move at all, a wrong sign moves the other way, a lost tanh' moves with
slope 1. So each hypothesis is a forward whose operation is replaced by v0 + (its wrong tangent),
and it holds if the derivative along random directions is that which g gives. Nothing is known of
how the backward is written.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from gradcheck.instrument import Hook, Site, watching
from gradcheck.samples import TOLERANCE, Operation, Sample, is_number, operands
from gradcheck.signatures import Explanation, factors

Array = np.ndarray
Rule = Callable[[int, Callable | None, tuple, dict, Any], Any]


@dataclass
class Bent(Hook):
    """Replaces the results of one operation by what `rule(k, f, operands, options, result)` says.

    k counts its occurrences. `now` holds the latest result of every operation.
    """

    site: Site | None = None
    rule: Rule | None = None
    k: int = 0
    last: Any = None
    now: dict[int, Any] = field(default_factory=dict)

    def call(self, site: Site, f: Callable, /, *args: Any, **kwargs: Any) -> Any:
        result = f(*args, **kwargs)
        return self.seen(site, f, args, kwargs, result)

    def assign(self, site: Site, value: Any) -> Any:
        return value if value is self.last else self.seen(site, None, (value,), {}, value)

    def seen(self, site: Site, f: Callable | None, args: tuple, kwargs: dict, result: Any) -> Any:
        if not is_number(result):
            return result
        if site is self.site and self.rule is not None:
            bent = self.rule(self.k, f, operands(f, args), kwargs, result)
            self.k += 1
            result = bent if isinstance(result, np.ndarray) else np.float64(bent)
        self.last = result
        self.now[id(site)] = result
        return result


@dataclass(frozen=True)
class Probe:
    """A sample, and two random directions in which its wrong arguments move."""

    sample: Sample

    @cached_property
    def directions(self) -> list[dict[int, Array]]:
        rng = np.random.default_rng(0)
        names = self.sample.subject.names
        places = [names.index(n) for n in self.sample.wrong]
        return [
            {i: rng.standard_normal(self.sample.subject.arrays[i].shape) for i in places}
            for _ in range(2)
        ]

    def along(self, gradients: dict[str, Any]) -> Array:
        """<gradients, d> for each direction d."""
        names = self.sample.subject.names
        return np.array(
            [sum(np.sum(gradients[names[i]] * d) for i, d in ds.items()) for ds in self.directions]
        )

    @cached_property
    def hand(self) -> Array:
        return self.along(self.sample.gradients)

    @cached_property
    def true(self) -> Array:
        return self.along(self.sample.truths)

    @cached_property
    def scale(self) -> float:
        """What errors are relative to: the derivatives, less what cancels by chance."""
        pairs = (self.sample.gradients[n] for n in self.sample.wrong)
        norms = [float(np.sum(np.square(a))) for n in self.sample.wrong for a in (self.sample.truths[n],)]
        return float(np.sqrt(max(sum(norms), sum(float(np.sum(np.square(a))) for a in pairs if a is not None)))) or 1.0

    def derivative(self, k: int, site: Site, rule: Rule) -> float:
        """d<dy, y> along direction k where the rule is bent."""
        subject, h = self.sample.subject, 2.0**-17
        ends: list[tuple] = []
        for t in (h, -h):
            arrays = [*subject.arrays]
            for i, d in self.directions[k].items():
                arrays[i] = arrays[i] + t * d
            try:
                with watching(subject.functions, Bent(site, rule)):
                    ends.append(subject.run(tuple(arrays)).y)
            except Exception:  # whatever the code raises, it takes no such operand
                return np.nan
        return float(sum(np.sum(v * (a - b)) for v, a, b in zip(self.sample.dy, *ends, strict=True))) / (2 * h)

    def holds(self, site: Site, rule: Rule) -> bool:
        """Whether g is the gradient of the forward with this rule."""
        for k in range(2):
            if not abs(self.derivative(k, site, rule) - self.hand[k]) <= TOLERANCE * self.scale:
                return False
        return True

    @cached_property
    def moving(self) -> list[list[Operation]]:
        """The operations whose results move with the wrong arguments, at their occurrences."""
        found: dict[int, list[Operation]] = {}
        for o in self.sample.tape:  # two calls in one expression may stand at one column
            found.setdefault(id(o.site), []).append(o)
        hook = _Tally()
        subject = self.sample.subject
        arrays = [*subject.arrays]
        for i, d in self.directions[0].items():
            arrays[i] = arrays[i] + 2.0**-10 * d
        with watching(subject.functions, hook):
            subject.run(tuple(arrays))
        return [
            ops
            for s, ops in found.items()
            if len(hook.results.get(s, ())) == len(ops)
            and any(
                np.shape(a) == np.shape(o.result) and not np.array_equal(a, o.result)
                for a, o in zip(hook.results[s], ops, strict=True)
            )
        ]


class _Tally(Bent):
    """Keeps all results of every operation."""

    def __init__(self) -> None:
        super().__init__()
        self.results: dict[int, list[Any]] = {}

    def seen(self, site: Site, f: Callable | None, args: tuple, kwargs: dict, result: Any) -> Any:
        if is_number(result):
            self.last = result
            self.results.setdefault(id(site), []).append(np.array(result))
        return result


def explain(sample: Sample) -> list[Explanation]:
    """All hypotheses on one rule that explain the wrong gradients of this sample together."""
    if any(g is None or g.shape != sample.truths[n].shape for n, g in sample.gradients.items()):
        return []
    probe = Probe(sample)
    with np.errstate(all="ignore"):
        return [e for look in (paths, transposes) for e in look(probe)]


def paths(probe: Probe) -> Iterator[Explanation]:
    """g counts what goes through one operation, or through one of its operands, c times.

    The derivative is affine in c, and known for c = 0, where the path is held still, and for 1.
    """
    for ops in probe.moving:
        site = ops[0].site
        widths = {len(o.given) for o in ops}
        several = [j for j in range(min(widths)) if all(is_number(o.given[j]) for o in ops)]
        for j in (None, *(several if len(several) > 1 else ())):
            for only in ("", "first", "last") if len(ops) > 1 else ("",):
                rule = _held(ops, j, only)
                cut = np.array([probe.derivative(k, site, rule) for k in range(2)])
                share = probe.true - cut
                if not np.min(np.abs(share)) > 1e-4 * probe.scale:
                    continue
                counts = (probe.hand - cut) / share
                if not abs(counts[1] - counts[0]) * np.min(np.abs(share)) <= 2 * TOLERANCE * probe.scale:
                    continue
                if abs(counts[0] - 1) < 1e-4:
                    continue
                yield from _named(probe, site, ops, j, only, float(counts[0]))


def _held(ops: list[Operation], j: int | None, only: str) -> Rule:
    """The rule that holds a result, or operand j, where it was; all but one occurrence of it."""
    free = {"": -1, "first": 0, "last": len(ops) - 1}[only]

    def rule(k: int, f: Callable | None, given: tuple, options: dict, result: Any) -> Any:
        if k == free:
            return result
        if j is None or f is None:
            return ops[k].result
        held = (*given[:j], ops[k].given[j], *given[j + 1 :])
        return again(f, held, options)

    return rule


def again(f: Callable, given: tuple, options: dict) -> Any:
    """f once more, of other operands."""
    if isinstance(getattr(f, "__self__", None), np.ndarray):
        return getattr(given[0], f.__name__)(*given[1:], **options)
    return f(*given, **options)


def _named(
    probe: Probe, site: Site, ops: list[Operation], j: int | None, only: str, c: float
) -> Iterator[Explanation]:
    place = (id(site), j)
    what = f"what goes through {'operand ' + str(j + 1) + ' of ' if j is not None else ''}line {site.line}"
    if only:
        if abs(c) < 1e-5:
            words = f"the gradients hold the {only} of the {len(ops)} passes of line {site.line} alone"
            yield Explanation("overwrites-instead-of-accumulates", (*place, only), words)
        return
    if abs(c) < 1e-5:
        kind = "missing-recurrent-term" if _recurs(probe, site, ops) else "missing-term"
        yield Explanation(kind, place, f"the gradients lack {what}")
        return
    for e in factors(c, probe.sample, np.shape(ops[0].result)):
        yield Explanation(e.kind, (*place, e.key), f"{what} is counted {e.words} times")


def _recurs(probe: Probe, site: Site, ops: list[Operation]) -> bool:
    """Whether what an operation gives comes back to it at its next occurrence."""
    if len(ops) < 2:
        return False
    seen = []

    def rule(k: int, f: Callable | None, given: tuple, options: dict, result: Any) -> Any:
        seen.append([np.array(g) for g in given if is_number(g)])
        return result + 0.125 if k == 0 else result

    with watching(probe.sample.subject.functions, Bent(site, rule)):
        probe.sample.subject.run()
    before = [g for g in ops[1].given if is_number(g)]
    return len(seen) == len(ops) and any(
        not np.array_equal(a, b) for a, b in zip(seen[1], before, strict=True)
    )


def transposes(probe: Probe) -> Iterator[Explanation]:
    return iter(())
