"""What a check found, as data: verdicts, figures, findings; and as one line or a paragraph."""

import math
from dataclasses import asdict, dataclass, field, replace
from typing import Any

ORDER = ("pass", "kink", "unresolved", "error", "fail")  # from best to worst


@dataclass(frozen=True)
class Argument:
    """One gradient. Figures are relative to the largest entry of the reference gradient.

    `error` is max|g - G| / max|G|, None where it is not finite or the shapes differ; `bound` is
    what rounding explains; `resolution` the least relative error that the check would have seen.
    `why` says why it is unresolved: noise, truncation, domain edge, non-finite, or flat, where
    neither the gradient nor differences can be told from zero.
    """

    name: str
    verdict: str
    error: float | None
    bound: float | None
    resolution: float | None
    autodiff: float | None = None  # the error against autodiff alone
    numeric: float | None = None  # and against differences, along a direction
    single: float | None = None  # the error of the same backward in float32
    why: str = ""

    def to_dict(self) -> dict[str, Any]:
        figures = ("error", "bound", "resolution")
        return {"name": self.name, "verdict": self.verdict} | {
            k: finite(getattr(self, k)) for k in figures
        }


@dataclass(frozen=True)
class Value:
    """The value law: the forward against its twin."""

    verdict: str
    error: float | None
    bound: float | None

    def to_dict(self) -> dict[str, Any]:
        return {
            "verdict": self.verdict,
            "error": finite(self.error),
            "bound": finite(self.bound),
        }


@dataclass(frozen=True)
class Edit:
    """One statement of a file, before and after."""

    file: str
    line: int
    before: str
    after: str


@dataclass(frozen=True)
class Fix:
    """Edits after which the whole check passes, their unified diff, the file before and after."""

    diff: str
    edits: tuple[Edit, ...]
    original: str = ""
    text: str = ""


@dataclass(frozen=True)
class Entry:
    """One entry of a gradient: what it is and what it should be."""

    name: str
    got: float
    wanted: float


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong: its kind, the argument it shows in, where, and in words.

    `line` is given where a fix was verified there, or the code broke off there; `lines` are those
    that may be wrong, best first; `entries` are the worst of the gradient, `why` the sentences that
    make it sure.
    """

    kind: str
    message: str
    argument: str | None = None
    file: str | None = None
    line: int | None = None
    case: dict[str, Any] = field(default_factory=dict)
    fix: Fix | None = None
    entries: tuple[Entry, ...] = ()
    why: tuple[str, ...] = ()
    lines: tuple[int, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        keys = ("kind", "argument", "file", "line", "case")
        fix = None
        if self.fix:
            fix = {"diff": self.fix.diff, "edits": [asdict(e) for e in self.fix.edits]}
        message = "\n".join((self.message, *self.why, *table(self.entries)))
        return {k: getattr(self, k) for k in keys} | {"message": message, "fix": fix}


@dataclass(frozen=True)
class Report:
    """The outcome of checking one pair, over one case or several.

    >>> Report("linear").verdict
    'pass'
    """

    name: str
    verdict: str = "pass"
    message: str = ""
    file: str | None = None
    seconds: float = 0.0
    cases: int = 1
    case: dict[str, Any] = field(default_factory=dict)
    value: Value | None = None
    arguments: dict[str, Argument] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    seed: int = 0
    # what this input could not have shown, and what else is worth saying
    notes: tuple[str, ...] = ()
    script: str = ""  # that gives this report again

    @property
    def flat(self) -> bool:
        """Whether nothing but flat gradients keeps this from passing."""
        open_ = [a for a in self.arguments.values() if a.verdict == "unresolved"]
        return self.verdict == "unresolved" and all(a.why == "flat" for a in open_)

    def __str__(self) -> str:
        lines = [f"{self.name}: {self.verdict}" + (f": {self.message}" if self.message else "")]
        for a in self.arguments.values():
            seen = f", would have seen {a.resolution:.0e}" if a.resolution is not None else ""
            error = "no finite error" if a.error is None else f"error {a.error:.1e}"
            bound = "" if a.bound is None else f" (bound {a.bound:.1e})"
            why = f" ({a.why})" if a.why else ""
            lines.append(f"  {a.name}: {a.verdict}{why}, {error}{bound}{seen}")
        for f in self.findings:
            lines.append(f"  {f.kind}: {f.message}{_place(f)}")
            lines += [f"    {sentence}" for sentence in f.why]
            lines += [f"    {row}" for row in table(f.entries)]
            lines += [f"    {row}" for row in f.fix.diff.splitlines()] if f.fix else []
        lines += [f"  note: {note}" for note in self.notes]
        if self.case:
            lines.append(f"  case: {describe(self.case)}, seed {self.seed}")
        lines += [f"    {row}" for row in self.script.splitlines()]
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """The report as one of the ``checks`` of ``gradcheck --json``."""
        value = self.value or Value("unresolved", None, None)
        findings = [f.to_dict() for f in self.findings]
        if findings and self.script:
            findings[0]["message"] += f"\n{self.script}"
        return {
            "name": self.name,
            "file": self.file,
            "verdict": self.verdict,
            "message": self.message or "; ".join(self.notes),
            "seconds": round(self.seconds, 4),
            "cases": self.cases,
            "case": self.case,
            "value": value.to_dict(),
            "arguments": [a.to_dict() for a in self.arguments.values()],
            "findings": findings,
        }


def worst(verdicts: list[str]) -> str:
    """The worst of several verdicts.

    >>> worst(["pass", "fail", "kink"]), worst([])
    ('fail', 'pass')
    """
    return max(verdicts, key=ORDER.index, default="pass")


def merge(reports: list[Report]) -> Report:
    """One report of several cases: the worst verdict with its case, the worst figures of each.

    What is flat in one case is decided by the others, if any of them decides it. A note stands
    where it holds in every case.
    """
    arguments: dict[str, Argument] = {}
    for r in reports:
        for name, a in r.arguments.items():
            arguments[name] = _worse(arguments[name], a) if name in arguments else a
    flat = any(a.why == "flat" for a in arguments.values())
    reports_kept = [r for r in reports if flat or not r.flat] or reports
    shown = max(reports_kept, key=lambda r: ORDER.index(r.verdict))
    values = [r.value for r in reports if r.value]
    # one finding of each kind and argument, from the first case that shows it
    findings: dict[tuple, Finding] = {}
    for f in (f for r in (shown, *reports_kept) for f in r.findings):
        findings.setdefault((f.kind, f.argument), f)
    value = max(values, key=lambda v: (ORDER.index(v.verdict), v.error or 0)) if values else None
    return replace(
        shown,
        seconds=sum(r.seconds for r in reports),
        cases=len(reports),
        value=value,
        arguments=arguments,
        findings=tuple(findings.values()),
        notes=tuple(n for n in shown.notes if all(n in r.notes for r in reports_kept)),
    )


def _worse(a: Argument, b: Argument) -> Argument:
    worse = max(a, b, key=lambda x: (x.why != "flat", ORDER.index(x.verdict), x.error or 0))
    return replace(
        worse,
        resolution=_largest(*(x.resolution for x in (a, b) if x.why != "flat")),
        autodiff=_largest(a.autodiff, b.autodiff),
        numeric=_largest(a.numeric, b.numeric),
        single=_largest(a.single, b.single),
    )


def _largest(*figures: float | None) -> float | None:
    return max((x for x in figures if x is not None), default=None)


def finite(x: float | None) -> float | None:
    """A number that JSON can hold, or None.

    >>> finite(float("nan")), finite(1.0)
    (None, 1.0)
    """
    return float(x) if x is not None and math.isfinite(x) else None


def table(entries: tuple[Entry, ...]) -> list[str]:
    """The entries, one a line, in columns.

    >>> table((Entry("dw[0, 1]", 2.0, 4.0),))
    ['dw[0, 1]   got 2   wanted 4   ratio 0.5']
    """
    rows = [
        (
            e.name,
            f"got {e.got:.6g}",
            f"wanted {e.wanted:.6g}",
            f"ratio {e.got / e.wanted:.4g}" if e.wanted else "",
        )
        for e in entries
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "   ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def describe(case: dict[str, Any]) -> str:
    """A case in words.

    >>> describe({"axes": {"N": 3}, "config": {"stride": 2}, "dtype": "float64"})
    'N=3, stride=2, float64'
    """
    parts = [f"{k}={v}" for k, v in {**case.get("axes", {}), **case.get("config", {})}.items()]
    return ", ".join([*parts, case.get("dtype", "float64")])


def _place(f: Finding) -> str:
    return f" ({f.file}:{f.line})" if f.line else ""
