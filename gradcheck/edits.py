"""Small edits of a function's source: what breaks a right backward, and what mends a wrong one.

The mistakes people make in a backward are few: a transpose, an axis, a sign, a factor, the wrong
variable, a lost term, = for +=, one step too far. `edits` enumerates what a function's source would
be with one such mistake more, likeliest first. To undo a mistake is an edit too, so that the same
list holds mutants of right code and repairs of wrong code.
"""

import ast
from collections.abc import Container, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations, zip_longest

from gradcheck.attributes import Function, functions, joined
from gradcheck.rewrites import Change, Place, changes
from gradcheck.scope import Scope, bound, read, written
from gradcheck.syntax import TRANSPOSES, axis_of, called, spelled, wanted

KINDS = (
    *("transpose", "order", "axis", "sign", "scale", "name", "term", "factor", "accumulate"),
    *("shift", "function", "condition", "constant", "zero", "statement"),
)


@dataclass(frozen=True)
class Edit:
    """One change of the source.

    `kind` is one of `KINDS`; `line` counts from 1 within the source that was given; `before` and
    `after` are the statement, of a compound one its head; `source` is all of the edited text, with
    every other line where it was; `at` is where the change begins, in bytes. An `insertion` brings
    in what was not there.
    """

    kind: str
    line: int
    before: str
    after: str
    source: str
    at: int
    insertion: bool = False


def edits(source: str, name: str | None = None, lines: Container[int] | None = None) -> list[Edit]:
    """Every small edit of one function, likeliest first, always in the same order.

    Args:
        source: text that holds the function; its own alone will do.
        name: of the function, "Class.method" in a class; by default the first one.
        lines: where the statements begin that are edited; by default all.

    Raises:
        ValueError: the source is no Python, or holds no function of that name.

    >>> dense = "def dense_backward(dy, x):\\n    return x @ dy"
    >>> [e.after for e in edits(dense)][:4]
    ['return (x @ dy).T', 'return x.T @ dy', 'return x @ dy.T', 'return dy @ x']
    """
    try:
        function = _find(joined(ast.parse(source)), name)
    except SyntaxError as error:
        raise ValueError(f"line {error.lineno}: {error.msg}; wanted Python") from None
    text = _Text(source)
    found = [*_of_block(function.node.body, text, Scope.of(function.node, function.fields), lines)]
    ranked = sorted(found, key=lambda f: (f[0].insertion, KINDS.index(f[0].kind), f[1]))
    kept, seen = [], set()
    for edit, _, statement in ranked:
        meaning = _meaning(edit.after)
        if meaning not in (None, _meaning(edit.before)) and (statement, meaning) not in seen:
            seen.add((statement, meaning))
            kept.append(edit)
    return kept


def _find(tree: ast.Module, name: str | None) -> Function:
    known = functions(tree)
    if name is None and known:
        return next(iter(known.values()))
    if name not in known:
        there = f"there is {', '.join(known)}" if known else "there is none"
        raise ValueError(f"no function {name or 'at all'} in the source; {there}")
    return known[name]


class _Text:
    """Source as bytes, which is what the columns of a syntax tree count."""

    def __init__(self, source: str):
        self.data = source.encode()
        self.starts = [0]
        for line in self.data.splitlines(keepends=True):
            self.starts.append(self.starts[-1] + len(line))

    def place(self, line: int, column: int) -> int:
        return self.starts[line - 1] + column

    def start(self, node: ast.AST) -> int:
        return self.place(node.lineno, node.col_offset)  # type: ignore[attr-defined]

    def end(self, node: ast.AST) -> int:
        return self.place(node.end_lineno, node.end_col_offset)  # type: ignore[attr-defined]

    def of(self, start: int, end: int) -> str:
        return self.data[start:end].decode()

    def statement(self, node: ast.stmt) -> tuple[int, int]:
        """From where to where a statement reaches, a compound one without its body."""
        if not getattr(node, "body", None):
            return self.start(node), self.end(node)
        ends = [self.end(child) for _, child in _children(node) if isinstance(child, ast.expr)]
        return self.start(node), self.data.index(b":", max(ends, default=self.start(node))) + 1

    def edit(self, change: Change, stmt: ast.stmt, start: int, end: int, new: str) -> Edit:
        """The edit that puts `new` in place of what stands from start to end in a statement."""
        first, last = self.statement(stmt)
        last = max(last, end)
        lost = self.data[start:end].count(b"\n") - new.count("\n")
        after = self.data[first:start] + new.encode() + self.data[end:last]
        edited = self.data[:first] + after + b"\n" * lost + self.data[last:]
        line = self.data[:start].count(b"\n") + 1
        indent = b"\n" + b" " * (first - self.starts[stmt.lineno - 1])
        before, after = (t.replace(indent, b"\n") for t in (self.data[first:last], after))
        words = before.decode(), after.decode(), edited.decode()
        return Edit(change.kind, line, *words, start, change.insertion)


@lru_cache(maxsize=4096)
def _meaning(statement: str) -> str | None:
    """The syntax tree of a statement as text, which does not depend on layout; None without one."""
    statement = statement.removeprefix("el") if statement.startswith("elif") else statement
    if statement.endswith(":"):
        statement += " pass"
    try:
        return ast.dump(ast.parse(statement))
    except SyntaxError:
        return None


Found = tuple[Edit, int, int]  # its place among the alternatives at hand, and that of its statement


def _of_block(
    body: list[ast.stmt], text: _Text, scope: Scope, lines: Container[int] | None
) -> Iterator[Found]:
    """The edits of some statements, and of their bodies."""
    for stmt, following in zip_longest(body, body[1:]):
        if isinstance(stmt, ast.Expr) and isinstance(stmt.value, ast.Constant):
            continue  # a docstring
        chosen = lines is None or stmt.lineno in lines
        if chosen:
            yield from _of_statement(stmt, text, scope)
        if chosen and following is not None:
            yield from _swap(stmt, following, text, scope)
        inner = scope.with_names(bound(getattr(stmt, "target", stmt)))
        if isinstance(stmt, ast.FunctionDef):
            inner = scope.with_names([a.arg for a in stmt.args.args])
        elif chosen:
            yield from _of_expressions(stmt, stmt, text, scope)
        for block in ("body", "orelse", "finalbody"):
            yield from _of_block(getattr(stmt, block, []), text, inner, lines)
        scope = scope.with_names(bound(stmt))


def _of_statement(stmt: ast.stmt, text: _Text, scope: Scope) -> Iterator[Found]:
    """= for +=, + for -, and the statement left out."""
    start, end = text.start(stmt), text.end(stmt)
    alternatives: list[tuple[Change, str]] = []

    def say(kind: str, what: str, insertion: bool = False) -> None:
        alternatives.append((Change(kind, ast.Constant(None), insertion), what))

    def source(node: ast.AST) -> str:
        return text.of(text.start(node), text.end(node))

    match stmt:
        case ast.AugAssign(target, op, value):
            left, right = source(target), source(value)
            say("accumulate", f"{left} = {right}")
            for one, other in ((ast.Add, "-="), (ast.Sub, "+="), (ast.Mult, "/="), (ast.Div, "*=")):
                if isinstance(op, one):
                    say("sign" if one in (ast.Add, ast.Sub) else "scale", f"{left} {other} {right}")
            if isinstance(op, (ast.Add, ast.Sub)) and isinstance(target, ast.Subscript):
                where = f"{source(target.value)}, {_index(target, source)}"
                add = "add" if isinstance(op, ast.Add) else "subtract"
                say("accumulate", f"np.{add}.at({where}, {right})", True)
        case ast.Assign([ast.Subscript() as target], value):
            say("accumulate", f"{source(target)} += {source(value)}")
            where = f"{source(target.value)}, {_index(target, source)}"
            say("accumulate", f"np.add.at({where}, {source(value)})", True)
        case ast.Assign([ast.Name(name) as target], value) if name in scope.known:
            say("accumulate", f"{name} += {source(value)}")
        case ast.Expr(ast.Call(ast.Attribute(_, "at"), [array, index, value])):
            where = source(index)
            where = where[1:-1] if isinstance(index, ast.Tuple) and where[0] == "(" else where
            for sign in ("+=", "="):
                say("accumulate", f"{source(array)}[{where}] {sign} {source(value)}")
    if isinstance(stmt, (ast.Assign, ast.AugAssign, ast.Return)):
        yield from _exchanged(stmt, text)
    plain = isinstance(stmt, (ast.Assign, ast.AugAssign, ast.Expr, ast.If, ast.For, ast.AnnAssign))
    if plain and bound(stmt) <= set(scope.known):  # else a name would be missing
        say("statement", "pass")
    for k, (change, new) in enumerate(alternatives):
        yield text.edit(change, stmt, start, end, new), k, start


def _exchanged(stmt: ast.stmt, text: _Text) -> Iterator[Found]:
    """Two slices in each other's place: a[k:] with b[:-k] for a[:-k] with b[k:]."""
    slices = [n.slice for n in ast.walk(stmt) if isinstance(n, ast.Subscript)]
    slices = [n for n in slices if any(isinstance(k, ast.Slice) for k in ast.walk(n))]
    slices.sort(key=text.start)
    for k, (a, b) in enumerate(combinations(slices, 2)):
        (first, end), (start, last) = (text.start(a), text.end(a)), (text.start(b), text.end(b))
        if end <= start and text.of(first, end) != text.of(start, last):
            new = text.of(start, last) + text.of(end, start) + text.of(first, end)
            change = Change("shift", ast.Constant(None))
            yield text.edit(change, stmt, first, last, new), k, text.start(stmt)


def _index(target: ast.Subscript, source) -> str:
    index = target.slice
    if any(isinstance(n, ast.Slice) for n in ast.walk(index)):
        return f"np.s_[{source(index)}]"
    return f"({source(index)})" if isinstance(index, ast.Tuple) else source(index)


def _swap(a: ast.stmt, b: ast.stmt, text: _Text, scope: Scope) -> Iterator[Found]:
    """Two statements in each other's place, where that matters and leaves no name unbound."""
    simple = (ast.Assign, ast.AugAssign, ast.Expr)
    if not (isinstance(a, simple) and isinstance(b, simple)):
        return
    depend = written(a) & (read(b) | written(b)) or written(b) & read(a)
    if not depend or not read(b) & bound(a) <= set(scope.known):
        return
    first, middle, last = text.start(a), (text.end(a), text.start(b)), text.end(b)
    new = text.of(middle[1], last) + text.of(*middle) + text.of(first, middle[0])
    yield text.edit(Change("statement", ast.Constant(None)), a, first, last, new), 0, first


def _of_expressions(
    node: ast.AST, stmt: ast.stmt, text: _Text, scope: Scope, role: str = ""
) -> Iterator[Found]:
    """The edits of the expressions in a node, without the bodies of compound statements."""
    targets = [c.target for c in getattr(node, "generators", ())]
    scope = scope.with_names({n for t in targets for n in bound(t)})
    if isinstance(node, ast.Lambda):
        scope = scope.with_names([a.arg for a in node.args.args])
    for field, child in _children(node):
        part = _role(node, field, child, role)
        if isinstance(child, ast.expr):
            place = Place(
                node,
                field,
                part,
                scope.arrays,
                tuple(n for n in scope.known if n in scope.sizes),
                scope.similar(),
            )
            rank: dict[str, int] = {}
            for change in changes(child, place):
                rank[change.kind] = rank.get(change.kind, -1) + 1
                start, end = _reach(child, node, text)
                new = spelled(change.new, child, wanted(node, field), text.of(start, end))
                yield text.edit(change, stmt, start, end, new), rank[change.kind], text.start(stmt)
        negative = isinstance(child, ast.UnaryOp) and isinstance(child.operand, ast.Constant)
        if not negative:
            yield from _of_expressions(child, stmt, text, scope, part)


def _children(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    """The expressions directly below a node, with the fields that hold them."""
    for field, value in ast.iter_fields(node):
        for child in value if isinstance(value, list) else [value]:
            kinds = (ast.expr, ast.comprehension, ast.keyword, ast.withitem)
            if isinstance(child, kinds) and field not in ("annotation", "returns"):
                yield field, child


def _role(parent: ast.AST, field: str, child: ast.AST, role: str) -> str:
    """What a part of a node is used as; `role` is that of the node itself."""
    match parent, field:
        case ast.Call(), "func":
            return "function"
        case ast.Attribute(attr="shape" | "size" | "ndim" | "dtype"), "value":
            return "shape"
        case ast.Call(), "args" | "keywords":
            if child is axis_of(parent):
                return "axis"
            moved = called(parent) in TRANSPOSES and isinstance(child, (ast.Constant, ast.UnaryOp))
            return "axis" if moved else "argument"
        case ast.keyword(), "value":
            return "axis" if parent.arg in ("axis", "axes") else "argument"
        case ast.Subscript(), "slice":
            return "index"
        case ast.Slice(), _:
            return "index"
        case ast.Assign(targets=targets), "value":
            several = isinstance(targets[0], ast.Tuple) and not isinstance(child, ast.Tuple)
            return "" if several else "value"
        case ((ast.AugAssign() | ast.AnnAssign() | ast.Return()), "value"):
            return "value"
        case ast.IfExp(), "body" | "orelse":
            return role
        case ast.BinOp(op=ast.Add() | ast.Sub()), "left" | "right" if role not in ("index",):
            return "term"
    if isinstance(parent, (ast.Tuple, ast.Dict)) and field in ("elts", "values"):
        return role
    if isinstance(parent, ast.Starred) or (isinstance(parent, ast.BinOp) and role == "index"):
        return "argument"
    return ""


def _reach(node: ast.expr, parent: ast.AST, text: _Text) -> tuple[int, int]:
    """From where to where an expression reaches, with the parentheses that only group it."""
    start, end = text.start(node), text.end(node)
    before, closing = text.data[:start].rstrip(), text.data[end:].lstrip()
    if before.endswith(b"(") and closing.startswith(b")") and not isinstance(parent, ast.Call):
        return len(before) - 1, len(text.data) - len(closing) + 1
    return start, end
