"""The statements of a forward, and the gradients they ask for in the words of a backward.

Each u = e(v, ...) of the forward gives dv a share, by the rules of `vjps`. Cotangents and residuals
are called what the backward calls them: by value where one is known, else by name; what it has no
name for is written out.
"""

import ast
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import cached_property
from typing import Any

import numpy as np

from gradcheck.built import form_of, named, negative, tidied
from gradcheck.ingredients import File, Ingredients, changed, size
from gradcheck.looks import names_in
from gradcheck.missing import evaluated
from gradcheck.scope import bound
from gradcheck.syntax import called, expression, literal, same
from gradcheck.vjps import G, Rules, Share

Scope = tuple[dict[str, Any], dict[str, Any]]
Ended = tuple[Scope, Scope | None]  # of a function as it ends, and once more, for other sizes
DEEP = 4  # cotangents written out within each other
LARGEST = 60  # nodes of what is proposed
LONGEST = 2 * LARGEST  # nodes of what may become short by names
NEAREST = 6  # values of a shape, of which one may be a gradient
ACTIVATIONS = {"arctan", "erf", "exp", "expit", "expm1", "sigmoid", "softplus", "tanh"}
OUTPUT = "output {}"
BEFORE = "d", "g", "grad", "bar", "delta", "dl", "dld", "dloss", "dlossd", "adj", "dout", "up"
CARRIED = "next|prev|total|tot|new|carry|acc"  # words for one of several gradients of a value
AFTER = "grad", "bar", "g", "adj", "b", "ct"


class Forward:
    """The statements of a forward: what each of its values is made of, what it is used for."""

    def __init__(self, function: ast.FunctionDef, file: File, there: Ended):
        self.partial: set[tuple[int, str]] = set()  # of which not all shares are known
        self.there, self.again = there
        self.known, self.given = dict[str, Any](), dict[tuple, list[Share]]()
        self.later = dict[str, Any]()  # values of expressions when the backward ends
        self.made: list[tuple[str, ast.expr]] = []
        self.outputs: list[str] = []
        self.written: list[ast.expr] = []  # the indices of what is written over
        self.arguments = [a.arg for a in function.args.args if a.arg not in ("self", "cls")]
        entries: dict[int, ast.expr] = {}  # of values, what they are in a list or an array
        for node in ast.walk(function):
            match node:
                case ast.Assign([ast.Name(name)], value) | ast.AnnAssign(ast.Name(name), value):
                    self.made += [(name, value)] * (value is not None)
                case ast.AugAssign(ast.Name(name), (ast.Add() | ast.Sub()) as op, value):
                    less = ast.UnaryOp(ast.USub(), value) if isinstance(op, ast.Sub) else value
                    self.made.append((name, less))
                case ast.Assign([ast.Subscript(ast.Name(name), index) as entry], value):
                    self.made.append((name, value))
                    self.written.append(index)
                    entries[id(value)] = expression(ast.unparse(entry))
                case ast.Assign([ast.Tuple(targets)], value):
                    self.made += _parted(targets, value)
                case ast.Expr(ast.Call(ast.Attribute(ast.Name(name), "append"), [value])):
                    self.made.append((name, value))
                    entries[id(value)] = expression(f"{name}[-1]")
        ends = [n for n in ast.walk(function) if isinstance(n, ast.Return) and n.value]
        for value in [n.value for n in ends[-1:] if n.value]:
            pair = isinstance(value, ast.Tuple) and len(value.elts) == 2
            whole = value.elts[0] if isinstance(value, ast.Tuple) and pair else value
            several = whole.elts if isinstance(whole, ast.Tuple) else [whole]
            for k, y in enumerate(several):
                self.outputs.append(OUTPUT.format(k))
                self.made.append((OUTPUT.format(k), y))
        self.texts = {
            ast.dump(v): entries.get(id(v), ast.Name(n, ast.Load()))
            for n, v in self.made
            if not isinstance(v, ast.Name)
        }
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
            try:
                for share in self.rules.shares(e, v):
                    self.given[mark].append(share)
            except (ValueError, TypeError, IndexError, KeyError, AttributeError):
                self.partial.add(mark)  # there may be more
        return self.given[mark]

    @cached_property
    def parts(self) -> list[tuple[str, ast.expr, ast.expr]]:
        """(u, part, cotangent) for each value without a name that u is made of."""
        found = []
        for u, e in self.made:
            with suppress(ValueError, TypeError, IndexError, KeyError, AttributeError):
                found += [(u, p, g) for p, g in self.rules.within(e) if not isinstance(g, ast.Name)]
        return found

    @cached_property
    def slopes(self) -> list[ast.expr]:
        """What cotangents are multiplied by, as a whole and function by function."""
        found: dict[str, ast.expr] = {}
        for _, e in self.made:
            factors: list[ast.expr] = []
            for v in self.names:
                own = [f for s in self.local(e, v) if (f := _factor(s.node)) is not None]
                factors += own
                if len(own) > 1:
                    factors.append(sum_of(own))
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

    def __init__(self, forward: Forward, given: Ingredients, here: Ended, stmt: ast.stmt):
        self.forward, self.given, self.here, self.again = forward, given, *here
        self.there = forward.there
        self.rules = forward.rules
        args = [a.arg for a in given.function.args.args]
        inner = [n for n in ast.walk(given.function) if isinstance(n, ast.stmt)]
        earlier = sorted((n for n in inner if n.lineno < stmt.lineno), key=lambda n: n.lineno)
        self.since = dict.fromkeys(given.names, 0)  # the line in which a name was bound last
        self.since |= {name: n.lineno for n in earlier for name in _bound_at(n)}
        self.names = [n for n in given.names if n in args or self.since[n] or "." in n]
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
                if own is value or (np.any(own) and np.array_equal(own, value)):
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

    def _value(self, node: ast.expr) -> Any:
        """The value of an expression when the backward ended."""
        mark = ast.dump(node)
        if mark not in self.forward.later:
            self.forward.later[mark] = evaluated(node, self.here)
        return self.forward.later[mark]

    def by_names(self, node: ast.expr) -> ast.expr:
        """The same, with names for what the backward has under a name."""
        if size(node) > LONGEST:
            return node
        found = {}
        for n in ast.walk(node):
            if isinstance(n, (ast.Call, ast.BinOp)) and G not in names_in(n) and size(n) > 4:
                short = self.called_by_value(self._value(n), close=True)
                if short is not None:
                    found[id(n)] = short
        return changed(node, found) if found else node

    def _named(self, node: ast.expr, depth: int) -> ast.expr | None:
        short = self._sized(self._shortened(node, top=True))
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
            short = self.forward.texts.get(ast.dump(n)) if isinstance(n, ast.expr) else None
            output = isinstance(short, ast.Name) and short.id.startswith("output")
            if short is not None and not output and not (top and n is node):
                found[id(n)] = short
        return changed(node, found) if found else node

    def _sized(self, node: ast.expr) -> ast.expr:
        """With names of sizes for the shapes of what the backward has no name for.

        Of sizes that are equal by chance the wrong one may be named, which fails at other sizes.
        """
        found: dict[int, ast.expr] = {}
        for n in ast.walk(node):
            match n:
                case ast.Attribute(x, "size") | ast.Subscript(ast.Attribute(x, "shape"), _):
                    if sizes := self._sizes(x, n):
                        found[id(n)] = sizes[0]
                case ast.Attribute(x, "shape"):
                    if sizes := self._sizes(x, n):
                        found[id(n)] = ast.Tuple(sizes, ast.Load())
        return changed(node, found) if found else node

    def _sizes(self, x: ast.expr, node: ast.expr) -> list[ast.expr]:
        """A name for each size; none where x has a name itself, or a size has none."""
        if isinstance(x, ast.Name) and (x.id == G or x.id in self.names):
            return []
        values = [self.forward.value(node)]
        if self.forward.again:
            values.append(evaluated(node, self.forward.again))
        several = [v if isinstance(v, tuple) else (v,) for v in values]
        counts = [*zip(*several, strict=False)]
        fixed = {k: ast.Constant(k[0]) for k in counts if len(k) == 2 and k[0] == k[1]}
        names = [self.sizes.get(k, fixed.get(k)) for k in counts]
        return [n for n in names if n is not None] if None not in names else []

    @cached_property
    def sizes(self) -> dict[tuple[int, ...], ast.expr]:
        """What the backward calls a size: by a name, else by the array that has it."""
        found: dict[tuple[int, ...], ast.expr] = {}
        nodes = [n for n, v in self.values if type(v) is int]
        counted = [n for n in self.given.expressions if isinstance(n, ast.BinOp) and size(n) < 8]
        nodes += [n for n in counted if type(evaluated(n, self.here)) is int]
        for node, value in self.values:
            nodes += [form_of(f"X.shape[{axis}]", X=node) for axis in range(np.ndim(value))]
        for node in nodes:
            scopes = [self.here, *filter(None, (self.again,) * bool(self.forward.again))]
            found.setdefault(tuple(evaluated(node, s) for s in scopes), node)
        return found

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
        return [*named_so, *self.of_shape(u)] if found is None else named_so

    def of_shape(self, u: str) -> list[ast.expr]:
        """What has the shape of a value of the forward, and may be its gradient: the latest."""
        shape = self.rules.shape(ast.Name(u, ast.Load()))
        if not shape:
            return []
        own = {n.id: v for n, v in self.values if isinstance(n, ast.Name)}
        kept = [*self.there[1].values()]
        fresh = [
            n
            for n, v in own.items()
            if np.shape(v) == shape and n not in self.forward.names
            if not any(v is w or _equal(v, w) for w in kept)
        ]
        return [expression(n) for n in sorted(fresh, key=self.since.__getitem__)[-NEAREST:]]

    def _counts(self, e: ast.expr, v: str) -> bool:
        """Whether an expression gives v anything, which comparisons do not."""
        return bool(self.forward.local(e, v)) or (id(e), v) in self.forward.partial

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

    def of_parts(self, shape: tuple[int, ...]) -> Iterator[ast.expr]:
        """The cotangents of values without a name of this shape."""
        for u, part, own in self.forward.parts:
            if self.rules.shape(part) == shape and (rest := self.worded(own)) is not None:
                for g in self.cotangents(u, frozenset()):
                    node = tidied(self.by_names(named(rest, {G: g})))
                    if size(node) <= LARGEST:
                        yield node

    def total(self, v: str, seen: frozenset[str] = frozenset(), way: int = -1) -> ast.expr | None:
        """The whole gradient of v; None where a part of it has no words."""
        found = self.shares(v, seen)
        uses = [e for u, e in self.forward.uses(v) if u != v and self._counts(e, v)]
        part = any((id(e), v) in self.forward.partial for e in uses)
        if part or len(found) < max(1, len(uses)) or any(w[0].index is not None for w in found):
            return None
        return sum_of([w[way].node for w in found])


def _bound_at(stmt: ast.stmt) -> set[str]:
    """The names that a statement binds itself, not those that others do inside of it."""
    if isinstance(stmt, ast.For):
        return bound(stmt.target)
    return set() if hasattr(stmt, "body") else bound(stmt)


def is_gradient(name: str, of: str) -> bool:
    """Whether a name is one that people give the gradient of another.

    >>> is_gradient("dz", "z"), is_gradient("grad_w1", "W1"), is_gradient("dout", "z")
    (True, True, False)
    >>> is_gradient("dh_next", "h"), is_gradient("dc_t", "cs")
    (True, True)
    """
    words = (n.lower().rsplit(".", 1)[-1].removesuffix("_t") for n in (name, of))
    a, b = (re.sub(r"[^a-z0-9]", "", w) for w in words)
    if not b or a == b:
        return False
    plain = re.sub(CARRIED, "", a)
    one = b.removesuffix("s") or b  # of a list of states
    forms = {p + n for p in BEFORE for n in (b, one)} | {n + s for s in AFTER for n in (b, one)}
    return a in forms or plain in forms


def activations(forward: ast.FunctionDef, file: File, there: Scope) -> tuple[np.ndarray, ...]:
    """The slopes of the activations that a forward applies, as arrays."""
    source = Forward(forward, file, (there, None))
    nodes = [s for _, e in source.made for s in source.rules.slopes(e, ACTIVATIONS)]
    values = [evaluated(n, there) for n in nodes]
    return tuple(v for v in values if isinstance(v, np.ndarray) and v.dtype.kind in "fb")


def _parted(targets: list[ast.expr], value: ast.expr) -> Iterator[tuple[str, ast.expr]]:
    """The names of several results, each with what it is."""
    names = [getattr(t, "id", "") for t in targets]
    if isinstance(value, ast.Tuple) and len(value.elts) == len(names):
        yield from ((n, e) for n, e in zip(names, value.elts, strict=True) if n)


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


def _equal(a: Any, b: Any) -> bool:
    try:
        return bool(np.array_equal(a, b))
    except Exception:  # things that cannot be compared
        return False


def _counted(terms: Sequence[ast.expr]) -> list[tuple[ast.expr, int]]:
    """Each term once, and how often it came."""
    count = Counter(map(ast.dump, terms))
    return [*{ast.dump(t): (t, count[ast.dump(t)]) for t in terms}.values()]


def _either(a: ast.expr, b: ast.expr) -> ast.expr | None:
    """The sum of an entry where something holds, and of another one where it does not."""
    less = isinstance(b, ast.UnaryOp) and isinstance(b.op, ast.USub)
    inner = b.operand if isinstance(b, ast.UnaryOp) and less else b
    for node in (a, inner):
        if called(node) != "where" or len(getattr(node, "args", [])) != 3:
            return None
    (test, there, rest), (other, first, here) = a.args, inner.args  # type: ignore[attr-defined]
    if not same(test, other) or literal(rest) != 0 or literal(first) != 0:
        return None
    return form_of("np.where(C, A, B)", C=test, A=there, B=negative(here) if less else here)


def sum_of(terms: Sequence[ast.expr]) -> ast.expr:
    """The sum of one term or more; those with a minus are taken away.

    >>> ast.unparse(sum_of([expression("a"), expression("-b"), expression("c")]))
    'a - b + c'
    >>> ast.unparse(sum_of([expression("0.5 * a"), expression("b"), expression("0.5 * a")]))
    'a + b'
    >>> ast.unparse(sum_of([expression(t) for t in ("np.where(c, a, 0)", "-np.where(c, 0, b)")]))
    'np.where(c, a, -b)'
    """
    first, *others = (
        tidied(ast.BinOp(ast.Constant(n), ast.Mult(), t)) if n > 1 else t
        for t, n in _counted(terms)
    )
    total = first
    for n in others:
        if (both := _either(total, n)) is not None:
            total = both
            continue
        match n:
            case ast.UnaryOp(ast.USub(), less):
                total = ast.BinOp(total, ast.Sub(), less)
            case _:
                total = ast.BinOp(total, ast.Add(), n)
    return total
