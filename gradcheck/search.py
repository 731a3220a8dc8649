"""The search for a repair: candidates of growing size, tried on numbers until one is right.

Candidates run as the user's live functions with another code object in them, so that closures,
helpers and line numbers are what they were. This belongs in a process of its own.
"""

import ast
import contextlib
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import cached_property, partial
from itertools import islice, zip_longest
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

import numpy as np

from gradcheck.by_value import by_value
from gradcheck.candidates import Candidate, Item, Job, Right
from gradcheck.checks import check_subject
from gradcheck.derived import derived
from gradcheck.edits import KINDS, Edit, edits
from gradcheck.ended import ended, forward_of
from gradcheck.forwards import activations
from gradcheck.implied import of_edit
from gradcheck.ingredients import File
from gradcheck.instrument import reach
from gradcheck.limits import as_text, limited
from gradcheck.missing import ending
from gradcheck.schema import Variant, compiled, located, merged
from gradcheck.streams import MISSING, cached, few, ideas, rules, suggested, untouched, valued
from gradcheck.subjects import Adapted, Subject, made_of
from gradcheck.trial import Draw, Wrong

# these say more of a pair than its repair does
_CONTRACT = "mutates not-repeatable dtype not-implemented ignores-upstream non-finite"
CONTRACT = tuple(_CONTRACT.split())
CHECKED = 30.0  # seconds for the full check of a candidate
DRAWS = 4  # fresh ones, on which every survivor must be right
CACHED = ("condition", "function", "shift")  # edits of what is cached
GROWTH = 16, 40  # nodes by which an edit is larger than what it replaces, and waits for others
DERIVED = 1.0  # seconds for what the forward asks for
MOST = 3000  # edits of that kind
VALUED = 1.5  # seconds for what is sought by its value
TOGETHER = 400  # variants in one code object
FEW = 2  # wrong arguments, above which a term of one of them is not what is missing
STEPS = 6  # right for some arguments more than the original, from which a second edit is sought


class Search:
    """The candidates of one pair, tried until time is up."""

    def __init__(self, job: Job, module: ModuleType, say: Callable[..., None]):
        self.job, self.say = job, say
        self.deadline = time.process_time() + job.seconds
        self.tried = 0
        self.found: list[Right] = []
        self.steps: list[tuple[Candidate, Wrong]] = []
        self.followed: set[tuple[int, Wrong]] = set()
        self.text = Path(job.file).read_bytes().decode()
        # each makes its own pair, as what is held fixed belongs to a subject
        several = [_functions(s, job, module) for s in job.subjects]
        made = several[0]
        self.base, *self.others = map(made_of, job.subjects, several)
        self.fresh: list[Draw] | None = None
        self.forwards = [f for f in reach(made.forwards) if f.__code__.co_filename == job.file]
        self.backwards = [f for f in reach(made.backwards) if f.__code__.co_filename == job.file]
        own = made.backwards[-1]
        self.backwards.sort(key=lambda f: (f is not own, f.__name__ in job.trusted))

    def run(self) -> list[Right]:
        """All repairs that were found."""
        self.draw = Draw.of(self.base, [self.job.seed, 17], each=True)
        start = time.process_time()
        self.base.run()
        self.limit = 1.0
        self.wrong = self.outcome(None)
        self.limit = max(0.2, 20 * (time.process_time() - start))
        report = check_subject(self.base, self.job.seed, twin=False)
        if report.verdict != "fail":
            return []
        tree = ast.walk(ast.parse(self.text))
        self.returns = {n.lineno for n in tree if isinstance(n, ast.Return)}
        self.kinds = [f.kind for f in report.findings]
        for number, stage in enumerate(self.stages()):
            for part, items in enumerate(stage):
                self.stage = f"{number}.{part}"
                for candidate in self.candidates(items):
                    if time.process_time() > self.deadline:
                        break
                    self.attempt(candidate)
                if self.found or time.process_time() > self.deadline:
                    return self.found
        return []

    def stages(self) -> Iterator[Iterable[list[Item]]]:
        """Lists of candidates to be tried, each in full before the search may end."""
        small, large = partial(ideas, large=False), partial(ideas, large=True)
        throughout = partial(few, kinds=self.job.kinds)
        called_for = partial(suggested, kinds={*self.job.kinds, *self.kinds})
        first, then, rest, part = self.lines()
        wanted = set(self.job.lines)
        if {"mutates", "not-repeatable"} & set(self.kinds):
            yield self.larger(self.backwards, first | then | rest, untouched)
        changed, put_in = self.in_steps(wanted, first - wanted)
        yield from changed
        # likelier than what is put in, unless the numbers say that a term is missing
        likelier = self.larger(self.backwards, wanted or first, throughout)
        lacks = bool(self.job.kinds) and {*self.job.kinds} <= {*MISSING["term"]}
        asked = [*self.asked(wanted or first)] if lacks else []
        yield ([i for i in items if i.order[1] == 0] for items in asked)
        yield from (*put_in, likelier) if lacks else (likelier, *put_in)
        only = [f for f in self.forwards if f not in self.backwards]
        kept = [i for f in only for i in self.listed(f, self.text, self.returns | wanted)]
        yield [[i for i in kept if i.order[:1] == (False,) and KINDS[i.order[1]] in CACHED]]
        yield self.larger(only, self.returns, cached)
        if not lacks:
            asked = [*self.asked(wanted or first)]
            yield ([i for i in items if i.order[1] == 0] for items in asked)
        yield self.seconds(twice=True)
        yield self.larger(self.backwards, wanted, called_for)
        yield self.larger(self.backwards, wanted or first, rules)
        changed, put_in = self.in_steps(then - wanted)
        yield from (*changed, *put_in)
        first = first | wanted
        then, rest = then - wanted, rest - wanted
        yield self.valued(first | then)
        yield ([i for i in items if i.order[1] == 1] for items in asked)
        if part - wanted:  # of several mistakes, each in a line that moves some of the gradients
            yield [[i for f in self.backwards for i in self.listed(f, self.text, part - wanted)]]
        yield self.larger(self.backwards, (first | then) - wanted, throughout)
        yield self.seconds(called_for)
        yield self.larger(self.backwards, first - wanted, rules)
        yield self.larger(self.backwards, first, small)
        yield ([i for i in items if i.order[1] == 2] for items in asked)
        yield self.seconds()
        if self.job.kinds:  # else it raises, in a line that moves nothing
            yield self.larger(self.backwards, first, large)
        if rest - part:
            yield [[i for f in self.backwards for i in self.listed(f, self.text, rest - part)]]
        yield self.larger(self.backwards, then, small)
        if not self.job.kinds:
            yield self.larger(self.backwards, first, large)
        yield self.larger(self.backwards, rest, small)
        yield [[i for f in only for i in self.listed(f, self.text, None)]]
        yield self.larger(only, then, small)
        yield self.larger(self.backwards, then, large)

    def lines(self) -> tuple[set[int], set[int], set[int], set[int]]:
        """Lines that move the wrong gradients and no others, lines that may, lines that do not.

        Of the last, those that move some of them and no others come once more.
        """
        count = self.text.count("\n") + 1
        moved: dict[int, frozenset[int]] = {}
        with contextlib.suppress(Exception):
            moved = self.draw.influences(self.job.file)
        last = {k for f in self.backwards if f.__name__ in self.job.trusted for k in _lines(f)}
        wrong = self.wrong.arguments
        first = {k for k, which in moved.items() if which == wrong}
        first = (first | self.returns) - last
        rest = {k for k, which in moved.items() if not which >= wrong} | last
        part = {k for k, which in moved.items() if which and which < wrong} - last
        return first, set(range(1, count + 1)) - first - rest, rest, part

    def in_steps(self, *parts: set[int]) -> Iterator[list[list[list[Item]]]]:
        """The small edits of each part of the lines: what is changed, then what is put in."""
        listed = [[i for f in self.backwards for i in self.listed(f, self.text, p)] for p in parts]
        for insertion in (False, True):
            yield [[[i for i in items if i.order[0] == insertion]] for items in listed]

    def listed(self, f: FunctionType, text: str, lines: set[int] | None) -> list[Item]:
        """The small edits of some lines of a function."""
        try:
            found = edits(text, f.__qualname__, lines)
            variants = located(text, f, found)
        except ValueError:  # a function inside another
            return []

        def item(k: int, e: Edit, v: Variant | None) -> Item:
            return Item(f, v, lambda: e, (e.insertion, KINDS.index(e.kind), k))

        return [item(k, e, v) for k, (e, v) in enumerate(zip(found, variants, strict=True))]

    def valued(self, lines: set[int]) -> Iterator[list[Item]]:
        """Terms that a gradient lacks, and expressions that are it, found by their values."""
        file, several = File(self.text), list[list[tuple[ast.expr, bool]]]()
        if len(self.wrong.arguments) <= FEW:
            with contextlib.suppress(Exception), limited(VALUED):
                for found in by_value(file, self.backwards[0], lines, self.draw, self.wrong):
                    several.append(found)
        for found in several:
            yield from self.larger(self.backwards[:1], lines, partial(valued, found=found))

    def asked(self, lines: set[int]) -> Iterator[list[Item]]:
        """What the forward of each backward asks of it."""
        file = File(self.text)
        for f in self.backwards:
            g = self.forward_of(f)
            own = file.by_name.get(f.__qualname__)
            forward = g and file.by_name.get(g.__qualname__)
            if not g or not own or not forward or not any(k in lines for k in _lines(f)):
                continue
            found = list[Item]()
            with contextlib.suppress(Exception), limited(DERIVED):
                first = ended(self.base, f, g, self.draw.probes[0][0])
                others = [ended(s, f, g) for s in self.others[:1]] or [(None, None)]
                there, here = zip(first, *others, strict=True)
                if first[0] and first[1]:
                    new = derived(file, f.__qualname__, lines, forward.node, there, here)
                    for k, i in enumerate(islice(new, MOST)):
                        waits = sum(i.grows > limit for limit in GROWTH)
                        found.append(Item(f, (i.at, i.new), i.edit, (True, waits, k)))
            yield found

    @cached_property
    def slopes(self) -> tuple[Any, ...]:
        """The slopes of the activations that the forward applies."""
        g, file = self.forward_of(self.backwards[0]), File(self.text)
        with contextlib.suppress(Exception), limited(DERIVED):
            there = ending(g.__code__, self.base.run, once=False) if g else None
            if g and there:
                return activations(file.by_name[g.__qualname__].node, file, there)
        return ()

    def forward_of(self, f: FunctionType) -> FunctionType | None:
        """The forward that a backward belongs to, if one does."""
        if f is not self.backwards[0]:
            return forward_of(f, self.forwards)
        own = [g for g in self.forwards if g.__name__ == self.job.forward]
        return next(iter(own), self.forwards[-1] if self.forwards else None)

    def larger(
        self, functions: list[FunctionType], lines: set[int], made: Callable, text: str = ""
    ) -> Iterator[list[Item]]:
        """Larger edits of some lines, in lists that one code object can hold."""
        file = File(text or self.text)
        named = [f for f in functions if f.__qualname__ in file.by_name]
        streams = [(f, made(file, f.__qualname__, lines)) for f in named]
        for rank, several in enumerate(zip_longest(*(s for _, s in streams))):
            for (f, _), stream in zip(streams, several, strict=True):
                while stream and (some := [*islice(stream, TOGETHER)]):
                    yield [
                        Item(f, (i.at, i.new), i.edit, (True, rank, k)) for k, i in enumerate(some)
                    ]

    def candidates(
        self, items: list[Item], text: str = "", before: Candidate | None = None
    ) -> Iterator[Candidate]:
        """A candidate for each item, likeliest first, after another one or none."""
        items = sorted(items, key=lambda i: i.order)
        codes: dict[int, CodeType] = {}
        for f in {i.function for i in items}:
            own = {k: i.variant for k, i in enumerate(items) if i.function is f and i.variant}
            codes |= self.together(text or self.text, f, own)
        for k, item in enumerate(items):
            earlier = before.codes if before else {}
            code = codes.get(k)
            if code is None and item.variant is None:
                with contextlib.suppress(SyntaxError, ValueError):
                    code = compiled(item.edit().source, item.function)
            if code is not None:
                made = {**earlier, item.function: code}
                key = f"{self.stage} {k} {before.key if before else ''}"
                yield Candidate(item.edit, item.function, made, k, key, item.order, before)

    def together(
        self, text: str, f: FunctionType, variants: dict[int, Variant]
    ) -> dict[int, CodeType]:
        """Code for each variant: one for all of them but those that do not compile."""
        try:
            code = merged(text, f, variants)
            return {k: code for k in variants}
        except (SyntaxError, ValueError, TypeError):
            if len(variants) < 2:
                return {}
            half = [*variants.items()]
            middle = len(half) // 2
            first = self.together(text, f, dict(half[:middle]))
            return first | self.together(text, f, dict(half[middle:]))

    def seconds(self, made: Callable | None = None, twice: bool = False) -> Iterator[list[Item]]:
        """A second edit after each that made more of the gradients right, a small one or `made`.

        `twice` tries only those of the same kind, as one slip is often made in several places.
        """
        all_wrong = self.wrong
        fresh: dict[tuple[int, Wrong], Candidate] = {}
        for step, wrong in self.steps:  # of those that leave the same wrong, the first in a line
            fresh.setdefault((step.edit().line, wrong), step)
        if not twice:
            fresh = {mark: step for mark, step in fresh.items() if mark not in self.followed}
            self.followed |= fresh.keys()
            self.steps = []
        order = sorted(fresh, key=lambda mark: (len(mark[1].arguments), mark[1].entries))
        for number, mark in enumerate(order[:STEPS]):
            (line, wrong), step = mark, fresh[mark]
            self.wrong, self.stage = wrong, f"second {twice} {len(self.followed)} {number}"
            edit = step.edit()
            fewer = wrong.arguments < all_wrong.arguments
            lines = None if fewer else set(range(1, edit.source.count("\n") + 2)) - {line}
            items = [i for f in self.backwards for i in self.listed(f, edit.source, lines)]
            if twice:
                items = [i for i in items if not i.order[0] and KINDS[i.order[1]] == edit.kind]
            wanted = {*self.job.lines}
            larger = self.larger(self.backwards, wanted, made, edit.source) if made else ()
            for several in (items, *larger):
                for candidate in self.candidates(several, edit.source, step.alone()):
                    if time.process_time() > self.deadline:
                        return
                    self.attempt(candidate)
            if self.found:
                break
        self.wrong = all_wrong
        yield []

    def attempt(self, candidate: Candidate) -> None:
        if candidate.key in self.job.skip:
            return
        self.tried += 1
        self.say(candidate.key, self.limit)
        wrong = self.outcome(candidate)
        if wrong and wrong.less(self.wrong) and not candidate.before:
            self.steps.append((candidate, wrong))
        if not wrong and self.confirmed(candidate):
            self.found.append(self.right(candidate))

    def right(self, candidate: Candidate) -> Right:
        made, source = candidate.edits, candidate.edit().source
        first, f = made[0], candidate.functions[0]
        broken = next((k for k in self.kinds if k in CONTRACT), "")
        forward = f in self.forwards and f not in self.backwards
        scope, dy = None, self.draw.probes[0][0]
        with contextlib.suppress(Exception), limited(self.limit):
            run = self.base.run if forward else partial(self.draw.gradients, dy)
            scope = ending(f.__code__, run, once=False)
        kind, what = "", (first.line, first.before, first.after)
        with contextlib.suppress(Exception):  # a fix without a name is worth as much
            kind = of_edit(self.text, f.__name__, *what, scope, forward, self.slopes)
        cropped = kind == "misaligned" and first.after.count(":") > first.before.count(":")
        if self.kinds[0] in ("raises", "shape") and (cropped or kind in ("wrong-operand", "")):
            kind = self.kinds[0]
        # a part of a gradient may ignore dy where the contract is kept by the rest
        kind = broken or ("" if kind in CONTRACT and kind != "ignores-upstream" else kind)
        return Right(made, kind, source, candidate.order)

    def outcome(self, candidate: Candidate | None, draw: Draw | None = None) -> Wrong:
        """What is wrong with a candidate in place of the original."""
        draw = draw or self.draw
        installed = candidate.installed() if candidate else contextlib.nullcontext()
        try:
            with installed, limited(self.limit):
                return draw.wrong(candidate is not None and self.runs_forward(candidate))
        except BaseException:  # whatever a candidate raises, it is not right
            return Wrong(frozenset(draw.subject.floats))

    def raises(self, candidate: Candidate | None) -> bool:
        """Whether it raises where numbers in dy are arrays: np.float64(2) passes for a dtype."""
        dy = tuple(map(np.asarray, self.draw.probes[0][0]))
        installed = candidate.installed() if candidate else contextlib.nullcontext()
        try:
            with installed, limited(self.limit):
                self.draw.gradients(dy)
        except BaseException:  # whatever it is
            return True
        return False

    def runs_forward(self, candidate: Candidate) -> bool:
        """Whether the forward uses what the candidate changes."""
        return any(f in self.forwards for f in candidate.functions)

    def confirmed(self, candidate: Candidate) -> bool:
        """Whether a candidate is right on every draw, and by the full check on three."""
        if self.fresh is None:
            self.fresh = []
            for k, subject in enumerate(self.others[:DRAWS]):
                with contextlib.suppress(Exception):
                    self.fresh.append(Draw.of(subject, [self.job.seed, 18 + k], each=False))
        if any(self.outcome(candidate, draw) for draw in self.fresh):
            return False
        if self.raises(candidate) and not self.raises(None):
            return False
        try:
            with candidate.installed(), limited(self.limit):
                if not self.draw.scales(self.runs_forward(candidate)):
                    return False
        except BaseException:
            return False
        subjects = [self.base, *(d.subject for d in self.fresh[:: max(1, len(self.fresh) - 1)])]
        self.say(candidate.key, CHECKED)
        try:
            alone = candidate.alone()
            text = as_text(self.job.file, alone.edit().source)
            with alone.installed(), text, limited(CHECKED):
                for subject in subjects[:3]:
                    plain = replace(subject)  # it has its functions yet to be prepared
                    if check_subject(plain, self.job.seed, twin=False).verdict in ("fail", "error"):
                        return False
        except BaseException:
            return False
        return True


def _functions(subject: Subject, job: Job, module: ModuleType) -> Adapted:
    """The user's functions, as a subject runs them."""
    if subject.adapt:
        return subject.adapt(module)
    forward, backward = (getattr(module, n) for n in (job.forward, job.backward))
    return Adapted(forward, backward, (forward,), (backward,))


def _lines(f: FunctionType) -> set[int]:
    return {line for _, _, line in f.__code__.co_lines() if line}
