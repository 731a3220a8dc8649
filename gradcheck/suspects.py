"""Which results of a backward can explain its error: a search by injection.

A line stays a suspect while its result reaches every wrong entry and the error lies in the range of
d(returned)/d(result). The range is found by random probes, as many as it has dimensions. Fewer
dimensions explain an error by less chance, and come first.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import permutations
from typing import Any

import numpy as np

from gradcheck.instrument import Site
from gradcheck.taps import Bench, Plan, Tap, leaves, statement, swapped

Array = np.ndarray
STEP = 2.0**-15  # of central differences: 1e-9 in truncation, 1e-12 in rounding
# operations that may be re-run: for the right gradients, the lines, the values of the forward
TRUTHS, LINES, VALUES = 12_000, 30_000, 12_000
WRONG = 1e-6  # relative to the largest entry of a gradient


@dataclass(frozen=True)
class Candidate:
    """A line that may be the wrong one, and why."""

    file: str
    line: int
    function: str
    code: str
    why: str


def distinct(candidates: Iterable[Candidate]) -> tuple[Candidate, ...]:
    """One candidate for each line, the first."""
    found: dict[tuple[str, int], Candidate] = {}
    for c in candidates:
        found.setdefault((c.file, c.line), c)
    return tuple(found.values())


@dataclass
class Line:
    """The taps of one statement, and what changing them does."""

    order: int
    taps: list[Tap]
    reaches: bool = True  # every wrong entry
    possible: bool = True  # whether it can be the only wrong line
    tested: bool = False  # by its range, not by reach alone
    rank: int = 0  # of d(returned)/d(result), as far as it was found
    solved: str = ""  # what makes every gradient right
    right: str = ""  # the forward value whose gradient its result is
    wanted: str = ""  # the forward value whose gradient its result would have to be
    again: bool = False  # its result is an earlier one, moved at most
    probes: list[tuple[Array, Array]] = field(default_factory=list)

    @property
    def site(self) -> Site:
        return self.taps[0].site

    @property
    def injected(self) -> list[Tap]:
        """The float taps; of an array that is written in parts only the whole, at the end."""
        floats = [t for t in self.taps if t.is_float and t.size]
        whole = list({t.part: t for t in floats if t.part[:1] == ("into",)}.values())
        about = statement(self.site.code)
        if whole and not about.unpacks:
            return whole
        return [t for t in floats if t.part[:1] != ("into",)] + whole


class Search:
    """The lines of one backward, sorted out by what changes of their results do."""

    def __init__(
        self,
        bench: Bench,
        taps: list[Tap],
        grads: tuple,
        last: Site | None,
        rng: np.random.Generator,
    ):
        self.bench, self.subject, self.last, self.rng = bench, bench.subject, last, rng
        self.taps, self.grads = taps, grads
        self.uninspected: list[str] = []
        by_line: dict[tuple, list[Tap]] = {}
        for t in taps:
            by_line.setdefault((t.site.file, t.site.line, t.site.function), []).append(t)
        self.lines = [Line(k, ts) for k, ts in enumerate(by_line.values())]
        self.rows, self.truth, self.scale = self.truths()
        self.base = [self.flat(bench.backward(k)) for k in range(len(bench.dys))]
        self.error = [t - b for t, b in zip(self.truth, self.base, strict=True)]
        self.wrong = np.max(np.abs(self.error), axis=0) > WRONG

    # ---- the error of the returned gradients

    def truths(self) -> tuple[list[Array], list[Array], Array]:
        """(entries that are compared, by argument; their right values, by cotangent; scales)."""
        subject, dys, bench = self.subject, self.bench.dys, self.bench
        before = bench.spent
        bench.forward()
        cost = 2 * (bench.spent - before) * len(subject.floats)
        most = int(np.clip(TRUTHS // cost, 12, 64))
        rows, values, scales = [], [], []
        for i in subject.floats:
            x = subject.arrays[i]
            chosen = np.arange(x.size)
            if x.size > most:
                chosen = np.sort(self.rng.choice(x.size, most, replace=False))
            h = STEP * 2.0 ** math.floor(math.log2(float(np.max(np.abs(x))) or 1.0))
            total = np.empty((len(dys), len(chosen)))
            for j, at in enumerate(chosen):
                d = np.zeros(x.size)
                d[at] = h
                total[:, j] = self.along_argument(i, d.reshape(x.shape)) / h
            rows.append(chosen)
            values.append(total)
            scales.append(np.full(len(chosen), float(np.max(np.abs(total), initial=0.0)) or 1.0))
        scale = np.concatenate(scales)
        return rows, [np.concatenate([v[k] for v in values]) / scale for k in range(len(dys))], scale

    def along_argument(self, i: int, d: Array) -> Array:
        """By cotangent, half of how far <dy, y> moves between x - d and x + d."""
        ends = []
        for sign in (1, -1):
            moved = list(self.subject.arrays)
            moved[i] = moved[i] + sign * d
            ends.append(self.subject.run(tuple(moved)).y)
        return self.paired(*ends)

    def paired(self, up: tuple, down: tuple) -> Array:
        moves = [np.where(a == b, 0.0, a - b) for a, b in zip(up, down, strict=True)]
        return np.array(
            [sum(np.sum(v * m) for v, m in zip(dy, moves, strict=True)) for dy in self.bench.dys]
        ) / 2

    def flat(self, grads: Any) -> Array:
        """The compared entries, in units of the largest entry of the right gradient."""
        parts = [np.ravel(g)[r] for g, r in zip(grads, self.rows, strict=True)]
        return np.concatenate(parts) / self.scale

    def argument(self) -> Array:
        """The number of the argument that each compared entry belongs to."""
        return np.repeat(np.arange(len(self.rows)), [len(r) for r in self.rows])

    def moved(self, plan: Plan, k: int = 0) -> Array | None:
        """How far the gradients move under a plan; None where the backward does not end."""
        try:
            grads = self.bench.backward(k, plan)
            if any(np.shape(a) != np.shape(b) for a, b in zip(grads, self.grads, strict=True)):
                return None
            after = self.flat(grads)
        except Exception:  # an index out of range, say
            return None
        return after - self.base[k] if np.isfinite(after).all() else None

    def explained(self, move: Array | None, k: int = 0) -> bool:
        return move is not None and bool(np.max(np.abs(self.error[k] - move)) <= WRONG)

    # ---- suspects

    def candidates(self) -> tuple[Candidate, ...]:
        if not self.wrong.any():
            return ()
        for line in self.lines:
            self.reach(line)
        self.check_taps()
        found = self.return_of_others() + self.cache_of_others()
        for line in sorted(self.lines, key=lambda x: sum(t.size for t in x.injected)):
            if line.reaches:
                self.solve(line)
            if line.reaches and line.injected:
                self.test(line, np.ones_like(self.wrong))
        self.pair_values()
        found += [self.say(x) for x in self.ranked([x for x in self.lines if x.possible])]
        if not found:
            found = self.together()
        found += self.discarded()
        return distinct(found)

    def reach(self, line: Line) -> None:
        """Change every result of a line at random: what never moves, the line does not reach."""
        taps = line.injected or line.taps
        moved = self.moved({t.key: _shaken(t, self.rng) for t in taps})
        if moved is not None:
            line.reaches = line.possible = not (self.wrong & (np.abs(moved) < 1e-13)).any()

    def check_taps(self) -> None:
        """Whether a copy in the place of a result changes nothing; if not, it is written through."""

        def still(lines: list[Line]) -> bool:
            plan = {t.key: ("add", np.zeros(np.shape(t.value))) for x in lines for t in x.injected}
            moved = self.moved(plan)
            return moved is not None and not np.max(np.abs(moved)) > 1e-12

        if not still(self.lines):
            for line in self.lines:
                if line.injected and not still([line]):
                    line.reaches, line.possible = False, True
                    self.uninspected.append(
                        f"line {line.site.line}: other names see its array change, so that it "
                        "could not be changed alone"
                    )

    def solve(self, line: Line) -> None:
        """Look for whole numbers or truth values with which every gradient would be right."""
        discrete = [t for t in line.taps if np.asarray(t.value).dtype.kind in "iub"]
        if line.injected or not discrete or len({t.part for t in discrete}) < len(discrete):
            return
        sizes = {n for t in self.taps for n in np.shape(t.value)}
        sizes |= {int(t.value) for t in self.taps if np.asarray(t.value).dtype.kind in "iu" and not np.shape(t.value)}
        for t in discrete:
            value = np.asarray(t.value)
            if value.dtype.kind == "b" and 0 < value.size <= 64:
                better = value.copy()
                for at in np.ndindex(value.shape):
                    flipped = value.copy()
                    flipped[at] = ~flipped[at]
                    move = self.moved({t.key: ("set", flipped)})
                    if move is not None and np.sum(np.abs(self.error[0] - move) > WRONG) < np.sum(
                        np.abs(self.error[0]) > WRONG
                    ):
                        better[at] = ~better[at]
                trials: list[Any] = [better]
            elif not value.shape and value.dtype.kind in "iu":
                trials = sorted(sizes | {int(value) + 1, int(value) - 1} - {int(value)})
            else:
                continue
            for new in trials:
                if all(
                    self.explained(self.moved({t.key: ("set", new)}, k), k)
                    for k in range(len(self.error))
                ):
                    line.solved = (
                        f"with {new} instead of {t.value} every gradient is right"
                        if not value.shape
                        else f"with {int(np.sum(new != value))} of {value.size} entries turned "
                        "every gradient is right"
                    )
                    return

    def test(self, line: Line, rows: Array) -> None:
        """Whether the error lies in the range of d(returned)/d(result)."""
        shapes = [np.shape(t.value) for t in line.injected]
        self.span(line, shapes, rows)
        if not line.possible and len(set(shapes)) == 1:
            for wider in self.wider(shapes[0]):  # it may have lost an axis
                self.span(line, [wider] * len(shapes), rows)
                if line.possible:
                    break

    def wider(self, shape: tuple[int, ...]) -> list[tuple[int, ...]]:
        """Shapes of other values that a result of this shape broadcasts to, small ones first."""
        others = {np.shape(t.value) for t in self.taps} - {shape}
        fit = [s for s in others if len(s) >= len(shape) and _broadcasts(shape, s)]
        return sorted(fit, key=math.prod)[:2]

    def span(self, line: Line, shapes: list[tuple[int, ...]], rows: Array) -> None:
        taps = line.injected
        size = [
            1e-2 * (float(np.sqrt(np.mean(np.square(t.value, dtype=float)))) or 1.0) for t in taps
        ]

        def along(d: list[Array], t: float, k: int = 0) -> Array | None:
            plan = {p.key: ("add", t * e) for p, e in zip(taps, d, strict=True)}
            move = self.moved(plan, k)
            return None if move is None else move * rows

        def draw() -> list[Array]:
            return [s * self.rng.standard_normal(h) for s, h in zip(size, shapes, strict=True)]

        basis = np.zeros((0, len(self.scale)))
        d = draw()
        up, down, other = along(d, 1.0), along(d, -1.0), along(d, 1.0, 1)
        if up is None or down is None:
            return
        most = float(np.max(np.abs(up)))
        linear = bool(np.max(np.abs(up + down)) <= 1e-9 * most)
        # what depends on dy, as a value of the forward does, has another range for each
        alike = other is not None and bool(np.max(np.abs(up - other)) <= 1e-9 * most)
        errors = [e * rows for e in (self.error if alike else self.error[:1])]
        line.probes, line.possible, line.tested = [], True, False
        for _ in range(sum(map(math.prod, shapes)) + 1):
            column = up
            if not linear:
                up, down = along(d, 2.0**-7), along(d, -(2.0**-7))
                column = None if up is None or down is None else (up - down) * 2.0**6
            if column is None or self.bench.spent > TRUTHS + LINES:
                line.rank = len(basis)
                return
            left = column - basis.T @ (basis @ column)
            left -= basis.T @ (basis @ left)
            length = float(np.linalg.norm(left))
            if length <= 1e-8 * np.linalg.norm(column):
                break
            line.probes.append((np.concatenate([np.ravel(e) for e in d]), column))
            basis = np.vstack([basis, left / length])
            if all(_within(basis, e) for e in errors):
                break
            d = draw()
            up = along(d, 1.0)
        line.rank, line.tested = len(basis), True
        line.possible = all(_within(basis, e) for e in errors)

    # ---- values of the forward

    def pair_values(self) -> None:
        pass

    def return_of_others(self) -> list[Candidate]:
        """The return, if it only puts the gradients into each other's places."""
        wrong = sorted(set(self.argument()[self.wrong].tolist()))
        args, moved = self.argument(), []
        for k in wrong:
            for other in range(len(self.grads)):
                if other != k and np.size(self.grads[other]) == np.size(self.grads[k]):
                    value = np.ravel(self.grads[other])[self.rows[k]] / self.scale[args == k]
                    if np.max(np.abs(value - self.truth[0][args == k])) <= WRONG:
                        moved.append((k, other))
        if self.last is None or {k for k, _ in moved} != set(wrong):
            return []
        names = [self.subject.names[i] for i in self.subject.floats]
        words = ", ".join(f"d{names[k]} stands in the place of d{names[o]}" for k, o in moved)
        return [self.at(self.last, words)]

    def cache_of_others(self) -> list[Candidate]:
        """The line that saves a value for which another value of the forward makes all right."""
        bench = self.bench
        ran, taps = bench.record(bench.forward)
        if isinstance(ran, Exception):
            return []
        kept = bench.hook.returned
        pool = {id(t.object): t for t in taps if isinstance(t.object, np.ndarray)}
        found = []
        for leaf in leaves(ran.cache):
            for t in pool.values():
                new = t.object
                if new is leaf or new.shape != leaf.shape or new.dtype.kind != leaf.dtype.kind:
                    continue
                cache = swapped(ran.cache, leaf, new)
                try:
                    fits = all(
                        self.explained(
                            self.flat(bench.subject.gradients(dy, _Ran(ran, cache))) - base, k
                        )
                        for k, (dy, base) in enumerate(zip(bench.dys, self.base, strict=True))
                    )
                except Exception:
                    continue
                if fits and kept:
                    what = statement_target(t)
                    why = f"with {what} of line {t.site.line} in the cache every gradient is right"
                    found.append(self.at(kept, why))
        return found

    def together(self) -> list[Candidate]:
        """Where no line alone explains the error: those that explain it for one argument."""
        args = self.argument()
        found: list[Line] = []
        for k in sorted(set(args[self.wrong].tolist())):
            rows = ~self.wrong | (args == k)
            good = []
            for line in self.lines:
                moved = self.moved({t.key: _shaken(t, self.rng) for t in line.injected})
                if moved is None or not line.injected:
                    continue
                if not (self.wrong & (args == k) & (np.abs(moved) < 1e-13)).any():
                    self.test(line, rows.astype(float))
                    if line.possible:
                        good.append(line)
            found += self.ranked(good)
        return [self.say(x) for x in found] + ([self.at(self.last, "it returns")] if self.last else [])

    def discarded(self) -> list[Candidate]:
        return []

    def ranked(self, lines: list[Line]) -> list[Line]:
        return sorted(lines, key=lambda x: (not x.solved, not x.tested, x.rank))

    def say(self, line: Line) -> Candidate:
        return self.at(line.site, line.solved or f"{line.tested} {line.rank}")

    def at(self, site: Site, why: str) -> Candidate:
        return Candidate(site.file, site.line, site.function, site.code, why)

    def innocent(self, found: tuple[Candidate, ...]) -> tuple[int, ...]:
        return tuple(sorted({x.site.line for x in self.lines} - {c.line for c in found}))

    def known(self) -> tuple[str, ...]:
        return ()


@dataclass(frozen=True)
class _Ran:
    ran: Any
    cache: Any

    @property
    def single(self) -> bool:
        return self.ran.single


def statement_target(t: Tap) -> str:
    return t.site.target if t.site.target != "return" else "the value"


def _broadcasts(shape: tuple[int, ...], to: tuple[int, ...]) -> bool:
    try:
        return np.broadcast_shapes(shape, to) == to
    except ValueError:
        return False


def _within(basis: Array, e: Array) -> bool:
    rest = e - basis.T @ (basis @ e)
    return bool(np.max(np.abs(rest)) <= 1e-5 * np.max(np.abs(e)) + 1e-7)


def _shaken(t: Tap, rng: np.random.Generator) -> tuple[str, Any]:
    value = np.asarray(t.value)
    if value.dtype.kind == "f":
        scale = float(np.max(np.abs(value), initial=0.0)) or 1.0
        return "add", scale * rng.uniform(0.5, 1.5, value.shape)
    new = ~value if value.dtype.kind == "b" else value + 1
    return "set", new if isinstance(t.value, np.ndarray) else type(t.value)(new)
