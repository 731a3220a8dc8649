"""Small changes of one expression, as people make them by mistake in a backward.

Each family is a generator: it is given a node and where that stands, and yields what could have
been written there instead. A change and its undoing are of the same family, so that what breaks a
backward also mends it. `gradcheck.edits` puts them into the source.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from gradcheck.syntax import (
    AXIS,
    COMPARED,
    PRODUCTS,
    REDUCTIONS,
    TRANSPOSES,
    TWINS,
    UNARY,
    axis_of,
    call,
    called,
    expression,
    integer,
    is_a,
    is_or,
    letters,
    literal,
    minus,
    operand,
    renamed,
    same,
    swapped,
    tuple_of,
    with_args,
)

PLAIN = ("", "argument")
VALUES = (*PLAIN, "value", "term")
AXES: tuple[int | None, ...] = (0, 1, -1, 2, -2, -3, None)


@dataclass(frozen=True)
class Place:
    """Where an expression stands, and what is in scope there.

    `role` is what it is used as: an "axis", an "index", also a bound of a slice, a "value" that is
    assigned or returned, a "term" of a sum, an "argument" of a call, the "function" that is called,
    what has a "shape" that is asked for, or anything else ("").
    """

    parent: ast.AST
    field: str
    role: str
    arrays: tuple[str, ...]
    sizes: tuple[str, ...]
    similar: dict[str, tuple[str, ...]]  # name -> those that may be taken for it, likeliest first


@dataclass(frozen=True)
class Change:
    """What an expression could be instead; an insertion brings something in that was not there."""

    kind: str
    new: ast.expr
    insertion: bool = False


def changes(node: ast.AST, place: Place) -> Iterator[Change]:
    """Everything that could stand in the place of node."""
    if isinstance(node, ast.expr):
        for family in FAMILIES:
            yield from family(node, place)


def transposes(node: ast.expr, place: Place) -> Iterator[Change]:
    """`x.T` and `x`; other axes of a transposition."""
    match node:
        case ast.Attribute(value, "T" | "mT"):
            yield Change("transpose", value)
        case ast.Call() if called(node) in TRANSPOSES:
            array, rest = operand(node)
            if array is not None:
                yield Change("transpose", array)
            if len(rest) == 1 and isinstance(rest[0], (ast.Tuple, ast.List)):
                for elts in swapped(rest[0].elts):
                    yield Change("transpose", with_args(node, [*node.args[:-1], tuple_of(elts)]))
            elif called(node) == "transpose":
                for args in swapped(rest):
                    yield Change("transpose", with_args(node, args))
    transposed = isinstance(node, ast.Attribute) and node.attr == "T"
    if transposed or not is_array(node, place):
        return
    multiplied = is_a(place.parent, ast.MatMult) or called(place.parent) in PRODUCTS
    if multiplied and place.field in ("left", "right", "args"):
        yield Change("transpose", ast.Attribute(node, "T"))
        last = [integer(-1), integer(-2)]
        yield Change("transpose", ast.Call(ast.Attribute(node, "swapaxes"), last, []), True)
    elif place.role == "value" or isinstance(node, ast.Name):
        added = not (place.role == "value" and is_a(node, ast.MatMult))
        yield Change("transpose", ast.Attribute(node, "T"), added)


def orders(node: ast.expr, place: Place) -> Iterator[Change]:
    """Two things in each other's place: operands, arguments, letters of an einsum, results."""
    match node:
        case ast.BinOp(left, ast.MatMult() | ast.Div() as op, right):
            yield Change("order", ast.BinOp(right, op, left))
        case ast.Call(args=[first, *rest]) if called(node) == "einsum":
            text = first.value if isinstance(first, ast.Constant) else ""
            if isinstance(text, str):
                for other in letters(text):
                    yield Change("order", with_args(node, [ast.Constant(other), *rest]))
            for args in swapped(rest):
                yield Change("order", with_args(node, [first, *args]))
        case ast.Call(args=[condition, a, b]) if called(node) == "where":
            yield Change("order", with_args(node, [condition, b, a]))
        case ast.Call(args=args) if called(node) not in AXIS and called(node) not in TRANSPOSES:
            alike = len({type(a) for a in args}) == 1
            for others in swapped(args) if alike else ():
                yield Change("order", with_args(node, others))
        case ast.Tuple(elts, ast.Load() | ast.Store()):
            for others in swapped(elts):
                yield Change("order", tuple_of(others))
        case ast.List(elts, ast.Load()):
            for others in swapped(elts):
                yield Change("order", ast.List(others, ast.Load()))
        case ast.Dict(keys, values):
            for others in swapped(values):
                yield Change("order", ast.Dict(keys, others))


def axes(node: ast.expr, place: Place) -> Iterator[Change]:
    """Another axis, one axis of several left out, keepdims or not."""
    counts = isinstance(node, ast.Tuple) and all(type(literal(e)) is int for e in node.elts)
    if place.role == "axis" or (counts and place.role == "value"):
        known = literal(node)
        if known is not Ellipsis:
            for other in AXES:
                without = other is None and called(place.parent) in REDUCTIONS
                if other != known and not without:
                    yield Change("axis", integer(other))
            for other in AXES[:3] if isinstance(known, int) else ():
                yield Change("axis", tuple_of([node, integer(other)]), True)
        elif isinstance(node, ast.Tuple):
            for k in range(len(node.elts)):
                rest = node.elts[:k] + node.elts[k + 1 :]
                yield Change("axis", rest[0] if len(rest) == 1 else tuple_of(rest))
            for other in AXES[:3]:
                yield Change("axis", tuple_of([*node.elts, integer(other)]), True)
        else:
            for other in (None, 0, -1):
                yield Change("axis", integer(other))
    reduces = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    if isinstance(node, ast.Call) and reduces and called(node) in REDUCTIONS:
        named = {k.arg: k for k in node.keywords}
        if axis_of(node) is None and operand(node)[0] is not None:
            for other in AXES[:3]:
                yield Change("axis", with_args(node, [*node.args, integer(other)]))
        elif node.args and axis_of(node) is node.args[-1]:
            yield Change("axis", with_args(node, node.args[:-1]))
        kept = ast.Call(node.func, node.args, [k for k in node.keywords if k.arg != "keepdims"])
        if "keepdims" in named:
            yield Change("axis", kept)
        else:
            keep = ast.keyword("keepdims", ast.Constant(True))
            yield Change("axis", ast.Call(node.func, node.args, [*node.keywords, keep]))


def signs(node: ast.expr, place: Place) -> Iterator[Change]:
    """- for +, a minus too many or too few."""
    match node:
        case ast.BinOp(left, ast.Add(), right):
            yield Change("sign", ast.BinOp(left, ast.Sub(), right))
        case ast.BinOp(left, ast.Sub(), right):
            yield Change("sign", ast.BinOp(left, ast.Add(), right))
            yield Change("sign", ast.BinOp(right, ast.Sub(), left))
        case ast.UnaryOp(ast.USub(), value) if not isinstance(value, ast.Constant):
            yield Change("sign", value)
    if place.role in ("value", "term") and is_number(node, place):
        yield Change("sign", minus(node))


def scales(node: ast.expr, place: Place) -> Iterator[Change]:
    """mean for sum, * for /, a factor 2 or the size of something."""
    match node:
        case ast.Call() if called(node) in ("sum", "mean"):
            yield Change("scale", renamed(node, TWINS[called(node)]))
        case ast.BinOp(left, ast.Mult(), right):
            yield Change("scale", ast.BinOp(left, ast.Div(), right))
        case ast.BinOp(left, ast.Div(), right):
            yield Change("scale", ast.BinOp(left, ast.Mult(), right))
    if place.role != "value" or not is_number(node, place):
        return
    yield Change("scale", ast.BinOp(ast.Constant(2), ast.Mult(), node))
    yield Change("scale", ast.BinOp(node, ast.Div(), ast.Constant(2)))
    first = place.arrays[:3]  # dy, and what is unpacked first
    shapes = [f"{name}.{what}" for name in first for what in ("shape[0]", "shape[-1]", "size")]
    for size in (*place.sizes, *shapes):
        for op in (ast.Div(), ast.Mult()):
            yield Change("scale", ast.BinOp(node, op, expression(size)), True)


def names(node: ast.expr, place: Place) -> Iterator[Change]:
    """Another variable of the same sort."""
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
        for other in place.similar.get(node.id, ()):
            yield Change("name", ast.Name(other, ast.Load()))


def terms(node: ast.expr, place: Place) -> Iterator[Change]:
    """A term or a factor lost, or one too many."""
    match node:
        case ast.BinOp(left, ast.Add(), right):
            yield Change("term", left)
            yield Change("term", right)
        case ast.BinOp(left, ast.Sub(), right):
            yield Change("term", left)
            yield Change("term", minus(right))
            if literal(left) == 1:  # the other gate
                yield Change("term", right)
        case ast.BinOp(left, ast.Mult(), right):
            yield Change("factor", left)
            yield Change("factor", right)
        case ast.BinOp(left, ast.Div(), right):
            yield Change("factor", left)
            if isinstance(left, ast.Constant):
                yield Change("factor", right)
        case ast.BinOp(left, ast.Pow(), _):
            yield Change("factor", left)
        case ast.Name() | ast.Subscript() if is_a(place.parent, ast.Mult) and is_array(node, place):
            yield Change("term", ast.BinOp(ast.Constant(1), ast.Sub(), node), True)
    if is_number(node, place) and place.role in ("value", "term"):
        for name in place.arrays:
            other = ast.Name(name, ast.Load())
            yield Change("factor", ast.BinOp(node, ast.Mult(), other), True)
            yield Change("factor", ast.BinOp(node, ast.Div(), other), True)
            if place.role == "value":
                yield Change("term", ast.BinOp(node, ast.Add(), other), True)
            if isinstance(node, ast.UnaryOp):
                yield Change("term", ast.BinOp(other, ast.Sub(), node.operand), True)
    elif isinstance(node, ast.Name) and node.id in place.arrays and place.role in PLAIN:
        for name in place.arrays:
            yield Change("factor", ast.BinOp(node, ast.Mult(), ast.Name(name, ast.Load())), True)


def shifts(node: ast.expr, place: Place) -> Iterator[Change]:
    """One step further or back, the other end, the other direction."""
    if place.role == "index" and isinstance(node, (ast.Name, ast.BinOp, ast.Attribute)):
        for op in (ast.Sub(), ast.Add()):
            yield Change("shift", ast.BinOp(node, op, ast.Constant(1)))
    match node:
        case ast.BinOp(value, ast.Add() | ast.Sub(), ast.Constant(1)) if place.role == "index":
            yield Change("shift", value)
        case ast.Slice(lower, upper, step):
            bounds = [(lower and literal(lower), upper and literal(upper))]
            ends = [(None, None), (1, None), (None, -1)]
            for low, high in ends if bounds[0] in ends and place.field == "slice" else ():
                if (low, high) != bounds[0]:
                    first, last = (None if b is None else integer(b) for b in (low, high))
                    yield Change("shift", ast.Slice(first, last, step))
            if lower is not None and upper is not None:
                yield Change("shift", ast.Slice(None, upper, step))
                yield Change("shift", ast.Slice(lower, None, step))
            if lower is None and isinstance(upper, (ast.Name, ast.BinOp)) and step is None:
                upper = ast.BinOp(upper, ast.Add(), ast.Constant(1))
                yield Change("shift", ast.Slice(ast.Constant(1), upper, None))
            if step is not None and (lower, upper) != (None, None):
                yield Change("shift", ast.Slice(lower, upper, None))
        case ast.Subscript(value, ast.Slice(None, None, step)) if step and literal(step) == -1:
            yield Change("shift", value)
        case ast.Call(ast.Name("reversed"), [inner]):
            yield Change("shift", inner)
        case ast.Call(ast.Name("range"), [end]):
            yield Change("shift", call("reversed", node))
            yield Change("shift", call("range", ast.Constant(1), end))
            yield Change("shift", call("range", ast.BinOp(end, ast.Sub(), ast.Constant(1))))
        case ast.Call(ast.Name("range"), [_, end]):
            yield Change("shift", call("reversed", node))
            yield Change("shift", call("range", end))
        case ast.Call(ast.Name("range"), [end, _, step]) if literal(step) == -1:
            yield Change("shift", call("range", ast.BinOp(end, ast.Add(), ast.Constant(1))))
    if is_array(node, place) and (isinstance(node, ast.Name) or place.field == "iter"):
        backwards = ast.Slice(None, None, integer(-1))
        yield Change("shift", ast.Subscript(node, backwards, ast.Load()), True)


def functions(node: ast.expr, place: Place) -> Iterator[Change]:
    """A function left out or taken for its neighbour; the derivative of another activation."""
    if isinstance(node, ast.Call):
        name, (array, rest) = called(node), operand(node)
        if name in UNARY and array is not None and (not rest or name == "flip"):
            yield Change("function", array)
        if name in TWINS and name not in ("sum", "mean"):
            yield Change("function", renamed(node, TWINS[name]))
    one = ast.Constant(1)
    match node:
        case ast.BinOp(ast.Constant(1), ast.Sub(), ast.BinOp(a, ast.Mult() | ast.Pow(), b)):
            if same(a, b) or same(b, ast.Constant(2)):
                yield Change("function", ast.BinOp(a, ast.Mult(), ast.BinOp(one, ast.Sub(), a)))
        case ast.BinOp(a, ast.Mult(), ast.BinOp(ast.Constant(1), ast.Sub(), b)):
            square = ast.BinOp(one, ast.Sub(), ast.BinOp(b, ast.Mult(), b))
            if same(a, b):
                yield Change("function", square)
            elif is_a(a, ast.Mult) and same(a.right, b):  # type: ignore[attr-defined]
                new = ast.BinOp(a.left, ast.Mult(), square)  # type: ignore[attr-defined]
                yield Change("function", new)
    if isinstance(node, ast.Name) and node.id in place.arrays and place.role in VALUES:
        yield Change("function", ast.BinOp(node, ast.Pow(), ast.Constant(2)), True)
        for name in ("sqrt", "exp", "log"):
            f = ast.Attribute(ast.Name("np", ast.Load()), name)
            yield Change("function", ast.Call(f, [node], []), True)


def conditions(node: ast.expr, place: Place) -> Iterator[Change]:
    """Another comparison, a mask negated, the other branch."""
    match node:
        case ast.Compare(left, [op], right):
            for other in COMPARED.get(type(op), ()):
                yield Change("condition", ast.Compare(left, [other()], right))
        case ast.UnaryOp(ast.Invert() | ast.Not(), value):
            yield Change("condition", value)
        case ast.BinOp(left, ast.BitAnd(), right):
            yield Change("condition", ast.BinOp(left, ast.BitOr(), right))
            yield Change("condition", left)
            yield Change("condition", right)
        case ast.BinOp(left, ast.BitOr(), right):
            yield Change("condition", ast.BinOp(left, ast.BitAnd(), right))
        case ast.BoolOp(op, values):
            yield Change("condition", ast.BoolOp(ast.And() if is_or(op) else ast.Or(), values))
            for value in values:
                yield Change("condition", value)
        case ast.IfExp(test, body, orelse):
            yield Change("condition", body)
            yield Change("condition", orelse)
            yield Change("condition", ast.IfExp(test, orelse, body))
    if place.field == "test" and not (isinstance(node, ast.UnaryOp)):
        yield Change("condition", ast.UnaryOp(ast.Not(), node))
    elif isinstance(node, ast.Compare) and place.role in VALUES:
        yield Change("condition", ast.UnaryOp(ast.Invert(), node))
    elif isinstance(node, ast.Name) and node.id in place.arrays and place.role in VALUES:
        added = not is_a(place.parent, ast.BitAnd)
        yield Change("condition", ast.UnaryOp(ast.Invert(), node), added)


def constants(node: ast.expr, place: Place) -> Iterator[Change]:
    """Another number."""
    if place.role == "axis" or place.field == "exponents":
        return
    c = literal(node)
    if isinstance(c, bool):
        yield Change("constant", ast.Constant(not c))
    elif isinstance(c, int) and place.role in ("index", "argument"):
        for other in dict.fromkeys((c + 1, c - 1, -c)):
            if other != c:
                yield Change("constant", integer(other))
    elif isinstance(c, (int, float)):
        half: float = c // 2 if isinstance(c, int) and c % 2 == 0 else c / 2
        for near in dict.fromkeys((2 * c, half, -c, c + 1, c - 1, 0, 1)):
            if near != c:
                yield Change("constant", integer(type(c)(near) if near in (0, 1) else near))


def results(node: ast.expr, place: Place) -> Iterator[Change]:
    """A gradient that is zero."""
    if place.role == "value" and is_number(node, place) and not isinstance(node, ast.Constant):
        yield Change("zero", ast.BinOp(ast.Constant(0), ast.Mult(), node))


FAMILIES = (
    *(transposes, orders, axes, signs, scales, names, terms, shifts, functions, conditions),
    *(constants, results),
)


def is_array(node: ast.expr, place: Place) -> bool:
    """Whether a node may well be an array."""
    if place.role not in VALUES:
        return False
    if isinstance(node, ast.Name):
        return node.id in place.arrays
    return isinstance(node, (ast.BinOp, ast.Subscript, ast.Call))


def is_number(node: ast.expr, place: Place) -> bool:
    """Whether a node may well be an array or a number, to be multiplied and added."""
    if isinstance(node, ast.Call):
        return called(node) not in ("zip", "range", "reversed", "enumerate", "list", "dict")
    if isinstance(node, ast.UnaryOp):
        return isinstance(node.op, ast.USub) and not isinstance(node.operand, ast.Constant)
    known = (ast.BinOp, ast.Subscript, ast.Attribute)
    return isinstance(node, known) or (isinstance(node, ast.Name) and node.id in place.arrays)
