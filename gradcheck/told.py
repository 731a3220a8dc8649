"""What is told of inputs in words: shapes in a docstring, or in a line such as "x: n d; w: d m".

Both become annotations of a stand-in for the function, so that one reader of shapes serves all.
"""

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gradcheck.shapes import read

FLOATS, INTS, BOOLS = ("float64", "float32"), ("int64",), ("bool",)
_TUPLE = re.compile(r"[(\[]\s*([A-Za-z0-9_*+. ]+(?:(?:,|\bx\b)[A-Za-z0-9_*+. ]*)*)[)\]]")
_SHAPE = re.compile(
    r"(?:shape|size|dims?|dimensions?)\W{0,4}?(?:of |is |= ?|: ?)?\W{0,2}?(?=[(\[])", re.I
)
_ENTRY = re.compile(
    r"^\s*(?:[-*]\s*|:param\s+)?`{0,2}([A-Za-z_]\w*(?:\s*,\s*[A-Za-z_]\w*)*)`{0,2}\s*(?::|\(|\bis\b|\bare\b|=|-)(.*)$"
)
_RANGE = re.compile(r"0\s*<=?\s*[\w\[\], ]+?\s*<\s*([A-Za-z_]\w*|\d+)")
_WHOLE = re.compile(
    r"\b(labels?|indices|index|ids?|integers?|ints?|word ids|int64|targets? class(es)?)\b", re.I
)
_BY = re.compile(r"\b([A-Za-z0-9_]+)\s?x\s?([A-Za-z0-9_]+)\b (?:array|matrix|vector)")
_LIST = re.compile(r"\blists? of (?:integers?|ints?|indices|ids)\b", re.I)
_PRODUCT = re.compile(r"\b([A-Za-z_]\w*)\s*=\s*([a-z]+)_?1\s*\*\s*\.\.\.")


class ShapeError(ValueError):
    """A line of shapes that cannot be read; the message says why."""


@dataclass(frozen=True)
class Told:
    """A declared array: axes in jaxtyping's form, dtypes, and the axis below which integers are."""

    dim_str: str
    dtypes: tuple[str, ...] = FLOATS
    below: str = ""


def in_line(text: str) -> dict[str, Told]:
    """The shapes of a line, by argument.

    Args:
        text: "x: n d; w: d m; y: n < c", sizes by name or number; "< c" stands for whole numbers
            from 0 up to c.

    Raises:
        ShapeError: it cannot be read so.

    >>> in_line("x: n d; y: n < c")["y"]
    Told(dim_str='n', dtypes=('int64',), below='c')
    """
    found = {}
    for part in filter(str.strip, text.split(";")):
        name, colon, axes = part.partition(":")
        axes, less, below = axes.partition("<")
        name, below = name.strip(), below.strip()
        if not colon or not name.isidentifier() or (less and not re.fullmatch(r"\w+", below)):
            raise ShapeError(
                f'--shapes: cannot read {part.strip()!r}; wanted e.g. "x: n d; y: n < c"'
            )
        axes = axes.replace(",", " ").strip("() ")
        try:
            read(name, Told(axes))
        except ValueError as error:
            raise ShapeError(f"--shapes: {error}") from None
        found[name] = Told(axes, INTS if less else FLOATS, below)
    return found


def in_docstring(text: str | None) -> dict[str, Told]:
    """The shapes that a docstring gives, by argument.

    >>> in_docstring('''- x: Input data of shape (N, d_1, ..., d_k)
    ... - y: Vector of labels, of shape (N,) where 0 <= y[i] < C''')
    ... # doctest: +NORMALIZE_WHITESPACE
    {'x': Told(dim_str='N *d', dtypes=('float64', 'float32'), below=''),
     'y': Told(dim_str='N', dtypes=('int64',), below='C')}
    """
    found: dict[str, Told] = {}
    for names, words in _entries(inspect.cleandoc(text or "")):
        told = _of_words(words)
        for name in names:
            if told:
                found.setdefault(name, told)
    return found


def _entries(text: str) -> list[tuple[list[str], str]]:
    """(names, words) of each line that begins with names, with the lines that go on."""
    entries: list[tuple[list[str], str]] = []
    text = re.sub(r"[.;]\s+(?=[A-Za-z_]\w*\s*:)", "\n", text)  # several in one line
    for line in text.splitlines():
        match = _ENTRY.match(line)
        if re.match(r"\s*(returns?|outputs?|raises)\b", line, re.I):
            entries.append(([], ""))
            if not match or not match[2].strip():
                break  # what follows is no input
        elif match:
            rest = line[match.end(1) :].lstrip("` ")
            names = [n.strip() for n in match[1].split(",")]
            entries.append((names, rest))
        elif entries:
            names, words = entries[-1]
            entries[-1] = (names, f"{words} {line.strip()}")
    return entries


def _of_words(words: str) -> Told | None:
    axes = "T" if _LIST.search(words) else None
    if axes:
        return Told(axes, INTS)
    for place in [m.end() for m in _SHAPE.finditer(words)] + [0]:
        match = _TUPLE.match(words, place) if place else _first_tuple(words)
        if match:
            axes = _axes(match[1])
        if axes is not None:
            break
    if axes is None and (by := _BY.search(words)):
        axes = _axes(f"{by[1]},{by[2]}")
    if axes is None:
        return None
    below = _RANGE.search(words)
    if below or _WHOLE.search(words.split("shape")[0]):
        return Told(axes, INTS, below[1] if below else "")
    return Told(axes, BOOLS if re.search(r"\bbool(ean)?\b", words, re.I) else FLOATS)


def _first_tuple(words: str) -> "re.Match[str] | None":
    """The first parenthesis that can only be a shape: names and numbers between commas."""
    return next((m for m in _TUPLE.finditer(words) if re.search(r",|\bx\b", m[1])), None)


def _axes(inside: str) -> str | None:
    """Axes in jaxtyping's form, or None where they are something else.

    >>> _axes("N, d_1, ..., d_k"), _axes("N,"), _axes("D, 4H"), _axes("batch size, n")
    ('N *d', 'N', 'D 4*H', None)
    """
    parts = [p.strip() for p in re.split(r",|\bx\b", inside)]
    parts = [p for p in parts if p]
    if "..." in parts:
        k = parts.index("...")
        if k == 0 or k + 1 >= len(parts):
            return None
        name = re.sub(r"_?\w$", "", parts[k - 1]) or "d"
        parts[k - 1 : k + 2] = [f"*{name}"]
    parts = [re.sub(r"^(\d+)\s*\*?\s*([A-Za-z_]\w*)$", r"\1*\2", p) for p in parts]
    text = " ".join(parts)
    try:
        return text if parts and len(text.split()) == len(parts) and read("", Told(text)) else None
    except ValueError:
        return None


def products(text: str | None) -> dict[str, str]:
    """Axes that are all the axes of a starred name together, as in ``D = d_1 * ... * d_k``."""
    return {m[1]: m[2] for m in _PRODUCT.finditer(text or "")}


def stand_in(name: str, parameters: dict[str, Any]) -> Callable:
    """A function of this name and these annotated parameters, for the reader of shapes.

    >>> from gradcheck.shapes import specs
    >>> [str(s) for s in specs(stand_in("f", {"x": Told("N D")}))]
    ['(N, D)']
    """

    def f() -> None: ...

    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    f.__name__ = name
    f.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [inspect.Parameter(n, kind, annotation=a) for n, a in parameters.items()]
    )
    return f
