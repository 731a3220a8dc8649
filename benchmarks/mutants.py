"""Mutants of the hand backwards, and a process that judges them one by one.

A target is one function: a backward, or a private function that a backward calls. Its mutant is
seen by the backward alone; the forward keeps the right one, also of what they share.
"""

import copy
import importlib
import inspect
import linecache
import math
import os
import resource
import signal
import sys
import textwrap
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import count, cycle
from multiprocessing.connection import Connection
from types import FunctionType, ModuleType
from typing import Any

import numpy as np

from gradcheck import catalogue, differences, shipped
from gradcheck.checks import check_subject
from gradcheck.report import Report, describe
from gradcheck.rounding import spread
from gradcheck.shipped import Layer, Op
from gradcheck.subjects import Forward, Subject

FILE = "<mutant>"
INPUTS = 100  # on which a mutant must agree with the original to be called equivalent
MULTIPLE = 8  # of the rounding jitter, as in a check
MEMORY = 4 << 30


@dataclass(frozen=True)
class Target:
    """One function that is mutated, and the entries of the catalogue whose backward it is part of.

    `name` is qualified, as in "Linear.backward".
    """

    module: str
    name: str
    entries: tuple[Op | Layer, ...]

    @property
    def function(self) -> FunctionType:
        return _within(importlib.import_module(self.module), self.name)


@dataclass(frozen=True)
class Outcome:
    """What became of a mutant: "crash", "contract", "detected", "equivalent" or "survived"."""

    fate: str
    detail: str = ""


def _within(module: ModuleType, name: str) -> Any:
    found: Any = module
    for part in name.split("."):
        found = getattr(found, part)
    return found


def targets() -> list[Target]:
    """Every function of scratchnn that runs in a backward only, or is private to its module."""
    entries: dict[tuple[str, str], list[Op | Layer]] = {}
    layers = [variant for layer in catalogue.LAYERS for variant in shipped.variants(layer)]
    every: list[Op | Layer] = [*catalogue.OPS, *layers]
    for entry in every:
        root = backward(entry)
        for f in reached(root, root.__qualname__.rpartition(".")[0]):
            entries.setdefault((f.__module__, f.__qualname__), []).append(entry)
    return [Target(module, name, tuple(found)) for (module, name), found in entries.items()]


def backward(entry: Op | Layer) -> FunctionType:
    nn = importlib.import_module("scratchnn")
    if isinstance(entry, Op):
        return getattr(nn, f"{entry.name}_backward")
    return type(entry.build(nn)).backward


def reached(f: FunctionType, owner: str) -> Iterator[FunctionType]:
    """f, and the private functions and `_backward` methods beside it that it calls."""
    seen, queue = set(), [f]
    while queue:
        g = queue.pop(0)
        if g in seen:
            continue
        seen.add(g)
        yield g
        names = [n for code in _codes(g.__code__) for n in code.co_names]
        for name in names:
            h = g.__globals__.get(name)
            if (
                name.startswith("_")
                and isinstance(h, FunctionType)
                and h.__module__ == f.__module__
            ):
                queue.append(h)
            if owner and name.endswith("_backward"):
                h = getattr(g.__globals__[owner], name, None)
                queue += [h] if isinstance(h, FunctionType) else []


def _codes(code: Any) -> Iterator[Any]:
    yield code
    for inner in code.co_consts:
        if hasattr(inner, "co_names"):
            yield from _codes(inner)


def source(target: Target) -> str:
    return textwrap.dedent(inspect.getsource(target.function))


def mutated(target: Target, text: str) -> dict[str, Any]:
    """A copy of the target's module in which all functions see the mutant with this source."""
    module = importlib.import_module(target.module)
    space = dict(vars(module))
    for name, f in vars(module).items():
        if isinstance(f, FunctionType) and f.__module__ == target.module:
            space[name] = _copied(f, space)
    linecache.cache[FILE] = (len(text), None, text.splitlines(True), FILE)
    made: dict[str, Any] = {}
    exec(compile(text, FILE, "exec", dont_inherit=True), space, made)
    (mutant,) = made.values()
    space[target.name] = mutant  # of a method too, under a name that nothing else has
    return space


def _copied(f: FunctionType, space: dict[str, Any]) -> FunctionType:
    g = FunctionType(f.__code__, space, f.__name__, f.__defaults__, f.__closure__)
    g.__kwdefaults__ = f.__kwdefaults__
    return g


def wrong(entry: Op | Layer, target: Target, text: str) -> tuple[Callable, FunctionType]:
    """The backward of an entry with the mutant in it, and the mutant."""
    space = mutated(target, text)
    mutant = space[target.name]
    if isinstance(entry, Op):
        return space[f"{entry.name}_backward"], mutant
    nn = importlib.import_module("scratchnn")
    layer = copy.copy(entry.build(nn))
    methods = {"backward": _copied(type(layer).backward, space)}
    owner, _, method = target.name.rpartition(".")
    methods |= {method: mutant} if owner else {}
    # its forward stays what it was
    derived = type(type(layer).__name__, (type(layer),), {**methods, "__module__": target.module})
    object.__setattr__(layer, "__class__", derived)
    broken = replace(entry, build=lambda nn: layer)
    return shipped.layer_subject(broken, 0, twin=False).backward, mutant


@dataclass
class Case:
    """A subject at one cotangent, with what its right backward gives there."""

    subject: Subject
    ran: Forward
    dy: tuple
    right: list[np.ndarray]
    jitter: list[np.ndarray] | None = None

    @classmethod
    def of(cls, subject: Subject) -> "Case":
        ran, rng = subject.run(), np.random.default_rng(7)
        dy = tuple(
            rng.standard_normal(np.shape(v)) * (np.asarray(v).dtype.kind == "f") for v in ran.y
        )
        return cls(subject, ran, dy, [np.array(g) for g in subject.gradients(dy, ran)])

    def same(self, mutant: Subject) -> bool:
        """Whether a mutant's gradients are the right ones to the last bit."""
        pairs = zip(self.right, mutant.gradients(self.dy, mutant.run()), strict=True)
        return all(np.array_equal(a, b, equal_nan=True) for a, b in pairs)

    def gap(self, mutant: Subject) -> float:
        """How far a mutant's gradients are from the right ones, 0 where rounding explains it."""
        found = mutant.gradients(self.dy, self.ran)
        if any(g is None or np.shape(g) != a.shape for a, g in zip(self.right, found, strict=True)):
            return math.inf
        gaps = [float(np.max(np.abs(a - g))) for a, g in zip(self.right, found, strict=True)]
        scales = [float(np.max(np.abs(a))) or 1.0 for a in self.right]
        relative = max(g / s for g, s in zip(gaps, scales, strict=True))
        if relative == 0 or not relative < 1e-6:
            return relative
        if self.jitter is None:
            self.jitter = spread(self.again, self.subject.functions, 0)
        bounds = [MULTIPLE * float(np.max(j)) for j in self.jitter]
        return 0.0 if all(g <= b for g, b in zip(gaps, bounds, strict=True)) else relative

    def again(self) -> list[np.ndarray]:
        return [np.asarray(g) for g in self.subject.gradients(self.dy, self.subject.run())]


class Judge:
    """Judges the mutants of one target by gradcheck, numerically."""

    def __init__(self, target: Target, seed: int):
        self.target, self.seed = target, seed
        self.cases = [
            (entry, [Case.of(s) for s in _cases(entry, seed)]) for entry in target.entries
        ]

    @cached_property
    def fresh(self) -> list[tuple[int, Case]]:
        """Other inputs, sizes and configurations, with the number of the entry that each is of."""
        numbers = range(len(self.target.entries))
        made = {n: _fresh(self.target.entries[n], self.seed) for n in numbers}
        order = [n for _, n in zip(range(INPUTS), cycle(numbers), strict=False)]
        return [(n, Case.of(next(made[n]))) for n in order]

    def judge(self, text: str) -> Outcome:
        doubts, made = [], []
        for entry, cases in self.cases:
            backward, mutant = wrong(entry, self.target, text)
            made.append((backward, mutant))
            for case in cases:
                subject = _with(case.subject, made[-1])
                try:
                    if case.same(subject):
                        continue
                except Exception:  # which the check must report
                    pass
                report = check_subject(subject, self.seed, twin=False)
                if report.verdict == "fail":
                    return _failed(report)
                doubts.append(report.verdict)
        if not doubts:  # the same gradients; but it may write into what it was given
            entry, cases = self.cases[0]
            report = check_subject(_with(cases[0].subject, made[0]), self.seed, twin=False)
            if report.verdict == "fail":
                return _failed(report)
        for number, case in self.fresh:
            try:
                gap = case.gap(_with(case.subject, made[number]))
            except Exception as error:
                gap, doubts = math.inf, [*doubts, repr(error)]
            if gap:
                words = [f"off by {gap:.0e} at {describe(case.subject.case())}", *doubts[:1]]
                return Outcome("survived", "; ".join(words))
        return Outcome("equivalent", doubts[0] if doubts else "")


def _with(subject: Subject, made: tuple[Callable, FunctionType]) -> Subject:
    backward, mutant = made
    return replace(subject, backward=backward, watch=(*subject.watch, mutant))


def _failed(report: Report) -> Outcome:
    by_number = any(a.verdict == "fail" for a in report.arguments.values())
    return Outcome("detected" if by_number else "crash", report.message)


def _cases(entry: Op | Layer, seed: int) -> Iterator[Subject]:
    """The default cases; of a layer the one it is, as its others are entries of their own."""
    if isinstance(entry, Layer):
        yield shipped.layer_subject(entry, seed, twin=False)
    else:
        yield from shipped.subjects(entry, seed, twin=False)


def _fresh(entry: Op | Layer, seed: int) -> Iterator[Subject]:
    """Subjects with other seeds than those that are checked, free and distinct sizes in turn."""
    if isinstance(entry, Layer):
        for k in count(1):
            yield shipped.layer_subject(entry, 1000 * (seed + k), twin=False)
        return
    configs = shipped.configurations(entry)
    for k in count():
        config, seeds = configs[k % len(configs)], [seed, 1000 + k]
        sizes = entry.sizes[0] if entry.sizes and k % 10 == 5 else None
        yield shipped.op_subject(
            entry, config, seeds, twin=False, absent=k % 7 == 3, free=k % 4 < 2, sizes=sizes
        )


class TooLong(BaseException):
    """No Exception, as a check would report that."""


def _stop(*_: Any) -> None:
    raise TooLong


def work(connection: Connection, seed: int, seconds: float) -> None:
    """Judge what comes in: (module and name of a target, or None for the last; the source).

    Each gets so many seconds of processor time.
    """
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    sys.stdout = sys.stderr = open(os.devnull, "w")  # noqa: SIM115
    warnings.simplefilter("ignore")
    np.seterr(all="ignore")
    # what is wrong with a gradient need not be said here, only that it is
    differences.entries = lambda *args, **kwargs: None
    signal.signal(signal.SIGPROF, _stop)
    known = {(t.module, t.name): t for t in targets()}
    judge: Any = None
    while True:
        place, text = connection.recv()
        if place is not None:
            judge = Judge(known[place], seed)
            assert judge.fresh  # made before the clock runs
        signal.setitimer(signal.ITIMER_PROF, seconds)
        try:
            outcome = judge.judge(text)
        except TooLong:
            outcome = Outcome("crash", f"took more than {seconds:g} s")
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
        connection.send(outcome)
