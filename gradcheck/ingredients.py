"""Larger edits of a backward, made of what stands elsewhere in its file.

What a backward lacks its file often has: the term for q beside the lost one for k, the statement
that the sibling function has, the factor that the forward computes. Expressions of the file, with
their names changed where others of the kind have names alike, are put in the place of others, added
to them, multiplied by them; functions are applied as they are elsewhere; statements are repeated.
"""

import ast
import copy
from collections.abc import Callable, Container, Iterator
from dataclasses import dataclass
from functools import cached_property

from gradcheck.edits import Edit
from gradcheck.scope import Scope, bound, distance, read
from gradcheck.syntax import (
    TRANSPOSES,
    expression,
    is_module,
    spelled,
    wanted,
)

LARGEST = 40  # nodes of an expression that is used again
MOST = 400  # such expressions
NEAREST = 4  # names that are tried for one that is not known
SETTINGS = {"axis", "axes", "keepdims", "dtype", "mode", "out", "ddof", "order", "strict"}
SIMPLE = (ast.Assign, ast.AugAssign, ast.Expr, ast.Return)
_WRAPS = """
    _.T  _.copy()  _[:, None]  _[None]  -_
    _.sum()  _.sum(axis=0)  _.sum(axis=1)  _.sum(axis=-1)  _.sum(axis=(0, 1))
    _.sum(axis=0, keepdims=True)  _.sum(axis=1, keepdims=True)  _.sum(axis=-1, keepdims=True)
"""
WRAPS = [w.strip() for w in _WRAPS.replace("\n", "  ").split("  ") if w.strip()]


@dataclass(frozen=True)
class Idea:
    """A statement as it could be: its new nodes, and the edit that writes it, made when wanted."""

    at: tuple[int, int]  # line and column of the statement
    new: tuple[ast.stmt, ...]
    kind: str
    edit: Callable[[], Edit]


@dataclass(frozen=True)
class _Site:
    """An expression in a statement, and how to put another one there."""

    node: ast.expr
    parent: ast.AST
    field: str
    put: Callable[[ast.expr], ast.stmt]


class File:
    """The text of a module and what can be used again of it."""

    def __init__(self, text: str):
        self.data = text.encode()
        self.tree = ast.parse(text)
        self.starts = [0]
        for line in self.data.splitlines(keepends=True):
            self.starts.append(self.starts[-1] + len(line))
        self.functions = [n for n in self.tree.body if isinstance(n, ast.FunctionDef)]
        self.globals = {
            name
            for n in self.tree.body
            for name in (
                [(a.asname or a.name).split(".")[0] for a in n.names]
                if isinstance(n, (ast.Import, ast.ImportFrom))
                else [n.name]
                if isinstance(n, (ast.FunctionDef, ast.ClassDef))
                else bound(n)
            )
        } | {"range", "len", "reversed", "enumerate", "zip", "sum", "max", "min", "abs", "list"}

    @cached_property
    def expressions(self) -> list[ast.expr]:
        """Every expression in a function that is worth using again, once."""
        found: dict[str, ast.expr] = {}
        for f in self.functions:
            for node in (n for stmt in f.body for n in ast.walk(stmt)):
                kinds = (ast.BinOp, ast.Call, ast.Subscript, ast.UnaryOp, ast.Compare)
                part = isinstance(node, ast.Attribute) and node.attr in ("T", "mT", "size")
                if not (isinstance(node, kinds) or part):
                    continue
                if not isinstance(getattr(node, "ctx", ast.Load()), ast.Load):
                    continue
                if sum(1 for _ in ast.walk(node)) <= LARGEST:
                    found.setdefault(ast.dump(node), node)
        return [*found.values()]

    def of(self, node: ast.AST) -> tuple[int, int]:
        """From where to where a node reaches, in bytes."""
        start = self.starts[node.lineno - 1] + node.col_offset  # type: ignore[attr-defined]
        end = self.starts[node.end_lineno - 1] + node.end_col_offset  # type: ignore[attr-defined]
        return start, end


def ideas(file: File, name: str, lines: Container[int], large: bool) -> Iterator[Iterator[Idea]]:
    """Larger edits of the statements of one function that begin in some lines.

    `large` says whether what is built of expressions, of which there are many more than the rest.
    """
    function = next((f for f in file.functions if f.name == name), None)
    if function is None:
        return
    work = _Ideas(file, function)
    chosen = [s for s in work.statements if s.lineno in lines]
    if large:
        yield (i for s in chosen for i in work.replaced(s, work.expressions))
        yield (i for s in chosen for i in work.joined(s, work.expressions))
        yield (i for s in chosen for i in work.replaced(s, work.derivatives))
        yield (i for s in chosen for i in work.joined(s, work.products))
    else:
        yield (i for s in chosen for i in work.contract(s))
        yield (i for s in chosen for i in work.wraps(s))
        yield (i for s in chosen for i in (*work.replaced(s, work.small), *work.retargeted(s)))
        yield (i for s in chosen for i in work.repeats(s))


class _Ideas:
    def __init__(self, file: File, function: ast.FunctionDef):
        self.file, self.function = file, function
        args = function.args
        given = [a.arg for a in (*args.posonlyargs, *args.args, *args.kwonlyargs)]
        inner = {n.id for n in ast.walk(function) if isinstance(n, ast.Name) and n.id not in given}
        stored = {
            n.id
            for n in ast.walk(function)
            if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
        }
        self.names = [*given, *sorted(inner & stored)]
        self.statements = [n for n in ast.walk(function) if isinstance(n, SIMPLE)]
        self.statements = [
            s
            for s in self.statements
            if not (isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant))
        ]
        self.read = sorted(read(function) - self.file.globals - {"np", "numpy"})
        scope = Scope.of(function).with_names(self.names)
        self.arrays = [n for n in scope.arrays if n in self.names]

    @cached_property
    def renames(self) -> list[tuple[str, str]]:
        """(q, k) where two names of arrays differ in that alone, as gq and gk do, and so do others."""
        count: dict[tuple[str, str], int] = {}
        for a in self.names:
            for b in self.names:
                head = next((k for k, (p, q) in enumerate(zip(a, b, strict=False)) if p != q), None)
                if head is None or a == b:
                    continue
                tail = 0
                while (
                    a[len(a) - 1 - tail] == b[len(b) - 1 - tail]
                    and tail < min(len(a), len(b)) - head - 1
                ):
                    tail += 1
                pair = a[head : len(a) - tail], b[head : len(b) - tail]
                if len(pair[0]) <= 2 and len(pair[1]) <= 2:
                    count[pair] = count.get(pair, 0) + 1
        return [pair for pair, n in sorted(count.items(), key=lambda p: -p[1]) if n > 1][:12]

    def known(self, node: ast.AST) -> bool:
        """Whether all that a node reads has a name here."""
        inner = {
            n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
        }
        return read(node) <= {*self.names, *self.file.globals, *inner}

    def renamed(self, node: ast.AST) -> Iterator[ast.AST]:
        """The node, the same with names changed alike, and with a name for one that is not here."""
        if self.known(node):
            yield node
        names = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
        strange = names - {*self.names, *self.file.globals}
        if len(strange) == 1:
            (one,) = strange
            for name in sorted(self.arrays, key=lambda n: distance(n, one))[:NEAREST]:
                hits = {id(n) for n in ast.walk(node) if isinstance(n, ast.Name) and n.id == one}
                other = _changed(node, hits, expression(name))
                if self.known(other):
                    yield other
        for a, b in self.renames:
            changed = {n: n.replace(a, b) for n in names - self.file.globals if a in n}
            if changed and all(n in self.names for n in changed.values()):
                other = copy.deepcopy(node)
                for n in ast.walk(other):
                    if isinstance(n, ast.Name):
                        n.id = changed.get(n.id, n.id)
                if self.known(other):
                    yield other

    @cached_property
    def small(self) -> list[ast.expr]:
        return [expression(n) for n in self.names]

    @cached_property
    def expressions(self) -> list[ast.expr]:
        found: dict[str, ast.expr] = {
            ast.dump(n): n for n in self.file.expressions if self.known(n)
        }
        for node in sorted(self.file.expressions, key=self.known):
            for other in self.renamed(node):
                found.setdefault(ast.dump(other), other)  # type: ignore[arg-type]
        slopes = "1 - {0}**2", "{0} * (1 - {0})", "{0} > 0", "1 - {0}"
        texts = [form.format(name) for form in slopes for name in self.arrays]
        known = {ast.dump(n): n for n in map(expression, [*self.arrays, *texts])}
        return [*(known | found).values()][:MOST]

    @cached_property
    def products(self) -> list[ast.expr]:
        forms = "{} @ {}.T", "{}.T @ {}", "{} @ {}", "{} * {}"
        return [
            expression(form.format(a, b))
            for form in forms
            for a in self.arrays
            for b in self.arrays
            if a < b or form != forms[-1]
        ]

    @cached_property
    def derivatives(self) -> list[ast.expr]:
        """The backward of a softmax."""
        forms = "{0} * ({1} - ({0} * {1}).sum(axis=-1, keepdims=True))", "{0} * ({1} - {2})"
        names = self.arrays
        texts = [forms[0].format(p, dp) for p in names for dp in names if p != dp]
        texts += [forms[1].format(p, q, r) for p in names for q in names for r in names if q != r]
        return [expression(t) for t in texts[:MOST]]

    def sites(self, stmt: ast.stmt) -> Iterator[_Site]:
        """The values in a statement that could be others."""
        yield from (s for s in _within(stmt, lambda new: new) if s.field != "slice")

    def idea(self, kind: str, stmt: ast.stmt, site: _Site, new: ast.expr) -> Idea:
        if not hasattr(new, "lineno"):
            ast.copy_location(new, site.node)

        def edit() -> Edit:
            start, end = self.file.of(site.node)
            old = self.file.data[start:end].decode()
            words = spelled(new, site.node, wanted(site.parent, site.field), old)
            return self.written(kind, stmt, start, end, words)

        return Idea((stmt.lineno, stmt.col_offset), (site.put(new),), kind, edit)

    def written(self, kind: str, stmt: ast.stmt, start: int, end: int, words: str) -> Edit:
        """The edit that puts words from start to end of a statement."""
        data, (first, last) = self.file.data, self.file.of(stmt)
        last = max(last, end)
        after = data[first:start] + words.encode() + data[end:last]
        lost = data[first:last].count(b"\n") - after.count(b"\n")
        edited = data[:first] + after + b"\n" * lost + data[last:]
        line = data[:start].count(b"\n") + 1
        texts = data[first:last].decode(), after.decode(), edited.decode()
        return Edit(kind, line, *texts, start, True)

    def contract(self, stmt: ast.stmt) -> Iterator[Idea]:
        """A copy where something is written into; the gradients in another order."""
        if isinstance(stmt, ast.AugAssign) and isinstance(stmt.target, ast.Name):
            target = ast.Name(stmt.target.id, ast.Load())
            value = ast.BinOp(target, stmt.op, stmt.value)
            new = ast.Assign([stmt.target], value, lineno=stmt.lineno)
            new = ast.fix_missing_locations(ast.copy_location(new, stmt))
            start, end = self.file.of(stmt)

            def edit() -> Edit:
                old = self.file.data[start:end].decode()
                words = spelled(new, stmt, 0, old)  # type: ignore[arg-type]
                return self.written("copy", stmt, start, end, words)

            yield Idea((stmt.lineno, stmt.col_offset), (new,), "copy", edit)
        for site in self.sites(stmt):
            if isinstance(site.node, (ast.Name, ast.Subscript)) and site.field in ("value", "elts"):
                yield self.idea("copy", stmt, site, _applied("_.copy()", site.node))
        if isinstance(stmt, ast.Return) and isinstance(stmt.value, ast.Tuple):
            elts = stmt.value.elts
            for k in range(len(elts)):
                for n in range(2, len(elts) - k):
                    for others in (
                        elts[:k] + elts[k + 1 : k + n + 1] + [elts[k]] + elts[k + n + 1 :],
                        elts[:k] + [elts[k + n]] + elts[k : k + n] + elts[k + n + 1 :],
                    ):
                        whole = next(s for s in self.sites(stmt) if s.node is stmt.value)
                        yield self.idea("order", stmt, whole, ast.Tuple(others, ast.Load()))

    def retargeted(self, stmt: ast.stmt) -> Iterator[Idea]:
        """One of several results, under another name."""
        target = stmt.targets[0] if isinstance(stmt, ast.Assign) else None
        if not isinstance(target, ast.Tuple):
            return
        start, end = self.file.of(target)
        opening = self.file.data[start:end].startswith(b"(")
        bound_here = {n.id for n in ast.walk(target) if isinstance(n, ast.Name)}
        for name in [n for n in self.read if n not in bound_here]:
            fresh = ast.copy_location(ast.Name(name, ast.Store()), target)
            for k in range(len(target.elts) + 1):
                lists = [[*target.elts[:k], fresh, *target.elts[k:]]]
                if k < len(target.elts) and isinstance(target.elts[k], ast.Name):
                    lists.append([*target.elts[:k], fresh, *target.elts[k + 1 :]])
                for elts in lists:
                    other, new = copy.copy(stmt), copy.copy(target)
                    new.elts = elts
                    other.targets = [new]  # type: ignore[attr-defined]

                    def edit(new: ast.Tuple = new) -> Edit:
                        words = ast.unparse(new)
                        words = words if opening else words[1:-1]
                        return self.written("name", stmt, start, end, words)

                    yield Idea((stmt.lineno, stmt.col_offset), (other,), "name", edit)

    def wraps(self, stmt: ast.stmt) -> Iterator[Idea]:
        """A function applied, as it is elsewhere in the file, or left out wherever it is applied."""
        forms = [expression(w) for w in WRAPS]
        hole = expression("_")
        for node in self.expressions:
            if isinstance(node, ast.Subscript):
                forms.append(ast.Subscript(hole, node.slice, ast.Load()))
            elif isinstance(node, ast.Call):
                if isinstance(node.func, ast.Attribute) and not is_module(node.func.value):
                    called = ast.Attribute(hole, node.func.attr, ast.Load())
                    forms.append(ast.Call(called, node.args, node.keywords))
                for k in range(len(node.args)):
                    args = [*node.args[:k], hole, *node.args[k + 1 :]]
                    forms.append(ast.Call(node.func, args, node.keywords))
        forms += [expression(f"_.reshape({n}.shape)") for n in self.arrays]
        unique = {ast.dump(f): ast.fix_missing_locations(f) for f in forms}.values()
        for site in self.sites(stmt):
            if not isinstance(site.node, (ast.Constant, ast.Tuple)):
                for part in {ast.dump(p): p for p in _parts(site.node)}.values():
                    yield self.idea("function", stmt, site, part)
                for form in unique:
                    yield self.idea("function", stmt, site, _filled(form, site.node))
        yield from self.unwrapped(stmt)

    def unwrapped(self, stmt: ast.stmt) -> Iterator[Idea]:
        """A function left out wherever it is applied to the same; an index taken from elsewhere."""
        for node in ast.walk(stmt):
            if isinstance(node, ast.Call) and len(node.args) == 1:
                inner, dump = node.args[0], ast.dump(node)
                spots = [
                    n for n in ast.walk(stmt) if isinstance(n, ast.Call) and ast.dump(n) == dump
                ]
                if len(spots) > 1 and spots[0] is node:
                    yield self.everywhere(stmt, spots, inner)  # type: ignore[arg-type]
        axes = [n for n in ast.walk(stmt) if isinstance(n, ast.keyword) and n.arg == "axis"]
        for old in {ast.dump(k.value): k.value for k in axes}.values():
            spots = [k.value for k in axes if ast.dump(k.value) == ast.dump(old)]
            for other in ("0", "1", "-1") if len(spots) > 1 else ():
                yield self.everywhere(stmt, spots, expression(other))
        indices = {
            ast.dump(n.slice): n.slice
            for f in (self.function, *self.file.functions)
            for n in ast.walk(f)
            if isinstance(n, ast.Subscript) and self.known(n.slice)
        }
        for site in _within(stmt, lambda new: new):
            if site.field == "slice":
                for index in indices.values():
                    yield self.idea("shift", stmt, site, index)

    def everywhere(self, stmt: ast.stmt, spots: list[ast.expr], new: ast.expr) -> Idea:
        ids = {id(s) for s in spots}

        def edit() -> Edit:
            start, end = self.file.of(stmt)
            words = self.file.data[start:end]
            for spot in sorted(spots, key=lambda s: -self.file.of(s)[0]):
                a, b = (p - start for p in self.file.of(spot))
                words = words[:a] + ast.unparse(new).encode() + words[b:]
            return self.written("function", stmt, start, end, words.decode())

        return Idea((stmt.lineno, stmt.col_offset), (_changed(stmt, ids, new),), "function", edit)

    def repeats(self, stmt: ast.stmt) -> Iterator[Idea]:
        """A statement of the file once more, before or after this one."""
        if not hasattr(self, "_again"):
            again: dict[str, ast.stmt] = {}
            for f in (self.function, *self.file.functions):
                for s in (n for n in ast.walk(f) if isinstance(n, SIMPLE[:3])):
                    if isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant):
                        continue
                    for other in self.renamed(s):
                        again.setdefault(ast.dump(other), other)  # type: ignore[arg-type]
            self._again = again
        for new in self._again.values():
            if isinstance(new, ast.Assign) and self.lost(new, stmt):
                continue
            for after in (True, False):
                if isinstance(stmt, ast.Return) and after:
                    continue
                yield self.inserted(stmt, new, after)

    def lost(self, new: ast.Assign, stmt: ast.stmt) -> bool:
        """Whether another statement beside this one binds what a new one would bind afresh."""
        names = bound(new.targets[0])
        block = next(b for b in self.blocks if any(s is stmt for s in b))
        return bool(names) and not names & read(new.value) and any(names & bound(s) for s in block)

    @cached_property
    def blocks(self) -> list[list[ast.stmt]]:
        found = []
        for node in ast.walk(self.function):
            for field in ("body", "orelse", "finalbody"):
                block = getattr(node, field, None)
                if isinstance(block, list):
                    found.append(block)
        return found

    def inserted(self, stmt: ast.stmt, new: ast.stmt, after: bool) -> Idea:
        def edit() -> Edit:
            start, end = self.file.of(stmt)
            words = ast.unparse(ast.fix_missing_locations(new))
            old = self.file.data[start:end].decode()
            both = f"{old}; {words}" if after else f"{words}; {old}"
            return self.written("statement", stmt, start, end, both)

        pair = (stmt, new) if after else (new, stmt)
        return Idea((stmt.lineno, stmt.col_offset), pair, "statement", edit)

    def replaced(self, stmt: ast.stmt, expressions: list[ast.expr]) -> Iterator[Idea]:
        for site in self.sites(stmt):
            if isinstance(site.node, ast.Tuple) and isinstance(stmt, ast.Return):
                continue
            for new in expressions:
                yield self.idea("name", stmt, site, new)

    def joined(self, stmt: ast.stmt, expressions: list[ast.expr]) -> Iterator[Idea]:
        """A term or a factor more."""
        for site in self.sites(stmt):
            if isinstance(site.node, (ast.Tuple, ast.Constant)):
                continue
            for other in expressions:
                for kind, op in (
                    ("term", ast.Add()),
                    ("term", ast.Sub()),
                    ("factor", ast.Mult()),
                    ("factor", ast.Div()),
                ):
                    yield self.idea(kind, stmt, site, ast.BinOp(site.node, op, other))


def _parts(node: ast.expr) -> list[ast.expr]:
    """The values below a node."""
    below = [n for n in ast.walk(node) if isinstance(n, (ast.Name, ast.BinOp, ast.Call))]
    below += [n for n in ast.walk(node) if isinstance(n, (ast.Subscript, ast.UnaryOp))]
    functions = [n.func for n in ast.walk(node) if isinstance(n, ast.Call)]
    return [n for n in below if n is not node and n not in functions and not is_module(n)]


def _applied(form: str, node: ast.expr) -> ast.expr:
    return _filled(expression(form), node)


def _filled(form: ast.expr, node: ast.expr) -> ast.expr:
    """A form with a node in the place of its underscore."""
    return _changed(
        form, {id(n) for n in ast.walk(form) if isinstance(n, ast.Name) and n.id == "_"}, node
    )


def _changed(tree, ids: set[int], new: ast.expr):
    """A tree with some of its nodes changed for another; the others are the same ones."""
    if id(tree) in ids:
        return new
    other = None
    for field, value in ast.iter_fields(tree):
        if isinstance(value, ast.AST):
            fresh = _changed(value, ids, new)
        elif isinstance(value, list):
            fresh = [_changed(v, ids, new) if isinstance(v, ast.AST) else v for v in value]
            if all(a is b for a, b in zip(fresh, value, strict=True)):
                continue
        else:
            continue
        if fresh is not value:
            other = other or copy.copy(tree)
            setattr(other, field, fresh)
    return other or tree


def _within(node: ast.AST, put: Callable) -> Iterator[_Site]:
    """The expressions in a node, from the outside in."""
    for field, value in ast.iter_fields(node):
        if field in ("targets", "target", "annotation", "ops", "ctx", "op"):
            if field in ("targets", "target"):
                yield from _indices(node, field, put)
            continue
        for k, child in enumerate(value if isinstance(value, list) else [value]):
            if isinstance(child, ast.keyword) and child.arg not in SETTINGS:
                pass
            elif not isinstance(child, ast.expr):
                continue

            def place(new, node=node, field=field, value=value, k=k):
                other = copy.copy(node)
                if isinstance(value, list):
                    new = [*value[:k], new, *value[k + 1 :]]
                setattr(other, field, new)
                return put(other)

            if field == "func":
                if isinstance(child, ast.Attribute) and not is_module(child.value):
                    yield from _within(child, place)
                continue
            if isinstance(child, ast.keyword):
                yield from _within(child, place)
                continue
            if isinstance(child, ast.Name) and is_module(child):
                continue
            yield _Site(child, node, field, place)
            if field != "slice":
                yield from _within(child, place)


def _indices(node: ast.AST, field: str, put: Callable) -> Iterator[_Site]:
    """The index of what is assigned to."""
    value = getattr(node, field)
    target = value[0] if isinstance(value, list) else value
    if isinstance(target, ast.Subscript):

        def place(index):
            other, inner = copy.copy(node), copy.copy(target)
            inner.slice = index
            setattr(other, field, [inner] if isinstance(value, list) else inner)
            return put(other)

        yield _Site(target.slice, target, "slice", place)
