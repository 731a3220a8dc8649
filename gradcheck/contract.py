"""The contract of a pair, apart from its numbers: shapes, dtypes, purity, linearity.

A right gradient has the shape and dtype of its argument, is the same when asked twice, changes
nothing it was given, and is linear in dy.
"""

import pickle
import traceback
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np

from gradcheck.report import Finding
from gradcheck.subjects import Forward, Subject, copied, is_float


def shapes(subject: Subject, grads: tuple, y: tuple) -> list[Finding]:
    """Each gradient is a finite array with the shape and dtype of its argument.

    Where the forward itself computes in another precision than it was given, so may the backward.
    """
    findings = []
    precisions = {np.asarray(v).dtype for v in y}
    for i, g in zip(subject.floats, grads, strict=True):
        x, name = subject.arrays[i], subject.names[i]

        def finding(kind: str, message: str, name: str = name) -> Finding:
            return Finding(kind, message, name, subject.file, None, subject.case())

        if g is None:
            findings.append(finding("missing-term", f"d{name} is None; wanted shape {x.shape}"))
        elif np.shape(g) != x.shape:
            findings.append(
                finding("shape", f"d{name} has shape {np.shape(g)}; wanted {x.shape}, as {name}")
            )
        elif (got := np.asarray(g).dtype) != x.dtype and (
            got.kind != "f" or precisions == {x.dtype} or subject.keeps_dtype
        ):
            findings.append(finding("dtype", f"d{name} is {got}; wanted {x.dtype}, as {name}"))
        elif not np.isfinite(g).all():
            count = int((~np.isfinite(g)).sum())
            findings.append(
                finding("non-finite", f"d{name} has {count} of {np.size(g)} entries not finite")
            )
    return findings


def purity(subject: Subject, dy: tuple) -> list[Finding]:
    """Neither function changes what it was given; both give the same result again."""
    findings = []

    def found(kind: str, message: str, argument: str | None = None) -> None:
        line = _writing_line(subject, dy) if kind == "mutates" else None
        findings.append(Finding(kind, message, argument, subject.file, line, subject.case()))

    def compare_inputs(who: str) -> None:
        for name, before, now in zip(subject.names, subject.arrays, arrays, strict=True):
            if _differ(before, now):
                found("mutates", f"the {who} writes into its input {name}", name)

    arrays, given = copied(subject.arrays), copied(dy)
    y, cache = subject.forward(*arrays, **subject.config)
    single = not isinstance(y, tuple)
    compare_inputs("forward")
    if findings:
        return findings
    kept = _frozen(cache)
    subject.backward(given[0] if single else given, cache)
    if _any_differ(dy, given):
        found("mutates", "the backward writes into dy, which belongs to its caller", "dy")
    compare_inputs("backward")
    changed = kept is not None and kept != _frozen(cache)
    ran = subject.run()
    first, again = copied(subject.gradients(dy, ran)), _again(subject, dy, ran)
    if isinstance(again, Exception) or _any_differ(first, again):
        why = ", as it changes its cache" if changed else ""
        how = f"raises {again!r}" if isinstance(again, Exception) else "gives another result"
        found("not-repeatable", f"the backward {how} when called twice{why}")
    elif changed and not findings:
        found("mutates", "the backward writes into its cache")
    else:
        with suppress(Exception):  # a point next to this one may be outside the domain
            subject.run(_nearby(subject))
        again = _again(subject, dy, ran)
        if isinstance(again, Exception) or _any_differ(first, again):
            message = "the backward depends on the last forward, not on its cache alone"
            found("not-repeatable", message)
        findings += _reused(subject, dy)
    outputs = y if isinstance(y, tuple) else (y,)
    if _any_differ(outputs, subject.run().y):
        found("not-repeatable", "the forward gives another y for the same inputs; seed it")
    return findings


def _reused(subject: Subject, dy: tuple) -> list[Finding]:
    """Results that change when the functions run again: they are handed out and written again."""
    ran = subject.run()
    grads = subject.gradients(dy, ran)
    kept, before = copied(ran.y), copied(grads)
    other = tuple(_another(v) for v in dy)
    with suppress(Exception):
        near = subject.run(_nearby(subject))
        subject.gradients(other, near)
    found = []
    if _any_differ(kept, ran.y):
        message = "the forward writes again into a y that it returned before; return a copy"
        found.append(("not-repeatable", message))
    if _any_differ(before, grads):
        message = "the backward writes again into gradients that it returned before; copy them"
        found.append(("mutates", message))
    return [Finding(k, m, None, subject.file, None, subject.case()) for k, m in found]


def layouts(
    subject: Subject, dy: tuple, grads: tuple, slack: list[float], unit: float
) -> tuple[list[Finding], list[str]]:
    """The gradients do not depend on how arrays lie in memory; and what does not run, as notes."""
    strided = tuple(_strided(a) for a in subject.arrays)
    try:
        y, cache = subject.forward(*strided, **subject.config)
        ran = Forward(y if isinstance(y, tuple) else (y,), cache, not isinstance(y, tuple))
        again = subject.gradients(dy, ran)
    except Exception as error:
        words = next(iter(str(error).splitlines()), type(error).__name__)
        return [], [f"does not take arrays that are not contiguous in memory: {words}"]
    findings = []
    for i, g, h, s in zip(subject.floats, grads, again, slack, strict=True):
        scale = float(np.max(np.abs(g)))
        if np.shape(g) != np.shape(h) or np.max(np.abs(g - h)) > 16 * s + 64 * unit * scale:
            name = subject.names[i]
            message = f"d{name} is another where the arrays are not contiguous in memory"
            findings.append(Finding("unnamed", message, name, subject.file, None, subject.case()))
    notes = []
    readonly = copied(subject.arrays)
    for a in readonly:
        if isinstance(a, np.ndarray):
            a.flags.writeable = False
    try:
        _, cache = subject.forward(*readonly, **subject.config)
        subject.gradients(dy, replace(ran, cache=cache))
    except ValueError as error:
        if "read-only" in str(error):
            notes.append("writes into its inputs for a while: it does not take read-only arrays")
    return findings, notes


def _strided(a: Any) -> Any:
    """The same entries at every other place in memory, first axis fastest."""
    if not isinstance(a, np.ndarray) or not a.ndim:
        return a
    return np.array(np.repeat(a, 2, axis=-1), order="F")[..., ::2]


def linearity(
    subject: Subject, dy: tuple, ran: Forward, slack: list[float], unit: float
) -> list[Finding]:
    """backward(3 dy + ev/2) = 3 backward(dy) + backward(ev)/2, for another cotangent ev.

    `slack` is the rounding error to be expected of each gradient, absolute; `unit` the unit
    roundoff of the code.
    """
    ev = tuple(_another(v) for v in dy)
    g, h = copied(subject.gradients(dy, ran)), copied(subject.gradients(ev, ran))
    three_and_half = tuple(_combined(v, e, 3, 0.5) for v, e in zip(dy, ev, strict=True))
    both = copied(subject.gradients(three_and_half, ran))
    double = subject.gradients(tuple(_combined(v, v, 1, 1) for v in dy), ran)
    findings = []
    for i, a, b, c, d, s in zip(subject.floats, g, h, both, double, slack, strict=True):
        name = subject.names[i]
        scale = float(np.max(np.abs(a)) + np.max(np.abs(b)))
        gap = float(np.max(np.abs(c - (3 * a + b / 2))))
        if gap <= 16 * s + 64 * unit * scale:
            continue
        if _differ(a, d):
            kind, message = "unnamed", f"d{name} is not linear in dy: off by {gap / scale:.1e}"
        else:
            kind, message = "ignores-upstream", f"d{name} does not change when dy is doubled"
        findings.append(Finding(kind, message, name, subject.file, None, subject.case()))
    return findings


def raised(subject: Subject, error: BaseException, where: str) -> Finding:
    """A finding from an exception, placed at its last line in the checked code's own file."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if f.filename == subject.file] or frames[-1:]
    missing = isinstance(error, NotImplementedError)
    words = str(error).strip().split("\n")[0]
    message = f"{where} raised {type(error).__name__}" + (f": {words}" if words else "")
    return Finding(
        "not-implemented" if missing else "raises",
        f"{subject.name}: {where} is not implemented" if missing else message,
        None,
        own[-1].filename if own else subject.file,
        own[-1].lineno if own else None,
        subject.case(),
    )


def _writing_line(subject: Subject, dy: tuple) -> int | None:
    """The line that writes into a given array, found by handing out read-only ones."""
    arrays, given = copied(subject.arrays), copied(dy)
    for a in (*arrays, *given):
        if isinstance(a, np.ndarray):
            a.flags.writeable = False
    try:
        y, cache = subject.forward(*arrays, **subject.config)
        subject.backward(given if isinstance(y, tuple) else given[0], cache)
    except ValueError as error:
        if "read-only" in str(error):
            return raised(subject, error, "").line
    return None


def _again(subject: Subject, dy: tuple, ran: Forward) -> Any:
    """The gradients once more, or what the backward raises."""
    try:
        return subject.gradients(dy, ran)
    except Exception as error:  # a first call went well
        return error


def _nearby(subject: Subject) -> tuple:
    """Another point: every float a little smaller."""
    return tuple(a * 0.875 if is_float(a) else a for a in subject.arrays)


def _any_differ(a: tuple, b: tuple) -> bool:
    return any(_differ(x, y) for x, y in zip(a, b, strict=True))


def _differ(a: Any, b: Any) -> bool:
    numbers = (np.ndarray, np.generic, float)
    if isinstance(a, numbers) or isinstance(b, numbers):
        return not np.array_equal(a, b, equal_nan=np.asarray(a).dtype.kind == "f")
    return False


def _another(v: Any) -> Any:
    """Another cotangent of the same size: reversed, with alternating signs."""
    flat = np.ravel(v)[::-1] * np.where(np.arange(np.size(v)) % 2, 1.0, -1.0)
    return flat.reshape(np.shape(v)) if isinstance(v, np.ndarray) else flat[0]


def _combined(v: Any, e: Any, a: float, b: float) -> Any:
    """a v + b e, an array if v is one, of no axes too."""
    both = a * v + b * e
    return np.asarray(both) if isinstance(v, np.ndarray) else both


def _frozen(cache: Any) -> bytes | None:
    try:
        return pickle.dumps(cache)
    except Exception:  # what a user's cache holds need not be picklable
        return None
