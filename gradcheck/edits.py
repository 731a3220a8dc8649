"""Small edits of a function's source: what breaks a right backward, and what mends a wrong one.

The mistakes people make in a backward are few: a transpose, an axis, a sign, a factor, the wrong
variable, a lost term, = for +=, one step too far. `edits` enumerates what a function's source would
be with one such mistake more, likeliest first. To undo a mistake is an edit too, so that the same
list holds mutants of right code and repairs of wrong code.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import zip_longest

from gradcheck.rewrites import TRANSPOSES, Change, Place, changes
from gradcheck.syntax import axis_of, called

KINDS = ("transpose", "order", "axis", "sign", "scale", "name", "term", "factor", "accumulate")
KINDS += ("shift", "function", "condition", "constant", "zero", "statement")


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


def edits(source: str, name: str | None = None) -> list[Edit]:
    """Every small edit of one function, likeliest first, always in the same order.

    Args:
        source: text that holds the function; its own alone will do.
        name: of the function, "Class.method" in a class; by default the first one.

    Raises:
        ValueError: the source is no Python, or holds no function of that name.

    >>> dense = "def dense_backward(dy, x):\\n    return x @ dy"
    >>> [e.after for e in edits(dense)][:4]
    ['return x.T @ dy', 'return x @ dy.T', 'return (x @ dy).T', 'return dy @ x']
    """
    try:
        function = _find(ast.parse(source), name)
    except SyntaxError as error:
        raise ValueError(f"line {error.lineno}: {error.msg}; wanted Python") from None
    text = _Text(source)
    found = [*_of_block(function.body, text, _Scope.of(function))]
    ranked = sorted(found, key=lambda f: (f[0].insertion, KINDS.index(f[0].kind), f[1]))
    kept, seen = [], set()
    for edit, _, statement in ranked:
        meaning = _meaning(edit.after)
        if meaning not in (None, _meaning(edit.before)) and (statement, meaning) not in seen:
            seen.add((statement, meaning))
            kept.append(edit)
    return kept


def _find(tree: ast.Module, name: str | None) -> ast.FunctionDef:
    def within(body: list[ast.stmt], prefix: str) -> Iterator[tuple[str, ast.FunctionDef]]:
        for node in body:
            if isinstance(node, ast.FunctionDef):
                yield prefix + node.name, node
            elif isinstance(node, ast.ClassDef):
                yield from within(node.body, f"{prefix}{node.name}.")

    known = dict(reversed([*within(tree.body, "")]))
    if name is None and known:
        return [*known.values()][-1]
    if name not in known:
        raise ValueError(f"no function {name or ''} in the source; there is {', '.join(known)}")
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


@dataclass(frozen=True)
class _Scope:
    """The names in scope at a statement, by what they hold."""

    known: tuple[str, ...]
    sizes: frozenset[str]
    steps: frozenset[str]  # of loops
    functions: frozenset[str]
    flags: frozenset[str]  # only ever asked whether they are true

    @classmethod
    def of(cls, function: ast.FunctionDef) -> "_Scope":
        sizes, steps, functions = set(), set(), set()
        asked = [n for n in ast.walk(function) if isinstance(n, (ast.If, ast.IfExp, ast.While))]
        tests = [n for a in asked for n in ast.walk(a.test) if isinstance(n, ast.Name)]
        reads = [n.id for n in ast.walk(function) if isinstance(n, ast.Name) and not _stored(n)]
        flags = {n.id for n in tests if reads.count(n.id) == sum(m.id == n.id for m in tests)}
        for node in ast.walk(function):
            match node:
                case ast.Assign([target], value) if _is_size(value):
                    sizes |= _bound(target)
                case ast.For(target, iterable) | ast.comprehension(target, iterable):
                    text = ast.unparse(iterable)
                    if "range(" in text or "ndindex(" in text:
                        steps |= _bound(target)
                case ast.Slice() | ast.Call(ast.Name("range")):
                    sizes |= {n for part in ast.iter_child_nodes(node) for n in _added(part)}
                case ast.Call(ast.Name(called)):
                    functions.add(called)
                case ast.FunctionDef(called):
                    functions.add(called)
        args = function.args
        given = [a.arg for a in (*args.posonlyargs, *args.args, *args.kwonlyargs)]
        sizes -= {"range"}
        scope = cls((), *map(frozenset, (sizes, steps, functions, flags)))
        return scope.with_names([n for n in given if n not in ("self", "cls")])

    def with_names(self, more: set[str] | list[str]) -> "_Scope":
        new = [n for n in sorted(more) if n not in self.known and n != "_"]
        new = [n for n in more if n in new] if isinstance(more, list) else new
        return replace(self, known=self.known + tuple(new))

    def sort(self, name: str) -> str:
        if name in self.functions:
            return "function"
        if name in self.flags:
            return "flag"
        if name in self.sizes or name in self.steps:
            return "size"
        return "cache" if name.endswith(("cache", "caches", "part", "parts")) else "array"

    @property
    def arrays(self) -> tuple[str, ...]:
        return tuple(n for n in self.known if self.sort(n) == "array")

    def similar(self) -> dict[str, tuple[str, ...]]:
        return {
            n: tuple(
                sorted(
                    (m for m in self.known if m != n and self.sort(m) == self.sort(n)),
                    key=lambda m: _distance(m, n),
                )
            )
            for n in self.known
            if self.sort(n) != "function"
        }


def _is_size(value: ast.expr) -> bool:
    return ".shape" in (text := ast.unparse(value)) or ".size" in text or ".ndim" in text


def _distance(a: str, b: str) -> float:
    """How unlikely it is to write one name for the other."""
    if a == "d" + b or b == "d" + a:
        return 0.0
    front = next((k for k, (p, q) in enumerate(zip(a, b, strict=False)) if p != q), 99)
    back = next((k for k, (p, q) in enumerate(zip(a[::-1], b[::-1], strict=False)) if p != q), 99)
    return max(len(a), len(b)) - min(max(front, back), len(a), len(b))


def _bound(target: ast.AST) -> set[str]:
    """The names that an assignment, a loop or a definition binds."""
    return {n.id for n in ast.walk(target) if isinstance(n, ast.Name) and _stored(n)}


def _stored(n: ast.Name) -> bool:
    return isinstance(n.ctx, ast.Store)


def _read(node: ast.AST) -> set[str]:
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and not _stored(n)}


def _added(node: ast.AST) -> set[str]:
    """The variables of a sum or product."""
    if isinstance(node, ast.BinOp):
        return _added(node.left) | _added(node.right)
    return {node.id} if isinstance(node, ast.Name) else set()


def _written(stmt: ast.stmt) -> set[str]:
    """Names that a statement binds, and those whose arrays it writes into."""
    into = [t for t in getattr(stmt, "targets", [getattr(stmt, "target", None)]) if t]
    if isinstance(stmt, ast.Expr) and called(stmt.value) == "at":
        into = stmt.value.args[:1]  # type: ignore[attr-defined]
    return _bound(stmt) | {n for t in into for n in _read(t)}


Found = tuple[Edit, int, int]  # its place among the alternatives at hand, and that of its statement


def _of_block(body: list[ast.stmt], text: _Text, scope: _Scope) -> Iterator[Found]:
    """The edits of some statements, and of their bodies."""
    for stmt, following in zip_longest(body, body[1:]):
        if isinstance(stmt, ast.Expr) and isinstance(stmt.value, ast.Constant):
            continue  # a docstring
        yield from _of_statement(stmt, text, scope)
        if following is not None:
            yield from _swap(stmt, following, text, scope)
        inner = scope.with_names(_bound(getattr(stmt, "target", stmt)))
        if isinstance(stmt, ast.FunctionDef):
            inner = scope.with_names([a.arg for a in stmt.args.args])
        else:
            yield from _of_expressions(stmt, stmt, text, scope)
        for block in ("body", "orelse", "finalbody"):
            yield from _of_block(getattr(stmt, block, []), text, inner)
        scope = scope.with_names(_bound(stmt))


def _of_statement(stmt: ast.stmt, text: _Text, scope: _Scope) -> Iterator[Found]:
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
            if isinstance(op, ast.Add) and isinstance(target, ast.Subscript):
                where = f"{source(target.value)}, {_index(target, source)}"
                say("accumulate", f"np.add.at({where}, {right})", True)
        case ast.Assign([ast.Subscript() as target], value):
            say("accumulate", f"{source(target)} += {source(value)}")
        case ast.Assign([ast.Name(name) as target], value) if name in scope.known:
            say("accumulate", f"{name} += {source(value)}")
        case ast.Expr(ast.Call(ast.Attribute(_, "at"), [array, index, value])):
            where = source(index)
            where = where[1:-1] if isinstance(index, ast.Tuple) and where[0] == "(" else where
            for sign in ("+=", "="):
                say("accumulate", f"{source(array)}[{where}] {sign} {source(value)}")
    plain = isinstance(stmt, (ast.Assign, ast.AugAssign, ast.Expr, ast.If, ast.For, ast.AnnAssign))
    if plain and _bound(stmt) <= set(scope.known):  # else a name would be missing
        say("statement", "pass")
    for k, (change, new) in enumerate(alternatives):
        yield text.edit(change, stmt, start, end, new), k, start


def _index(target: ast.Subscript, source) -> str:
    index = target.slice
    if any(isinstance(n, ast.Slice) for n in ast.walk(index)):
        return f"np.s_[{source(index)}]"
    return f"({source(index)})" if isinstance(index, ast.Tuple) else source(index)


def _swap(a: ast.stmt, b: ast.stmt, text: _Text, scope: _Scope) -> Iterator[Found]:
    """Two statements in each other's place, where that matters and leaves no name unbound."""
    simple = (ast.Assign, ast.AugAssign, ast.Expr)
    if not (isinstance(a, simple) and isinstance(b, simple)):
        return
    depend = _written(a) & (_read(b) | _written(b)) or _written(b) & _read(a)
    if not depend or not _read(b) & _bound(a) <= set(scope.known):
        return
    first, middle, last = text.start(a), (text.end(a), text.start(b)), text.end(b)
    new = text.of(middle[1], last) + text.of(*middle) + text.of(first, middle[0])
    yield text.edit(Change("statement", ast.Constant(None)), a, first, last, new), 0, first


def _of_expressions(
    node: ast.AST, stmt: ast.stmt, text: _Text, scope: _Scope, role: str = ""
) -> Iterator[Found]:
    """The edits of the expressions in a node, without the bodies of compound statements."""
    bound = [c.target for c in getattr(node, "generators", ())]
    scope = scope.with_names({n for t in bound for n in _bound(t)})
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
                start, end = _reach(child, node, field, text)
                new = _spelled(change.new, node, field, text.of(start, end))
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


_STRENGTH = {ast.BitOr: 7, ast.BitXor: 8, ast.BitAnd: 9, ast.LShift: 10, ast.RShift: 10}
_STRENGTH |= {ast.Add: 11, ast.Sub: 11, ast.Pow: 14, ast.And: 4, ast.Or: 3, ast.Not: 5}


def _strength(node: ast.AST) -> int:
    """How strongly an expression binds; 16 needs no parentheses anywhere."""
    if isinstance(node, (ast.BinOp, ast.BoolOp)):
        return _STRENGTH.get(type(node.op), 12)
    if isinstance(node, ast.UnaryOp):
        return _STRENGTH.get(type(node.op), 13)
    weak = {ast.Compare: 6, ast.IfExp: 2, ast.Lambda: 1, ast.NamedExpr: 0, ast.Starred: 0}
    return weak.get(type(node), 15 if isinstance(node, ast.Constant) else 16)


def _wanted(parent: ast.AST, field: str) -> int:
    """How strongly an expression must bind to stand here without parentheses."""
    match parent, field:
        case ast.BinOp(op=ast.Pow()), "left":
            return 15
        case ast.BinOp(), "right":
            return _strength(parent) + (not isinstance(parent.op, ast.Pow))
        case ((ast.BinOp() | ast.UnaryOp()), _):
            return _strength(parent)
        case ast.BoolOp(), _:
            return _strength(parent) + 1
        case ast.Compare(), _:
            return 7
        case ((ast.Attribute() | ast.Subscript()), "value"):
            return 16
        case ast.Call(), "func":
            return 16
        case ast.Starred(), _:
            return 7
        case ast.IfExp(), _:
            return 3
    return 0


def _reach(node: ast.expr, parent: ast.AST, field: str, text: _Text) -> tuple[int, int]:
    """From where to where an expression reaches, with the parentheses that only group it."""
    start, end = text.start(node), text.end(node)
    if _wanted(parent, field) == 0:
        return start, end
    before, after = text.data[:start].rstrip(), text.data[end:]
    closing = after.lstrip()
    if before.endswith(b"(") and closing.startswith(b")") and not isinstance(parent, ast.Call):
        return len(before) - 1, len(text.data) - len(closing) + 1
    return start, end


def _spelled(new: ast.expr, parent: ast.AST, field: str, old: str) -> str:
    """An expression as text, in parentheses where it needs them, with the quotes of the old."""
    words = ast.unparse(ast.fix_missing_locations(new))
    if '"' in old and '"' not in words:
        words = words.replace("'", '"')
    bare = isinstance(new, ast.Tuple) and not old.startswith("(") and len(new.elts) > 1
    if bare and not isinstance(parent, ast.Call):
        return words[1:-1]
    return f"({words})" if _strength(new) < _wanted(parent, field) else words
