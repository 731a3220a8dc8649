"""Step through a forward and its hand backward: every assignment, with its shape and statistics."""

import ast
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.text import Text

from gradcheck import autodiff
from gradcheck.checks import check_subject, cotangent
from gradcheck.discovery import Check
from gradcheck.instrument import Hook, Site, watching
from gradcheck.report import Report
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

    def call(self, site: Site, f: Callable, /, *args: Any, **kwargs: Any) -> Any:
        if not self.observes(f):
            return f(*args, **kwargs)
        before = len(self.steps)
        self.depth += 1
        try:
            return f(*args, **kwargs)
        finally:
            self.depth -= 1
            given = (*args, *kwargs.values())
            if given and all(map(_is_size, given)):
                del self.steps[before:]  # sizes from sizes: no part of the mathematics

    def assign(self, site: Site, value: Any) -> Any:
        # reading and checking declared shapes is no part of the mathematics
        if Path(site.file).name != "shapes.py":
            kept = value.copy() if isinstance(value, np.ndarray) else value
            self.steps.append(Step(site, self.depth, kept))
        return value

    augment = assign


def _is_size(value: Any) -> bool:
    """Whether a value is an option or a size, or made of such."""
    if isinstance(value, (tuple, list)):
        return all(map(_is_size, value))
    return value is None or isinstance(value, (int, np.integer, str, slice))


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

    console = Console(highlight=False, markup=False, soft_wrap=True)
    names = axis_names(subject.axes)
    words = [f"{k}={v}" for k, v in (*subject.axes.items(), *subject.config.items())]
    console.print(Text(f"{check.name}  {', '.join(words)}  seed {seed}", style="bold"))
    _heading(console, "given")
    for name, value in zip(subject.names, subject.arrays, strict=True):
        _print_value(console, 2, name, value, names)
    _print_steps(console, "forward", forward, names)
    _heading(console, "upstream")
    for k, v in enumerate(dy):
        _print_value(console, 2, "dy" if ran.single else f"dy[{k}]", v, names)
    _print_steps(console, "backward", backward, names)
    _print_verdicts(console, report)
    return {"fail": 1, "unresolved": 2}.get(report.verdict, 0)


def axis_names(sizes: dict[str, Any]) -> dict[int, str]:
    """Which axis a size belongs to; a size that two axes share belongs to none.

    >>> axis_names({"N": 2, "H": 5})[20]
    '4*H'
    """
    flat = [
        (name, s)
        for name, size in sizes.items()
        for s in (size if isinstance(size, tuple) else (size,))
    ]
    names = {4 * s: f"4*{n}" for n, s in flat} | {s: n for n, s in flat}
    taken = [s for _, s in flat]
    return {s: n for s, n in names.items() if taken.count(s) < 2}


def _heading(console: Console, title: str) -> None:
    console.print(Text(f"\n{title}", style="bold"))


def _print_steps(console: Console, title: str, steps: list[Step], names: dict[int, str]) -> None:
    _heading(console, title)
    place: tuple[str, str, int] = ("", "", 0)
    for step in steps:
        site, indent = step.site, 2 * step.depth
        if place != (site.file, site.function, step.depth):
            place = (site.file, site.function, step.depth)
            where = Path(*Path(site.file).parts[-3:])
            console.print(Text(f"  {'':{indent}}{site.function}  {where}", style="cyan"))
        console.print(f"{site.line:>5}  {'':{indent}}{' '.join(site.code.split())}")
        for name, value in _parts(step):
            _print_value(console, 11 + indent, name, value, names)


def _parts(step: Step) -> list[tuple[str, Any]]:
    """The arrays and numbers that a step made, by name; what it only passes on is left out."""
    node = ast.parse(step.site.code).body[0]
    if isinstance(node, ast.Return):
        made = node.value
    elif isinstance(node, ast.Assign):
        made = node.targets[0]
    else:
        assert isinstance(node, (ast.AugAssign, ast.AnnAssign))
        made = node.target
    assert made is not None
    parts = [(made, step.value)]
    several = isinstance(step.value, (tuple, list))
    if several and isinstance(made, (ast.Tuple, ast.List)) and len(made.elts) == len(step.value):
        parts = list(zip(made.elts, step.value, strict=True))
    if isinstance(node, ast.Return):
        parts = [(e, v) for e, v in parts if not isinstance(e, (ast.Name, ast.Tuple))]
    return [
        (ast.unparse(e), v)
        for e, v in parts
        if isinstance(v, (np.ndarray, np.generic, int, float)) and not isinstance(v, str)
    ]


def _print_value(console: Console, indent: int, name: str, value: Any, names: dict) -> None:
    """One line: name, shape with axis names, mean, standard deviation, least and greatest."""
    if not isinstance(value, (np.ndarray, np.floating)):
        console.print(Text(f"{'':{indent}}{name:<9} {value!r}", style="dim"))
        return
    a = np.asarray(value)
    shape = " ".join(f"{names[n]}={n}" if n in names else str(n) for n in a.shape)
    line = f"{'':{indent}}{name:<9} {f'({shape})':<17} "
    if a.dtype.kind != "f":
        line += f"{a.dtype}, {a.min()} .. {a.max()}"
    elif not np.isfinite(a).all():
        line += f"{np.count_nonzero(~np.isfinite(a))} of {a.size} entries are not finite"
    elif a.ndim == 0:
        line += f"{a:.4g}"
    else:
        line += f"mean {a.mean():<8.3g} std {a.std():<7.3g} {a.min():.3g} .. {a.max():.3g}"
    console.print(Text(line, style="dim"))


def _print_verdicts(console: Console, report: Report) -> None:
    _heading(console, "returned")
    for a in report.arguments.values():
        word, style = MARK[a.verdict]
        figures = [
            f"hand vs jax.grad {a.autodiff:.0e}" if a.autodiff is not None else "",
            f"hand vs differences {a.numeric:.0e}" if a.numeric is not None else "",
            f"would have seen {a.resolution:.0e}" if a.resolution is not None else "",
        ]
        line = Text(f"  d{a.name:<8} ")
        line.append(f"{word:<8}", style=style).append("  " + "  ".join(filter(None, figures)))
        console.print(line)
    for finding in report.findings:
        console.print(Text(f"  {finding.message}", style="red"))
