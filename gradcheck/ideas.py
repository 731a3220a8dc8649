"""Larger edits of a function, made of what stands elsewhere in its file.

Other expressions are put in the place of one, added to it, multiplied by it; functions are applied
to it, or left out; statements are repeated. There are thousands, so that they are trees that share
what does not change, and the text of an edit is made for those that turn out right.
"""

import ast
import copy
from collections.abc import Container, Iterator, Sequence
from itertools import pairwise
from typing import Any

from gradcheck.about import KEEP
from gradcheck.alike import Idea
from gradcheck.cropped import from_the_front
from gradcheck.edits import Edit
from gradcheck.files import File
from gradcheck.ingredients import WRAPS, Ingredients
from gradcheck.likely import counted, grown, likely, other_letters, slopes
from gradcheck.looks import SIZES, is_derivative, is_size, is_sliced, names_in
from gradcheck.scope import Scope, written, written_into
from gradcheck.sites import Site, is_whole, values, within
from gradcheck.syntax import (
    blocks,
    call,
    called,
    changed,
    expression,
    filled,
    is_a,
    is_module,
    literal,
    otherwise,
    parts,
    size,
    spelled,
    strength,
    tuple_of,
    wanted,
)

SMALL = 14  # nodes of an entry or a part
MANY = 12  # arrays whose sizes are tried for another
KEPT = "kept_as_it_was"
JOINED: tuple[tuple[str, ast.operator], ...] = (
    ("term", ast.Add()),
    ("term", ast.Sub()),
    ("factor", ast.Mult()),
    ("factor", ast.Div()),
)


class Ideas:
    """The edits of one function, made of what it is given."""

    def __init__(self, file: File, name: str):
        function = file.by_name[name]
        given = Ingredients(file, function.node, function.fields)
        self.file, self.given = file, given
        self.blocks = [*blocks(given.function)]
        self.similar = Scope.of(given.function).with_names(given.names).similar()

    def begun_in(self, lines: Container[int]) -> list[ast.stmt]:
        """The statements that begin in some lines."""
        return [s for s in self.given.statements if s.lineno in lines]

    def idea(self, kind: str, stmt: ast.stmt, site: Site, new: ast.expr) -> Idea:
        if not hasattr(new, "lineno"):
            ast.fix_missing_locations(ast.copy_location(new, site.node))

        def edit() -> Edit:
            start, end = self.file.span(site.node)
            return self.file.written(kind, stmt, start, end, self.words(site, new))

        return Idea((stmt.lineno, stmt.col_offset), (site.put(new),), edit)

    def words(self, site: Site, new: ast.expr) -> str:
        """The text of a new expression; what it keeps of the old one stays as it was written."""
        data, (start, end) = self.file.data, self.file.span(site.node)
        old = data[start:end].decode()
        grouped = data[:start].rstrip().endswith(b"(") and data[end:].lstrip().startswith(b")")
        least = (
            0
            if grouped and not isinstance(site.parent, ast.Call)
            else wanted(site.parent, site.field)
        )
        for parent in ast.walk(new):
            for field, value in ast.iter_fields(parent):
                if value is site.node or (isinstance(value, list) and site.node in value):
                    kept = old if strength(site.node) >= wanted(parent, field) else f"({old})"
                    hole = changed(new, {id(site.node): ast.Name(KEPT, ast.Load())})
                    return spelled(hole, site.node, least, old).replace(KEPT, kept)
        return spelled(new, site.node, least, old)

    def copied(self, stmt: ast.stmt) -> Iterator[Idea]:
        """A copy, of what is written into: x = x + y for x += y, x.copy() for x."""
        if isinstance(stmt, ast.AugAssign) and isinstance(stmt.target, ast.Name):
            load = ast.Name(stmt.target.id, ast.Load())
            new: Any = ast.Assign([stmt.target], ast.BinOp(load, stmt.op, stmt.value))
            ast.fix_missing_locations(ast.copy_location(new, stmt))
            words = ast.unparse(new)

            def edit() -> Edit:
                return self.file.written("accumulate", stmt, *self.file.span(stmt), words)

            yield Idea((stmt.lineno, stmt.col_offset), (new,), edit)
        for site in values(stmt):
            if isinstance(site.node, (ast.Name, ast.Subscript)) and site.field in ("value", "elts"):
                new = filled(expression("_.copy()"), site.node)
                yield self.idea("function", stmt, site, new)
        places = [(stmt, False)]
        for block in self.blocks:  # not within a loop, but before it
            pairs = pairwise(block)
            loops = [b for a, b in pairs if a is stmt and isinstance(b, (ast.For, ast.While))]
            places += [(b, True) for b in loops]
        for writer, after in places:
            for name in sorted(written_into(writer) & set(self.given.names)):
                new = ast.parse(f"{name} = {name}.copy()").body[0]
                ast.fix_missing_locations(ast.copy_location(new, stmt))
                yield self.inserted(stmt, new, after)

    def permuted(self, stmt: ast.stmt) -> Iterator[Idea]:
        """The gradients in another order, one of them further on or back."""
        whole = next((s for s in values(stmt) if s.field == "value"), None)
        if not isinstance(stmt, ast.Return) or not whole or not isinstance(whole.node, ast.Tuple):
            return
        elts = whole.node.elts
        for k in range(len(elts)):
            for n in range(len(elts)):
                rest = elts[:k] + elts[k + 1 :]
                if abs(n - k) > 1:
                    new = ast.Tuple([*rest[:n], elts[k], *rest[n:]], ast.Load())
                    yield self.idea("order", stmt, whole, new)

    def unpacked(self, stmt: ast.stmt) -> Iterator[Idea]:
        """One more of several results under a name, one under another, or one less."""
        target = stmt.targets[0] if isinstance(stmt, ast.Assign) else None
        if not isinstance(target, ast.Tuple):
            return
        start, end = self.file.span(target)
        opening = self.file.data[start:end].startswith(b"(")
        here = {n.id for n in ast.walk(target) if isinstance(n, ast.Name)}

        def idea(elts: list[ast.expr]) -> Idea:
            other: Any = copy.copy(stmt)
            new = ast.copy_location(ast.Tuple(elts, ast.Store()), target)
            other.targets = [new]

            def edit() -> Edit:
                words = ast.unparse(new)
                return self.file.written(
                    "name", stmt, start, end, words if opening else words[1:-1]
                )

            return Idea((stmt.lineno, stmt.col_offset), (other,), edit)

        for k in range(len(target.elts) if len(target.elts) > 2 else 0):
            yield idea([*target.elts[:k], *target.elts[k + 1 :]])
        for name in (n for n in self.given.read if n not in here):
            fresh = ast.copy_location(ast.Name(name, ast.Store()), target)
            for k in range(len(target.elts) + 1):
                yield idea([*target.elts[:k], fresh, *target.elts[k:]])
                if isinstance(next(iter(target.elts[k:]), None), ast.Name):
                    yield idea([*target.elts[:k], fresh, *target.elts[k + 1 :]])

    def applied(self, stmt: ast.stmt) -> Iterator[Idea]:
        """A function applied, or left out; another index."""
        for site in values(stmt):
            if not isinstance(site.node, (ast.Constant, ast.Tuple)):
                for part in (*parts(site.node), *otherwise(site.node)):
                    yield self.idea("function", stmt, site, part)
                for form in self.given.forms:
                    yield self.idea("function", stmt, site, filled(form, site.node))
        for site in within(stmt):
            if site.field == "slice":
                for index in self.given.indices:
                    yield self.idea("shift", stmt, site, index)

    def summed(self, stmt: ast.stmt) -> Iterator[Idea]:
        """The sum of what is assigned."""
        forms = [expression(form) for form in WRAPS if ".sum(" in form]
        for site in values(stmt):
            for form in forms if is_whole(site, stmt) else ():
                yield self.idea("function", stmt, site, filled(form, site.node))

    def uncropped(self, stmt: ast.stmt) -> Iterator[Idea]:
        """Slices a : -b counted from the front, as nothing is left of them where b is 0."""
        for site in values(stmt):
            if not isinstance(site.node, ast.Subscript) or is_module(site.node.value):
                continue
            array, index = site.node.value, site.node.slice
            axes = index.elts if isinstance(index, ast.Tuple) else [index]
            new = [from_the_front(array, k, axis) for k, axis in enumerate(axes)]
            if any(a is not b for a, b in zip(axes, new, strict=True)):
                changed_index = ast.Tuple(new, ast.Load()) if len(new) > 1 else new[0]
                whole = ast.Subscript(array, changed_index, ast.Load())
                ast.fix_missing_locations(ast.copy_location(whole, site.node))
                yield self.idea("index", stmt, site, whole)

    def meant(self, stmt: ast.stmt) -> Iterator[Idea]:
        """Another rule; the part of a gradient that is not of the padding."""
        arrays = [*self.given.arrays, *self.given.keyed]
        for site in values(stmt):
            whole = is_whole(site, stmt)
            for new in likely(site.node, whole, arrays, self.file.turns):
                yield self.idea("name", stmt, site, new)
            if called(site.parent) == "einsum" and isinstance(literal(site.node), str):
                for text in other_letters(literal(site.node)):
                    yield self.idea("order", stmt, site, ast.Constant(text))
            cut = site.node.value if is_sliced(site.node) else None  # another crop of it
            for form in self.given.crops if whole else ():
                yield self.idea("index", stmt, site, filled(form, site.node))
                if cut is not None:
                    yield self.idea("index", stmt, site, filled(form, cut))

    def ruled(self, stmt: ast.stmt) -> Iterator[Idea]:
        """The slope of an activation for a term, the size of another array."""
        arrays = [*self.given.arrays, *self.given.keyed]
        shares = [n for n in self.given.names if n.lower() in KEEP]
        applied = self.file.called
        for site in values(stmt):
            whole = is_whole(site, stmt)
            term = is_a(site.parent, ast.Add) or is_a(site.parent, ast.Sub)
            for new in grown(site.node, arrays, shares, applied) if term or whole else ():
                yield self.idea("factor", stmt, site, new)
            sized = isinstance(site.node, ast.Attribute) and site.node.attr in SIZES
            sized |= whole and is_size(site.node, self.given.scope.sizes)
            if called(site.node) == "len":
                for new in counted([ast.unparse(site.node.args[0])]):
                    yield self.idea("name", stmt, site, new)
            if sized or self.given.scope.sort(getattr(site.node, "id", "")) == "size":
                for new in counted(arrays[:MANY]):
                    yield self.idea("name", stmt, site, new)

    def led(self, stmt: ast.stmt) -> Iterator[Idea]:
        """dy as a factor, or for a 1; each of several values times a size, or 2."""
        forms = [f for u in self.given.upstream for f in (u, f"{u}[:, None]", f"{u}[..., None]")]
        parts = [n for n in self.file.expressions if isinstance(n, ast.Subscript)]
        parts = [n for n in parts if getattr(n.value, "id", "") in self.given.upstream]
        forms += [ast.unparse(n) for n in parts if self.given.knows(n)]
        steps = {*self.given.steps}
        for index in (i for i in self.given.indices if isinstance(i, ast.Tuple)):
            if {getattr(e, "id", "") for e in index.elts} <= steps:  # of an entry, in loops
                words = ", ".join(map(ast.unparse, index.elts))
                forms += [f"{u}[{words}]" for u in self.given.upstream[:1]]
        yield from self.led_all(stmt)
        sizes = [n for n in self.given.names if n in self.file.strides]
        for site in values(stmt):
            if isinstance(site.node, ast.Tuple):
                for size in map(expression, (*sizes, "2") if isinstance(stmt, ast.Assign) else ()):
                    new = tuple_of([ast.BinOp(e, ast.Mult(), size) for e in site.node.elts])
                    yield self.idea("factor", stmt, site, new)
            elif not isinstance(site.node, ast.Constant):
                for form in forms:
                    new = ast.BinOp(site.node, ast.Mult(), expression(form))
                    yield self.idea("factor", stmt, site, new)
            elif literal(site.node) == 1:
                for form in forms:
                    yield self.idea("factor", stmt, site, expression(form))

    def mirrored(self, stmt: ast.stmt) -> Iterator[Idea]:
        """What stands elsewhere under the same name; another index of as many places."""
        name = ast.unparse(stmt.targets[0]) if isinstance(stmt, ast.Assign) else ""
        nodes = [n for f in self.file.functions for n in ast.walk(f) if isinstance(n, ast.Assign)]
        others = [n.value for n in nodes if n is not stmt and ast.unparse(n.targets[0]) == name]
        for site in within(stmt):
            if site.field == "value" and site.parent is stmt:
                for new in filter(self.given.knows, others):
                    yield self.idea("name", stmt, site, new)
            places = getattr(site.node, "elts", [])
            if site.field == "slice" and places:
                for new in self.given.indices:
                    if len(getattr(new, "elts", [])) == len(places):
                        yield self.idea("shift", stmt, site, new)

    def operands(self, stmt: ast.stmt) -> Iterator[Idea]:
        """A name for an entry or a part, and the other way round."""
        names = [expression(n) for n in self.given.arrays]
        parts = [n for n in self.file.expressions if isinstance(n, (ast.Subscript, ast.IfExp))]
        parts = [n for n in parts if size(n) < SMALL and self.given.knows(n)]
        for site in values(stmt):
            for new in names if isinstance(site.node, (ast.Subscript, ast.Attribute)) else ():
                yield self.idea("name", stmt, site, new)
            for new in parts if isinstance(site.node, (ast.Name, ast.Subscript)) else ():
                yield self.idea("name", stmt, site, new)

    def led_all(self, stmt: ast.stmt) -> Iterator[Idea]:
        """dy as a factor of all that is returned and has nothing of it."""
        whole = next((s for s in values(stmt) if s.field == "value"), None)
        if not isinstance(stmt, ast.Return) or not whole or not isinstance(whole.node, ast.Tuple):
            return
        for name in self.given.upstream:
            elts = [
                e
                if name in names_in(e) or literal(e) is None
                else ast.BinOp(expression(name), ast.Mult(), e)
                for e in whole.node.elts
            ]
            yield self.idea("factor", stmt, whole, tuple_of(elts))

    def exchanged(self, stmt: ast.stmt) -> Iterator[Idea]:
        """Two words exchanged in all names of a statement: r and z in dWr, dWz, dUr, dUz."""
        nodes = [s for s in values(stmt) if isinstance(s.node, ast.Name)]
        whole = next((s for s in values(stmt) if s.field == "value"), None)
        for a, b in self.given.renames if whole else ():
            names = {s.node.id for s in nodes}
            there = {n: n.replace(a, b) for n in names if a and n.replace(a, b) in names - {n}}
            both = there | {v: k for k, v in there.items()}
            if len(both) > 2 and whole:
                new = {id(s.node): expression(both[s.node.id]) for s in nodes if s.node.id in both}
                yield self.idea("order", stmt, whole, changed(whole.node, new))

    def counted_off(self, stmt: ast.stmt) -> Iterator[Idea]:
        """One taken from the entries of the labels, as in the gradient of a cross-entropy."""
        targets = [n for n in written(stmt) if n in self.given.names]
        indices = [n for n in self.given.indices if "arange" in ast.unparse(n)]
        for name, index in ((t, i) for t in targets for i in indices):
            places = ", ".join(map(ast.unparse, getattr(index, "elts", [index])))
            new = ast.parse(f"{name}[{places}] -= 1").body[0]
            ast.fix_missing_locations(ast.copy_location(new, stmt))
            for node in ast.walk(new):
                ast.copy_location(node, stmt)
            yield self.inserted(stmt, new, after=True)

    def helped(self, stmt: ast.stmt) -> Iterator[Idea]:
        """A function of the file applied; one for derivatives at an array as a factor."""
        arrays = [*self.given.arrays, *self.given.keyed][:MANY]
        own = self.given.function.name
        takes = {n: len(f.node.args.args) for n, f in self.file.by_name.items() if n != own}
        for site in values(stmt):
            whole, part = is_whole(site, stmt), is_a(site.parent, ast.Mult)
            if isinstance(site.node, (ast.Tuple, ast.Constant)) or not (whole or part):
                continue
            for f in (n for n, count in takes.items() if count == 1 and whole):
                yield self.idea("function", stmt, site, call(f, site.node))
            for f in filter(is_derivative, takes):
                for a in map(expression, arrays):
                    if takes[f] == 1:
                        new: ast.expr = ast.BinOp(site.node, ast.Mult(), call(f, a))
                        yield self.idea("factor", stmt, site, new)
                    elif takes[f] == 2:
                        yield self.idea("function", stmt, site, call(f, site.node, a))
                        yield self.idea("function", stmt, site, call(f, a, site.node))

    def sloped(self, stmt: ast.stmt) -> Iterator[Idea]:
        """The slope of an activation for a factor."""
        found = slopes([*self.given.arrays, *self.given.keyed], self.file.called)
        for site in values(stmt):
            if is_a(site.parent, ast.Mult) and not isinstance(site.node, (ast.Constant, ast.BinOp)):
                for new in found:
                    yield self.idea("name", stmt, site, new)

    def repeated(self, stmt: ast.stmt) -> Iterator[Idea]:
        """A statement of the file once more, before or after this one."""
        for new in self.given.again:
            if not self.given.loses(new, stmt):
                yield self.inserted(stmt, new, after=False)
                if not isinstance(stmt, ast.Return):
                    yield self.inserted(stmt, new, after=True)

    def inserted(self, stmt: ast.stmt, new: ast.stmt, after: bool) -> Idea:
        def edit() -> Edit:
            start, end = self.file.span(stmt)
            old, words = self.file.data[start:end].decode(), ast.unparse(new)
            both = f"{old}; {words}" if after else f"{words}; {old}"
            return self.file.written("statement", stmt, start, end, both)

        return Idea((stmt.lineno, stmt.col_offset), (stmt, new) if after else (new, stmt), edit)

    def made(self, stmt: ast.stmt, node: ast.expr) -> Iterator[Idea]:
        """An expression of what is assigned, where it is: v = a.sum(0) for v.sum(0) later on."""
        match stmt:
            case ast.Assign([ast.Name(name)], value):
                reads = [n for n in ast.walk(node) if getattr(n, "id", "") == name]
                whole = next((s for s in values(stmt) if s.node is value), None)
                if whole and len(reads) == 1:
                    new = changed(node, {id(reads[0]): value})
                    yield self.idea("function", stmt, whole, new)

    def replaced(self, stmt: ast.stmt, expressions: list[ast.expr]) -> Iterator[Idea]:
        """Another expression in the place of one."""
        for site in values(stmt):
            if isinstance(site.node, ast.Tuple) and isinstance(stmt, ast.Return):
                continue
            cut = isinstance(site.parent, ast.Subscript) and site.field == "value"
            for new in expressions:
                if not (cut and is_sliced(new)):  # what is cut twice fits by chance
                    yield self.idea("name", stmt, site, new)

    def joined(
        self,
        stmt: ast.stmt,
        expressions: list[ast.expr],
        joins: Sequence[tuple[str, ast.operator]] = JOINED,
        whole: bool = False,
    ) -> Iterator[Idea]:
        """A term or a factor more; of the `whole` of what is assigned or returned only."""
        for site in values(stmt):
            if whole and not is_whole(site, stmt):
                continue
            if not isinstance(site.node, (ast.Tuple, ast.Constant)):
                for other in expressions:
                    for kind, op in joins:
                        yield self.idea(kind, stmt, site, ast.BinOp(site.node, op, other))
