"""The doctor: a failed check, with the line that is wrong, the name of the bug and a verified fix.

Three parts are put together: candidates for the line (`placing`), an edit of the user's own source
that makes the whole check pass at other values and sizes too (`repair`), and the name that the
numbers allow (`naming`). A line is given where a fix was verified on it; without one the
candidates are listed, never one guess.
"""

import contextlib
import io
import os
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

import numpy as np

from gradcheck import layerwise, naming, placing
from gradcheck import repair as repairing
from gradcheck.checks import cotangent
from gradcheck.judge import CONTRACT
from gradcheck.report import Entry, Finding, Fix, Report
from gradcheck.resized import resized
from gradcheck.samples import Sample, take
from gradcheck.shapes import specs
from gradcheck.subjects import Subject

# kinds that the contract has told for certain: no number says it better
TOLD = {"mutates", "not-repeatable", "raises", "not-implemented", "non-finite", "dtype"}
TOLD |= {"vacuous", "forward-differs", "kink-convention", "ignores-upstream", "precision"}
# mistakes by which a gradient may have another shape
SHAPES = {"wrong-axis", "unreduced-broadcast", "transposed", "misaligned", "argument-order"}
# names that several mistakes may earn by their numbers, and a verified edit tells which it is
YIELDING = {"activation-derivative-missing", "activation-derivative-misplaced", "constant-factor"}
YIELDING |= {"missing-term", "extra-term", "overwrites-instead-of-accumulates", "sign"}
YIELDING |= {"misaligned", "time-shift", "flipped-kernel", "gate-order", "wrong-operand", "unnamed"}
RIGHT = ("right", "consequence")  # verdicts of layerwise
WORST = 4


def diagnosed(
    report: Report, subjects: Sequence[Subject], seed: int = 0, seconds: float = 7.0
) -> Report:
    """The report of a failed pair, its findings placed, named and mended as far as they can be.

    Args:
        report: of the pair; one that has not failed comes back as it is.
        subjects: of the pair: the one that failed first, then fresh ones, of other sizes where
            there are any.
        seed: of cotangents, directions and injections.
        seconds: the most that the search for a fix takes.
    """
    if report.verdict != "fail" or not report.findings or repairing.WITHIN in os.environ:
        return report
    try:
        with np.errstate(all="ignore"), contextlib.redirect_stdout(io.StringIO()):
            return _diagnosed(report, subjects, seed, seconds)
    except Exception as error:  # the verdict stands without a diagnosis
        note = f"the diagnosis broke off: {type(error).__name__}: {error}"
        return replace(report, notes=(*report.notes, note))


def _diagnosed(report: Report, subjects: Sequence[Subject], seed: int, seconds: float) -> Report:
    subjects = _with_other_sizes(subjects, seed)
    parts = _parts(subjects[0], seed)
    wrong = {p.backward for p in parts if p.verdict == "wrong"}
    trusted = sorted({p.backward for p in parts if p.verdict in RIGHT} - wrong)
    placed = placing.place(subjects[0], seed, trusted)
    lines = [c.line for c in placed.lines]
    samples = _samples(subjects, seed)
    names = naming.names(samples) if len(samples) == 2 else {}
    kinds = {k for n in names.values() for k in (n.kind, *n.alternatives)}
    # a repair leaves y as it is
    finite = all(np.isfinite(v).all() for v in subjects[0].run().y)
    found, notes = None, report.notes
    if finite:
        try:
            found = repairing.repair(
                subjects, lines, trusted, seconds, seed=seed, kinds=sorted(kinds)
            )
        except RuntimeError as error:  # the rest is worth saying
            notes = (*notes, str(error))
    sized = len({_sizes(s) for s in subjects}) > 1
    harmless = [f for f in report.findings if f.kind == "kink-convention"]
    wrong_ones = [f for f in report.findings if f not in harmless]
    found_in = [_finding(f, names, found, placed, samples, sized) for f in wrong_ones]
    found_in[0] = replace(found_in[0], why=(*_said_of(parts), *found_in[0].why))
    first, *others = sorted(found_in, key=_rank)
    others += harmless
    if found:  # one edit mends all, so it is shown once
        others = [replace(f, fix=None, why=()) for f in others]
    first = replace(first, why=(*_measured(report, first.argument), *first.why))
    case = subjects[0].case()
    return replace(report, message=first.message, findings=(first, *others), case=case, notes=notes)


def _rank(finding: Finding) -> int:
    """What is broken in itself first, then names; what raises in some cases only says little."""
    last = ("unnamed", "raises", "forward-differs")
    return last.index(finding.kind) + 2 if finding.kind in last else finding.kind not in TOLD


def _sizes(subject: Subject) -> tuple:
    return tuple(np.shape(a) for a in subject.arrays)


def _with_other_sizes(subjects: Sequence[Subject], seed: int) -> list[Subject]:
    """The subjects, and where they all have the same sizes, some of others after the first."""
    first, *others = subjects
    if len({_sizes(s) for s in subjects}) > 1:
        return [first, *others]
    return [first, *islice(resized(first, seed), 2), *others]


def _parts(subject: Subject, seed: int) -> list[layerwise.Part]:
    """What the pair is made of; nothing where its parts cannot be run alone."""
    try:
        return [*layerwise.parts(subject, seed)]
    except Exception:  # the check has told of it
        return []


def _measured(report: Report, argument: str | None) -> list[str]:
    """How far a gradient is off, and how far rounding could have carried it."""
    a = report.arguments.get(argument or "")
    if a is None or a.verdict != "fail" or a.error is None or a.bound is None:
        return []
    return [f"off by {a.error:.1e} of its largest entry, where rounding explains {a.bound:.0e}"]


def _said_of(parts: list[layerwise.Part]) -> list[str]:
    """Which parts are wrong, which only receive what is wrong; or that all are right."""
    wrong = [str(p) for p in parts if p.verdict == "wrong"]
    passive = [p.name for p in parts if p.verdict == "consequence"]
    if not wrong:
        right = dict.fromkeys(p.name for p in parts if p.verdict in RIGHT)
        return [f"right when run alone: {', '.join(right)}"] if right else []
    return [*wrong[:3], *[f"consequence only: {', '.join(passive)}"] * bool(passive)]


def _samples(subjects: Sequence[Subject], seed: int) -> list[Sample]:
    """Two points at which the same gradients are wrong, of different sizes if there are such."""
    samples: list[Sample] = []
    for k, subject in enumerate(subjects):
        try:
            with np.errstate(all="ignore"):
                rng = np.random.default_rng([seed, k, 103])
                dy = tuple(cotangent(v, rng) for v in subject.run().y)
                sample = take(subject, dy)
        except Exception:  # the check has told of it
            continue
        if sample and sample.wrong and (not samples or sample.wrong == samples[0].wrong):
            samples.append(sample)
        if len({str(s.sizes) for s in samples}) > 1:  # two of different sizes will do
            break
    others = [s for s in samples[1:] if s.sizes != samples[0].sizes] or samples[1:]
    return [*samples[:1], *others[:1]]


def _finding(
    finding: Finding,
    names: dict[str, naming.Name],
    found: repairing.Repair | None,
    placed: placing.Placed,
    samples: list[Sample],
    sized: bool,
) -> Finding:
    name = names.get(finding.argument or "")
    kind, message, why = finding.kind, finding.message, list(finding.why)
    if kind not in TOLD:
        if name:  # by two samples, not by one
            kind = name.kind if name.kind != "unnamed" or kind != "shape" else kind
            message = name.message
        only_shape = kind == "shape" and samples and _as_many(samples[0], finding.argument)
        if found and found.kind and not only_shape and _gives_way(kind, found.kind):
            kind = found.kind
        if kind == "unnamed" and name and name.alternatives:
            why.append(f"it may be {' or '.join(name.alternatives)}")
    changes: dict[str, Any] = {}
    if samples and finding.argument in samples[0].truths and kind not in TOLD:
        g, G = samples[0].gradients[finding.argument], samples[0].truths[finding.argument]
        if g is not None and np.shape(g) == G.shape:
            axes = _axes(samples[0].subject, finding.argument)
            changes["entries"] = worst_entries(finding.argument, np.asarray(g), G, axes)
    if found:
        first = found.edits[0]
        fix = Fix(found.diff, found.edits, found.original, found.text)
        changes |= {"file": first.file, "line": first.line, "fix": fix}
        changes["lines"] = tuple(e.line for e in found.edits)
        edit = "this edit" if len(found.edits) == 1 else "these edits"
        where = "values and sizes too" if sized else "values too, of these sizes only"
        tried = f"{found.tried} tried in {found.seconds:.1f} s"
        why.append(f"with {edit} the whole check passes, at other {where} ({tried})")
    elif finding.line is None and placed.lines:
        changes["lines"] = tuple(c.line for c in placed.lines)
        where = ", ".join(str(c.line) for c in placed.lines[:5])
        several = len(placed.lines) > 1
        why.append(f"{'one of the lines' if several else 'probably line'} {where}")
        why += [f"line {c.line}: {c.why}" for c in placed.lines[:2] if c.why]
    return replace(finding, kind=kind, message=message, why=tuple(why), **changes)


def _as_many(sample: Sample, argument: str | None) -> bool:
    """Whether a gradient has as many entries as it should have."""
    g, truth = (d.get(argument or "") for d in (sample.gradients, sample.truths))
    return g is not None and truth is not None and np.size(g) == truth.size


def _gives_way(kind: str, edit: str) -> bool:
    """Whether what the numbers are called is less than what the verified edit is called."""
    if kind == "shape":
        return edit in SHAPES
    return kind in YIELDING or edit in CONTRACT


def _axes(subject: Subject, argument: str) -> tuple[str, ...]:
    """The declared names of the axes of an argument; none where they are not one name each."""
    try:
        spec = next(s for s in specs(subject.forward) if s and s.name == argument)
    except (StopIteration, ValueError, TypeError, NameError):
        return ()
    return tuple("" if a.star else str(a) for a in spec.axes)


def worst_entries(
    name: str, g: np.ndarray, G: np.ndarray, axes: tuple[str, ...] = ()
) -> tuple[Entry, ...]:
    """The entries of a gradient that are furthest off; their places by axis, where they are named.

    >>> worst_entries("w", np.array([1.0, 2.0]), np.array([1.0, 4.0]))
    (Entry(name='dw[1]', got=2.0, wanted=4.0),)
    >>> worst_entries("x", np.array([[0.0, 1.0]]), np.array([[0.0, 4.0]]), ("N", "D"))
    (Entry(name='dx[N=0, D=1]', got=1.0, wanted=4.0),)
    """
    gap = np.abs(g - G)
    order = np.argsort(-gap, axis=None)[:WORST]
    named = len(axes) == g.ndim and all(axes)
    found = []
    for flat in order:
        at = np.unravel_index(flat, g.shape)
        if gap[at] > 1e-6 * np.max(np.abs(G)):
            places = [f"{a}={k}" for a, k in zip(axes, at, strict=True)] if named else map(str, at)
            place = f"[{', '.join(places)}]" if at else ""
            found.append(Entry(f"d{name}{place}", float(g[at]), float(G[at])))
    return tuple(found)
