"""The table of verdicts, for people."""

from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from gradcheck.report import Argument, Report, describe, table

MARK = {
    "pass": ("✓ pass", "green"),
    "fail": ("✗ fail", "bold red"),
    "kink": ("✓ kink", "yellow"),
    "unresolved": ("? unresolved", "yellow"),
    "flat": ("? flat", "yellow"),  # unresolved, as nothing moves here
    "error": ("! error", "bold yellow"),
}
DIFF = {"+": "green", "-": "red"}


# kinds whose messages say it all
PLAIN = {
    "unnamed",
    "raises",
    "not-implemented",
    "shape",
    "vacuous",
    "non-finite",
    "forward-differs",
}


def print_reports(reports: list[Report], seconds: float, seed: int, twin: bool) -> None:
    """One row per pair, then the findings of those that are not right, then one line of summary."""
    console = Console(highlight=False, markup=False)
    grid = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 1))
    for title, justify in (
        ("", "left"),
        ("cases", "right"),
        ("value", "right"),
        ("hand vs\njax.grad", "right"),
        ("hand vs\ndiffs", "right"),
        ("would\nsee", "right"),
        ("in\nfloat32", "right"),
        ("verdict", "left"),
    ):
        grid.add_column(title, justify=justify, no_wrap=True)  # type: ignore[arg-type]
    for r in reports:
        grid.add_row(*_row(r))
    console.print(grid)
    for r in reports:
        if r.verdict != "pass":
            _explain(console, r)
    _summary(console, reports, seconds, seed, twin)


def _row(r: Report) -> tuple:
    arguments = list(r.arguments.values())
    word, style = MARK[_word(r)]
    return (
        r.name,
        str(r.cases),
        _figure(r.value.error if r.value else None),
        _worst(arguments, "autodiff"),
        _worst(arguments, "numeric"),
        _figure(max((a.resolution for a in arguments if a.resolution is not None), default=None)),
        _figure(max((a.single for a in arguments if a.single is not None), default=None)),
        Text(word, style=style),
    )


def _word(r: Report) -> str:
    return "flat" if r.flat else r.verdict


def _worst(arguments: list[Argument], figure: str) -> str:
    """The worst figure; with its argument, where that one is wrong."""
    known = [(getattr(a, figure), a) for a in arguments if getattr(a, figure) is not None]
    if not known:
        return "-"
    error, a = max(known, key=lambda k: k[0])
    return _figure(error) + f" d{a.name}" * (a.verdict == "fail")


def _figure(x: float | None) -> str:
    return "-" if x is None else "0" if x == 0 else f"{x:.0e}"


def _explain(console: Console, r: Report) -> None:
    word, style = MARK[_word(r)]
    console.print()
    console.print(Text(f"{r.name}: {word[2:]}", style=style))
    if not r.findings:
        console.print(Text(f"  {r.message}"), soft_wrap=True)
    mended = bool(r.findings) and r.findings[0].fix is not None
    for f in r.findings[:1] if mended else r.findings:
        where = f" ({_near(f.file)}:{f.line})" if f.line and f.file else ""
        named = f"{f.kind}: " * (f.kind not in PLAIN)
        console.print(Text(f"  {named}{f.message}{where}"), soft_wrap=True)
        for row in (*f.why, *table(f.entries)):
            console.print(Text(f"    {row}", style="dim"), soft_wrap=True)
        for row in f.fix.diff.splitlines() if f.fix else ():
            style = DIFF.get(row[:1], "dim") if row[:3] not in ("+++", "---") else "dim"
            console.print(Text(f"    {row}", style=style), soft_wrap=True)
    own = {None, *(f.argument for f in r.findings[:1])}
    others = dict.fromkeys(f"d{f.argument}" for f in r.findings if f.argument not in own)
    if mended and others:
        console.print(Text(f"  it mends {', '.join(others)} too"), soft_wrap=True)
    if r.case:
        words = f"  at {describe(r.case)}, seed {r.seed}{'; in Python:' * bool(r.script)}"
        for row in (words, *(f"    {line}" for line in r.script.splitlines())):
            console.print(Text(row, style="dim"), soft_wrap=True)


def _near(file: str) -> str:
    """A path as one would type it here."""
    path, here = Path(file), Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else file


def _summary(
    console: Console, reports: list[Report], seconds: float, seed: int, twin: bool
) -> None:
    counts = {v: sum(_word(r) == v for r in reports) for v in MARK}
    words = ", ".join(f"{n} {v}" for v, n in counts.items() if n)
    wrong = [a.error for r in reports for a in r.arguments.values() if a.error is not None]
    worst = f"; worst error {max(wrong):.0e} of the largest entry" if wrong else ""
    console.print()
    console.print(f"{words}{worst}; seed {seed}; {seconds:.1f} s", soft_wrap=True)
    if not twin:
        console.print('without JAX: numeric only; pip install "scratchnn[jax]" adds jax.grad')
