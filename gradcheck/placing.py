"""Which line of a hand-written backward is wrong: candidates, best first, and lines set free.

No line is accused for its name. The result of each line is changed, and the error of the returned
gradients must be reachable from there: E = G - g has to lie in the range of d(returned)/d(result),
for every cotangent. Beside that, gradients of the forward's own intermediate values are measured by
injection: a local that equals one of them is right, and so is all that only leads there.
"""

import math
import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from gradcheck.instrument import Site
from gradcheck.subjects import Subject, copied
from gradcheck.taps import Bench, Injector, Plan, Tap, statement

Array = np.ndarray
COTANGENTS = 3
STEP = 2.0**-15  # of central differences: 1e-9 in truncation, 1e-12 in rounding
MOST = 400  # entries of an argument that is compared
EVENTS = 60_000  # operations that may be re-run for the sake of one placing
WRONG = 1e-6  # relative to the largest entry of a gradient


@dataclass(frozen=True)
class Candidate:
    """A line that may be the wrong one, and why."""

    file: str
    line: int
    function: str
    code: str
    why: str


@dataclass(frozen=True)
class Placed:
    """Where a wrong gradient may come from: `lines` best first, `innocent` lines by number.

    `known` are sentences about values found to be right, or to be what another value should be;
    `uninspected` says which lines could not be tested, and why.
    """

    lines: tuple[Candidate, ...] = ()
    innocent: tuple[int, ...] = ()
    known: tuple[str, ...] = ()
    uninspected: tuple[str, ...] = ()


def place(subject: Subject, seed: int = 0, trusted: Iterable[str] = ()) -> Placed:
    """Find the lines that may have made the gradients of a subject wrong.

    Args:
        subject: a pair whose check has failed, best at its smallest point.
        seed: of the cotangents and injections.
        trusted: names of functions whose own check has passed, whose lines are left alone.

    Returns:
        No lines at all where every gradient is right here.

    >>> def scale(x, w):
    ...     return x * w, (x, w)
    >>> def scale_backward(dy, cache):
    ...     x, w = cache
    ...     dx = dy * w
    ...     dw = dy * w
    ...     return dx, dw
    >>> from gradcheck.subjects import pair
    >>> [c.code for c in place(pair(scale, scale_backward, (np.arange(3.0), np.ones(3)))).lines]
    ['dw = dy * w']
    """
    rng = np.random.default_rng([seed, 77])
    try:
        with np.errstate(all="ignore"):
            y = subject.run().y
    except Exception as error:
        return Placed(_crashed(subject, error))
    dys = [tuple(_cotangent(v, rng) for v in y) for _ in range(COTANGENTS)]
    bench = Bench(subject, dys)
    with bench.watching():
        grads, taps = bench.record(bench.backward)
        if isinstance(grads, Exception):
            return Placed(_crashed(subject, grads, bench.hook, taps))
        taps = [t for t in taps if t.site.function.split(".")[-1] not in set(trusted)]
        last = bench.hook.returned
        writes = _written(bench)
        if writes:
            return Placed(writes)
        odd = _odd(subject, taps, grads, last)
        if odd:
            return Placed(odd)
        return _Search(bench, taps, grads, last, rng).placed()


# ---- what needs no injection


def _candidate(site: Site, why: str) -> Candidate:
    return Candidate(site.file, site.line, site.function, site.code, why)


def _crashed(
    subject: Subject, error: BaseException, hook: Injector | None = None, taps: Iterable[Tap] = ()
) -> tuple[Candidate, ...]:
    """The line that raised, those that made its operands, those that called it."""
    files = {f.__code__.co_filename for f, _, _ in subject.functions.swaps}
    frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename in files][::-1]
    words = f"{type(error).__name__}: {next(iter(str(error).splitlines()), '')}"
    found = [
        Candidate(
            f.filename,
            f.lineno or 0,
            f.name,
            f.line or "",
            f"it raises {words}" if k == 0 else "it calls the function that raises",
        )
        for k, f in enumerate(frames)
    ]
    if not found and hook and hook.returned:  # a wrong number of gradients
        found = [_candidate(hook.returned, words)]
    parts = list(_leaves(hook.operands)) if hook else []
    made = [
        _candidate(t.site, "its result is an operand where the error is raised")
        for t in taps
        if any(t.object is p for p in parts) and statement(t.site.code).kind != "unpack"
    ]
    return _distinct([*found[:1], *made[::-1], *found[1:]])


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, (tuple, list)):
        for v in value:
            yield from _leaves(v)
    elif isinstance(value, dict):
        yield from _leaves(tuple(value.values()))
    elif isinstance(value, np.ndarray):
        yield value


def _written(bench: Bench) -> tuple[Candidate, ...]:
    """The line that writes into dy, into the cache or into an argument, found by forbidding it."""
    subject = bench.subject
    arrays, dy = copied(subject.arrays), copied(bench.dys[0])
    try:
        y, cache = subject.forward(*arrays, **subject.config)
    except Exception:
        return ()
    locked = [a for a in _leaves((arrays, dy, cache)) if a.flags.writeable]
    for a in locked:
        a.flags.writeable = False
    try:
        subject.backward(dy if isinstance(y, tuple) else dy[0], cache)
    except Exception as error:
        if "read-only" not in str(error):
            return ()
        why = "it writes into an array that is not its own: dy, the cache or an argument"
        return tuple(replace(c, why=why) for c in _crashed(subject, error)[:1])
    finally:
        for a in locked:
            a.flags.writeable = True
    return ()


def _odd(
    subject: Subject, taps: list[Tap], grads: tuple, last: Site | None
) -> tuple[Candidate, ...]:
    """The first line whose result is not finite or of another dtype; where shapes come from."""
    given = subject.arrays[subject.floats[0]].dtype
    for t in taps:
        value = np.asarray(t.value)
        if value.dtype.kind == "f" and not np.isfinite(value).all():
            return (_candidate(t.site, "its result is not finite, and what came before is"),)
        if isinstance(t.value, np.ndarray) and value.dtype.kind in "fc" and value.dtype != given:
            return (_candidate(t.site, f"its result is {value.dtype}, where {given} was given"),)
    shapes = [subject.arrays[i].shape for i in subject.floats]
    found = []
    if sorted(map(np.shape, grads)) == sorted(shapes) and last:
        if list(map(np.shape, grads)) != shapes:
            found.append(_candidate(last, "it returns the gradients in another order"))
    for i, g in zip(subject.floats, grads, strict=True):
        name, shape = subject.names[i], subject.arrays[i].shape
        if g is None or np.shape(g) != shape or np.asarray(g).dtype.kind not in "fc":
            got = "None" if g is None else f"{np.asarray(g).dtype} of shape {np.shape(g)}"
            why = f"d{name} is {got}; {name} has shape {shape}"
            found += [
                _candidate(t.site, why)
                for t in taps
                if isinstance(g, np.ndarray)
                and isinstance(t.object, np.ndarray)
                and (t.object is g or (t.size == g.size and np.may_share_memory(t.object, g)))
            ]
            if last:
                found.append(_candidate(last, why))
    return _distinct(found)


def _distinct(candidates: Iterable[Candidate]) -> tuple[Candidate, ...]:
    found: dict[tuple[str, int], Candidate] = {}
    for c in candidates:
        found.setdefault((c.file, c.line), c)
    return tuple(found.values())


# ---- by injection


@dataclass
class _Line:
    """The taps of one statement, and what changing them does."""

    taps: list[Tap]
    possible: bool = True  # whether it can be the only wrong line
    tested: bool = False  # by the range, not by reach alone
    solved: str = ""  # what makes every gradient right
    rank: int = 0  # of d(returned)/d(result), as far as it was found
    right: str = ""  # the forward value whose gradient its result is
    wanted: str = ""  # the forward value whose gradient its result would have to be
    fix: list[Array] = field(default_factory=list)  # by cotangent, the results that would do
    why: str = ""

    @property
    def site(self) -> Site:
        return self.taps[0].site

    @property
    def injected(self) -> list[Tap]:
        """The float taps; of an array that is written in parts, only after the last time."""
        floats = [t for t in self.taps if t.is_float]
        about = statement(self.site.code)
        if about.bases and not about.unpacks:
            return list({t.part: t for t in floats}.values())
        whole = {t.part: t for t in floats if t.part[:1] == ("into",)}
        return [t for t in floats if t.part[:1] != ("into",)] + list(whole.values())


class _Search:
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
        self.uninspected: list[str] = []
        by_line: dict[tuple, _Line] = {}
        for t in taps:
            place = t.site.file, t.site.line, t.site.function
            by_line.setdefault(place, _Line([])).taps.append(t)
        self.lines = list(by_line.values())
        self.compared = [
            k for k, i in enumerate(self.subject.floats) if self.subject.arrays[i].size <= MOST
        ]
        truths = self.truths()
        self.scale = np.concatenate(
            [
                np.full(truths[0][k].size, max(float(np.max(np.abs(t[k]))) for t in truths) or 1.0)
                for k in self.compared
            ]
            or [np.ones(0)]
        )
        self.truth = [self.flat(t) for t in truths]
        self.base = [self.flat(bench.backward(k)) for k in range(len(bench.dys))]
        self.error = [t - b for t, b in zip(self.truth, self.base, strict=True)]
        self.wrong = np.max(np.abs(self.error), axis=0) > WRONG

    def truths(self) -> list[dict[int, Array]]:
        """By cotangent, by argument: the gradient, by central differences of the forward."""
        subject, dys = self.subject, self.bench.dys
        found: list[dict[int, Array]] = [{} for _ in dys]
        for k in self.compared:
            i = subject.floats[k]
            x = subject.arrays[i]
            h = STEP * 2.0 ** math.floor(math.log2(float(np.max(np.abs(x))) or 1.0))
            total = np.empty((len(dys), x.size))
            for j, at in enumerate(np.ndindex(x.shape)):
                ends = []
                for t in (h, -h):
                    moved = list(subject.arrays)
                    moved[i] = x.copy()
                    moved[i][at] += t
                    ends.append(subject.run(tuple(moved)).y)
                total[:, j] = [_pairing(dy, *ends) / (2 * h) for dy in dys]
            for row, t in zip(found, total, strict=True):
                row[k] = t.reshape(x.shape)
        return found

    def flat(self, grads: Any) -> Array:
        """The compared gradients as one vector, in units of the largest entry of the right one."""
        parts = [np.ravel(np.asarray(grads[k], np.float64)) for k in self.compared]
        return np.concatenate(parts or [np.ones(0)]) / self.scale

    def moved(self, plan: Plan, k: int = 0) -> Array | None:
        """How far the gradients move under a plan; None where the backward does not end."""
        try:
            after = self.flat(self.bench.backward(k, plan))
        except Exception:
            return None
        return after - self.base[k] if np.isfinite(after).all() else None

    def placed(self) -> Placed:
        if not self.wrong.any():
            return Placed()
        for line in self.lines:
            self.reach(line)
        for line in sorted(self.lines, key=lambda x: sum(t.size for t in x.injected)):
            if line.possible and line.injected and self.bench.spent < EVENTS:
                self.test(line)
        return self.ranked()

    def reach(self, line: _Line) -> None:
        """Change every result of a line at random: what never moves, the line does not reach."""
        taps = line.injected or line.taps
        moved = self.moved({t.key: _shaken(t, self.rng) for t in taps})
        if moved is None:
            return
        line.possible = not (self.wrong & (np.abs(moved) < 1e-13)).any()

    def test(self, line: _Line) -> None:
        """Whether the error lies in the range of d(returned)/d(result)."""
        taps = line.injected
        sizes = [t.size for t in taps]
        size = [
            1e-2 * (float(np.sqrt(np.mean(np.square(t.value, dtype=float)))) or 1.0) for t in taps
        ]

        def along(ds: list[Array], t: float, k: int = 0) -> Array | None:
            plan = {p.key: ("add", t * s * d) for p, s, d in zip(taps, size, ds, strict=True)}
            return self.moved(plan, k)

        def draw() -> list[Array]:
            return [self.rng.standard_normal(n) for n in sizes]

        basis = np.zeros((0, len(self.scale)))
        d = draw()
        up, down = along(d, 1.0), along(d, -1.0)
        if up is None or down is None:
            return
        linear = bool(np.max(np.abs(up + down)) <= 1e-9 * np.max(np.abs(up)))
        rest = [e.copy() for e in self.error]
        for _ in range(sum(sizes) + 2):
            column = up if linear else self.slope(along, d)
            if column is None:
                return
            left = column - basis.T @ (basis @ column)
            left -= basis.T @ (basis @ left)
            length = float(np.linalg.norm(left))
            if length <= 1e-8 * np.linalg.norm(column):
                break
            basis = np.vstack([basis, left / length])
            rest = [e - basis.T @ (basis @ e) for e in self.error]
            if self.small(rest):
                break
            if self.bench.spent > EVENTS:
                line.rank = len(basis)
                return
            d = draw()
            up = along(d, 1.0)
        line.rank, line.tested = len(basis), True
        line.possible = self.small(rest)

    def slope(self, along: Callable, d: list[Array]) -> Array | None:
        up, down = along(d, 2.0**-8), along(d, -(2.0**-8))
        return None if up is None or down is None else (up - down) * 2.0**7

    def small(self, rest: list[Array]) -> bool:
        return all(
            np.max(np.abs(r)) <= 1e-5 * np.max(np.abs(e)) + 1e-7
            for r, e in zip(rest, self.error, strict=True)
        )

    def ranked(self) -> Placed:
        possible = [x for x in self.lines if x.possible]
        order = sorted(possible, key=lambda x: (not x.solved, not x.tested, x.rank))
        lines = [_candidate(x.site, x.solved or f"{x.tested} {x.rank}") for x in order]
        if self.last and not lines:
            lines.append(_candidate(self.last, "return"))
        innocent = {x.site.line for x in self.lines} - {x.line for x in lines}
        return Placed(_distinct(lines), tuple(sorted(innocent)))


def _shaken(t: Tap, rng: np.random.Generator) -> tuple[str, Any]:
    value = np.asarray(t.value)
    if value.dtype.kind == "f":
        scale = float(np.max(np.abs(value))) or 1.0
        return "add", scale * rng.uniform(0.5, 1.5, value.size)
    new = ~value if value.dtype.kind == "b" else value + 1
    return "set", new if isinstance(t.value, np.ndarray) else type(t.value)(new)


def _cotangent(y: Any, rng: np.random.Generator) -> Any:
    if np.asarray(y).dtype.kind != "f":
        return np.zeros(np.shape(y))
    v = rng.standard_normal(np.shape(y)).astype(np.asarray(y).dtype)
    return v if isinstance(y, np.ndarray) else v[()]


def _pairing(dy: tuple, up: tuple, down: tuple) -> float:
    moves = (np.where(a == b, 0.0, a - b) for a, b in zip(up, down, strict=True))
    return float(sum(np.sum(v * m) for v, m in zip(dy, moves, strict=True)))
