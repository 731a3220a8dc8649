"""The search for a repair, in a process of its own: `python -m gradcheck.repairing`.

Candidates run as the user's live functions with another code object in them, so that closures,
helpers and line numbers are what they were; `gradcheck.repair` starts this, and ends it where a
candidate hangs. A job comes in and messages go out, pickled, by standard input and output.
"""

import ast
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
from dataclasses import dataclass, field, replace
from functools import lru_cache
from types import CodeType, FunctionType, ModuleType
from typing import Any, BinaryIO

import numpy as np

from gradcheck import differences, numeric
from gradcheck.checks import check_subject, cotangent
from gradcheck.edits import Edit, edits
from gradcheck.instrument import reach
from gradcheck.subjects import ContractError, Forward, Subject, copied

Array = np.ndarray
MEMORY = 2 << 30  # beyond what the process holds when the search begins
SLACK = 2.0**-30  # of the terms of <g, d>: what rounding may do to a gradient; the check is exact
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
    """Functions with other code, the edits that made it, and the text of the file with them."""

    edits: tuple[Edit, ...]
    source: str
    codes: tuple[tuple[FunctionType, CodeType], ...]
    order: tuple
    names: tuple[str, ...]

    @property
    def key(self) -> str:
        return "\n".join(f"{e.line} {e.at} {e.after}" for e in self.edits)

    @contextlib.contextmanager
    def installed(self) -> Iterator[None]:
        before = [(f, f.__code__) for f, _ in self.codes]
        try:
            for f, code in self.codes:
                f.__code__ = code
            yield
        finally:
            for f, code in before:
                f.__code__ = code


@dataclass(frozen=True)
class Probe:
    """The derivative of <dy, y> as some arguments move along directions, and its bound."""

    dy: tuple
    directions: dict[int, Array]
    value: float
    bound: float

    def agrees(self, gradients: dict[int, Array]) -> bool:
        parts = [gradients[i] * d for i, d in self.directions.items()]
        hand = sum(float(np.sum(p)) for p in parts)
        slack = SLACK * sum(float(np.sqrt(np.sum(p * p))) for p in parts)
        if not np.isfinite(hand):
            return False
        return not abs(hand - self.value) > self.bound + slack  # an unknown value is not denied


@dataclass
class Draw:
    """A subject, what its forward gives, and probes of its derivative."""

    subject: Subject
    ran: Forward
    probes: list[Probe] = field(default_factory=list)

    @classmethod
    def of(cls, subject: Subject, seed: int, each: bool) -> "Draw":
        """With probes of `each` argument at one cotangent, and of all at another."""
        draw = cls(subject, subject.run())
        rng = np.random.default_rng([seed, 17])
        if each:
            dy = tuple(cotangent(v, rng) for v in draw.ran.y)
            draw.probes += [draw.probe(dy, [i], rng) for i in subject.floats]
        dy = tuple(cotangent(v, rng) for v in draw.ran.y)
        joint = draw.probe(dy, subject.floats, rng)
        if np.isnan(joint.value):  # a kink, perhaps of one argument
            draw.probes += [draw.probe(dy, [i], rng) for i in subject.floats]
        else:
            draw.probes.append(joint)
        return draw

    def probe(self, dy: tuple, moving: list[int], rng: np.random.Generator) -> Probe:
        directions = {i: numeric.direction(self.subject.arrays[i], rng) for i in moving}
        found = numeric.directional(*differences.line(self.subject, directions, dy))
        value = np.nan if found.trouble else found.value
        return Probe(dy, directions, value, found.bound)

    def wrong(self, again: bool) -> set[int]:
        """The arguments whose gradients are wrong; all of them where the backward does not run.

        `again` runs the forward first, which must give the same y as before.
        """
        ran = self.ran
        if again:
            ran = self.subject.run()
            if not _identical(ran.y, self.ran.y):
                return set(self.subject.floats)
        bad: set[int] = set()
        known: dict[int, dict[int, Array]] = {}
        for probe in self.probes:
            if id(probe.dy) not in known:
                known[id(probe.dy)], broken = self.gradients(probe.dy, ran)
                bad |= broken
            gradients = known[id(probe.dy)]
            if gradients.keys() >= probe.directions.keys() and not probe.agrees(gradients):
                bad |= set(probe.directions) if len(probe.directions) == 1 or not bad else set()
        return bad

    def gradients(self, dy: tuple, ran: Forward) -> tuple[dict[int, Array], set[int]]:
        """The gradients by argument, and the arguments whose gradient is no array of their shape.

        What is written into dy or the cache raises.
        """
        subject = self.subject
        dy = copied(dy)
        for v in dy:
            _guard(v)
        cache, undo = _guarded(ran.cache)
        try:
            given = replace(ran, cache=cache)
            found = subject.gradients(dy, given)
        finally:
            for a in undo:
                a.flags.writeable = True
        good, bad = {}, set()
        precisions = {np.asarray(v).dtype for v in ran.y}
        for i, g in zip(subject.floats, found, strict=True):
            x = subject.arrays[i]
            if g is None or np.shape(g) != x.shape or np.asarray(g).dtype.kind != "f":
                bad.add(i)
            elif np.asarray(g).dtype != x.dtype and precisions == {x.dtype}:
                bad.add(i)
            else:
                good[i] = np.asarray(g)
        return good, bad


def _identical(a: tuple, b: tuple) -> bool:
    return len(a) == len(b) and all(
        np.shape(p) == np.shape(q) and np.array_equal(p, q, equal_nan=np.asarray(p).dtype.kind == "f")
        for p, q in zip(a, b, strict=True)
    )


def _guard(a: Any) -> bool:
    """Make an array read-only; whether it was not."""
    if isinstance(a, np.ndarray) and a.flags.writeable:
        a.flags.writeable = False
        return True
    return False


def _guarded(cache: Any) -> tuple[Any, list[Array]]:
    """A cache with containers of its own and its arrays read-only; and those that were not."""
    undo: list[Array] = []

    def walk(thing: Any) -> Any:
        if isinstance(thing, np.ndarray):
            undo.extend([thing] if _guard(thing) else [])
            return thing
        if type(thing) in (tuple, list):
            return type(thing)(walk(t) for t in thing)
        if type(thing) is dict:
            return {k: walk(v) for k, v in thing.items()}
        return thing

    return walk(cache), undo


class Search:
    """The candidates of one pair, tried until time is up."""

    def __init__(self, job: Job, say: Callable[..., None]):
        self.job, self.say = job, say
        self.deadline = time.monotonic() + job.seconds
        self.tried = 0
        self.found: list[Right] = []
        self.steps: list[tuple[Candidate, set[int]]] = []
        with open(job.file, newline="") as f:
            self.text = f.read()
        module = _module(job)
        self.forward, self.backward = (getattr(module, n) for n in (job.forward, job.backward))
        subjects = [replace(s, forward=self.forward, backward=self.backward) for s in job.subjects]
        self.base, *self.others = subjects
        own = [f for f in reach([self.backward]) if f.__code__.co_filename == self.job.file]
        self.helpers = [f for f in own if f is not self.backward]
        self.shared = {
            f for f in reach([self.forward]) if f.__code__.co_filename == self.job.file
        }

    def run(self) -> list[Right]:
        """All repairs that were found, best first."""
        report = check_subject(self.base, self.job.seed, twin=False)
        if report.verdict != "fail":
            return []
        self.draw = Draw.of(self.base, self.job.seed, each=True)
        self.fresh: list[Draw] = []
        limit = self.measure()
        self.limit = max(0.2, 20 * limit)
        self.wrong = self.outcome(None)
        for stage in self.stages():
            for candidate in stage:
                if time.monotonic() > self.deadline:
                    return sorted(self.found, key=lambda r: r.rank)
                self.attempt(candidate)
            if self.found:
                break
        return sorted(self.found, key=lambda r: r.rank)

    def measure(self) -> float:
        start = time.perf_counter()
        self.base.run()
        with contextlib.suppress(Exception), np.errstate(all="ignore"):
            self.draw.gradients(self.draw.probes[0].dy, self.draw.ran)
        return time.perf_counter() - start

    def stages(self) -> Iterator[Iterator[Candidate]]:
        listed = [c for f in (self.backward, *self.helpers) for c in self.singles(f, self.text)]
        first = [c for c in listed if not c.edits[0].insertion]
        yield iter(sorted(first, key=lambda c: c.order))
        yield iter(sorted((c for c in listed if c.edits[0].insertion), key=lambda c: c.order))
        yield self.singles(self.forward, self.text)
        yield self.seconds()

    def singles(
        self, f: FunctionType, text: str, before: Candidate | None = None
    ) -> Iterator[Candidate]:
        """A candidate for each edit of f, after another one or none."""
        inner = _innermost(f)
        listed = enumerate(edits(text, inner.__qualname__))
        wanted = self.job.lines
        ranked = sorted(listed, key=lambda k: (k[1].line not in wanted, k[0])) if wanted else listed
        for k, edit in ranked:
            try:
                code = _compiled(self.text, edit.source, inner)
            except (SyntaxError, ValueError):
                continue
            codes = dict(before.codes) if before else {}
            codes[inner] = code
            if code == inner.__code__:
                continue
            made = (*before.edits, edit) if before else (edit,)
            names = (*before.names, inner.__qualname__) if before else (inner.__qualname__,)
            order = (edit.line not in wanted, edit.insertion, k)
            yield Candidate(made, edit.source, tuple(codes.items()), order, names)

    def seconds(self) -> Iterator[Candidate]:
        """A second edit after each that made more of the gradients right."""
        self.steps.sort(key=lambda s: len(s[1]))
        for step, wrong in self.steps[:STEPS]:
            self.wrong = wrong
            for f in (self.backward, *self.helpers):
                yield from self.singles(f, step.source, step)
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
            self.found.append(
                Right(candidate.edits, candidate.names, candidate.source, _rank(candidate))
            )

    def outcome(self, candidate: Candidate | None, draw: Draw | None = None) -> set[int]:
        """The arguments whose gradients are wrong with a candidate in place of the original."""
        draw = draw or self.draw
        try:
            with candidate.installed() if candidate else contextlib.nullcontext(), _limited(
                self.limit
            ):
                again = candidate is not None and any(f in self.shared for f, _ in candidate.codes)
                return draw.wrong(again)
        except BaseException:  # whatever a candidate raises, it is not right
            return set(draw.subject.floats)

    def confirmed(self, candidate: Candidate) -> bool:
        """Whether a candidate is right on every draw, and by the full check on two or three."""
        if not self.fresh:
            for k, subject in enumerate(self.others[:DRAWS]):
                with contextlib.suppress(Exception):
                    self.fresh.append(Draw.of(subject, self.job.seed + k + 1, each=False))
        if any(self.outcome(candidate, draw) for draw in self.fresh):
            return False
        subjects = [self.base, *(d.subject for d in self.fresh[:: max(1, len(self.fresh) - 1)])]
        self.say("check", candidate.key, 60.0)
        try:
            with candidate.installed(), _as_text(self.job.file, candidate.source):
                for subject in subjects[:3]:
                    plain = replace(subject)  # it has its functions yet to be prepared
                    if check_subject(plain, self.job.seed, twin=False).verdict in ("fail", "error"):
                        return False
        except BaseException:
            return False
        return True


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


@lru_cache(maxsize=64)
def _last_line(text: str, name: str, first: int) -> int:
    """Where a function at the top of a text ends."""
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef) and node.name == name:
            starts = [node.lineno, *(d.lineno for d in node.decorator_list)]
            if min(starts) == first:
                return node.end_lineno or first
    raise ValueError(f"no function {name} at the top of the file in line {first}")


def _compiled(text: str, edited: str, f: FunctionType) -> CodeType:
    """The code of f in an edited text, its lines where they were."""
    code = f.__code__
    last = _last_line(text, f.__name__, code.co_firstlineno)
    lines = edited.splitlines(keepends=True)[code.co_firstlineno - 1 : last]
    moved = "\n" * (code.co_firstlineno - 1) + "".join(lines)
    made = compile(moved, code.co_filename, "exec", dont_inherit=True)
    (new,) = [c for c in made.co_consts if isinstance(c, CodeType) and c.co_name == f.__name__]
    return new


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

