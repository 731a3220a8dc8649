"""Many variants of a function in one code object, so that trying one costs a run, not a compile.

Each edited statement stands beside the original, and a global says which of them runs. Line numbers
are those of the file.
"""

import ast
from collections import defaultdict
from collections.abc import Iterator
from functools import lru_cache
from types import CodeType, FunctionType
from typing import Any

from gradcheck.attributes import joined, split
from gradcheck.edits import Edit

CHOICE = "__gradcheck_choice__"


def compiled(text: str, f: FunctionType) -> CodeType:
    """The code of f as it is in a text in which it begins where it did.

    Raises:
        ValueError: the text holds no such function at its top, or not the same names around it.
        SyntaxError: it is no Python there.
    """
    return _code(_tree(text, f), f)


Variant = tuple[tuple[int, int], tuple[ast.stmt, ...]]  # line and column of a statement; others


def merged(text: str, f: FunctionType, variants: dict[int, Variant]) -> CodeType:
    """The code of f with variants of its statements; variant k runs where `CHOICE` is k.

    Raises:
        ValueError, SyntaxError: as `compiled`; TypeError: a variant is no tree of Python.
    """
    tree = _tree(text, f)
    by_place = defaultdict(list)
    for k, (at, new) in variants.items():
        by_place[at].append((k, new))
    for block in _blocks(tree):
        for i, stmt in enumerate(block):
            beside = by_place.get((stmt.lineno, stmt.col_offset))
            if beside and not hasattr(stmt, "body"):
                block[i] = _chosen(stmt, beside)
    return _code(split(tree) if _has_attributes(text) else tree, f)


def located(text: str, f: FunctionType, edits: list[Edit]) -> list[Variant | None]:
    """The edits as variants; None for those that change more than one simple statement."""
    starts, data = _starts(text), text.encode()
    spans = []
    for block in _blocks(_tree(text, f)):
        for stmt in block:
            if not hasattr(stmt, "body"):
                begin = starts[stmt.lineno - 1] + stmt.col_offset
                end = starts[(stmt.end_lineno or 0) - 1] + (stmt.end_col_offset or 0)
                spans.append((begin, end, (stmt.lineno, stmt.col_offset)))

    def variant(edit: Edit) -> Variant | None:
        at = next(((b, e, place) for b, e, place in spans if b <= edit.at < e), None)
        new = () if edit.after.endswith(":") else _parsed(edit.after)
        if at is None or len(new) != 1 or hasattr(new[0], "body"):
            return None
        same = data[at[0] : at[1]].split() == edit.before.encode().split()
        return (at[2], new) if same else None

    return [variant(e) for e in edits]


def _tree(text: str, f: FunctionType) -> ast.Module:
    """The function alone, at the lines where it stands; a method in a class of its name."""
    first = f.__code__.co_firstlineno
    lines = text.splitlines(keepends=True)[first - 1 : _end(text, f)]
    *_, owner, _ = ("", *f.__qualname__.split("."))
    head = f"class {owner}:\n" if owner else "\n"
    tree = ast.parse("\n" * (first - 2) + head * (first > 1) + "".join(lines))
    tree.body[:0] = _imports(text)  # calls of what is imported compile to other code
    return tree


def _end(text: str, f: FunctionType) -> int:
    """Its last line."""
    first = f.__code__.co_firstlineno
    for name, start, end in _functions(text):
        if name == f.__qualname__ and start == first:
            return end
    raise ValueError(f"no function {f.__qualname__} in line {first} of the text")


@lru_cache(maxsize=512)
def _imports(text: str) -> list[ast.stmt]:
    """The imports of a module, outside its functions."""

    def within(body: list[ast.stmt]) -> Iterator[ast.stmt]:
        for node in body:
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                yield node
            elif not isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                for block in _blocks_of(node):
                    yield from within(block)

    return list(within(ast.parse(text).body))


@lru_cache(maxsize=512)
def _functions(text: str) -> list[tuple[str, int, int]]:
    """(qualified name, first line, last line) of the functions at the top and in classes."""
    found = []

    def within(body: list[ast.stmt], prefix: str) -> None:
        for node in body:
            if isinstance(node, ast.FunctionDef):
                start = min([node.lineno, *(d.lineno for d in node.decorator_list)])
                found.append((prefix + node.name, start, node.end_lineno or start))
            elif isinstance(node, ast.ClassDef):
                within(node.body, f"{prefix}{node.name}.")

    within(ast.parse(text).body, "")
    return found


@lru_cache(maxsize=512)
def _has_attributes(text: str) -> bool:
    """Whether variants may hold names that stand for attributes, which takes long to find out."""
    names = (n.id for n in ast.walk(joined(ast.parse(text))) if isinstance(n, ast.Name))
    return any("." in name for name in names)


def _code(tree: ast.Module, f: FunctionType) -> CodeType:
    made = compile(tree, f.__code__.co_filename, "exec", dont_inherit=True)
    first = f.__code__.co_firstlineno
    codes = [
        c
        for outer in (made, *_inside(made))
        for c in _inside(outer)
        if c.co_name == f.__name__ and c.co_firstlineno == first
    ]
    if len(codes) != 1 or codes[0].co_freevars != f.__code__.co_freevars:
        raise ValueError(f"{f.__name__} is another function now")
    return codes[0]


def _inside(code: CodeType) -> list[CodeType]:
    return [c for c in code.co_consts if isinstance(c, CodeType)]


def _starts(text: str) -> list[int]:
    starts = [0]
    for line in text.encode().splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    return starts


def _blocks(tree: ast.AST) -> Iterator[list[ast.stmt]]:
    for node in ast.walk(tree):
        yield from _blocks_of(node)


def _blocks_of(node: ast.AST) -> Iterator[list[ast.stmt]]:
    for field in ("body", "orelse", "finalbody"):
        block = getattr(node, field, None)
        if isinstance(block, list):
            yield block


@lru_cache(maxsize=65536)
def _parsed(text: str) -> tuple[ast.stmt, ...]:
    try:
        return tuple(ast.parse(text).body)
    except SyntaxError:
        return ()


def _chosen(stmt: ast.stmt, variants: list[tuple[int, tuple[ast.stmt, ...]]]) -> ast.stmt:
    """The statement, or else the variant whose number is chosen."""

    def test(op: ast.cmpop, value: Any) -> ast.expr:
        return ast.Compare(ast.Name(CHOICE, ast.Load()), [op], [ast.Constant(value)])

    whole = ast.If(test(ast.In(), frozenset(k for k, _ in variants)), [], [stmt])
    ifs = [ast.If(test(ast.Eq(), k), [], []) for k, _ in variants]
    for node in (n for part in (whole.test, *ifs) for n in ast.walk(part)):
        ast.copy_location(node, stmt)
    for one, (_, new) in zip(ifs, variants, strict=True):
        one.body = [*new]
    whole.body = [*ifs]
    return ast.copy_location(whole, stmt)
