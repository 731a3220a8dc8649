"""What the forward asks of its backward, as edits: whole gradients, shares, factors, statements.

All of it proposes; whether it is right is tried.
"""

import ast
import re
from collections.abc import Container, Iterator
from dataclasses import replace
from itertools import combinations

import numpy as np

from gradcheck.alike import Idea
from gradcheck.built import named, sum_of
from gradcheck.derivation import CARRIED, LARGEST, Derivation, is_gradient
from gradcheck.files import File
from gradcheck.forwards import Ended, Forward
from gradcheck.ideas import Ideas
from gradcheck.looks import names_in
from gradcheck.missing import evaluated
from gradcheck.sites import Site, is_whole, values
from gradcheck.syntax import called, expression, is_a, size
from gradcheck.vjps import G, Share

SEVERAL = 4  # shares, of which sums of some are proposed
SAME_SIZE = 6  # values of the forward whose gradient a nameless one may be


def derived(
    file: File,
    name: str,
    lines: Container[int],
    forward: ast.FunctionDef,
    there: Ended,
    here: Ended,
) -> Iterator[Idea]:
    """Edits of statements of a backward that make them what its forward asks for.

    Args:
        file, name: the backward.
        lines: where the statements begin.
        forward: the function of whose gradients it is.
        there, here: globals and locals of the forward and of the backward as they end, and the
            same for arguments of other sizes, where there are any.
    """
    work, source = Ideas(file, name), Forward(forward, file, there)
    first = min(work.given.statements, key=lambda s: s.lineno, default=None)
    for stmt in work.begun_in(lines):
        if stmt is first:  # what dy itself lacks
            made = Derivation(source, work.given, here, work.given.function.body[-1])
            for lost in _of_slopes(made, source):
                after = ast.unparse(lost.targets[0]) not in names_in(stmt)
                yield _inserted(work, lost, stmt, after)
        made = Derivation(source, work.given, here, stmt)
        outer = first is not None and stmt.col_offset == first.col_offset
        for lost in _of_outputs(made, source) if outer else _carried(made, source):
            yield _inserted(work, lost, stmt, not outer)
        for site in values(stmt):
            if is_whole(site, stmt) and not isinstance(site.node, ast.Tuple):
                target = _target(stmt, site.node)
                yield from _wholes(work, made, source, stmt, site, target)
                if target and not isinstance(stmt, ast.Return):
                    for more in _passed_on(made, source, _bare(target)):
                        yield _inserted(work, more, stmt, True)
        yield from _factors(work, _slopes(made, source), stmt)


def _wholes(
    work: Ideas, made: Derivation, source: Forward, stmt: ast.stmt, site: Site, target: str
) -> Iterator[Idea]:
    """What is assigned or returned, as the forward asks for it; the same with a share more."""
    shape = np.shape(evaluated(expression(target), made.here)) if target else ()
    wholes = [*made.of_parts(shape)] if shape and isinstance(stmt, ast.Assign) else []
    plain, later = list[ast.expr](), list[Share]()
    steps = {*work.given.steps}  # an entry of one step is a value by itself
    for v in _of_whom(made, source, stmt, site.node, target):
        shares = made.shares(v)
        flat = [s for ways in shares for s in ways]
        own = [s.node for s in flat if s.index is None or names_in(s.index) <= steps]
        totals = [made.total(v, way=way) for way in (0, -1)]
        wholes += [*own, *_sums(shares), *(t for t in totals if t is not None)]
        plain, later = plain + own, later + flat
    for node in wholes:
        yield replace(work.idea("name", stmt, site, node), grows=size(node) - size(site.node))
    for node in plain:
        new = sum_of([site.node, node])
        yield replace(work.idea("term", stmt, site, new), grows=size(node))
    if target and not isinstance(stmt, ast.Return):
        for more in (m for s in later for m in _statements(_bare(target), s)):
            yield _inserted(work, more, stmt, True)


def _factors(work: Ideas, slopes: list[ast.expr], stmt: ast.stmt) -> Iterator[Idea]:
    """A slope for a factor, or for the whole; as a factor more of a term."""
    for slope in slopes:
        for site in values(stmt):
            factor = is_a(site.parent, ast.Mult) and not isinstance(site.node, ast.Constant)
            if factor or is_whole(site, stmt):
                yield work.idea("name", stmt, site, slope)
            term = is_a(site.parent, ast.Add) or is_a(site.parent, ast.Sub)
            term |= called(site.parent) == "where"
            if (term or is_whole(site, stmt)) and not isinstance(site.node, ast.Tuple):
                new = ast.BinOp(site.node, ast.Mult(), slope)
                yield work.idea("factor", stmt, site, new)


def _of_slopes(made: Derivation, source: Forward) -> Iterator[ast.Assign]:
    """dy times a slope."""
    for u in made.given.upstream[:1]:
        for slope in _slopes(made, source):
            yield _assigned(u, f"{u} * ({ast.unparse(slope)})")


def _of_outputs(made: Derivation, source: Forward) -> Iterator[ast.Assign]:
    """What the cotangent of an output gets as others are made of that, too."""
    outputs = {u: e.id for u, e in source.made if u in source.outputs and isinstance(e, ast.Name)}
    for u, name in outputs.items():
        for own in made.cotangents(u, frozenset()):
            for share in (s for ways in made.shares(name) for s in ways):
                dy, more = ast.unparse(own), ast.unparse(ast.fix_missing_locations(share.node))
                if share.index is None and dy.isidentifier() and dy != more:
                    yield _assigned(dy, f"{dy} + {more}")


def _carried(made: Derivation, source: Forward) -> Iterator[ast.Assign]:
    """What the gradient of a state is before the step that made it from the last one."""
    steps = {*made.given.steps}
    for name in (n for n in made.names if n.isidentifier() and re.search(CARRIED, n.lower())):
        for v in (v for v in source.names if is_gradient(name, v)):
            for share in (s for ways in made.shares(v) for s in ways):
                if share.index is not None and names_in(share.index) <= steps:
                    yield _assigned(name, ast.unparse(ast.fix_missing_locations(share.node)))


def _assigned(name: str, words: str) -> ast.Assign:
    (made,) = ast.parse(f"{name} = {words}").body
    assert isinstance(made, ast.Assign)
    return made


def _passed_on(made: Derivation, source: Forward, target: str) -> Iterator[ast.stmt]:
    """What is right after the gradient of u is known: each v that u is made of gets its share."""
    for u, e in source.made:
        if is_gradient(target, u):
            for v in sorted(names_in(e) & {*source.names}):
                for name in (n for n in made.names if is_gradient(n, v) and n != target):
                    for share in source.local(e, v):
                        words = made.worded(share.node)
                        index = share.index and made.worded(share.index)
                        if words is not None and (index is None) == (share.index is None):
                            node = named(words, {G: expression(target)})
                            yield from _statements(name, Share(node, index))
    for index in source.written:
        words = made.worded(index)
        if words is not None:
            yield ast.parse(f"{target}[{_places(words)}] = 0").body[0]


def _slopes(made: Derivation, source: Forward) -> list[ast.expr]:
    """The factors by which the cotangents of values are multiplied, and those they are made of."""
    found = {}
    for slope in source.slopes:
        words = made.worded(slope)
        if words is not None and size(words) <= LARGEST:
            found[ast.unparse(ast.fix_missing_locations(words))] = words
    return [*found.values()]


def _target(stmt: ast.stmt, node: ast.expr) -> str:
    """The name of what is assigned or returned."""
    match stmt:
        case ast.Assign([target]) | ast.AugAssign(target) if not isinstance(target, ast.Tuple):
            return ast.unparse(target)
        case ast.Return():
            return node.id if isinstance(node, ast.Name) else ""
    return ""


def _bare(target: str) -> str:
    """What is assigned, without the index of a part of it."""
    return re.sub(r"\[[^'\"]*\]$", "", target)


def _of_whom(
    made: Derivation, source: Forward, stmt: ast.stmt, node: ast.expr, target: str
) -> list[str]:
    """The values of the forward whose gradient stands here: by name, by place, else by shape."""
    if isinstance(stmt, ast.Return) and stmt.value is not None:
        elts = getattr(stmt.value, "elts", [stmt.value])
        place = next((k for k, e in enumerate(elts) if e is node), 0)
        return source.arguments[place : place + 1]
    bare = re.sub(r"\[['\"](\w+)['\"]\]$", r".\1", _bare(target))
    named_so = [v for v in source.names if is_gradient(bare, v)]
    named_so += [v for v in source.names if "." in bare and bare.rsplit(".", 1)[-1] == v]
    if named_so or isinstance(stmt, ast.AugAssign):
        return named_so
    shape = np.shape(evaluated(expression(target), made.here)) if target else ()
    alike = [v for v in source.names if made.rules.shape(ast.Name(v, ast.Load())) == shape != ()]
    return alike[:SAME_SIZE]


def _sums(shares: list[list[Share]]) -> Iterator[ast.expr]:
    """Sums of some of the shares."""
    plain = [w[0].node for w in shares if w[0].index is None][:SEVERAL]
    for count in range(2, len(plain) + 1):
        for several in combinations(plain, count):
            yield sum_of(several)


def _statements(target: str, share: Share) -> Iterator[ast.stmt]:
    """What adds a share to what is assigned."""
    node = ast.fix_missing_locations(share.node)
    less = isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub)
    words = ast.unparse(node.operand if isinstance(node, ast.UnaryOp) and less else node)
    sign, index = "-" if less else "+", _places(share.index) if share.index else ""
    if not index:
        yield ast.parse(f"{target} {sign}= {words}").body[0]
        if target.isidentifier():  # where it is dy, which is not to be written into
            yield ast.parse(f"{target} = {target} {sign} ({words})").body[0]
        return
    yield ast.parse(f"{target}[{index}] {sign}= {words}").body[0]
    if not re.search("[:]", index) and not less:
        yield ast.parse(f"np.add.at({target}, {index}, {words})").body[0]


def _places(index: ast.expr) -> str:
    """An index as text; a tuple of slices is none where it has parentheses."""
    parts = index.elts if isinstance(index, ast.Tuple) else [index]
    return ", ".join(ast.unparse(ast.fix_missing_locations(p)) for p in parts)


def _inserted(work: Ideas, new: ast.stmt, stmt: ast.stmt, after: bool) -> Idea:
    for n in ast.walk(new):
        ast.copy_location(n, stmt)
    return replace(work.inserted(stmt, new, after=after), grows=size(new.value))  # type: ignore[attr-defined]
