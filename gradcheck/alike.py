"""One small change at several places of a statement at once.

Who forgets a transpose in one term of a sum forgets it in the next, and who takes the wrong gate
takes it in its slope too: o * (1 - o) for f * (1 - f). No change at one place makes more of such a
gradient right.
"""

import ast
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, islice

from gradcheck.edits import Edit
from gradcheck.files import File
from gradcheck.scope import distance, stored
from gradcheck.sites import values
from gradcheck.syntax import called, changed, expression, filled, is_a, literal, turned

PAIRS = 45  # of values that are exchanged in a statement
TERMS = 200  # that are tried as one more of a sum


@dataclass(frozen=True)
class Idea:
    """A statement as it could be: where it is, its new nodes, and the edit that writes it."""

    at: tuple[int, int]  # line and column
    new: tuple[ast.stmt, ...]
    edit: Callable[[], Edit]
    grows: int = 0  # by so many nodes


def alike(file: File, stmt: ast.stmt, similar: Mapping[str, Sequence[str]]) -> Iterator[Idea]:
    """Another name, and transposes, throughout a statement; another key wherever one stands.

    Args:
        file: where it stands.
        stmt: the statement.
        similar: the names that may be taken for a name.

    >>> file = File("def f_backward(dy, a, b, c):\\n    return dy @ a + b * (1 - b) @ a")
    >>> stmt = file.by_name["f_backward"].node.body[0]
    >>> [i.edit().after for i in alike(file, stmt, {"b": ("c",)})][:2]
    ['return dy @ a + c * (1 - c) @ a', 'return dy @ a.T + b * (1 - b) @ a.T']
    """
    reads: dict[str, list[ast.expr]] = {}
    for node in ast.walk(stmt):
        if isinstance(node, ast.Name) and not stored(node):
            reads.setdefault(node.id, []).append(node)
    for name, nodes in reads.items():
        several = [n for n in (nodes, sorted(nodes, key=file.span)[1:]) if len(n) > 1]
        for other in similar.get(name, ()):
            for some in several:
                yield _in_all(file, stmt, dict.fromkeys(some, expression(other)))
    products = [n for n in ast.walk(stmt) if is_a(n, ast.MatMult)]
    keys = [n for n in ast.walk(stmt) if isinstance(getattr(n, "value", None), str)]
    for node in keys:
        for key in file.keys:
            yield _in_all(file, stmt, {node: key})  # type: ignore[dict-item]
    right, left = ([getattr(p, side) for p in products] for side in ("right", "left"))
    ends = [f for f in (*left, *right) if not is_a(f, ast.MatMult)]
    for factors in (right, left, *combinations(ends[:4], 2)):
        if len(factors) > 1:
            yield _in_all(file, stmt, {f: turned(f) for f in factors})


def popped(file: File, stmt: ast.stmt, steps: Sequence[str]) -> Iterator[Idea]:
    """What a pop takes out of a list read from it instead, at the step of a loop."""
    for call in (n for n in ast.walk(stmt) if isinstance(n, ast.Call) and not n.args):
        if called(call) == "pop" and isinstance(call.func, ast.Attribute):
            for step in steps:
                yield _in_all(file, stmt, {call: filled(expression(f"_[{step}]"), call.func.value)})


def everywhere(file: File, stmt: ast.stmt, names: Sequence[str]) -> Iterator[Idea]:
    """All over a statement: two values exchanged, a factor or function left out, another axis."""
    calls = [n for n in ast.walk(stmt) if isinstance(n, ast.Call) and len(n.args) == 1]
    axes = [n for n in ast.walk(stmt) if isinstance(n, ast.keyword) and n.arg == "axis"]
    scaled: dict[str, list[ast.BinOp]] = {}
    for node in ast.walk(stmt):
        if is_a(node, ast.Mult) or is_a(node, ast.Div):
            mark = ast.dump(node.op) + ast.dump(node.right)  # type: ignore[attr-defined]
            scaled.setdefault(mark, []).append(node)  # type: ignore[arg-type]
    yield from _exchanged(file, stmt)
    yield from _numbers(file, stmt, names)
    yield from _siblings(file, stmt)
    yield from _next_term(file, stmt, names)
    for products in (p for p in scaled.values() if len(p) > 1):
        yield _in_all(file, stmt, {p: p.left for p in products})
    alike: dict[str, list[ast.expr]] = {}
    for node in (*calls, *(k.value for k in axes)):
        alike.setdefault(ast.dump(node), []).append(node)
    for spots in alike.values():
        first, *others = spots
        if not others:
            continue
        if isinstance(first, ast.Call):
            yield _in_all(file, stmt, dict.fromkeys(spots, first.args[0]))
        else:
            for axis in ("0", "1", "-1"):
                yield _in_all(file, stmt, dict.fromkeys(spots, expression(axis)))


def _exchanged(file: File, stmt: ast.stmt) -> Iterator[Idea]:
    """Each of two values in the place of the other: a @ u + b @ v for a @ v + b @ u."""
    spots: dict[str, list[ast.expr]] = {}
    for node in _named(stmt):
        spots.setdefault(ast.unparse(node), []).append(node)
    for (a, here), (b, there) in islice(combinations(spots.items(), 2), PAIRS):
        new = dict.fromkeys(here, expression(b)) | dict.fromkeys(there, expression(a))
        inner = (n for spot in new for n in ast.walk(spot) if n is not spot)
        if not any(n in new for n in inner):  # else one holds the other
            yield _in_all(file, stmt, new)


def _numbers(file: File, stmt: ast.stmt, names: Sequence[str]) -> Iterator[Idea]:
    """A name for a number that stands several times, with either sign."""
    spots: dict[str, list[ast.expr]] = {}
    for node in ast.walk(stmt):
        if isinstance(node, ast.Constant) and isinstance(node.value, float):
            spots.setdefault(repr(node.value), []).append(node)
    for several in (s for s in spots.values() if len(s) > 1):
        for name in (*names, *file.constants):
            yield _in_all(file, stmt, dict.fromkeys(several, expression(name)))


def _named(stmt: ast.stmt) -> list[ast.expr]:
    """The values of a statement that have names, and those that have keys in a dict."""
    nodes = [s.node for s in values(stmt)]
    return [n for n in nodes if isinstance(n, ast.Name) or _is_entry(n)]


def _is_entry(node: ast.expr) -> bool:
    return isinstance(node, ast.Subscript) and isinstance(literal(node.slice), str)


def _next_term(file: File, stmt: ast.stmt, names: Sequence[str]) -> Iterator[Idea]:
    """One more term like the last of a sum, of an entry and a name that are not in it yet."""
    whole = getattr(stmt, "value", None)
    if not isinstance(whole, ast.BinOp) or not isinstance(whole.op, ast.Add):
        return
    last = whole.right
    within = {id(n) for n in ast.walk(last)}
    inner = [n for n in _named(stmt) if id(n) in within]
    entries = [n for n in inner if isinstance(n, ast.Subscript)]
    dicts = {n.value.id for n in entries if isinstance(n.value, ast.Name)}
    arrays = [n for n in inner if isinstance(n, ast.Name) and n.id not in dicts]
    if len(entries) != 1 or len(arrays) != 1:
        return
    (entry,), (array,) = entries, arrays
    here = set(map(ast.unparse, _named(stmt)))
    others = {k.value: changed(entry, {id(entry.slice): k}) for k in file.keys}  # type: ignore[attr-defined]
    pairs = [
        (distance(key, literal(entry.slice)) + distance(name, array.id), other, name)
        for key, other in others.items()
        for name in names
        if name not in here and ast.unparse(other) not in here
    ]
    for _, other, name in sorted(pairs, key=lambda pair: pair[0])[:TERMS]:
        new = changed(last, {id(entry): other, id(array): expression(name)})
        yield _in_all(file, stmt, {last: ast.BinOp(last, ast.Add(), new)})


def _siblings(file: File, stmt: ast.stmt) -> Iterator[Idea]:
    """Another function of the file that takes as much: drelu(x) for relu(x)."""
    takes = {n: len(f.node.args.args) for n, f in file.by_name.items()}
    calls = [n for n in ast.walk(stmt) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)]
    for name in dict.fromkeys(called(n) for n in calls if called(n) in takes):
        spots = [n.func for n in calls if called(n) == name]
        for other in (n for n in takes if n != name and takes[n] == takes[name]):
            yield _in_all(file, stmt, dict.fromkeys(spots, expression(other)))


def _in_all(file: File, stmt: ast.stmt, new: Mapping[ast.expr, ast.expr]) -> Idea:
    """Other expressions for some in a statement."""

    def edit() -> Edit:
        start, end = file.span(stmt)
        words = file.data[start:end]
        for spot in sorted(new, key=lambda s: -file.span(s)[0]):
            a, b = (p - start for p in file.span(spot))
            word = ast.unparse(new[spot])
            if getattr(new[spot], "left", None) is spot:  # it stays as it is written
                kept = ast.BinOp(ast.Name("_"), new[spot].op, new[spot].right)  # type: ignore[attr-defined]
                word = ast.unparse(kept).replace("_", words[a:b].decode(), 1)
            if b'"' in words[a:b] and b"'" not in words[a:b] and '"' not in ast.unparse(new[spot]):
                word = word.replace("'", '"')
            words = words[:a] + word.encode() + words[b:]
        return file.written("function", stmt, start, end, words.decode())

    other = ast.fix_missing_locations(changed(stmt, {id(s): node for s, node in new.items()}))
    return Idea((stmt.lineno, stmt.col_offset), (other,), edit)
