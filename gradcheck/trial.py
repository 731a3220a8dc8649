"""The numbers that a candidate for a repair has to give: derivatives of the unchanged forward."""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from gradcheck import differences, numeric
from gradcheck.checks import cotangent
from gradcheck.instrument import Hook, Site, watching
from gradcheck.samples import TOLERANCE, jacobian
from gradcheck.subjects import Forward, Subject, copied
from gradcheck.taps import leaves

Array = np.ndarray
MOST = 600  # entries of all arguments together, above which they are not judged one by one
PATIENCE = 0.3  # seconds of the processor that it may take to find the right ones
SLACK = 2.0**-30  # of the terms of <g, d>: what rounding may do to a gradient; the check is exact


@dataclass(frozen=True)
class Probe:
    """The derivative of <dy, y> as some arguments move along directions, and its bound.

    The value is NaN where it could not be measured, which denies nothing.
    """

    directions: dict[int, Array]
    value: float
    bound: float

    def agrees(self, gradients: dict[int, Array]) -> bool:
        parts = [(gradients[i] * d).ravel() for i, d in self.directions.items()]
        hand = sum(float(p.sum()) for p in parts)
        slack = SLACK * sum(math.sqrt(p.dot(p)) for p in parts)
        return bool(np.isfinite(hand)) and not abs(hand - self.value) > self.bound + slack


@dataclass(frozen=True)
class Wrong:
    """The arguments whose gradients are wrong, and how many of their entries, where that is known.

    >>> bool(Wrong()), bool(Wrong(frozenset({0})))
    (False, True)
    """

    arguments: frozenset[int] = frozenset()
    entries: float = math.inf

    def __bool__(self) -> bool:
        return bool(self.arguments)

    def less(self, other: "Wrong") -> bool:
        """Whether fewer arguments are wrong, or fewer entries of the same ones."""
        fewer = self.entries < other.entries and self.arguments == other.arguments
        return fewer or self.arguments < other.arguments


@dataclass
class Draw:
    """A subject, what its forward gives there, and what its gradients must give.

    `probes` are pairs of a cotangent and the probes that hold for it; `truths` the gradients at
    the first cotangent to some nine digits, where the arguments are small enough to find them all.
    """

    subject: Subject
    ran: Forward
    probes: list[tuple[tuple, list[Probe]]] = field(default_factory=list)
    truths: dict[int, Array] = field(default_factory=dict)

    @classmethod
    def of(cls, subject: Subject, seed: list[int], each: bool) -> "Draw":
        """With probes of `each` argument at one cotangent, and of all together at another."""
        draw = cls(subject, subject.run())
        rng = np.random.default_rng(seed)
        if each:
            dy = tuple(cotangent(v, rng) for v in draw.ran.y)
            draw.probes.append((dy, [draw.probe(dy, [i], rng) for i in subject.floats]))
            draw.truths = _truths(subject, dy)
        dy = tuple(cotangent(v, rng) for v in draw.ran.y)
        together = draw.probe(dy, subject.floats, rng)
        if np.isnan(together.value):  # at a kink, which may be that of one argument only
            several = [draw.probe(dy, [i], rng) for i in subject.floats]
            draw.probes.append((dy, several))
        else:
            draw.probes.append((dy, [together]))
        return draw

    def probe(self, dy: tuple, moving: list[int], rng: np.random.Generator) -> Probe:
        directions = {i: numeric.direction(self.subject.arrays[i], rng) for i in moving}
        found = numeric.directional(*differences.line(self.subject, directions, dy))
        return Probe(directions, np.nan if found.trouble else found.value, found.bound)

    def wrong(self, again: bool = False) -> Wrong:
        """The arguments whose gradients are wrong.

        `again` runs the forward first, which must give the same y as before.
        """
        ran, everything = self.ran, Wrong(frozenset(self.subject.floats))
        if again:
            ran = self.subject.run()
            if not _identical(ran.y, self.ran.y):
                return everything
        for k, (dy, probes) in enumerate(self.probes):
            good, bad = self.judged(self.gradients(dy, ran))
            for probe in probes:
                if good.keys() >= probe.directions.keys() and not probe.agrees(good):
                    bad |= set(probe.directions)
            if bad:
                return Wrong(frozenset(bad), math.inf if k else self.entries(good, bad))
        return Wrong() if self.repeats(ran) else everything

    def entries(self, good: dict[int, Array], bad: set[int]) -> float:
        """How many entries of the gradients that are wrong are off; of a shape apart, all."""
        if not bad <= self.truths.keys() & good.keys():
            return math.inf
        return float(sum(_off(good[i], self.truths[i]) for i in bad))

    def gradients(self, dy: tuple, ran: Forward | None = None, guarded: bool = False) -> tuple:
        """The gradients as they are returned; what is written into dy or the cache raises.

        Lists and dicts of the cache are copied for each call, unless it is `guarded` already.
        """
        ran = ran or self.ran
        _guard(dy)
        single, cache = ran.single, ran.cache if guarded else _guard(ran.cache)
        with nullcontext() if guarded else _kept((dy, cache)):
            found = self.subject.backward(dy[0] if single else dy, cache)
        return self._slots.gradients((), Forward((), found, False))

    @cached_property
    def _slots(self) -> Subject:
        """The subject with a backward that returns what it is given."""
        return replace(self.subject, backward=lambda dy, found: found)

    def repeats(self, ran: Forward) -> bool:
        """Whether the gradients are the same when asked for twice."""
        dy, ran = self.probes[0][0], replace(ran, cache=_guard(ran.cache))
        with _kept((dy, ran.cache)):
            first = copied(self.gradients(dy, ran, guarded=True))
            return _identical(first, self.gradients(dy, ran, guarded=True))

    def scales(self, again: bool) -> bool:
        """Whether the gradients are multiplied by -2^20 as dy is, to the last bits."""
        ran = self.subject.run() if again else self.ran
        dy = self.probes[0][0]
        large = tuple(v * -(2.0**20) for v in dy)
        once, much = copied(self.gradients(dy, ran)), self.gradients(large, ran)
        return all(
            np.allclose(np.asarray(b), np.asarray(a) * -(2.0**20), rtol=SLACK, atol=0)
            for a, b in zip(once, much, strict=True)
        )

    def judged(self, found: tuple) -> tuple[dict[int, Array], set[int]]:
        """The gradients by argument, and the arguments that have one of another shape or dtype."""
        good, bad = {}, set()
        precisions = {np.asarray(v).dtype for v in self.ran.y}
        for i, g in zip(self.subject.floats, found, strict=True):
            x = self.subject.arrays[i]
            dtype = np.asarray(g).dtype
            other = dtype.kind != "f" or (dtype != x.dtype and precisions == {x.dtype})
            if g is None or np.shape(g) != x.shape or other:
                bad.add(i)
            else:
                good[i] = np.asarray(g)
        return good, bad

    def influences(self, file: str) -> dict[int, frozenset[int]]:
        """Which gradients change when what is assigned in a line of a file does, by line."""
        dy = self.probes[0][0]
        seen = _Moved(file)
        with watching(self.subject.functions, seen):
            before = copied(self.gradients(dy))
        found = {}
        for line in seen.lines:
            hook = _Moved(file, line)
            with suppress(Exception), watching(self.subject.functions, hook):
                after = self.gradients(dy)
                pairs = zip(self.subject.floats, before, after, strict=True)
                found[line] = frozenset(i for i, a, b in pairs if not _identical((a,), (b,)))
        return found


def _truths(subject: Subject, dy: tuple) -> dict[int, Array]:
    entries = sum(subject.arrays[i].size for i in subject.floats)
    start = time.process_time()
    subject.run()
    if entries > MOST or 2 * entries * (time.process_time() - start) > PATIENCE:
        return {}
    flat = np.concatenate([np.ravel(v) for v in dy])
    found = {}
    for i in subject.floats:
        with suppress(Exception):  # the check has told of it
            found[i] = (flat @ jacobian(subject, i)).reshape(subject.arrays[i].shape)
    return found


def _off(g: Array, G: Array) -> int:
    """How many entries differ.

    >>> _off(np.array([1.0, 2.0, np.nan]), np.array([1.0, 3.0, 1.0]))
    2
    """
    tolerance = TOLERANCE * float(np.max(np.abs(G), initial=0.0))
    return int(np.count_nonzero(~(np.abs(g - G) <= tolerance)))


class _Moved(Hook):
    """Notes the lines that assign floats; moves what is assigned in one of them."""

    def __init__(self, file: str, line: int = 0):
        self.file, self.line = file, line
        self.lines: set[int] = set()
        self.rng = np.random.default_rng(0)

    def assign(self, site: Site, value: Any) -> Any:
        if site.file == self.file and site.target != "return":
            if site.line == self.line:
                return self.moved(value)
            if self.moved(value) is not value:
                self.lines.add(site.line)
        return value

    augment = assign

    def moved(self, value: Any) -> Any:
        if type(value) in (tuple, list):
            others = [self.moved(v) for v in value]
            same = all(a is b for a, b in zip(value, others, strict=True))
            return value if same else type(value)(others)
        if (
            isinstance(value, (float, np.floating, np.ndarray))
            and np.asarray(value).dtype.kind == "f"
        ):
            scale = float(np.sqrt(np.mean(np.square(value)))) or 1.0
            step = 2.0**-10 * scale * self.rng.uniform(-1, 1, np.shape(value))
            return (
                (value + step).astype(value.dtype)
                if isinstance(value, np.ndarray)
                else value + step
            )
        return value


def _identical(a: tuple, b: tuple) -> bool:
    return len(a) == len(b) and all(
        np.shape(p) == np.shape(q)
        and np.array_equal(p, q, equal_nan=np.asarray(p).dtype.kind == "f")
        for p, q in zip(a, b, strict=True)
    )


@contextmanager
def _kept(things: Any) -> Iterator[None]:
    """The arrays hold afterwards what they hold now: `np.add.at` heeds no guard."""
    before = [(a, a.copy()) for a in leaves(things)]
    try:
        yield
    finally:
        for a, b in before:
            if a.tobytes() != b.tobytes():
                with suppress(ValueError):  # a view, whose array is among them too
                    a.flags.writeable = True
                    a[...] = b
                    a.flags.writeable = False


def _guard(thing: Any) -> Any:
    """The same with arrays that cannot be written into, and lists and dicts of its own."""
    if isinstance(thing, np.ndarray):
        thing.flags.writeable = False
    elif type(thing) in (tuple, list):
        return type(thing)([_guard(t) for t in thing])
    elif type(thing) is dict:
        return {k: _guard(v) for k, v in thing.items()}
    return thing
