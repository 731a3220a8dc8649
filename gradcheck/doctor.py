"""The doctor: a failed check, with the line that is wrong, the name of the bug and a verified fix.

Three parts are put together: candidates for the line (`placing`), an edit of the user's own source
that makes the whole check pass at other values and sizes too (`repair`), and the name that the
numbers allow (`naming`). A line is given where a fix was verified on it; without one the
candidates are listed, never one guess.
"""

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from gradcheck import naming, placing
from gradcheck import repair as repairing
from gradcheck.checks import cotangent
from gradcheck.report import Edit, Entry, Finding, Fix, Report
from gradcheck.samples import Sample, take
from gradcheck.subjects import Subject

# kinds that the contract has told for certain: no number says it better
TOLD = {"mutates", "not-repeatable", "raises", "not-implemented", "non-finite", "dtype"}
TOLD |= {"vacuous", "forward-differs", "kink-convention", "ignores-upstream", "precision"}
WORST = 4


def diagnosed(
    report: Report, subjects: Sequence[Subject], seed: int = 0, seconds: float = 8.0
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
    placed = placing.place(subjects[0], seed)
    lines = [c.line for c in placed.lines]
    found = repairing.repair(subjects, lines, seconds=seconds, seed=seed)
    samples = _samples(subjects, seed)
    names = naming.names(samples) if len(samples) == 2 else {}
    found_in = [_finding(f, names, found, placed, samples) for f in report.findings]
    first, *others = sorted(found_in, key=lambda f: f.kind in ("unnamed", "forward-differs"))
    if found:  # one edit mends all, so it is shown once
        others = [replace(f, fix=None, why=()) for f in others]
    case = subjects[0].case()
    return replace(report, message=first.message, findings=(first, *others), case=case)


def _samples(subjects: Sequence[Subject], seed: int) -> list[Sample]:
    """The first two points at which the same gradients are wrong."""
    samples: list[Sample] = []
    for k, subject in enumerate(subjects):
        try:
            with np.errstate(all="ignore"):
                rng = np.random.default_rng([seed, k])
                dy = tuple(cotangent(v, rng) for v in subject.run().y)
                sample = take(subject, dy)
        except Exception:  # the check has told of it
            continue
        if sample and sample.wrong and (not samples or sample.wrong == samples[0].wrong):
            samples.append(sample)
        if len(samples) == 2:
            break
    return samples


def _finding(
    finding: Finding,
    names: dict[str, naming.Name],
    found: repairing.Repair | None,
    placed: placing.Placed,
    samples: list[Sample],
) -> Finding:
    name = names.get(finding.argument or "")
    kind, message, why = finding.kind, finding.message, list(finding.why)
    if kind not in TOLD:
        if name and name.kind != "unnamed":
            kind, message = name.kind, name.message
        elif found and found.kind:
            kind = found.kind
        elif name and name.alternatives:
            why.append(f"it may be {' or '.join(name.alternatives)}")
    changes: dict[str, Any] = {}
    if samples and finding.argument in samples[0].truths and kind not in TOLD:
        g, G = samples[0].gradients[finding.argument], samples[0].truths[finding.argument]
        if g is not None and np.shape(g) == G.shape:
            changes["entries"] = worst_entries(finding.argument, np.asarray(g), G)
    if found:
        first = found.edits[0]
        edits = tuple(Edit(e.file, e.line, e.before, e.after) for e in found.edits)
        changes |= {"file": first.file, "line": first.line, "fix": Fix(found.diff, edits)}
        edit = "this edit" if len(edits) == 1 else "these edits"
        why.append(
            f"with {edit} the whole check passes, at other values and sizes too "
            f"({found.tried} tried in {found.seconds:.1f} s)"
        )
    elif finding.line is None and placed.lines:
        where = ", ".join(str(c.line) for c in placed.lines[:5])
        several = len(placed.lines) > 1
        why.append(f"{'one of the lines' if several else 'probably line'} {where}")
        why += [f"line {c.line}: {c.why}" for c in placed.lines[:2] if c.why]
    return replace(finding, kind=kind, message=message, why=tuple(why), **changes)


def worst_entries(name: str, g: np.ndarray, G: np.ndarray) -> tuple[Entry, ...]:
    """The entries of a gradient that are furthest off.

    >>> worst_entries("w", np.array([1.0, 2.0]), np.array([1.0, 4.0]))
    (Entry(name='dw[1]', got=2.0, wanted=4.0),)
    """
    gap = np.abs(g - G)
    order = np.argsort(-gap, axis=None)[:WORST]
    found = []
    for flat in order:
        at = np.unravel_index(flat, g.shape)
        if gap[at] > 1e-6 * np.max(np.abs(G)):
            place = f"[{', '.join(map(str, at))}]" if at else ""
            found.append(Entry(f"d{name}{place}", float(g[at]), float(G[at])))
    return tuple(found)
