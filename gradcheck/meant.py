"""What the results of a backward mean: which of them are gradients of what its forward computes.

Of several edits after which a backward returns the right gradients, one puts right what the others
make up for: after that one its locals are gradients, too. All of them are verified already, so that
names may be heard here.
"""

import re
from dataclasses import dataclass

import numpy as np

from gradcheck.checks import cotangent
from gradcheck.derivation import is_gradient
from gradcheck.lines import Line
from gradcheck.subjects import Subject
from gradcheck.taps import Bench, Key, Tap
from gradcheck.totals import matches, sources

Array = np.ndarray
Place = tuple[str, int]
COTANGENTS = 2


@dataclass(frozen=True)
class Meaning:
    """Of the statements of a backward, by function and line: `right` are those that compute
    gradients, `wrong` those that compute none, `named` those whose results are the gradients that
    they are called. `misnamed` are names whose last value is not the gradient that it is called.
    """

    right: frozenset[Place]
    wrong: frozenset[Place]
    named: frozenset[Place]
    misnamed: frozenset[str]


class Slopes:
    """Those of <dy, y> along values of a forward, each in one direction, for several dy."""

    def __init__(self, subject: Subject, seed: int):
        self.rng = np.random.default_rng([seed, 78])
        y = subject.run().y
        self.dys = [tuple(cotangent(v, self.rng) for v in y) for _ in range(COTANGENTS)]
        self.is_scalar = len(y) == 1 and np.size(y[0]) == 1
        self.measured: dict[int, list[tuple]] = {}  # by size

    def meaning(self, subject: Subject) -> Meaning:
        """What the results of the subject's backward mean, as it is now."""
        bench = Bench(subject, self.dys)
        with bench.watching():
            first, *later = (bench.record(bench.backward, k)[1] for k in range(COTANGENTS))
            values = [{t.key: np.asarray(t.value) for t in taps} for taps in (first, *later)]
            lines: dict[Place, list[Tap]] = {}
            for t in first:
                if t.site.target != "return" and all(t.key in run for run in values):
                    lines.setdefault((t.site.function, t.site.line), []).append(t)
            own = {at: Line(0, taps).injected for at, taps in lines.items()}
            self.measure(bench, {t.size for taps in own.values() for t in taps})
        right, wrong, named, misnamed = set[Place](), set[Place](), set[Place](), set[str]()
        again = _again(first, self.dys[0])
        for at, taps in own.items():
            several = [[run[t.key] for run in values] for t in taps]
            moves = any(not np.array_equal(v[0], v[1]) for v in several)
            of = [self.gradient_of(v) for v in several]
            targets = lines[at][0].site.target.strip("()").split(",")
            pairs = zip(targets, of, several, strict=False)
            for name, found, v in pairs if len(targets) == len(of) else ():
                name = name.strip()
                misnamed.discard(name)
                if any(is_gradient(name, u) for u in found):
                    named.add(at)
                elif moves and any(is_gradient(name, u) for u in self.values_like(v[0])):
                    misnamed.add(name)
            if of and all(of) and not all(t.key in again for t in taps):
                right.add(at)
            elif moves and not all(of):
                wrong.add(at)
        return Meaning(frozenset(right), frozenset(wrong), frozenset(named), frozenset(misnamed))

    def measure(self, bench: Bench, sizes: set[int]) -> None:
        """The slopes along the values that have these sizes, where they are not there yet."""
        new = sizes - self.measured.keys()
        self.measured |= {n: [] for n in new}
        for words, shape, d, slopes in sources(bench, new, self.rng):
            name = re.sub(r" \(line \d+\)$", "", words)
            self.measured[d.size].append((name, shape, d, slopes))

    def values_like(self, v: Array) -> list[str]:
        """The names of the forward's values that have the shape of this one."""
        return [name for name, shape, *_ in self.measured.get(v.size, ()) if shape == v.shape]

    def gradient_of(self, values: list[Array]) -> set[str]:
        """The names of the values whose gradients these are, by cotangent.

        What is the same for every dy may be one that is yet to be multiplied by it.
        """
        if any(v.shape != values[0].shape for v in values):
            return set()
        if np.array_equal(values[0], values[1]):
            if not self.is_scalar:
                return set()
            values = [v * float(dy[0]) for v, dy in zip(values, self.dys, strict=True)]
        known = self.measured.get(values[0].size, ())
        return {name for name, *measured in known if matches(values, *measured)}


def _again(taps: list[Tap], dy: tuple) -> set[Key]:
    """The taps that hold just the entries of an earlier one, or of dy."""
    seen, found = {_entries(v) for v in dy}, set()
    for t in taps:
        entries = _entries(t.value)
        if entries in seen:
            found.add(t.key)
        seen.add(entries)
    return found


def _entries(value: Array) -> bytes:
    return np.sort(np.ravel(value)).tobytes()
