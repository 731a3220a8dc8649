"""Whether a candidate makes a pair right, and what is to be said of it if it does.

A candidate gives the right numbers on every draw, and then passes the whole check, on inputs of
other sizes where there are any.
"""

import contextlib
import re
import time
from collections.abc import Callable
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import numpy as np

from gradcheck.candidates import Candidate, Job, Right
from gradcheck.checks import check_subject
from gradcheck.ended import forward_of
from gradcheck.files import File
from gradcheck.forwards import activations
from gradcheck.implied import of_edit
from gradcheck.instrument import reach
from gradcheck.limits import as_text, limited
from gradcheck.meant import Meaning, Slopes
from gradcheck.missing import ending
from gradcheck.subjects import Adapted, Subject, made_of
from gradcheck.trial import Draw, Wrong

# these say more of a pair than its repair does
_CONTRACT = "mutates not-repeatable dtype not-implemented ignores-upstream non-finite"
CONTRACT = tuple(_CONTRACT.split())
CHECKED = 30.0  # seconds for the full check of a candidate
DRAWS = 4  # fresh ones, on which every survivor must be right
ACTIVATIONS = 1.0  # seconds for what the forward applies
MEANT = 0.5  # seconds for what results mean


class Judge:
    """One pair, its draws, and what is wrong with it as it was given.

    `kinds` are those of the findings of its check, none where it is right.
    """

    def __init__(self, job: Job, module: ModuleType, say: Callable[..., None]):
        self.job, self.say = job, say
        self.text = Path(job.file).read_bytes().decode()
        # each makes its own pair, as what is held fixed belongs to a subject
        several = [_functions(s, job, module) for s in job.subjects]
        made = several[0]
        self.base, *self.others = map(made_of, job.subjects, several)
        self.forwards = [f for f in reach(made.forwards) if f.__code__.co_filename == job.file]
        self.backwards = [f for f in reach(made.backwards) if f.__code__.co_filename == job.file]
        own = made.backwards[-1]
        self.backwards.sort(key=lambda f: (f is not own, f.__name__ in job.trusted))
        self.draw = Draw.of(self.base, [job.seed, 17], each=True)
        start = time.process_time()
        self.base.run()
        self.limit = 1.0
        self.wrong = self.outcome(None)
        self.limit = max(0.2, 20 * (time.process_time() - start))
        report = check_subject(self.base, job.seed, twin=False)
        self.kinds = [f.kind for f in report.findings] if report.verdict == "fail" else []

    @cached_property
    def fresh(self) -> list[Draw]:
        """Draws of other values and sizes."""
        found = []
        for k, subject in enumerate(self.others[:DRAWS]):
            with contextlib.suppress(Exception):
                found.append(Draw.of(subject, [self.job.seed, 18 + k], each=False))
        return found

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

    def right(self, candidate: Candidate) -> Right:
        """What is found where a candidate is confirmed."""
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
        return Right(made, kind, source, candidate.order, *self.meant(candidate))

    def meant(self, candidate: Candidate) -> tuple[int, int, int]:
        """How `doubtful` it is, and how many statements are `right` and `named` then."""
        if {"mutates", "not-repeatable"} & set(self.kinds):  # results stay as they are
            return 0, 0, 0
        try:
            with limited(MEANT):
                before, alone = self.meaning, candidate.alone()
                source = alone.edit().source
                with alone.installed(), as_text(self.job.file, source):
                    after = self.measured.meaning(replace(self.base))
        except Exception:  # of what is right, this says which is better
            return 0, 0, 0
        returns = (e.before for e in candidate.edits if e.before.startswith("return"))
        returned = {name for text in returns for name in re.findall(r"\w+", text)}
        doubtful = 2 if before.right & after.wrong else 1 if returned & after.misnamed else 0
        # what is put in, or left out, is neither better nor worse for its being a statement
        more = sum(e.after.count("; ") - (e.after == "pass") for e in candidate.edits)
        return doubtful, len(after.right) - more, len(after.named) - more

    @cached_property
    def measured(self) -> Slopes:
        """The slopes along the values of the forward."""
        return Slopes(self.base, self.job.seed)

    @cached_property
    def meaning(self) -> Meaning:
        """What the results of the backward mean as it was given."""
        return self.measured.meaning(self.base)

    @cached_property
    def slopes(self) -> tuple[Any, ...]:
        """The slopes of the activations that the forward applies."""
        g, file = self.forward_of(self.backwards[0]), File(self.text)
        with contextlib.suppress(Exception), limited(ACTIVATIONS):
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


def _functions(subject: Subject, job: Job, module: ModuleType) -> Adapted:
    """The user's functions, as a subject runs them."""
    if subject.adapt:
        return subject.adapt(module)
    forward, backward = (getattr(module, n) for n in (job.forward, job.backward))
    return Adapted(forward, backward, (forward,), (backward,))
