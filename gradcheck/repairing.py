"""The search for a repair, in a process of its own: `python -m gradcheck.repairing`.

Candidates run as the user's live functions with another code object in them, so that closures,
helpers and line numbers are what they were; `gradcheck.repair` starts this, and ends it where a
candidate hangs. A job comes in and messages go out, pickled, by standard input and output.
"""

import contextlib
import importlib
import importlib.util
import linecache
import os
import pickle
import signal
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from types import CodeType, FunctionType, ModuleType
from typing import Any

import numpy as np

from gradcheck.checks import check_subject
from gradcheck.edits import KINDS, Edit, edits
from gradcheck.instrument import reach
from gradcheck.schema import CHOICE, compiled, merged
from gradcheck.subjects import Subject
from gradcheck.trial import Draw

MEMORY = 2 << 30  # beyond what the process holds when the search begins
DRAWS = 4  # fresh ones, on which every survivor must be right
STEPS = 6  # right for some arguments more than the original, from which a second edit is sought


@dataclass(frozen=True)
class Job:
    """What the search is told: where the pair is, its draws, the one that failed first.

    `subjects` come without their functions. `seconds` are those left; `lines` are tried first;
    `skip` are candidates that hung.
    """

    file: str
    module: str
    forward: str
    backward: str
    subjects: tuple[Subject, ...]
    lines: tuple[int, ...]
    seconds: float
    seed: int
    path: tuple[str, ...] = ()
    skip: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Right:
    """Edits after which the pair is right: the text with all of them, and how good they look."""

    edits: tuple[Edit, ...]
    functions: tuple[str, ...]
    source: str
    rank: tuple


@dataclass(frozen=True)
class Candidate:
    """An edit, perhaps after others, and the functions with the code that runs it."""

    edits: tuple[Edit, ...]
    functions: tuple[FunctionType, ...]
    codes: dict[FunctionType, CodeType]
    choice: int
    order: tuple

    @property
    def key(self) -> str:
        return "\n".join(f"{e.line} {e.at} {e.after}" for e in self.edits)

    @property
    def source(self) -> str:
        return self.edits[-1].source

    @contextlib.contextmanager
    def installed(self) -> Iterator[None]:
        before = [(f, f.__code__) for f in self.codes]
        try:
            for f, code in self.codes.items():
                f.__globals__[CHOICE] = self.choice
                f.__code__ = code
            yield
        finally:
            for f, code in before:
                f.__code__ = code

    def alone(self) -> "Candidate":
        """The same with code that holds nothing else."""
        return replace(self, codes={f: compiled(self.source, f) for f in self.functions})


class Search:
    """The candidates of one pair, tried until time is up."""

    def __init__(self, job: Job, say: Callable[..., None]):
        self.job, self.say = job, say
        self.deadline = time.monotonic() + job.seconds
        self.tried = 0
        self.found: list[Right] = []
        self.steps: list[tuple[Candidate, frozenset[int]]] = []
        with open(job.file, newline="") as f:
            self.text = f.read()
        module = _module(job)
        forward, backward = (getattr(module, n) for n in (job.forward, job.backward))
        subjects = [replace(s, forward=forward, backward=backward) for s in job.subjects]
        self.base, *self.others = subjects
        self.fresh: list[Draw] | None = None
        self.forwards = [f for f in reach([forward]) if f.__code__.co_filename == job.file]
        self.backwards = [f for f in reach([backward]) if f.__code__.co_filename == job.file]

    def run(self) -> list[Right]:
        """All repairs that were found, best first."""
        self.draw = Draw.of(self.base, [self.job.seed, 17], each=True)
        start = time.perf_counter()
        self.base.run()
        self.limit = 1.0
        self.wrong = self.outcome(None)
        self.limit = max(0.2, 20 * (time.perf_counter() - start))
        report = check_subject(self.base, self.job.seed, twin=False)
        if report.verdict != "fail":
            return []
        for stage in self.stages():
            for candidate in stage:
                if time.monotonic() > self.deadline:
                    break
                self.attempt(candidate)
            if self.found or time.monotonic() > self.deadline:
                break
        return sorted(self.found, key=lambda r: r.rank)

    def stages(self) -> Iterator[Iterable[Candidate]]:
        first, then, rest = self.lines()
        for lines in (first, then):
            listed = [e for f in self.backwards for e in self.listed(f, self.text, lines)]
            for insertion in (False, True):
                yield self.candidates([e for e in listed if e[1].insertion == insertion], self.text)
        if len(self.wrong) > 1:
            listed = [e for f in self.backwards for e in self.listed(f, self.text, rest)]
            yield self.candidates(listed, self.text)
        only = [f for f in self.forwards if f not in self.backwards]
        listed = [e for f in only for e in self.listed(f, self.text, None)]
        yield self.candidates(listed, self.text)
        yield self.seconds()

    def lines(self) -> tuple[set[int], set[int], set[int]]:
        """Lines that move the wrong gradients and no others, lines that may, lines that do not."""
        count = self.text.count("\n") + 1
        moved: dict[int, frozenset[int]] = {}
        with contextlib.suppress(Exception):
            moved = self.draw.influences(self.job.file)
        first = {k for k, which in moved.items() if which == self.wrong}
        rest = {k for k, which in moved.items() if not which >= self.wrong}
        return first, set(range(1, count + 1)) - first - rest, rest

    def listed(
        self, f: FunctionType, text: str, lines: set[int] | None
    ) -> list[tuple[FunctionType, Edit, tuple]]:
        try:
            found = edits(text, f.__qualname__, lines)
        except ValueError:  # a function inside another
            return []
        wanted = self.job.lines
        return [
            (f, e, (e.line not in wanted, e.insertion, KINDS.index(e.kind), k))
            for k, e in enumerate(found)
        ]

    def candidates(
        self,
        listed: list[tuple[FunctionType, Edit, tuple]],
        text: str,
        before: Candidate | None = None,
    ) -> Iterator[Candidate]:
        """A candidate for each edit, likeliest first, after another one or none."""
        listed = sorted(listed, key=lambda c: c[2])
        functions = {f for f, _, _ in listed}
        codes = {}
        for f in functions:
            with contextlib.suppress(SyntaxError, ValueError):
                code, known = merged(text, f, [e if g is f else NONE for g, e, _ in listed])
                codes |= {(f, k): code for k in known}
        for k, (f, edit, order) in enumerate(listed):
            earlier = dict(before.codes) if before else {}
            made, changed = (edit,), (f,)
            if before:
                made, changed = (*before.edits, edit), (*before.functions, f)
            try:
                code = codes.get((f, k)) or compiled(edit.source, f)
            except (SyntaxError, ValueError):
                continue
            yield Candidate(made, changed, earlier | {f: code}, k, order)

    def seconds(self) -> Iterator[Candidate]:
        """A second edit after each that made more of the gradients right."""
        self.steps.sort(key=lambda s: len(s[1]))
        for step, wrong in self.steps[:STEPS]:
            self.wrong = wrong
            text = step.source
            listed = [e for f in self.backwards for e in self.listed(f, text, None)]
            yield from self.candidates(listed, text, step.alone())
            if self.found:
                return

    def attempt(self, candidate: Candidate) -> None:
        if candidate.key in self.job.skip:
            return
        self.tried += 1
        self.say("try", candidate.key, self.limit)
        wrong = self.outcome(candidate)
        if wrong < self.wrong and len(candidate.edits) == 1 and wrong:
            self.steps.append((candidate, wrong))
        if not wrong and self.confirmed(candidate):
            names = tuple(f.__qualname__ for f in candidate.functions)
            self.found.append(Right(candidate.edits, names, candidate.source, _rank(candidate)))

    def outcome(self, candidate: Candidate | None, draw: Draw | None = None) -> frozenset[int]:
        """The arguments whose gradients are wrong with a candidate in place of the original."""
        draw = draw or self.draw
        installed = candidate.installed() if candidate else contextlib.nullcontext()
        again = candidate is not None and any(f in self.forwards for f in candidate.functions)
        try:
            with installed, _limited(self.limit):
                return draw.wrong(again)
        except BaseException:  # whatever a candidate raises, it is not right
            return frozenset(draw.subject.floats)

    def confirmed(self, candidate: Candidate) -> bool:
        """Whether a candidate is right on every draw, and by the full check on three."""
        if self.fresh is None:
            self.fresh = []
            for k, subject in enumerate(self.others[:DRAWS]):
                with contextlib.suppress(Exception):
                    self.fresh.append(Draw.of(subject, [self.job.seed, 18 + k], each=False))
        if any(self.outcome(candidate, draw) for draw in self.fresh):
            return False
        subjects = [self.base, *(d.subject for d in self.fresh[:: max(1, len(self.fresh) - 1)])]
        self.say("check", candidate.key, 60.0)
        try:
            with candidate.alone().installed(), _as_text(self.job.file, candidate.source):
                for subject in subjects[:3]:
                    plain = replace(subject)  # it has its functions yet to be prepared
                    if check_subject(plain, self.job.seed, twin=False).verdict in ("fail", "error"):
                        return False
        except BaseException:
            return False
        return True


NONE = Edit("", 0, "", "", "", -1)


def _rank(candidate: Candidate) -> tuple:
    """How good a repair looks: the least for the best."""
    return len(candidate.edits), *candidate.order


@contextlib.contextmanager
def _limited(seconds: float) -> Iterator[None]:
    if not hasattr(signal, "setitimer"):
        yield
        return
    signal.setitimer(signal.ITIMER_REAL, seconds, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _late(*_: Any) -> None:
    raise TimeoutError


@contextlib.contextmanager
def _as_text(file: str, text: str) -> Iterator[None]:
    """While this lasts, the instrument reads the file as this text."""
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
    try:
        yield
    finally:
        linecache.cache.pop(file, None)


def _innermost(f: Any) -> FunctionType:
    while hasattr(f, "__wrapped__"):
        f = f.__wrapped__
    return f


def _module(job: Job) -> ModuleType:
    """The user's module, loaded again."""
    sys.path[:] = job.path
    if "." in job.module:
        return importlib.import_module(job.module)
    sys.path.insert(0, os.path.dirname(job.file))
    name = os.path.splitext(os.path.basename(job.file))[0]
    spec = importlib.util.spec_from_file_location(name, job.file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _limit_memory() -> None:
    try:
        import resource

        held = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (held + MEMORY, held + MEMORY))
    except (ImportError, OSError, ValueError):
        return


def main() -> None:
    answers = os.fdopen(os.dup(1), "wb")
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    os.dup2(silence, 2)
    warnings.simplefilter("ignore")
    job: Job = pickle.load(sys.stdin.buffer)

    def say(*message: Any) -> None:
        pickle.dump(message, answers)
        answers.flush()

    with np.errstate(all="ignore"):
        search = Search(job, say)
        _limit_memory()
        if hasattr(signal, "setitimer"):
            signal.signal(signal.SIGALRM, _late)
        found = search.run()
    say("done", found, search.tried)
    os._exit(0)  # threads of the user's module may still run

