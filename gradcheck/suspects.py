"""Which results of a backward can explain its error: a search by injection.

A line stays a suspect while its result reaches every wrong entry and the error lies in the range of
d(returned)/d(result). The range is found by random probes, as many as it has dimensions. Fewer
dimensions explain an error by less chance, and come first.
"""

from dataclasses import replace
from typing import Any

import numpy as np

from gradcheck.instrument import Site
from gradcheck.lines import Candidate, Line, distinct, loops_around, shaken
from gradcheck.ranges import examine
from gradcheck.subjects import Forward
from gradcheck.substitutes import cache_of_others, return_of_others, solve, trust_sizes
from gradcheck.taps import Bench, Plan, Tap, leaves, statement
from gradcheck.totals import WRONG, Truths, matches, name_of, sources

Array = np.ndarray
LINES = 20_000  # operations that may be re-run for the sake of the ranges


class Search:
    """The lines of one backward, sorted out by what changes of their results do."""

    def __init__(
        self,
        bench: Bench,
        taps: list[Tap],
        grads: tuple,
        last: Site,
        truths: Truths,
        rng: np.random.Generator,
    ):
        self.bench, self.subject, self.last, self.rng = bench, bench.subject, last, rng
        self.taps, self.grads = taps, grads
        self.unchecked = trust_sizes(self.subject.functions)
        self.held = {t.key for t in taps if self.unchecked and not t.is_float}  # never changed
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
        if not self.held.isdisjoint(plan):
            return None
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

    def is_small(self) -> bool:
        """Whether the error is such as rounding to fewer digits makes."""
        return all(np.max(np.abs(e)) < 1e-2 for e in self.error)

    # ---- suspects

    def candidates(self) -> tuple[Candidate, ...]:
        if not self.wrong.any():
            return ()
        for line in self.lines:
            self.reach(line)
        self.check_taps()
        self.limit = self.bench.spent + LINES
        found = return_of_others(self)
        for line in sorted(self.lines, key=lambda x: sum(t.size for t in x.injected)):
            if line.reaches:
                solve(self, line)
            if line.reaches and line.injected:
                examine(self, line, np.ones_like(self.wrong))
        found += cache_of_others(self)
        self.pair_values()
        ranked = self.ranked([x for x in self.lines if x.possible])
        for line in ranked:
            found += self.say(line, alone=len(ranked) == 1 and not found)
        if not found:
            found = self.together()
            found += [self.at(x.site, "it reaches every wrong entry") for x in self.idle()]
        found += self.discarded()
        return distinct(found)

    def reach(self, line: Line) -> None:
        """Change every result of a line at random: what never moves, the line does not reach."""
        taps = line.injected or line.taps
        moved = self.moved({t.key: shaken(t, self.rng) for t in taps})
        if moved is not None:
            line.reaches = line.possible = not (self.wrong & (np.abs(moved) < 1e-13)).any()

    def check_taps(self) -> None:
        """Find the lines whose result others see change: a copy in its place is not the same."""

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
        for label, shape, d, slopes in sources(self.bench, sizes, self.rng):
            for line in self.lines:
                for t in own[id(line)]:
                    if t.key not in right and matches(
                        [np.asarray(v[t.key]) for v in values], shape, d, slopes
                    ):
                        right[t.key] = label
                fix = wanted.get(id(line))
                if fix and not line.wanted and matches(fix, shape, d, slopes):
                    line.wanted, line.lacks = label, self.lacking(own[id(line)][0], fix)
        for line in self.lines:
            labels = {right.get(t.key, "") for t in own[id(line)]}
            line.right = ", ".join(sorted(labels)) if labels and "" not in labels else ""

    def lacking(self, tap: Tap, fix: list[Array]) -> str:
        """The other value, of the backward or of dy, that a result lacks, in words."""
        steps = [f - self.values(k)[tap.key] for k, f in enumerate(fix)]

        def is_it(values: list[Any]) -> bool:
            return all(
                np.shape(v) == np.shape(s)
                and np.max(np.abs(v - s)) <= WRONG * max(float(np.max(np.abs(v))), 1e-300)
                for v, s in zip(values, steps, strict=True)
            )

        for t in self.taps:
            if t.is_float and t.key != tap.key and t.site.target != "return":
                values = [self.values(k).get(t.key) for k in range(len(fix))]
                if all(v is not None for v in values) and is_it(values):
                    return name_of(t)
        for n in range(len(self.bench.dys[0])):
            if is_it([dy[n] for dy in self.bench.dys]):
                return "dy" if len(self.bench.dys[0]) == 1 else f"dy[{n}]"
        return ""

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
        if any(v is None or np.shape(v) != np.shape(t.value) for v in found):
            return False
        return not any(np.array_equal(np.asarray(found[0]), np.asarray(v)) for v in found[1:])

    def is_earlier(self, line: Line, tap: Tap) -> bool:
        """Whether a result holds just the entries of one that was there before."""
        mine = np.sort(np.ravel(tap.value))
        for other in self.lines[: line.order]:
            for t in other.injected:
                if t.size == tap.size and np.array_equal(mine, np.sort(np.ravel(t.value))):
                    return True
        return any(
            np.size(v) == tap.size and np.array_equal(mine, np.sort(np.ravel(v)))
            for v in (*self.bench.dys[0], *leaves(self.bench.ran.cache))
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

    def idle(self) -> list[Line]:
        return [x for x in self.lines if x.reaches and self.is_idle(x) and x.injected]

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
                    examine(self, line, rows.astype(float))
                    if line.possible:
                        good.append(line)
            found += self.ranked(good)
        why = "it explains a part of the error, and no line explains all"
        places = [x.site for x in found] + self.loops() + [self.last]
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
        lines = good + short
        return solved + sorted(
            lines, key=lambda x: (x in short, not x.tested, x.rank, not self.is_aim(x), x.again)
        )

    def is_aim(self, line: Line) -> bool:
        """Whether it is known what the result should be, by more than that it is returned."""
        return bool(line.wanted) and line.site.target != "return"

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

    def say(self, line: Line, alone: bool) -> list[Candidate]:
        """The candidate that a line is; with the next, where a step between them is missing."""
        site, after = line.site, self.after(line.site)
        if line.solved:
            return [self.at(site, line.solved)]
        if line.right and not line.again:
            aim = f", and what follows needs that of {line.wanted}" if line.wanted else ""
            why = f"its result is the gradient of {line.right}{aim}: a step is missing after it"
            return [self.at(site, why)] + [self.at(s, "a step is missing before it") for s in after]
        if not line.tested:
            return [self.at(site, "it reaches every wrong entry, and could not be tested further")]
        why = "another result would make every gradient right"
        if line.wanted:
            why = f"its result should be the gradient of {line.wanted}"
            why += f", and lacks {line.lacks}" if line.lacks else ""
        if alone:
            if any(t.object is g for t in line.taps for g in self.grads) and site != self.last:
                why += f", or a step is missing before it is returned in line {self.last.line}"
            why = f"the inputs of line {site.line} are right, its result is wrong: " + why
        return [self.at(site, why)]

    def after(self, site: Site) -> list[Site]:
        """The statement that comes next in the same function."""
        sites = [x.site for x in self.lines] + [self.last]
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
