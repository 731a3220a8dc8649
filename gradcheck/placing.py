"""Which line of a hand-written backward is wrong: candidates, best first, and lines set free.

No line is accused for its name. The result of each line is changed, and the error of the returned
gradients must be reachable from there: E = G - g has to lie in the range of d(returned)/d(result),
for every cotangent. Beside that, gradients of the forward's own intermediate values are measured by
injection: a local that equals one of them is right, and so is all that only leads there.
"""

import traceback
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gradcheck.instrument import Site
from gradcheck.lines import Candidate, distinct, shaken
from gradcheck.subjects import Subject, copied
from gradcheck.suspects import Search
from gradcheck.taps import Bench, Injector, Tap, containers, leaves, statement
from gradcheck.totals import truths

COTANGENTS = 3


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
        bench.forward()
        cost = bench.spent
        hook = bench.hook
        hook.owned = set(map(id, containers(bench.ran.cache)))
        grads, taps = bench.record(bench.backward)
        if hook.changed:
            why = "it changes a list of the cache, which is then another for the next call"
            return Placed((_candidate(hook.changed, why),))
        if isinstance(grads, Exception):
            return Placed(_crashed(subject, grads, bench.hook, taps))
        taps = [t for t in taps if t.site.function.split(".")[-1] not in set(trusted)]
        last = hook.returned or (taps[-1].site if taps else None)
        if last is None or not any(t.is_float for t in taps):
            return Placed()  # its source is not to be had, or it computes with other arrays
        found = _not_finite(grads, [*_without_numbers(bench, y), *taps])
        if not found and len(set(subject.watch)) < len(subject.watch):  # a function that is both
            taps = _of_backward(bench, taps, rng)
        found = found or _written(bench, taps)
        given = subject.arrays[subject.floats[0]].dtype
        shows = any(g is not None and np.asarray(g).dtype != given for g in grads)
        coarse = _coarse(bench, grads, taps, shows)
        found = found or (coarse if shows else ())
        found = found or _misshapen(bench, grads, taps, last, rng)
        if found:
            return Placed(found)
    for _ in range(4):  # until the entries that are compared hold a wrong one
        right = truths(bench, cost, rng)
        with bench.watching():
            search = Search(bench, taps, grads, last, right, rng)
            found = search.candidates()
        if found:
            if coarse and search.is_small():
                found = distinct([*coarse, *found])
            return Placed(found, search.innocent(found), search.known(), tuple(search.uninspected))
    return Placed(coarse)


def _of_backward(bench: Bench, taps: list[Tap], rng: np.random.Generator) -> list[Tap]:
    """Those that y does not move with: of a function that gives y and its gradients, what gives y
    is right."""
    lines: dict[tuple, list[Tap]] = {}
    for t in taps:
        lines.setdefault((t.site.file, t.site.line), []).append(t)
    y, kept = copied(bench.forward().y), []
    for several in lines.values():
        try:
            moved = bench.forward({t.key: shaken(t, rng) for t in several}).y
        except Exception:  # an index out of range, say
            continue
        if all(np.array_equal(a, b) for a, b in zip(y, moved, strict=True)):
            kept += several
    return kept


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
    parts = list(leaves(hook.operands)) if hook else []
    made = [
        _candidate(t.site, "its result is an operand where the error is raised")
        for t in taps
        if any(t.object is p for p in parts) and statement(t.site.code).kind != "unpack"
    ]
    return distinct([*found[:1], *made[::-1], *found[1:]])


def _written(bench: Bench, taps: list[Tap]) -> tuple[Candidate, ...]:
    """The line that writes into dy, into the cache or into an argument, found by forbidding it."""
    subject = bench.subject
    arrays, dy = copied(subject.arrays), copied(bench.dys[0])
    try:
        y, cache = subject.forward(*arrays, **subject.config)
    except Exception:
        return ()
    locked = [a for a in leaves((arrays, dy, cache)) if a.flags.writeable]
    for a in locked:
        a.flags.writeable = False
    try:
        subject.backward(dy if isinstance(y, tuple) else dy[0], cache)
    except Exception as error:
        if "read-only" not in str(error):
            return ()
        why = "it writes into an array that is not its own: dy, the cache or an argument"
        found = [replace(c, why=why) for c in _crashed(subject, error)[:1]]
        # where the array got the name under which it is written
        found += [
            _candidate(t.site, "it gives that array another name; a copy would be safe")
            for t in taps
            if found
            and t.site.line < found[0].line
            and t.site.function.split(".")[-1] == found[0].function
            and found[0].code.startswith(t.site.target)
            and t.part == ()
        ]
        return tuple(found)
    finally:
        for a in locked * 2:  # a view may stand before its base
            with suppress(ValueError):
                a.flags.writeable = True
    return ()


def _not_finite(grads: tuple, taps: list[Tap]) -> tuple[Candidate, ...]:
    """Where gradients are not finite, the first line whose result is not."""
    if all(np.isfinite(g).all() for g in grads if np.asarray(g).dtype.kind in "fc"):
        return ()
    for t in taps:
        value = np.asarray(t.value)
        if value.dtype.kind == "f" and not np.isfinite(value).all():
            return (_candidate(t.site, "its result is not finite, and what came before is"),)
    return ()


def _without_numbers(bench: Bench, y: tuple) -> list[Tap]:
    """The results of the forward, where y is not finite."""
    if all(np.isfinite(v).all() for v in y if np.asarray(v).dtype.kind in "fc"):
        return []
    return bench.record(bench.forward)[1]


def _coarse(bench: Bench, grads: tuple, taps: list[Tap], shows: bool) -> tuple[Candidate, ...]:
    """The first line whose result is kept in fewer digits than were given, or is complex.

    `shows` says that the dtype of a gradient is wrong; if not, only what is rounded counts: a mask
    of ones and zeros loses nothing.
    """
    subject = bench.subject
    given = subject.arrays[subject.floats[0]].dtype
    for t in taps:
        value = np.asarray(t.value)
        fewer = value.dtype.kind == "f" and value.dtype.itemsize < given.itemsize
        rounded = fewer and (shows or bool(np.any(value % 1)))
        is_complex = value.dtype.kind == "c" and any(t.object is g for g in grads)
        if isinstance(t.value, np.ndarray) and (rounded or is_complex):
            found = [_candidate(t.site, f"its result is {value.dtype}, where {given} was given")]
            if statement(t.site.code).kind == "read":  # saved so by the forward
                bench.forward()
                if bench.hook.returned:
                    why = f"it saves {value.dtype} in the cache, where {given} was given"
                    found.insert(0, _candidate(bench.hook.returned, why))
            return tuple(found)
    return ()


def _misshapen(
    bench: Bench, grads: tuple, taps: list[Tap], last: Site, rng: np.random.Generator
) -> tuple[Candidate, ...]:
    """The lines that a gradient of the wrong shape, or no gradient at all, comes from."""
    subject = bench.subject
    shapes = [subject.arrays[i].shape for i in subject.floats]
    found = []
    got_shapes = [np.shape(g) for g in grads]
    if got_shapes != shapes and sorted(got_shapes) == sorted(shapes):
        found.append(_candidate(last, "it returns the gradients in another order"))
    for k, (i, g) in enumerate(zip(subject.floats, grads, strict=True)):
        name, shape = subject.names[i], shapes[k]
        if g is not None and np.shape(g) == shape and np.asarray(g).dtype.kind in "fc":
            continue
        got = "None" if g is None else f"{np.asarray(g).dtype} of shape {np.shape(g)}"
        why = f"d{name} is {got}; {name} has shape {shape}"
        sites = [t.site for t in taps if g is not None and t.site is not last and _is_same(t, g)]
        computed = not sites
        sites.append(last)
        if g is not None and computed:  # where it is returned: also what leads there
            for t in taps[::-1]:
                moved = bench.record(bench.backward, 0, {t.key: shaken(t, rng)})[0]
                reads = statement(t.site.code).kind == "read"
                if isinstance(moved, tuple) and t.is_float and t.size and not reads:
                    leads = [not np.array_equal(a, b) for a, b in zip(moved, grads, strict=True)]
                    if leads[k] and sum(leads) == 1:
                        sites.append(t.site)
        found += [_candidate(site, why) for site in sites]
    return distinct(found)


def _is_same(t: Tap, g: Any) -> bool:
    """Whether a result is the array g, or a view of it with as many entries."""
    if not isinstance(t.object, np.ndarray) or not isinstance(g, np.ndarray):
        return t.object is g
    return t.object is g or (t.size == g.size and np.may_share_memory(t.object, g))


def _cotangent(y: Any, rng: np.random.Generator) -> Any:
    """A random dy for one output; zeros where it is no float."""
    if np.asarray(y).dtype.kind != "f":
        return np.zeros(np.shape(y))
    v = rng.standard_normal(np.shape(y)).astype(np.asarray(y).dtype)
    return v if isinstance(y, np.ndarray) else v[()]
