"""Lines of a backward: the candidates that are told, and what is known of each line meanwhile."""

import ast
import linecache
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gradcheck.instrument import Site
from gradcheck.taps import Tap, statement

Array = np.ndarray


@dataclass(frozen=True)
class Candidate:
    """A line that may be the wrong one, and why."""

    file: str
    line: int
    function: str
    code: str
    why: str


def distinct(candidates: Iterable[Candidate]) -> tuple[Candidate, ...]:
    """One candidate for each line, the first."""
    found: dict[tuple[str, int], Candidate] = {}
    for c in candidates:
        found.setdefault((c.file, c.line), c)
    return tuple(found.values())


@dataclass
class Line:
    """The taps of one statement, and what changing them does."""

    order: int
    taps: list[Tap]
    reaches: bool = True  # every wrong entry
    possible: bool = True  # whether it can be the only wrong line
    tested: bool = False  # by its range, not by reach alone
    rank: int = 0  # of d(returned)/d(result), as far as it was found
    solved: str = ""  # what makes every gradient right
    right: str = ""  # the forward value whose gradient its result is
    wanted: str = ""  # the forward value whose gradient its result would have to be
    lacks: str = ""  # what would have to be added to its result
    again: bool = False  # its result is an earlier one, moved at most
    probes: list[tuple[Array, Array]] = field(default_factory=list)
    steps: list[Array] = field(default_factory=list)  # by cotangent, what makes all right

    @property
    def site(self) -> Site:
        return self.taps[0].site

    @property
    def function(self) -> str:
        return self.site.function.split(".")[-1]

    @property
    def injected(self) -> list[Tap]:
        """The float taps; of an array that is written in parts only the whole, at the end."""
        floats = [t for t in self.taps if t.is_float and t.size]
        whole = list({t.part: t for t in floats if t.part[:1] == ("into",)}.values())
        about = statement(self.site.code)
        if whole and not about.unpacks and self.taps[0].site.target != "return":
            return whole
        return [t for t in floats if t.part[:1] != ("into",)] + whole


def loops_around(file: str, line: int) -> list[tuple[int, str]]:
    """(line, text) of the heads of the loops around a line of a file."""
    return [
        (n.lineno, linecache.getline(file, n.lineno).strip())
        for n in ast.walk(ast.parse("".join(linecache.getlines(file))))
        if isinstance(n, (ast.For, ast.While)) and n.lineno < line <= (n.end_lineno or 0)
    ]


def shaken(t: Tap, rng: np.random.Generator) -> tuple[str, Any]:
    """A change of every entry of a result, at random."""
    value = np.asarray(t.value)
    if value.dtype.kind == "f":
        scale = float(np.max(np.abs(value), initial=0.0)) or 1.0
        return "add", scale * rng.uniform(0.5, 1.5, value.shape)
    new = ~value if value.dtype.kind == "b" else value + 1
    return "set", new if isinstance(t.value, np.ndarray) else type(t.value)(new)
