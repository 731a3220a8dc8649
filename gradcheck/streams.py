"""Which larger edits of a function are tried together, the likelier before the others."""

import ast
from collections.abc import Container, Iterator, Sequence

from gradcheck.alike import Idea, alike, everywhere, popped
from gradcheck.files import File
from gradcheck.ideas import JOINED, MANY, Ideas
from gradcheck.sites import Site, values
from gradcheck.syntax import expression

SPREAD = ":, None", "..., None"
# the names of mistakes that are mended so
_TERM = """
    missing-term missing-recurrent-term softmax-diagonal-only overwrites-instead-of-accumulates
"""
_FACTOR = """
    activation-derivative-missing constant-factor mean-vs-sum scale-by-keep-probability mask
    ignores-upstream
"""
MISSING = {"term": _TERM.split(), "factor": _FACTOR.split()}
SLOPED = {"unnamed", "wrong-operand", "mask", "forward-backward-variant-mismatch"}
SLOPED |= {"activation-derivative-missing", "activation-derivative-misplaced"}


def ideas(file: File, name: str, lines: Container[int], large: bool) -> Iterator[Iterator[Idea]]:
    """Larger edits of the statements of one function that begin in some lines.

    `large` ones are built of the expressions of the file: many more than the others.

    >>> text = "def f_backward(dy, h):\\n    a = dy * (1 - h**2)\\n    b = dy\\n    return a + b"
    >>> several = ideas(File(text), "f_backward", {3}, large=True)
    >>> "b = dy * (1 - h ** 2)" in [i.edit().after for stream in several for i in stream]
    True
    """
    work = Ideas(file, name)
    given, chosen = work.given, work.begun_in(lines)
    if large:
        yield (i for s in chosen for i in work.replaced(s, given.expressions))
        yield (i for s in chosen for i in work.joined(s, given.expressions))
        yield (i for s in chosen for i in work.replaced(s, given.calls))
        yield (i for s in chosen for i in work.replaced(s, given.softmaxes))
        yield (i for s in chosen for i in work.joined(s, given.products))
        yield (i for s in chosen for i in work.joined(s, given.scaled))
    else:
        yield (i for s in chosen for i in (*work.uncropped(s), *alike(file, s, work.similar)))
        yield (i for s in chosen for i in (*work.copied(s), *work.permuted(s)))
        yield (i for s in chosen for i in (*work.replaced(s, given.alone), *work.unpacked(s)))
        yield (i for s in chosen for i in work.joined(s, [*given.alone, *given.numbers]))
        yield (i for s in chosen for i in work.applied(s))
        yield (i for s in chosen for i in work.repeated(s))


def suggested(
    file: File, name: str, lines: Container[int], kinds: Container[str]
) -> Iterator[Iterator[Idea]]:
    """Terms, factors and sums of whole values, where the name of the mistake asks for them."""
    joins = [j for j in JOINED if any(k in kinds for k in MISSING[j[0]])]
    if not joins and "unreduced-broadcast" not in kinds:
        return
    work = Ideas(file, name)
    given, chosen = work.given, work.begun_in(lines)
    if "unreduced-broadcast" in kinds:
        yield (i for s in chosen for i in work.summed(s))
    others = [*given.expressions, *given.alone, *given.numbers]
    yield (i for s in chosen for i in work.joined(s, others, joins, whole=True))
    yield (i for s in chosen for i in work.joined(s, given.products, joins[:2], whole=True))


def rules(file: File, name: str, lines: Container[int]) -> Iterator[Iterator[Idea]]:
    """Slopes of activations, other sizes: more than a handful for each statement."""
    work = Ideas(file, name)
    chosen = work.begun_in(lines)
    yield (i for s in chosen for i in work.ruled(s))
    spread = [expression(f"{n}[{i}]") for n in work.given.arrays[:MANY] for i in SPREAD]
    yield (i for s in chosen for i in work.joined(s, spread, JOINED[:2]))


def few(
    file: File, name: str, lines: Container[int], kinds: Sequence[str]
) -> Iterator[Iterator[Idea]]:
    """One change throughout a statement, another rule, dy as a factor: a handful for each."""
    work = Ideas(file, name)
    chosen = work.begun_in(lines)
    names = work.given.names
    yield (i for s in chosen for i in (*everywhere(file, s, names), *work.meant(s)))
    yield (i for s in chosen for i in (*work.led(s), *work.helped(s)))
    yield (i for s in chosen for i in (*work.operands(s), *work.mirrored(s)))
    yield (i for s in chosen for i in (*work.exchanged(s), *work.counted_off(s)))
    if not kinds or SLOPED.intersection(kinds):
        yield (i for s in chosen for i in work.sloped(s))


def cached(file: File, name: str, lines: Container[int]) -> Iterator[Iterator[Idea]]:
    """Another value of the forward in the place of one that it returns beside its outputs."""
    work = Ideas(file, name)
    names = [expression(n) for n in work.given.arrays]
    for stmt in (s for s in work.begun_in(lines) if isinstance(s, ast.Return)):
        kept = getattr(stmt.value, "elts", [])[1:]
        inner = {id(n) for k in kept for n in ast.walk(k)} - file.called_the_same
        sites = [s for s in values(stmt) if id(s.node) in inner]
        sites = [s for s in sites if _is_entry(s) or isinstance(s.node, ast.Name)]
        yield (work.idea("name", stmt, s, n) for s in sites for n in names)


def _is_entry(site: Site) -> bool:
    return isinstance(site.parent, (ast.Tuple, ast.List, ast.Dict))


def untouched(file: File, name: str, lines: Container[int]) -> Iterator[Iterator[Idea]]:
    """What is written into copied before, what is taken out of a list only read."""
    work = Ideas(file, name)
    chosen = work.begun_in(lines)
    yield (i for s in chosen for i in work.copied(s))
    yield (i for s in chosen for i in popped(file, s, work.given.steps))


def valued(
    file: File, name: str, lines: Container[int], found: Sequence[tuple[ast.expr, bool]]
) -> Iterator[Iterator[Idea]]:
    """Expressions in the place of whole values, or, if so marked, added to them."""
    work = Ideas(file, name)
    chosen = work.begun_in(lines)
    for node, added in found:
        less = isinstance(node, ast.UnaryOp)
        other, join = (node.operand, JOINED[1]) if less else (node, JOINED[0])  # type: ignore[attr-defined]
        if added:
            yield (i for s in chosen for i in work.joined(s, [other], [join], whole=True))
        else:
            yield (i for s in chosen for i in (*work.made(s, node), *work.replaced(s, [node])))
