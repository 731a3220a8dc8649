"""Step through a forward and its hand backward: every assignment, with its shape and statistics."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gradcheck import autodiff
from gradcheck.checks import check_subject, cotangent
from gradcheck.discovery import Check
from gradcheck.instrument import Hook, Site, watching
from gradcheck.subjects import Subject
from gradcheck.table import MARK


@dataclass(frozen=True)
class Step:
    """One assignment as it ran: where, how deep in calls, and what it assigned."""

    site: Site
    depth: int
    value: Any


class Recorder(Hook):
    """Keeps every assignment, in order."""

    def __init__(self):
        self.steps: list[Step] = []
        self.depth = 0

    def call(self, site: Site, f: Callable, *args: Any, **kwargs: Any) -> Any:
        if not hasattr(f, "__code__"):
            return f(*args, **kwargs)
        self.depth += 1
        try:
            return f(*args, **kwargs)
        finally:
            self.depth -= 1

    def assign(self, site: Site, value: Any) -> Any:
        # reading and checking declared shapes is no part of the mathematics
        if Path(site.file).name != "shapes.py":
            kept = value.copy() if isinstance(value, np.ndarray) else value
            self.steps.append(Step(site, self.depth, kept))
        return value

    augment = assign


def record(subject: Subject, dy: tuple) -> tuple[list[Step], list[Step]]:
    """The steps of the forward, and those of the backward for this dy.

    Raises:
        Whatever the functions raise.
    """
    forward, backward = Recorder(), Recorder()
    with watching(subject.functions, forward):
        ran = subject.run()
    with watching(subject.functions, backward):
        subject.gradients(dy, ran)
    return forward.steps, backward.steps


def print_steps(check: Check, seed: int) -> int:
    """Print the first case of a check, step by step; the exit status is that of its verdict."""
    twin = autodiff.available()
    subject = next(iter(check.subjects(seed, twin)))
    report = check_subject(subject, seed)
    if report.verdict == "error":
        raise ValueError(f"{check.name}: {report.message}")
    ran = subject.run()
    rng = np.random.default_rng(seed)
    dy = tuple(cotangent(v, rng) for v in ran.y)
    forward, backward = record(subject, dy)

    console = Console(highlight=False, markup=False)
    config = ", ".join(f"{k}={v}" for k, v in subject.config.items())
    sizes = ", ".join(f"{k}={v}" for k, v in subject.axes.items())
    console.print(f"{check.name}  {'  '.join(filter(None, (sizes, config)))}  seed {seed}")
    names = axis_names(subject.axes)
    given = [(n, a) for n, a in zip(subject.names, subject.arrays, strict=True) if a is not None]
    _print_values(console, "given", given, names)
    _print_lines(console, "forward", forward, names)
    outputs = ["dy"] if ran.single else [f"dy[{k}]" for k in range(len(dy))]
    _print_values(console, "upstream", list(zip(outputs, dy, strict=True)), names)
    _print_lines(console, "backward", backward, names)
    _print_verdicts(console, report)
    return {"fail": 1, "unresolved": 2}.get(report.verdict, 0)


def axis_names(sizes: dict[str, Any]) -> dict[int, str]:
    """Which axis a size belongs to; a size that two axes share belongs to none.

    >>> axis_names({"N": 2, "H": 5})[20]
    '4*H'
    """
    flat = [
        (n, s) for n, size in sizes.items() for s in (size if isinstance(size, tuple) else (size,))
    ]
    names = {4 * s: f"4*{n}" for n, s in flat}
    names |= {s: n for n, s in flat}
    taken = [s for _, s in flat]
    return {s: n for s, n in names.items() if taken.count(s) < 2}


def _print_values(console: Console, title: str, values: list, names: dict[int, str]) -> None:
    console.print(Text(f"\n{title}", style="bold"))
    table = _grid()
    for name, value in values:
        table.add_row("", name, *_figures(value, names))
    console.print(table)


def _print_lines(console: Console, title: str, steps: list[Step], names: dict[int, str]) -> None:
    console.print(Text(f"\n{title}", style="bold"), end="")
    table, previous, file = _grid(), "", ""
    for step in steps:
        site = step.site
        if site.file != file:
            file = site.file
            table.add_row("", Text(_short(file), style="dim"), "", "", "", "", "")
        if site.function != previous:
            previous = site.function
            table.add_row("", Text("  " * step.depth + previous, style="cyan"), "", "", "", "", "")
        code = Text("  " * step.depth + "  " + site.code)
        parts = _parts(step)
        first = parts[0] if len(parts) == 1 else None
        table.add_row(str(site.line), code, *_figures(first, names) if first is not None else ())
        if first is None:
            for name, value in parts:
                label = Text("  " * step.depth + f"    {name}", style="dim")
                table.add_row("", label, *_figures(value, names))
    console.print()
    console.print(table)


def _parts(step: Step) -> list:
    """What a step assigned: one value, or the named arrays of a tuple."""
    if not isinstance(step.value, tuple):
        return [step.value]
    targets = step.site.target.strip("()").split(", ")
    if step.site.target == "return" or len(targets) != len(step.value):
        return [(f"[{k}]", v) for k, v in enumerate(step.value) if isinstance(v, np.ndarray)]
    return [(n, v) for n, v in zip(targets, step.value, strict=True)]


def _grid() -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(justify="right", style="dim", no_wrap=True)
    table.add_column(overflow="fold", min_width=28)
    for justify in ("left", "right", "right", "right", "right"):
        table.add_column(justify=justify, no_wrap=True)
    return table


def _figures(value: Any, names: dict[int, str]) -> tuple[str, ...]:
    """Shape with axis names, then mean, standard deviation, least and greatest."""
    if isinstance(value, (np.ndarray, np.floating)) and np.size(value):
        shape = " ".join(f"{names[n]}={n}" if n in names else str(n) for n in np.shape(value))
        a = np.asarray(value)
        if a.dtype.kind == "f":
            with np.errstate(all="ignore"):
                figures = (a.mean(), a.std(), a.min(), a.max())
            mean, std, low, high = (f"{x:.3g}" for x in figures)
            bad = int(np.count_nonzero(~np.isfinite(a)))
            note = f"{bad} not finite" if bad else f"{low} .. {high}"
            return f"({shape})", f"mean {mean}", f"std {std}", note
        return f"({shape})", a.dtype.name, "", f"{a.min()} .. {a.max()}"
    if isinstance(value, (list, tuple, dict)):
        return f"{type(value).__name__} of {len(value)}", "", "", ""
    words = repr(value)
    return words if len(words) < 24 else type(value).__name__, "", "", ""


def _print_verdicts(console: Console, report: Any) -> None:
    console.print(Text("\nreturned", style="bold"))
    table = Table.grid(padding=(0, 2, 0, 0))
    for a in report.arguments.values():
        word, style = MARK[a.verdict]
        exact = "" if a.autodiff is None else f"hand vs jax.grad {a.autodiff:.0e}"
        numeric = "" if a.numeric is None else f"hand vs differences {a.numeric:.0e}"
        seen = "" if a.resolution is None else f"would have seen {a.resolution:.0e}"
        table.add_row(f"  d{a.name}", exact, numeric, seen, Text(word, style=style))
    console.print(table)
    for finding in report.findings:
        console.print(Text(f"  {finding.message}", style="red"), soft_wrap=True)


def _short(file: str) -> str:
    parts = Path(file).parts
    return str(Path(*parts[-3:]))
