"""The derivative that an expression asks for, as an expression: what its cotangent gives each name.

    shares(u = x @ w, "w")  ->  x.T @ G, where G is the cotangent of u

These are rules of a reverse mode by hand, to propose what a backward may lack; nobody is accused by
them, as every proposal is run. What they do not know gives no share.
"""

import ast
from collections.abc import Callable, Container, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradcheck.built import form_of, named, negative, product
from gradcheck.looks import values_in
from gradcheck.syntax import called, expression, integer, literal, size
from gradcheck.vjps_of_calls import (
    SLOPES,
    Operands,
    Shape,
    elementwise,
    joint,
    of_call,
    of_matmul,
    of_sigmoid,
    of_softmax,
    slope,
)

G = "cotangent_"  # the name of the cotangent in what is made here
DEEP = 3  # helpers in helpers
INLINED = 120  # nodes of what a helper returns


@dataclass(frozen=True)
class Share:
    """What is to be added to the gradient of a name; at an `index` of it only, if there is one."""

    node: ast.expr
    index: ast.expr | None = None


@dataclass(frozen=True)
class Rules:
    """What the rules ask: `value` of an expression, None where unknown, and the file's `helpers`.

    `texts` are expressions, as dumped, that have a name.

    >>> known = {"np": np, "x": np.ones((2, 3)), "w": np.ones((3, 4)), "b": np.ones(4)}
    >>> rules = Rules(lambda n: eval(ast.unparse(n), known), {})
    >>> def say(text, name):
    ...     found = rules.shares(expression(text), name)
    ...     return [ast.unparse(s.node).replace(G, "dy") for s in found]
    >>> say("x @ w + b", "w"), say("x @ w + b", "b"), say("np.tanh(x).sum(axis=1)", "x")
    (['x.T @ dy'], ['dy.sum(axis=0)'], ['dy[:, None] * (1 - np.tanh(x) ** 2)'])
    """

    value: Callable[[ast.AST], Any]
    helpers: Mapping[str, ast.FunctionDef]
    texts: Container[str] = ()

    def shares(self, node: ast.expr, name: str) -> Iterator[Share]:
        """What each place of a name in an expression gives it, in terms of the cotangent `G`.

        Raises:
            ValueError: after what was known, where there is a place for which no rule is known.
        """
        yield from self._pulled(node, name, expression(G), self.shape(node), 0)

    def slopes(self, node: ast.expr, of: Container[str] = SLOPES) -> Iterator[ast.expr]:
        """The slopes of the functions that are applied in an expression, at their arguments."""
        for n in ast.walk(node):
            if isinstance(n, ast.expr) and (x := of_sigmoid(n)) is not None:
                yield slope("expit", x, n)
            elif isinstance(n, ast.Call) and (found := elementwise(n)) and found[0] in of:
                yield found[2]
            if isinstance(n, ast.Call) and (inner := self.inlined(n)) is not None:
                yield from self.slopes(inner, of)

    def shape(self, node: ast.AST) -> Shape | None:
        value = self.value(node)
        return np.shape(value) if isinstance(value, (np.ndarray, np.generic, float, int)) else None

    def inlined(self, node: ast.Call) -> ast.expr | None:
        """A call of a function as what it returns, where all else it does is to name values."""
        f = self.helpers.get(called(node)) if isinstance(node.func, ast.Name) else None
        if f is None:
            return None
        names = dict(zip([a.arg for a in f.args.args], node.args, strict=False))
        names |= {k.arg: k.value for k in node.keywords if k.arg}
        for a, default in zip(reversed(f.args.args), reversed(f.args.defaults), strict=False):
            names.setdefault(a.arg, default)
        if not names.keys() >= {a.arg for a in f.args.args}:
            return None
        for stmt in f.body:
            match stmt:
                case ast.Expr(ast.Constant()):
                    pass
                case ast.Assign([ast.Name(name)], value):
                    names[name] = named(value, names)
                case ast.Assign([ast.Tuple(targets)], ast.Attribute(_, "shape") as shape):
                    for k, target in enumerate(targets):
                        names[getattr(target, "id", "")] = form_of(f"S[{k}]", S=named(shape, names))
                case ast.Return(ast.expr() as value):
                    whole = named(value, names)
                    return whole if size(whole) <= INLINED else None
                case _:
                    return None
            if any(size(n) > INLINED for n in names.values()):
                return None
        return None

    def _pulled(
        self, node: ast.expr, name: str, g: ast.expr, shape: Shape | None, depth: int
    ) -> Iterator[Share]:
        """Of a node with the cotangent g, of this shape, or one that broadcasts to the node's."""
        if isinstance(node, ast.Name):
            if node.id == name:
                yield Share(_filling(g, shape, self.shape(node), node))
            return
        if name not in values_in(node) or isinstance(node, ast.Compare):
            return
        found = False
        for inner, own, its in self.local(node, g, shape, depth):
            if name not in values_in(inner):
                continue
            found = True
            if isinstance(node, ast.Subscript):
                if isinstance(inner, ast.Name):
                    yield Share(own, node.slice)
                    continue
                own, its = self._unspread(node, own, its), self.shape(inner)
            elif its is not None and (wanted := self.shape(inner)) is not None:
                own, its = summed(own, its, wanted)
            deeper = depth + (isinstance(node, ast.Call) and inner is not node)
            yield from self._pulled(inner, name, own, its, deeper)
        if not found:
            raise ValueError(f"no rule for {ast.unparse(node)}")

    def within(self, node: ast.expr) -> Iterator[tuple[ast.expr, ast.expr]]:
        """The values that an expression is made of and that have no name; their cotangents."""
        pending = [(node, expression(G), self.shape(node))]
        while pending:
            own, g, shape = pending.pop()
            if isinstance(own, ast.Subscript):  # of an entry, the rest is zeros
                continue
            for inner, h, its in self.local(own, g, shape, 0):
                wanted = self.shape(inner)
                if isinstance(inner, (ast.BinOp, ast.Call)) and wanted and its is not None:
                    h, its = summed(h, its, wanted)
                    yield inner, h
                    pending.append((inner, h, its))

    def _unspread(self, node: ast.Subscript, g: ast.expr, shape: Shape | None) -> ast.expr:
        """The cotangent of what got new axes by an index, without them.

        Raises:
            ValueError: something else is done by the index.
        """
        places = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        marks = ["0" if literal(p) is None else ast.unparse(p) for p in places]
        own = self.shape(node)
        if not {*marks} <= {"0", ":"} or shape is None or own is None:
            raise ValueError(f"no rule for {ast.unparse(node)}")
        g, _ = summed(g, shape, own)
        return form_of(f"G[{', '.join(marks)}]", G=g)

    def local(self, node: ast.expr, g: ast.expr, shape: Shape | None, depth: int) -> Operands:
        """(operand, its cotangent, the shape of that) for each operand of a node."""

        def times(factor: ast.expr) -> tuple[ast.expr, Shape | None]:
            return product(g, factor), joint(shape, self.shape(factor))

        if (x := of_sigmoid(node)) is not None:
            yield (x, *times(slope("expit", x, node)))
            return
        match node:
            case ast.UnaryOp(ast.USub(), x):
                yield x, negative(g), shape
            case ast.BinOp(a, ast.Add(), b):
                yield a, g, shape
                yield b, g, shape
            case ast.BinOp(a, ast.Sub(), b):
                yield a, g, shape
                yield b, negative(g), shape
            case ast.BinOp(a, ast.Mult(), b):
                yield (a, *times(b))
                yield (b, *times(a))
            case ast.BinOp(ast.Constant(1), ast.Div(), ast.Call(args=[a]) as b) if (
                called(b) == "sqrt" and ast.dump(node) in self.texts
            ):
                yield a, form_of("-0.5 * G * Y ** 3", G=g, Y=node), shape
            case ast.BinOp(a, ast.Div(), b):
                own = joint(shape, self.shape(b))
                yield a, ast.BinOp(g, ast.Div(), b), own
                form = "-G * Y / B" if ast.dump(node) in self.texts else "-G * A / B ** 2"
                yield b, form_of(form, G=g, A=a, B=b, Y=node), joint(own, self.shape(a))
            case ast.BinOp(a, ast.Pow(), ast.Constant(2)):
                yield (a, *times(form_of("2 * A", A=a)))
            case ast.BinOp(a, ast.Pow(), p):
                number = literal(p)
                less = (
                    integer(number - 1)
                    if isinstance(number, (int, float))
                    else form_of("P - 1", P=p)
                )
                yield (a, *times(form_of("P * A ** L", A=a, P=p, L=less)))
            case ast.BinOp(a, ast.MatMult(), b):
                yield from of_matmul(self, a, b, g)
            case ast.Attribute(x, "T"):
                yield x, ast.Attribute(g, "T", ast.Load()), shape and shape[::-1]
            case ast.Subscript(x, _):
                yield x, g, shape
            case ast.IfExp(_, a, b):
                for n in (a, b):
                    yield n, g, shape
            case ast.Call():
                inner = self.inlined(node) if depth < DEEP else None
                if known := [*of_softmax(self, node, g)]:
                    yield from known
                elif inner is not None:
                    yield from self.local(inner, g, shape, depth + 1)
                else:
                    yield from of_call(self, node, g, shape)


def summed(g: ast.expr, shape: Shape, wanted: Shape) -> tuple[ast.expr, Shape]:
    """The cotangent of what was broadcast, summed over the axes that it did not have."""
    lead = len(shape) - len(wanted)
    if lead > 0:
        axis = "0" if lead == 1 else str(tuple(range(lead)))
        g, shape = form_of(f"G.sum(axis={axis})", G=g), shape[lead:]
    if lead < 0:
        return g, shape
    kept = [k for k, (n, m) in enumerate(zip(shape, wanted, strict=True)) if m == 1 < n]
    if kept:
        axis = repr(kept[0] if len(kept) == 1 else tuple(kept))
        g = form_of(f"G.sum(axis={axis}, keepdims=True)", G=g)
        shape = tuple(1 if k in kept else n for k, n in enumerate(shape))
    return g, shape


def _filling(g: ast.expr, shape: Shape | None, wanted: Shape | None, name: ast.expr) -> ast.expr:
    """g, spread where it is smaller than what it is the gradient of."""
    if shape is None or wanted is None or shape == wanted:
        return g
    g, shape = summed(g, shape, wanted)
    return g if shape == wanted else form_of("G * np.ones_like(X)", G=g, X=name)
