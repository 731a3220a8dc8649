"""What a search for a repair is given, what it tries, and what it finds."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from types import CodeType, FunctionType

from gradcheck.edits import Edit
from gradcheck.schema import CHOICE, Variant, compiled
from gradcheck.subjects import Subject


@dataclass(frozen=True)
class Job:
    """What the search is told: where the pair is, and its draws, first the one that failed.

    `subjects` come without their functions. `seconds` are those left to it, of the processor;
    `lines` are tried first; `skip` are candidates that hung; `trusted` functions are edited last;
    `kinds` are names that the mistake may have.
    """

    file: str
    module: str
    forward: str
    backward: str
    subjects: tuple[Subject, ...]
    lines: tuple[int, ...]
    seconds: float
    seed: int
    path: tuple[str, ...] = ()
    skip: frozenset[str] = frozenset()
    trusted: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()


@dataclass(frozen=True)
class Right:
    """Edits after which the pair is right, the mistake that they undo, the text with all of them.

    `order` is when the last of them was tried. After them `right` statements compute gradients of
    values of the forward, and `named` ones those that they are called. A fix is `doubtful` (2)
    where what was such a gradient is none any more, (1) where one is made right only as it is
    returned.
    """

    edits: tuple[Edit, ...]
    kind: str
    source: str
    order: tuple
    doubtful: int = 0
    right: int = 0
    named: int = 0


@dataclass(frozen=True)
class Candidate:
    """An edit, perhaps after another one, and the functions with the code that runs it.

    `edit` is made when it is wanted; `key` tells candidates apart.
    """

    edit: Callable[[], Edit]
    function: FunctionType
    codes: dict[FunctionType, CodeType]
    choice: int
    key: str
    order: tuple
    before: "Candidate | None" = None

    @property
    def edits(self) -> tuple[Edit, ...]:
        return (*(self.before.edits if self.before else ()), self.edit())

    @property
    def functions(self) -> tuple[FunctionType, ...]:
        return (*(self.before.functions if self.before else ()), self.function)

    @contextlib.contextmanager
    def installed(self) -> Iterator[None]:
        before = [(f, f.__code__) for f in self.codes]
        try:
            for f, code in self.codes.items():
                f.__globals__[CHOICE] = self.choice
                f.__code__ = code
            yield
        finally:
            for f, code in before:
                f.__code__ = code

    def alone(self) -> "Candidate":
        """The same with code that holds nothing else."""
        source = self.edit().source
        return replace(self, codes={f: compiled(source, f) for f in self.functions})


@dataclass(frozen=True)
class Item:
    """What a candidate is made of: a variant of a statement of f, or None, and its edit."""

    function: FunctionType
    variant: Variant | None
    edit: Callable[[], Edit]
    order: tuple
