"""A corpus of gradients, right and wrong, as people write them: data for tests and for teachers.

Each `NAME.py` is a module as a user would have it: right pairs and `CASES`. Beside it, `NAME.toml`
lists mistakes, each as an edit of that text::

    [[bug]]
    pair = "affine"                  # the pair that becomes wrong, as the report names it
    argument = ["b"]                 # whose gradients are wrong
    kinds = ["mean-vs-sum"]          # the names that are acceptable
    before = "db = dout.sum(axis=0)"     # occurs once in the module
    after = "db = dout.mean(axis=0)"     # "" where a statement is missing
    seen = "where such a mistake was seen, if it was"

A module without a list is right code of an odd kind, which nothing may accuse. What stands in
`held_out` was written apart from the code that names mistakes and is never looked at in its making.
"""

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

HALVES = ("developed", "held_out")
FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Specimen:
    """One module text: the right one, or one of its mistakes.

    `lines` are those of the mistake in `source`, from 1; where statements are missing, the line
    before and the line after. `kinds`, `arguments` and `lines` are empty where the text is right.
    """

    name: str
    half: str
    source: str
    right: str
    pair: str = ""
    arguments: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    lines: tuple[int, ...] = ()


def specimens(half: str) -> Iterator[Specimen]:
    """All texts of one half, each right one before its mistakes.

    Raises:
        ValueError: an edit does not apply exactly once.

    >>> all(s.source == s.right for s in specimens("developed") if not s.kinds)
    True
    """
    for file in sorted((FOLDER / half).glob("*.py")):
        if file.stem == "__init__":
            continue
        right = file.read_text()
        yield Specimen(file.stem, half, right, right)
        listed = file.with_suffix(".toml")
        bugs = tomllib.loads(listed.read_text())["bug"] if listed.exists() else []
        for k, bug in enumerate(bugs):
            yield _mistaken(f"{file.stem}-{k}", half, right, bug)


def _mistaken(name: str, half: str, right: str, bug: dict) -> Specimen:
    before, after = bug["before"].strip("\n"), bug["after"].strip("\n")
    if right.count(before) != 1:
        raise ValueError(
            f"{half}/{name}: the text before occurs {right.count(before)} times; wanted once: "
            f"{before!r}"
        )
    source = right.replace(before, after)
    if not after:  # the lines go, if they hold nothing else
        kept, new = right.splitlines(keepends=True), source.splitlines(keepends=True)
        first = next(k for k, (a, b) in enumerate(zip(kept, new, strict=False)) if a != b)
        source = "".join(new if new[first].strip() else [*new[:first], *new[first + 1 :]])
    return Specimen(
        name,
        half,
        source,
        right,
        bug["pair"],
        tuple(bug["argument"]),
        tuple(bug["kinds"]),
        _changed(right.splitlines(), source.splitlines()),
    )


def _changed(old: list[str], new: list[str]) -> tuple[int, ...]:
    """The lines of `new` that differ from `old`; where lines are missing, those around the gap.

    >>> _changed(["a", "b", "c"], ["a", "x", "c"]), _changed(["a", "b", "c"], ["a", "c"])
    ((2,), (1, 2))
    """
    head = 0
    while head < min(len(old), len(new)) and old[head] == new[head]:
        head += 1
    tail = 0
    while tail < min(len(old), len(new)) - head and old[-1 - tail] == new[-1 - tail]:
        tail += 1
    if len(new) - tail > head:
        return tuple(range(head + 1, len(new) - tail + 1))
    return tuple(k for k in (head, head + 1) if 1 <= k <= len(new))
