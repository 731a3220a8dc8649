"""The search for a repair: candidates of growing size, tried on numbers until one is right.

Candidates run as the user's live functions with another code object in them, so that closures,
helpers and line numbers are what they were. This belongs in a process of its own.
"""

import ast
import contextlib
import time
from collections.abc import Callable, Container, Iterable, Iterator
from functools import partial
from itertools import chain, islice, zip_longest
from types import CodeType, FunctionType, ModuleType

from gradcheck.by_value import by_value
from gradcheck.candidates import Candidate, Item, Job, Right
from gradcheck.derived import derived
from gradcheck.edits import KINDS, Edit, edits
from gradcheck.ended import ended
from gradcheck.files import File
from gradcheck.judge import Judge
from gradcheck.limits import limited
from gradcheck.schema import Variant, compiled, located, merged
from gradcheck.streams import MISSING, cached, few, ideas, rules, suggested, untouched, valued
from gradcheck.trial import Wrong

CACHED = ("condition", "function", "shift")  # edits of what is cached
GROWTH = 16, 40  # nodes by which an edit is larger than what it replaces, and waits for others
DERIVED = 1.0  # seconds for what the forward asks for
MOST = 3000  # edits of that kind
VALUED = 1.5  # seconds for what is sought by its value
TOGETHER = 400  # variants in one code object
FEW = 2  # wrong arguments, above which a term of one of them is not what is missing
MORE = 1.5  # seconds for other fixes, where the first is doubtful
STEPS = 6  # right for some arguments more than the original, from which a second edit is sought


class Search:
    """The candidates of one pair, tried until time is up."""

    def __init__(self, job: Job, module: ModuleType, say: Callable[..., None]):
        self.job, self.say = job, say
        self.deadline = time.process_time() + job.seconds
        self.judge = Judge(job, module, say)
        self.tried = 0
        self.found: list[Right] = []
        self.listed_of: dict[frozenset[int], list[Item]] = {}
        self.steps: list[tuple[Candidate, Wrong]] = []
        self.followed: set[tuple[int, Wrong]] = set()
        self.text = self.judge.text
        self.forwards, self.backwards = self.judge.forwards, self.judge.backwards
        self.wrong = self.judge.wrong

    def run(self) -> list[Right]:
        """All repairs that were found."""
        if not self.judge.kinds:
            return []
        for number, stage in enumerate(self.in_doubt(self.stages())):
            for part, items in enumerate(stage):
                self.stage = f"{number}.{part}"
                for candidate in self.candidates(items):
                    if time.process_time() > self.deadline:
                        break
                    self.attempt(candidate)
                if self.sure() or time.process_time() > self.deadline:
                    return self.found
        return self.found

    def sure(self) -> bool:
        """Whether something was found that is not doubtful."""
        return any(not right.doubtful for right in self.found)

    def in_doubt(self, stages: Iterator[Iterable[list[Item]]]) -> Iterator[Iterable[list[Item]]]:
        """The same, and after the first that found something what is likeliest besides."""
        for stage in stages:
            yield stage
            if self.found:
                yield self.larger(self.backwards, {*self.job.lines}, partial(ideas, large=False))
                break
        yield from stages

    def stages(self) -> Iterator[Iterable[list[Item]]]:
        """Lists of candidates to be tried, each in full before the search may end."""
        built, large = partial(ideas, large=False), partial(ideas, large=True)
        throughout = partial(few, kinds=self.job.kinds)
        called_for = partial(suggested, kinds={*self.job.kinds, *self.judge.kinds})
        returns = self.returns()
        first, then, rest, part = self.lines(returns)
        wanted = set(self.job.lines)
        if {"mutates", "not-repeatable"} & set(self.judge.kinds):
            yield self.larger(self.backwards, first | then | rest, untouched)
        yield from self.small(wanted, first - wanted, insertion=False)
        # likelier than what is put in, unless the numbers say that a term is missing
        likelier = self.larger(self.backwards, wanted or first, throughout)
        lacks = bool(self.job.kinds) and {*self.job.kinds} <= {*MISSING["term"]}
        asked = [*self.asked(wanted or first)] if lacks else []
        yield ([i for i in items if i.order[1] == 0] for items in asked)
        put_in = self.small(wanted, first - wanted, insertion=True)
        yield from chain(put_in, [likelier]) if lacks else chain([likelier], put_in)
        only = [f for f in self.forwards if f not in self.backwards]
        kept = [i for f in only for i in self.listed(f, self.text, returns | wanted)]
        yield [[i for i in kept if i.order[:1] == (False,) and KINDS[i.order[1]] in CACHED]]
        yield self.larger(only, returns, cached)
        if not lacks:
            asked = [*self.asked(wanted or first)]
            yield ([i for i in items if i.order[1] == 0] for items in asked)
        yield self.seconds(twice=True)
        yield self.larger(self.backwards, wanted, called_for)
        yield self.larger(self.backwards, wanted or first, rules)
        yield from self.small(then - wanted, insertion=False)
        yield from self.small(then - wanted, insertion=True)
        first = first | wanted
        then, rest = then - wanted, rest - wanted
        yield self.valued(first | then)
        yield ([i for i in items if i.order[1] == 1] for items in asked)
        if part - wanted:  # of several mistakes, each in a line that moves some of the gradients
            yield [[i for f in self.backwards for i in self.listed(f, self.text, part - wanted)]]
        yield self.larger(self.backwards, (first | then) - wanted, throughout)
        yield self.seconds(called_for)
        yield self.larger(self.backwards, first - wanted, rules)
        yield self.larger(self.backwards, first, built)
        yield ([i for i in items if i.order[1] == 2] for items in asked)
        yield self.seconds()
        if self.job.kinds:  # else it raises, in a line that moves nothing
            yield self.larger(self.backwards, first, large)
        if rest - part:
            yield [[i for f in self.backwards for i in self.listed(f, self.text, rest - part)]]
        yield self.larger(self.backwards, then, built)
        if not self.job.kinds:
            yield self.larger(self.backwards, first, large)
        yield self.larger(self.backwards, rest, built)
        yield [[i for f in only for i in self.listed(f, self.text, None)]]
        yield self.larger(only, then, built)
        yield self.larger(self.backwards, then, large)

    def returns(self) -> set[int]:
        """The lines in which something is returned."""
        tree = ast.walk(ast.parse(self.text))
        return {n.lineno for n in tree if isinstance(n, ast.Return)}

    def lines(self, returns: set[int]) -> tuple[set[int], set[int], set[int], set[int]]:
        """Lines that move the wrong gradients and no others, lines that may, lines that do not.

        Of the last, those that move some of them and no others come once more.
        """
        count = self.text.count("\n") + 1
        moved: dict[int, frozenset[int]] = {}
        with contextlib.suppress(Exception):
            moved = self.judge.draw.influences(self.job.file)
        last = {k for f in self.backwards if f.__name__ in self.job.trusted for k in _lines(f)}
        wrong = self.wrong.arguments
        first = {k for k, which in moved.items() if which == wrong}
        first = (first | returns) - last
        rest = {k for k, which in moved.items() if not which >= wrong} | last
        part = {k for k, which in moved.items() if which and which < wrong} - last
        return first, set(range(1, count + 1)) - first - rest, rest, part

    def small(self, *parts: set[int], insertion: bool) -> Iterator[list[list[Item]]]:
        """The small edits of each part of the lines, of what is changed or of what is put in."""
        for p in map(frozenset, parts):
            if p not in self.listed_of:
                items = [i for f in self.backwards for i in self.listed(f, self.text, p)]
                self.listed_of[p] = items
            yield [[i for i in self.listed_of[p] if i.order[0] == insertion]]

    def listed(self, f: FunctionType, text: str, lines: Container[int] | None) -> list[Item]:
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
                for found in by_value(file, self.backwards[0], lines, self.judge.draw, self.wrong):
                    several.append(found)
        for found in several:
            yield from self.larger(self.backwards[:1], lines, partial(valued, found=found))

    def asked(self, lines: set[int]) -> Iterator[list[Item]]:
        """What the forward of each backward asks of it."""
        file = File(self.text)
        for f in self.backwards:
            g = self.judge.forward_of(f)
            own = file.by_name.get(f.__qualname__)
            forward = g and file.by_name.get(g.__qualname__)
            if not g or not own or not forward or not any(k in lines for k in _lines(f)):
                continue
            found = list[Item]()
            with contextlib.suppress(Exception), limited(DERIVED):
                first = ended(self.judge.base, f, g, self.judge.draw.probes[0][0])
                others = [ended(s, f, g) for s in self.judge.others[:1]] or [(None, None)]
                there, here = zip(first, *others, strict=True)
                if first[0] and first[1]:
                    new = derived(file, f.__qualname__, lines, forward.node, there, here)
                    for k, i in enumerate(islice(new, MOST)):
                        waits = sum(i.grows > limit for limit in GROWTH)
                        found.append(Item(f, (i.at, i.new), i.edit, (True, waits, k)))
            yield found

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
        if any(len(right.edits) == 1 for right in self.found):
            return
        all_wrong = self.wrong
        fresh: dict[tuple[int, Wrong], Candidate] = {}
        for step, wrong in self.steps:  # in a line, of those that leave the same wrong the shortest
            mark = step.edit().line, wrong
            if mark not in fresh or len(step.edit().after) < len(fresh[mark].edit().after):
                fresh[mark] = step
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
            if self.sure():
                break
        self.wrong = all_wrong
        yield []

    def attempt(self, candidate: Candidate) -> None:
        if candidate.key in self.job.skip:
            return
        self.tried += 1
        self.say(candidate.key, self.judge.limit)
        wrong = self.judge.outcome(candidate)
        if wrong and wrong.less(self.wrong) and not candidate.before:
            self.steps.append((candidate, wrong))
        if not wrong and self.judge.confirmed(candidate):
            self.found.append(self.judge.right(candidate))
            if len(self.found) == 1 and self.found[0].doubtful:
                self.deadline = min(self.deadline, time.process_time() + MORE)


def _lines(f: FunctionType) -> set[int]:
    return {line for _, _, line in f.__code__.co_lines() if line}
