"""What the forward asks of its backward: gradients derived statement by statement, in its words.

Each u = e(v, ...) of the forward gives dv a share, by the rules of `vjps`. Cotangents and residuals
are called what the backward calls them: by value where one is known, else by name; what it has no
name for is written out. All of this proposes; whether it is right is tried.
"""

import ast
import re
from collections.abc import Container, Iterator
from contextlib import suppress
from dataclasses import replace
from functools import cached_property
from itertools import combinations
from typing import Any

import numpy as np

from gradcheck.alike import Idea
from gradcheck.ideas import JOINED, Ideas
from gradcheck.ingredients import File, Ingredients, changed, size
from gradcheck.looks import names_in
from gradcheck.missing import evaluated
from gradcheck.scope import bound
from gradcheck.sites import is_whole, values
from gradcheck.syntax import called, expression, is_a, same
from gradcheck.vjps import G, Rules, Share, named, tidied

Scope = tuple[dict[str, Any], dict[str, Any]]
DEEP = 4  # cotangents written out within each other
LARGEST = 60  # nodes of what is proposed
SEVERAL = 4  # shares, of which sums of some are proposed
NEAREST = 3  # values of a shape, of which one may be a gradient
SAME_SIZE = 6  # values of the forward whose gradient a nameless one may be
ACTIVATIONS = {"arctan", "erf", "exp", "expit", "expm1", "sigmoid", "softplus", "tanh"}
OUTPUT = "output {}"
BEFORE = "d", "g", "grad", "bar", "delta", "dl", "dld", "dloss", "dlossd", "adj", "dout", "up"
CARRIED = "next|prev|total|tot|new|carry|acc"  # words for one of several gradients of a value
AFTER = "grad", "bar", "g", "adj", "b", "ct"


class Forward:
    """The statements of a forward: what each of its values is made of, what it is used for."""

    def __init__(self, function: ast.FunctionDef, file: File, there: Scope):
        self.there, self.known, self.given = there, dict[str, Any](), dict[tuple, list[Share]]()
        self.made: list[tuple[str, ast.expr]] = []
        self.outputs: list[str] = []
        self.written: list[ast.expr] = []  # the indices of what is written over
        self.arguments = [a.arg for a in function.args.args if a.arg not in ("self", "cls")]
        for node in ast.walk(function):
            match node:
                case ast.Assign([ast.Name(name)], value) | ast.AnnAssign(ast.Name(name), value):
                    self.made += [(name, value)] * (value is not None)
                case ast.AugAssign(ast.Name(name), (ast.Add() | ast.Sub()) as op, value):
                    less = ast.UnaryOp(ast.USub(), value) if isinstance(op, ast.Sub) else value
                    self.made.append((name, less))
                case ast.Assign([ast.Subscript(ast.Name(name), index)], value):
                    self.made.append((name, value))
                    self.written.append(index)
                case ast.Assign([ast.Tuple(targets)], value):
                    self.made += _parted(targets, value)
        ends = [n for n in ast.walk(function) if isinstance(n, ast.Return) and n.value]
        for value in [n.value for n in ends[-1:] if n.value]:
            pair = isinstance(value, ast.Tuple) and len(value.elts) == 2
            whole = value.elts[0] if isinstance(value, ast.Tuple) and pair else value
            several = whole.elts if isinstance(whole, ast.Tuple) else [whole]
            for k, y in enumerate(several):
                self.outputs.append(OUTPUT.format(k))
                self.made.append((OUTPUT.format(k), y))
        self.texts = {ast.dump(v): n for n, v in self.made if not isinstance(v, ast.Name)}
        self.rules = Rules(self.value, {f.name: f for f in file.functions}, self.texts)

    def value(self, node: ast.AST) -> Any:
        """The value of an expression when the forward ended."""
        mark = ast.dump(node)
        if mark not in self.known:
            self.known[mark] = evaluated(node, self.there)
        return self.known[mark]

    def local(self, e: ast.expr, v: str) -> list[Share]:
        """What the places of v in an expression give it; none where that cannot be told."""
        mark = id(e), v
        if mark not in self.given:
            self.given[mark] = []
            with suppress(ValueError, TypeError, IndexError, KeyError, AttributeError):
                self.given[mark] = [*self.rules.shares(e, v)]
        return self.given[mark]

    @cached_property
    def slopes(self) -> list[ast.expr]:
        """What cotangents are multiplied by, as a whole and function by function."""
        found: dict[str, ast.expr] = {}
        for _, e in self.made:
            factors = [f for v in self.names for s in self.local(e, v) if (f := _factor(s.node))]
            for slope in map(tidied, (*self.rules.slopes(e), *factors)):
                if not isinstance(slope, ast.Constant):
                    found[ast.dump(slope)] = slope
        return [*found.values()]

    @cached_property
    def names(self) -> list[str]:
        return [*dict.fromkeys([*self.arguments, *(n for n, _ in self.made)])]

    def uses(self, name: str) -> Iterator[tuple[str, ast.expr]]:
        """(u, e) of each u = e in which a name stands."""
        return ((u, e) for u, e in self.made if name in names_in(e))


class Derivation:
    """The gradients of a forward in the words of one statement of its backward."""

    def __init__(
        self, forward: Forward, given: Ingredients, there: Scope, here: Scope, stmt: ast.stmt
    ):
        self.forward, self.given, self.there, self.here = forward, given, there, here
        self.rules = forward.rules
        args = [a.arg for a in given.function.args.args]
        earlier = [
            n for n in ast.walk(given.function) if getattr(n, "lineno", stmt.lineno) < stmt.lineno
        ]
        before = set().union(*(bound(n) for n in earlier if isinstance(n, ast.stmt)))
        self.names = [n for n in given.names if n in args or n in before or "." in n]
        self.known: dict[str, ast.expr | None] = {}

    @cached_property
    def values(self) -> list[tuple[ast.expr, Any]]:
        """What the backward has under a name, with entries of its dicts and tuples."""
        nodes = [expression(n) for n in self.names]
        for name in self.names:
            value = self.here[1].get(name)
            if isinstance(value, dict):
                nodes += [expression(f"{name}[{k!r}]") for k in value if isinstance(k, str)]
        found = [(n, evaluated(n, self.here)) for n in nodes]
        return [(n, v) for n, v in found if isinstance(v, (np.ndarray, float, int, np.generic))]

    def called_by_value(self, value: Any, close: bool = False) -> ast.expr | None:
        """What has this value, or one that is close to it."""
        if not isinstance(value, (np.ndarray, np.floating)) or value.dtype.kind not in "fib":
            return None
        for node, own in self.values:
            if isinstance(own, type(value)) and np.shape(own) == np.shape(value):
                if own is value or np.array_equal(own, value):
                    return node
                if close and np.allclose(own, value, rtol=1e-9, atol=0) and np.any(own):
                    return node
        return None

    def residual(self, name: str, depth: int = 0) -> ast.expr | None:
        """A value of the forward as the backward knows it."""
        value = evaluated(ast.Name(name, ast.Load()), self.there)
        if name in self.names:
            own = evaluated(ast.Name(name, ast.Load()), self.here)
            if own is value or value is None or _equal(own, value):
                return expression(name)
        found = self.called_by_value(value)
        if found is None and name in self.names:
            return expression(name)
        if found is not None or name in self.given.file.known or name in ("np", "numpy"):
            return found if found is not None else expression(name)
        made = [e for n, e in self.forward.made if n == name]
        if len(made) == 1 and depth < DEEP:
            return self.worded(made[0], depth + 1)
        return None

    def worded(self, node: ast.expr, depth: int = 0) -> ast.expr | None:
        """An expression of the forward in the words of the backward; None where it has none."""
        words = self._named(node, depth)
        return None if words is None else self.by_names(words)

    def by_names(self, node: ast.expr) -> ast.expr:
        """The same, with names for what the backward has under a name."""
        found = {}
        for n in ast.walk(node):
            if isinstance(n, (ast.Call, ast.BinOp)) and G not in names_in(n) and size(n) > 4:
                short = self.called_by_value(evaluated(n, self.here), close=True)
                if short is not None:
                    found[id(n)] = short
        return changed(node, found) if found else node

    def _named(self, node: ast.expr, depth: int) -> ast.expr | None:
        short = self._shortened(node, top=True)
        names: dict[str, ast.expr] = {}
        for name in names_in(short) - {G}:
            found = self.residual(name, depth)
            if found is None:
                return None
            names[name] = found
        return named(short, names)

    def _shortened(self, node: ast.expr, top: bool = False) -> ast.expr:
        """With names for what the forward has given one."""
        found = {}
        for n in ast.walk(node):
            name = self.forward.texts.get(ast.dump(n)) if isinstance(n, ast.expr) else None
            if name and not name.startswith("output") and not (top and n is node):
                found[id(n)] = ast.Name(name, ast.Load())
        return changed(node, found) if found else node

    def cotangents(self, u: str, seen: frozenset[str]) -> list[ast.expr]:
        """What the backward calls the gradient of u, or how it would be written."""
        if u in self.forward.outputs:
            upstream = self.given.upstream
            place = self.forward.outputs.index(u)
            if len(self.forward.outputs) == 1:
                return [expression(n) for n in upstream[:1]]
            parts = upstream[1:] or [f"{upstream[0]}[{place}]"] if upstream else []
            return [expression(n) for n in parts[place : place + 1]]
        named_so = [expression(n) for n in self.names if is_gradient(n, u)][:2]
        if u not in self.known and u not in seen and len(seen) < DEEP:
            whole = self.total(u, seen)
            if whole is not None:
                short = self.called_by_value(evaluated(whole, self.here), close=True)
                whole = short if short is not None else whole
            self.known[u] = whole
        found = self.known.get(u)
        if found is not None and not any(same(found, n) for n in named_so):
            named_so.append(found)
        return named_so or self.of_shape(u)

    def of_shape(self, u: str) -> list[ast.expr]:
        """What has the shape of a value of the forward, and may be its gradient: the latest."""
        shape = self.rules.shape(ast.Name(u, ast.Load()))
        kept = {id(v) for v in self.there[1].values()}
        known = [(n, v) for n, v in self.values if isinstance(n, ast.Name)]
        fresh = [(n, v) for n, v in known if np.shape(v) == shape != () and id(v) not in kept]
        others: list[ast.expr] = [
            n for n, v in fresh if not any(_equal(v, w) for w in self.there[1].values())
        ]
        return others[-NEAREST:]

    def shares(self, v: str, seen: frozenset[str] = frozenset()) -> list[list[Share]]:
        """For each use of v, what that gives its gradient, in one way or several."""
        found = []
        for u, e in self.forward.uses(v):
            if u in seen:
                continue
            for share in self.forward.local(e, v):
                rest, index = self.worded(share.node), None
                if share.index is not None:
                    index = self.worded(share.index)
                    if index is None:
                        continue
                if rest is None:
                    continue
                ways = self.cotangents(u, seen | {v})
                nodes = [tidied(self.by_names(named(rest, {G: g}))) for g in ways]
                nodes = [n for n in nodes if size(n) <= LARGEST]
                if nodes:
                    found.append([Share(n, index) for n in nodes])
        return found

    def total(self, v: str, seen: frozenset[str] = frozenset(), way: int = -1) -> ast.expr | None:
        """The whole gradient of v; None where a part of it has no words."""
        found = self.shares(v, seen)
        uses = sum(1 for u, _ in self.forward.uses(v) if u != v)
        if not found or len(found) < uses or any(w[0].index is not None for w in found):
            return None
        return _sum([w[way].node for w in found])


def is_gradient(name: str, of: str) -> bool:
    """Whether a name is one that people give the gradient of another.

    >>> is_gradient("dz", "z"), is_gradient("grad_w1", "W1"), is_gradient("dout", "z")
    (True, True, False)
    >>> is_gradient("dh_next", "h"), is_gradient("dprev_c", "c")
    (True, True)
    """
    a, b = (re.sub(r"[^a-z0-9]", "", n.lower().rsplit(".", 1)[-1]) for n in (name, of))
    if not b or a == b:
        return False
    plain = re.sub(CARRIED, "", a)
    forms = {p + b for p in BEFORE} | {b + s for s in AFTER}
    return a in forms or plain in forms


def derived(
    file: File,
    name: str,
    lines: Container[int],
    forward: ast.FunctionDef,
    there: Scope,
    here: Scope,
) -> Iterator[Idea]:
    """Edits of statements of a backward that make them what its forward asks for.

    Args:
        file, name: the backward.
        lines: where the statements begin.
        forward: the function of whose gradients it is.
        there, here: globals and locals of the forward and of the backward as they end.
    """
    work, source = Ideas(file, name), Forward(forward, file, there)
    first = min(work.given.statements, key=lambda s: s.lineno, default=None)
    for stmt in work.begun_in(lines):
        if stmt is first:  # what dy itself lacks
            made = Derivation(source, work.given, there, here, work.given.function.body[-1])
            for slope in _slopes(made, source):
                for u in work.given.upstream[:1]:
                    lost = ast.parse(f"{u} = {u} * ({ast.unparse(slope)})").body[0]
                    after = u not in names_in(stmt)
                    yield work.inserted(stmt, _placed(lost, stmt), after=after)
        made = Derivation(source, work.given, there, here, stmt)
        for site in values(stmt):
            if not is_whole(site, stmt) or isinstance(site.node, ast.Tuple):
                continue
            target = _target(stmt, site.node)
            for v in _of_whom(made, source, stmt, site.node, target):
                shares = made.shares(v)
                flat = [s for ways in shares for s in ways]
                plain = [s.node for s in flat if s.index is None]
                wholes = [*plain, *_sums(shares)]
                for way in (0, -1):
                    if (total := made.total(v, way=way)) is not None:
                        wholes.append(total)
                for node in wholes:
                    grows = size(node) - size(site.node)
                    yield replace(work.idea("name", stmt, site, node), grows=grows)
                for node in plain:
                    new = ast.BinOp(site.node, JOINED[0][1], node)
                    yield replace(work.idea("term", stmt, site, new), grows=size(node))
                if target and not isinstance(stmt, ast.Return):
                    for more in (m for s in flat for m in _statements(_bare(target), s)):
                        yield work.inserted(stmt, _placed(more, stmt), after=True)
            if target and not isinstance(stmt, ast.Return):
                for more in _passed_on(made, source, _bare(target)):
                    yield work.inserted(stmt, _placed(more, stmt), after=True)
        for slope in _slopes(made, source):
            for site in values(stmt):
                factor = is_a(site.parent, ast.Mult) and not isinstance(site.node, ast.Constant)
                if factor:
                    yield work.idea("name", stmt, site, slope)
                term = is_a(site.parent, ast.Add) or is_a(site.parent, ast.Sub)
                term |= called(site.parent) == "where"
                if (term or is_whole(site, stmt)) and not isinstance(site.node, ast.Tuple):
                    new = ast.BinOp(site.node, ast.Mult(), slope)
                    yield work.idea("factor", stmt, site, new)


def activations(forward: ast.FunctionDef, file: File, there: Scope) -> tuple[np.ndarray, ...]:
    """The slopes of the activations that a forward applies, as arrays."""
    source = Forward(forward, file, there)
    nodes = [s for _, e in source.made for s in source.rules.slopes(e, ACTIVATIONS)]
    values = [evaluated(n, there) for n in nodes]
    return tuple(v for v in values if isinstance(v, np.ndarray) and v.dtype.kind in "fb")


def _parted(targets: list[ast.expr], value: ast.expr) -> Iterator[tuple[str, ast.expr]]:
    """The names of several results, each with what it is."""
    names = [getattr(t, "id", "") for t in targets]
    if isinstance(value, ast.Tuple) and len(value.elts) == len(names):
        yield from ((n, e) for n, e in zip(names, value.elts, strict=True) if n)


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


def _factor(node: ast.expr) -> ast.expr | None:
    """What the cotangent is multiplied by, if by nothing but factors."""
    match node:
        case ast.Name(name) if name == G:
            return ast.Constant(1)
        case ast.BinOp(left, (ast.Mult() | ast.Div()) as op, right) if G in names_in(left):
            inner = _factor(left)
            if inner is None:
                return None
            one = isinstance(inner, ast.Constant)
            return right if one and isinstance(op, ast.Mult) else ast.BinOp(inner, op, right)
        case ast.UnaryOp(ast.USub(), inner):
            rest = _factor(inner)
            return None if rest is None else ast.UnaryOp(ast.USub(), rest)
    return None


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
            yield _sum(several)


def _sum(terms: Any) -> ast.expr:
    first, *others = terms
    for n in others:
        less = isinstance(n, ast.UnaryOp) and isinstance(n.op, ast.USub)
        first = ast.BinOp(first, ast.Sub(), n.operand) if less else ast.BinOp(first, ast.Add(), n)
    return first


def _statements(target: str, share: Share) -> Iterator[ast.stmt]:
    """What adds a share to what is assigned."""
    words = ast.unparse(ast.fix_missing_locations(share.node))
    if share.index is None:
        yield ast.parse(f"{target} += {words}").body[0]
        if target.isidentifier():  # where it is dy, which is not to be written into
            yield ast.parse(f"{target} = {target} + {words}").body[0]
    elif words.startswith("-"):
        index = _places(share.index)
        yield ast.parse(f"{target}[{index}] -= {words[1:]}").body[0]
    else:
        index = _places(share.index)
        yield ast.parse(f"{target}[{index}] += {words}").body[0]
        if not re.search("[:]", index):
            yield ast.parse(f"np.add.at({target}, {index}, {words})").body[0]


def _places(index: ast.expr) -> str:
    """An index as text; a tuple of slices is none where it has parentheses."""
    parts = index.elts if isinstance(index, ast.Tuple) else [index]
    return ", ".join(ast.unparse(ast.fix_missing_locations(p)) for p in parts)


def _placed(new: ast.stmt, stmt: ast.stmt) -> ast.stmt:
    for n in ast.walk(new):
        ast.copy_location(n, stmt)
    return new


def _equal(a: Any, b: Any) -> bool:
    try:
        return bool(np.array_equal(a, b))
    except Exception:  # things that cannot be compared
        return False
