"""The gradients that a forward asks for, in the words of its backward.

Each u = e(v, ...) of the forward gives dv a share, by the rules of `vjps`. Cotangents and residuals
are called what the backward calls them: by value where one is known, else by name; what it has no
name for is written out.
"""

import ast
import re
from collections.abc import Iterator
from functools import cached_property
from typing import Any

import numpy as np

from gradcheck.built import form_of, named, sum_of, tidied
from gradcheck.forwards import Ended, Forward
from gradcheck.ingredients import Ingredients
from gradcheck.looks import names_in
from gradcheck.missing import evaluated
from gradcheck.scope import bound
from gradcheck.syntax import changed, expression, same, size
from gradcheck.vjps import G, Share

DEEP = 4  # cotangents written out within each other
LARGEST = 60  # nodes of what is proposed
LONGEST = 2 * LARGEST  # nodes of what may become short by names
NEAREST = 6  # values of a shape, of which one may be a gradient
BEFORE = "d", "g", "grad", "bar", "delta", "dl", "dld", "dloss", "dlossd", "adj", "dout", "up"
CARRIED = "next|prev|total|tot|new|carry|acc"  # words for one of several gradients of a value
AFTER = "grad", "bar", "g", "adj", "b", "ct"


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
        both = self.again is not None and self.forward.again is not None
        scopes = [self.here, self.again] if both else [self.here]
        for node in nodes:
            found.setdefault(tuple(evaluated(node, s) for s in scopes if s), node)
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


def _equal(a: Any, b: Any) -> bool:
    try:
        return bool(np.array_equal(a, b))
    except Exception:  # things that cannot be compared
        return False
