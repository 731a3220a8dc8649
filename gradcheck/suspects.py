"""Which results of a backward can explain its error: a search by injection.

A line stays a suspect while its result reaches every wrong entry and the error lies in the range of
d(returned)/d(result). The range is found by random probes, as many as it has dimensions. Fewer
dimensions explain an error by less chance, and come first.
"""

import ast
import linecache
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import Any

import numpy as np

from gradcheck.instrument import Site
from gradcheck.subjects import Forward
from gradcheck.taps import Bench, Plan, Tap, leaves, statement, swapped

Array = np.ndarray
STEP = 2.0**-15  # of central differences: 1e-9 in truncation, 1e-12 in rounding
# operations that may be re-run: for the right gradients, the lines, the values of the forward
TRUTHS, CACHE, LINES, VALUES = 8_000, 4_000, 20_000, 8_000
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
    steps: list[Array] = field(default_factory=list)  # by cotangent, what makes all right

    @property
    def site(self) -> Site:
        return self.taps[0].site

    @property
    def function(self) -> str:
        return self.site.function.split(".")[-1]

    @property
    def injected(self) -> list[Tap]:
        """The float taps; of an array that is written in parts only the whole, at the end."""
        floats = [t for t in self.taps if t.is_float and t.size]
        whole = list({t.part: t for t in floats if t.part[:1] == ("into",)}.values())
        about = statement(self.site.code)
        if whole and not about.unpacks and self.taps[0].site.target != "return":
            return whole
        return [t for t in floats if t.part[:1] != ("into",)] + whole


Truths = tuple[list[Array], list[Array], Array]


def truths(bench: Bench, cost: int, rng: np.random.Generator) -> Truths:
    """(entries that are compared, by argument; their right values, by cotangent; scales).

    `cost` is that of one forward; a slow one is compared at fewer entries.
    """
    subject, dys = bench.subject, bench.dys
    most = int(np.clip(TRUTHS // (2 * cost * len(subject.floats)), 8, 64))
    rows, values, scales = [], [], []
    for i in subject.floats:
        x = subject.arrays[i]
        chosen = np.arange(x.size)
        if x.size > most:
            chosen = np.sort(rng.choice(x.size, most, replace=False))
        h = STEP * 2.0 ** math.floor(math.log2(float(np.max(np.abs(x))) or 1.0))
        total = np.empty((len(dys), len(chosen)))
        for j, at in enumerate(chosen):
            d = np.zeros(x.size)
            d[at] = h
            total[:, j] = along_argument(bench, i, d.reshape(x.shape)) / h
        rows.append(chosen)
        values.append(total)
        scales.append(np.full(len(chosen), float(np.max(np.abs(total), initial=0.0)) or 1.0))
    scale = np.concatenate(scales)
    return rows, [np.concatenate([v[k] for v in values]) / scale for k in range(len(dys))], scale


def along_argument(bench: Bench, i: int, d: Array) -> Array:
    """By cotangent, half of how far <dy, y> moves between x - d and x + d."""
    ends = []
    for sign in (1, -1):
        moved = list(bench.subject.arrays)
        moved[i] = moved[i] + sign * d
        ends.append(bench.subject.run(tuple(moved)).y)
    return paired(bench.dys, *ends)


def paired(dys: list[tuple], up: tuple, down: tuple) -> Array:
    """By cotangent, half of <dy, up - down>; what is infinite in both has not moved."""
    moves = [np.where(a == b, 0.0, a - b) for a, b in zip(up, down, strict=True)]
    halves = (sum(np.sum(v * m) for v, m in zip(dy, moves, strict=True)) / 2 for dy in dys)
    return np.array(list(halves))


class Search:
    """The lines of one backward, sorted out by what changes of their results do."""

    def __init__(
        self,
        bench: Bench,
        taps: list[Tap],
        grads: tuple,
        last: Site | None,
        truths: "Truths",
        rng: np.random.Generator,
    ):
        self.bench, self.subject, self.last, self.rng = bench, bench.subject, last, rng
        self.taps, self.grads = taps, grads
        self.uninspected: list[str] = []
        self.recorded: dict[int, dict[Any, Any]] = {}
        by_line: dict[tuple, list[Tap]] = {}
        for t in taps:
            by_line.setdefault((t.site.file, t.site.line, t.site.function), []).append(t)
        self.lines = [Line(k, ts) for k, ts in enumerate(by_line.values())]
        self.rows, self.truth, self.scale = truths
        self.base = [self.flat(bench.backward(k)) for k in range(len(bench.dys))]
        self.error = [t - b for t, b in zip(self.truth, self.base, strict=True)]
        self.wrong = np.max(np.abs(self.error), axis=0) > WRONG

    # ---- the error of the returned gradients

    def flat(self, grads: Any) -> Array:
        """The compared entries, in units of the largest entry of the right gradient."""
        parts = [np.ravel(g)[r] for g, r in zip(grads, self.rows, strict=True)]
        return np.concatenate(parts) / self.scale

    def argument(self) -> Array:
        """The number of the argument that each compared entry belongs to."""
        return np.repeat(np.arange(len(self.rows)), [len(r) for r in self.rows])

    def moved(self, plan: Plan, k: int = 0, ran: Forward | None = None) -> Array | None:
        """How far the gradients move under a plan; None where the backward does not end."""
        try:
            grads = self.bench.backward(k, plan, ran)
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
        self.limit = self.bench.spent + LINES
        found = self.return_of_others()
        for line in sorted(self.lines, key=lambda x: sum(t.size for t in x.injected)):
            if line.reaches:
                self.solve(line)
            if line.reaches and line.injected:
                self.test(line, np.ones_like(self.wrong))
        found += self.cache_of_others()
        self.pair_values()
        for line in self.ranked([x for x in self.lines if x.possible]):
            found += self.say(line)
        if not found:
            found = self.together()
        found += self.discarded()
        return distinct(found)

    def reach(self, line: Line) -> None:
        """Change every result of a line at random: what never moves, the line does not reach."""
        taps = line.injected or line.taps
        moved = self.moved({t.key: shaken(t, self.rng) for t in taps})
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
        parts = {t.part: t for t in line.taps}
        if statement(line.site.code).unpacks and len(parts) == len(line.taps) <= 8:
            for a, b in combinations(line.taps, 2):
                if np.shape(a.value) == np.shape(b.value) and not np.array_equal(a.value, b.value):
                    if all(
                        self.explained(self.moved(self.exchange(a, b, k), k), k)
                        for k in range(len(self.error))
                    ):
                        line.solved = "with two of its values exchanged every gradient is right"
                        return
        discrete = [t for t in line.taps if np.asarray(t.value).dtype.kind in "iub"]
        if line.injected or not discrete or len({t.part for t in discrete}) < len(discrete):
            return
        sizes = {n for t in self.taps for n in np.shape(t.value)}
        sizes |= {
            int(t.value)
            for t in self.taps
            if np.asarray(t.value).dtype.kind in "iu" and not np.shape(t.value)
        }
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

    def exchange(self, a: Tap, b: Tap, k: int) -> Plan:
        """The plan that puts two results of cotangent k in each other's place."""
        values = self.values(k)
        return {a.key: ("set", values[b.key]), b.key: ("set", values[a.key])}

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
        line.probes, line.steps, line.possible, line.tested = [], [], True, False
        if linear:
            first, second = d, draw()
            next_ = along(second, 1.0)
            known = next_ is not None and self.elementwise(
                line, (first, up), (second, next_), errors
            )
            if known:
                return
        for _ in range(sum(map(math.prod, shapes)) + 1):
            column = up
            if not linear:
                up, down = along(d, 2.0**-7), along(d, -(2.0**-7))
                column = None if up is None or down is None else (up - down) * 2.0**6
            if column is None or self.bench.spent > self.limit:
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

    def elementwise(self, line: Line, a: tuple, b: tuple, errors: list[Array]) -> bool:
        """The test from two probes alone, where each gradient entry moves with one entry only."""
        (d, up), (e, again) = a, b
        d, e = (np.concatenate([np.ravel(x) for x in v]) for v in (d, e))
        rows = np.flatnonzero(np.abs(up) > 1e-13)
        ratio = e / d
        order = np.argsort(ratio)
        place = (
            np.clip(np.searchsorted(ratio[order], again[rows] / up[rows]), 1, len(d) - 1)
            if len(d) > 1
            else np.zeros(len(rows), int)
        )
        of = order[place]
        if len(d) > 1:
            below = order[place - 1]
            nearer = np.abs(ratio[below] - again[rows] / up[rows]) < np.abs(
                ratio[of] - again[rows] / up[rows]
            )
            of = np.where(nearer, below, of)
        if np.any(np.abs(again[rows] - up[rows] * ratio[of]) > 1e-9 * np.abs(again[rows])):
            return False
        factor = up[rows] / d[of]
        line.rank, line.tested, line.steps = len(set(of.tolist())), True, []
        for error in errors:
            weight = np.zeros(len(d))
            np.add.at(weight, of, factor**2)
            best = np.zeros(len(d))
            np.add.at(best, of, factor * error[rows])
            best = np.divide(best, weight, out=best, where=weight > 0)
            rest = error.copy()
            rest[rows] -= factor * best[of]
            line.steps.append(best)
            if np.max(np.abs(rest)) > 1e-5 * np.max(np.abs(error)) + 1e-7:
                line.possible = False
        return True

    # ---- values of the forward

    def pair_values(self) -> None:
        """Find the lines whose results are, or would have to be, gradients of forward values."""
        values = [self.values(k) for k in range(len(self.base))]
        for line in self.lines:
            line.again = all(self.is_earlier(line, t) for t in line.injected)
        own = {id(line): [t for t in line.injected if self.moves_with_dy(t)] for line in self.lines}
        wanted = {
            id(x): v for x in self.lines if x.possible and (v := self.wanted(x, own[id(x)], values))
        }
        sizes = {t.size for ts in own.values() for t in ts}
        right: dict[Any, str] = {}
        for label, shape, d, slopes in self.sources(sizes):
            for line in self.lines:
                for t in own[id(line)]:
                    if t.key not in right and _pairs(
                        [np.asarray(v[t.key]) for v in values], shape, d, slopes
                    ):
                        right[t.key] = label
                fix = wanted.get(id(line))
                if fix and not line.wanted and _pairs(fix, shape, d, slopes):
                    line.wanted = label
        for line in self.lines:
            labels = {right.get(t.key, "") for t in own[id(line)]}
            line.right = ", ".join(sorted(labels)) if labels and "" not in labels else ""

    def values(self, k: int) -> dict[Any, Any]:
        """The results for cotangent k, by tap."""
        if k not in self.recorded:
            _, taps = self.bench.record(self.bench.backward, k)
            self.recorded[k] = {t.key: t.value for t in taps}
        return self.recorded[k]

    def moves_with_dy(self, t: Tap) -> bool:
        """Whether a result is there for each cotangent, and another for each."""
        values = [self.values(k) for k in range(len(self.base))]
        found = [v.get(t.key) for v in values]
        return all(v is not None and np.shape(v) == np.shape(t.value) for v in found) and not any(
            np.array_equal(found[0], v) for v in found[1:]
        )

    def is_earlier(self, line: Line, tap: Tap) -> bool:
        """Whether a result holds just the entries of one that was there before."""
        mine = np.sort(np.ravel(tap.value))
        for other in self.lines[: line.order]:
            for t in other.injected:
                if t.size == tap.size and np.array_equal(mine, np.sort(np.ravel(t.value))):
                    return True
        return any(
            np.size(v) == tap.size and np.array_equal(mine, np.sort(np.ravel(v)))
            for v in self.bench.dys[0]
        )

    def wanted(self, line: Line, own: list[Tap], values: list[dict]) -> list[Array] | None:
        """By cotangent, the only results of a line that make the gradients right."""
        if len(own) != 1 or line.injected != own or line.rank != own[0].size:
            return None
        t, found, steps = own[0], [], line.steps
        if not steps:
            ds, columns = (np.array(v).T for v in zip(*line.probes, strict=True))
            steps = [ds @ np.linalg.lstsq(columns, e, rcond=None)[0] for e in self.error]
        if len(steps) < len(self.error):
            return None
        for k, step in enumerate(steps):
            if step.size != t.size or not self.explained(
                self.moved({t.key: ("add", step.reshape(np.shape(t.value)))}, k), k
            ):
                return None
            found.append(values[k][t.key] + step.reshape(np.shape(t.value)))
        return found

    def sources(self, sizes: set[int]) -> Iterator[tuple[str, tuple[int, ...], Array, Array]]:
        """(words, shape, direction, slope of <dy, y> along it by cotangent) of forward values."""
        bench = self.bench
        for i in self.subject.floats:
            x = self.subject.arrays[i]
            if x.size in sizes:
                d = self.rng.standard_normal(x.shape)
                h = STEP * (float(np.max(np.abs(x))) or 1.0)
                yield self.subject.names[i], x.shape, d, along_argument(self.bench, i, h * d) / h
        ran, taps = bench.record(bench.forward)
        if isinstance(ran, Exception):
            return
        for n, y in enumerate(ran.y):
            if np.size(y) in sizes:
                d = self.rng.standard_normal(np.shape(y))
                slopes = [float(np.sum(dy[n] * d)) for dy in bench.dys]
                yield "the output", np.shape(y), d, np.array(slopes)
        limit = bench.spent + VALUES
        first: dict[int, Tap] = {}
        for t in taps:
            if t.is_float and t.size in sizes:
                first.setdefault(id(t.object), t)
        names = {id(t.object): _name(t) for t in taps[::-1] if t.site.target != "return"}
        for t in first.values():
            if bench.spent > limit:
                return
            d = self.rng.standard_normal(np.shape(t.value))
            h = STEP * (float(np.median(np.abs(t.value))) or 1.0)  # masked scores are huge
            try:
                ends = [bench.forward({t.key: ("add", s * h * d)}).y for s in (1, -1)]
            except Exception:
                continue
            yield (
                names.get(id(t.object), _name(t)),
                np.shape(t.value),
                d,
                paired(bench.dys, *ends) / h,
            )

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
        limit = bench.spent + CACHE
        pool = {id(t.object): t for t in taps if isinstance(t.object, np.ndarray)}
        found = []
        for leaf in leaves(ran.cache):
            for t in pool.values():
                new = t.object
                other_kind = leaf.dtype.kind == "f" and new.dtype.kind != "f"
                if new is leaf or new.shape != leaf.shape or other_kind:
                    continue
                if bench.spent > limit:
                    return found
                other = replace(ran, cache=swapped(ran.cache, leaf, new))
                runs = (self.moved({}, k, other) for k in range(len(self.base)))
                if kept and all(self.explained(move, k) for k, move in enumerate(runs)):
                    why = f"with {_name(t)} in its place in the cache every gradient is right"
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
                moved = self.moved({t.key: shaken(t, self.rng) for t in line.injected})
                if moved is None or not line.injected:
                    continue
                if not (self.wrong & (args == k) & (np.abs(moved) < 1e-13)).any():
                    self.test(line, rows.astype(float))
                    if line.possible:
                        good.append(line)
            found += self.ranked(good)
        why = "it explains a part of the error, and no line explains all"
        places = [x.site for x in found] + self.loops() + [self.last] * (self.last is not None)
        return [self.at(site, why) for site in places]

    def loops(self) -> list[Site]:
        """The heads of the loops around the lines that ran."""
        found = {}
        for line in self.lines:
            for head, code in loops_around(line.site.file, line.site.line):
                found[head] = replace(line.site, line=head, code=code, target="")
        return [found[head] for head in sorted(found)]

    def discarded(self) -> list[Candidate]:
        """Lines that give the name _ to a gradient: a path may end there."""
        return [
            self.at(x.site, "it throws a gradient away")
            for x in self.lines
            if "_" in [n.strip() for n in x.site.target.split(",")]
            and any(self.moves_with_dy(t) for t in x.injected)
        ]

    def ranked(self, lines: list[Line]) -> list[Line]:
        solved = [x for x in lines if x.solved]
        lines = [x for x in lines if not x.solved]
        aims = [x for x in lines if x.wanted and not x.right]
        if aims:  # that value makes all right: what comes after it is right
            first = min(aims, key=lambda x: x.order)
            lines = [
                x for x in lines if x.order <= first.order or f"{first.function}(" in x.site.code
            ]
        open_ = [x for x in lines if not x.right or x.again]
        short = [x for x in lines if x not in open_ and x.wanted]
        # lines that only read, or make zeros for others to fill, and whole numbers: seldom wrong
        good = [x for x in self.beyond_right(open_) if not self.is_idle(x)]
        if not good and not short and not solved:
            short = [x for x in lines if x.right and not self.is_idle(x)]
        lines = good + short or ([] if solved else lines)
        return solved + sorted(lines, key=lambda x: (x in short, not x.tested, x.rank))

    def is_idle(self, line: Line) -> bool:
        about = statement(line.site.code)
        if about.kind == "read":  # unless it is a share of dy that may lack another
            return about.unpacks or not any(self.moves_with_dy(t) for t in line.injected)
        arrays = [t.object for t in line.taps if isinstance(t.object, np.ndarray)]
        filled = {id(t.object) for x in self.lines for t in x.taps if t.part[:1] == ("into",)}
        zeros = all(not np.any(t.value) for t in line.injected)
        return bool(arrays) and zeros and all(id(a) in filled for a in arrays)

    def beyond_right(self, lines: list[Line]) -> list[Line]:
        """Those that reach the error by other ways than through values known to be right."""
        held = {
            t.key: ("set", t.value)
            for x in self.lines
            if x.right and not x.again
            for t in x.injected
            if t.part[:1] != ("into",)
        }
        kept = []
        for line in lines:
            moved = None
            if held and line.injected:
                plan = held | {t.key: shaken(t, self.rng) for t in line.injected}
                moved = self.moved(plan)
            if moved is None or (self.wrong & (np.abs(moved) > 1e-13)).any():
                kept.append(line)
        return kept

    def say(self, line: Line) -> list[Candidate]:
        """The candidate that a line is; with the next, where a step between them is missing."""
        site, after = line.site, self.after(line.site)
        if line.solved:
            return [self.at(site, line.solved)]
        if line.right and not line.again:
            aim = f", and what follows needs that of {line.wanted}" if line.wanted else ""
            why = f"its result is the gradient of {line.right}{aim}: a step is missing after it"
            return [self.at(site, why)] + [self.at(s, "a step is missing before it") for s in after]
        if line.wanted:
            return [self.at(site, f"its result is not the gradient of {line.wanted}")]
        if line.tested:
            return [self.at(site, "another result of this line would make every gradient right")]
        return [self.at(site, "it reaches every wrong entry; it could not be tested further")]

    def after(self, site: Site) -> list[Site]:
        """The statement that comes next in the same function."""
        sites = [x.site for x in self.lines] + [self.last] * (self.last is not None)
        later = [s for s in sites if s.function == site.function and s.line > site.line]
        return [min(later, key=lambda s: s.line)] if later else []

    def at(self, site: Site, why: str) -> Candidate:
        return Candidate(site.file, site.line, site.function, site.code, why)

    def innocent(self, found: tuple[Candidate, ...]) -> tuple[int, ...]:
        return tuple(sorted({x.site.line for x in self.lines} - {c.line for c in found}))

    def known(self) -> tuple[str, ...]:
        """Sentences about results that are known to be right."""
        return tuple(
            f"line {x.site.line}: its result is the gradient of {x.right}"
            for x in self.lines
            if x.right and not x.again
        )


def loops_around(file: str, line: int) -> list[tuple[int, str]]:
    """(line, text) of the heads of the loops around a line of a file."""
    return [
        (n.lineno, linecache.getline(file, n.lineno).strip())
        for n in ast.walk(ast.parse("".join(linecache.getlines(file))))
        if isinstance(n, (ast.For, ast.While)) and n.lineno < line <= (n.end_lineno or 0)
    ]


def _name(t: Tap) -> str:
    """How to speak of a value of the forward."""
    target = t.site.target.split(",")
    inside = [k for k in t.part if isinstance(k, int)]
    if t.site.target in ("return", "") or (inside and inside[0] >= len(target)):
        return f"the value of line {t.site.line}"
    return f"{target[inside[0] if inside else 0].strip()} (line {t.site.line})"


def _pairs(values: list[Array], shape: tuple[int, ...], d: Array, slopes: Array) -> bool:
    """Whether values, by cotangent, have these slopes along d."""
    if values[0].size != d.size or not all(np.any(v) for v in values):
        return False
    far = 1e-6 * np.linalg.norm(d) / math.sqrt(d.size)
    return all(
        abs(float(np.sum(v.reshape(shape) * d)) - s) <= far * float(np.linalg.norm(v)) + 1e-12
        for v, s in zip(values, slopes, strict=True)
    )


def _broadcasts(shape: tuple[int, ...], to: tuple[int, ...]) -> bool:
    try:
        return np.broadcast_shapes(shape, to) == to
    except ValueError:
        return False


def _within(basis: Array, e: Array) -> bool:
    rest = e - basis.T @ (basis @ e)
    return bool(np.max(np.abs(rest)) <= 1e-5 * np.max(np.abs(e)) + 1e-7)


def shaken(t: Tap, rng: np.random.Generator) -> tuple[str, Any]:
    value = np.asarray(t.value)
    if value.dtype.kind == "f":
        scale = float(np.max(np.abs(value), initial=0.0)) or 1.0
        return "add", scale * rng.uniform(0.5, 1.5, value.shape)
    new = ~value if value.dtype.kind == "b" else value + 1
    return "set", new if isinstance(t.value, np.ndarray) else type(t.value)(new)
