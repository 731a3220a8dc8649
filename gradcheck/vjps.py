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

from gradcheck.ingredients import changed
from gradcheck.looks import names_in
from gradcheck.syntax import axis_of, called, expression, integer, is_module, literal, operand

G = "cotangent_"  # the name of the cotangent in what is made here
DEEP = 3  # helpers in helpers
Shape = tuple[int, ...]
# the slope of y = f(x), in y where that is shorter
SLOPES = {
    "abs": "np.sign(X)",
    "absolute": "np.sign(X)",
    "arcsinh": "1 / np.sqrt(1 + X ** 2)",
    "arctan": "1 / (1 + X ** 2)",
    "cos": "-np.sin(X)",
    "cosh": "np.sinh(X)",
    "erf": "2 / np.sqrt(np.pi) * np.exp(-X ** 2)",
    "exp": "Y",
    "expit": "Y * (1 - Y)",
    "expm1": "Y + 1",
    "log": "1 / X",
    "log10": "1 / (X * np.log(10))",
    "log1p": "1 / (1 + X)",
    "log2": "1 / (X * np.log(2))",
    "reciprocal": "-Y ** 2",
    "sigmoid": "Y * (1 - Y)",
    "sin": "np.cos(X)",
    "sinh": "np.cosh(X)",
    "softplus": "1 / (1 + np.exp(-X))",
    "sqrt": "0.5 / Y",
    "square": "2 * X",
    "tan": "1 + Y ** 2",
    "tanh": "1 - Y ** 2",
}
OPERATORS: dict[str, ast.operator] = {
    "add": ast.Add(),
    "divide": ast.Div(),
    "multiply": ast.Mult(),
    "power": ast.Pow(),
    "subtract": ast.Sub(),
    "true_divide": ast.Div(),
}


@dataclass(frozen=True)
class Share:
    """What is to be added to the gradient of a name; at an `index` of it only, if there is one."""

    node: ast.expr
    index: ast.expr | None = None


@dataclass(frozen=True)
class Rules:
    """What the rules ask: `value` of an expression, None where unknown, and one-line `helpers`.

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
        """What each place of a name in an expression gives it, in terms of the cotangent `G`."""
        yield from self._pulled(node, name, expression(G), self.shape(node), 0)

    def slopes(self, node: ast.expr, of: Container[str] = SLOPES) -> Iterator[ast.expr]:
        """The slopes of the functions that are applied in an expression, at their arguments."""
        for n in ast.walk(node):
            if isinstance(n, ast.expr) and (x := _of_sigmoid(n)) is not None:
                yield _slope("expit", x, n)
            elif isinstance(n, ast.Call) and (found := _elementwise(n)) and found[0] in of:
                yield found[1]
            if isinstance(n, ast.Call) and (inner := self.inlined(n)) is not None:
                yield from self.slopes(inner, of)

    def shape(self, node: ast.AST) -> Shape | None:
        value = self.value(node)
        return np.shape(value) if isinstance(value, (np.ndarray, np.generic, float, int)) else None

    def inlined(self, node: ast.Call) -> ast.expr | None:
        """A call of a function of one line, as what that line says."""
        f = self.helpers.get(called(node)) if isinstance(node.func, ast.Name) else None
        body = [s for s in f.body if not _is_text(s)] if f else []
        if not f or len(body) != 1 or not isinstance(body[0], ast.Return) or not body[0].value:
            return None
        names = [a.arg for a in f.args.args]
        given = dict(zip(names, node.args, strict=False))
        given |= {k.arg: k.value for k in node.keywords if k.arg}
        for a, default in zip(reversed(f.args.args), reversed(f.args.defaults), strict=False):
            given.setdefault(a.arg, default)
        return named(body[0].value, given) if given.keys() >= {*names} else None

    def _pulled(
        self, node: ast.expr, name: str, g: ast.expr, shape: Shape | None, depth: int
    ) -> Iterator[Share]:
        """Of a node with the cotangent g, of this shape, or one that broadcasts to the node's."""
        if isinstance(node, ast.Name):
            if node.id == name:
                yield Share(_filling(g, shape, self.shape(node), node))
            return
        if name not in names_in(node):
            return
        for inner, own, its in self._local(node, g, shape, depth):
            if name in names_in(inner):
                if isinstance(node, ast.Subscript):
                    if isinstance(inner, ast.Name):
                        yield Share(own, node.slice)
                    continue
                if its is not None and (wanted := self.shape(inner)) is not None:
                    own, its = summed(own, its, wanted)
                deeper = depth + (isinstance(node, ast.Call) and inner is not node)
                yield from self._pulled(inner, name, own, its, deeper)

    def _local(
        self, node: ast.expr, g: ast.expr, shape: Shape | None, depth: int
    ) -> Iterator[tuple[ast.expr, ast.expr, Shape | None]]:
        """(operand, its cotangent, the shape of that) for each operand of a node."""

        def times(factor: ast.expr) -> tuple[ast.expr, Shape | None]:
            return _product(g, factor), _joint(shape, self.shape(factor))

        if (x := _of_sigmoid(node)) is not None:
            yield (x, *times(_slope("expit", x, node)))
            return
        match node:
            case ast.UnaryOp(ast.USub(), x):
                yield x, _negative(g), shape
            case ast.BinOp(a, ast.Add(), b):
                yield a, g, shape
                yield b, g, shape
            case ast.BinOp(a, ast.Sub(), b):
                yield a, g, shape
                yield b, _negative(g), shape
            case ast.BinOp(a, ast.Mult(), b):
                yield (a, *times(b))
                yield (b, *times(a))
            case ast.BinOp(ast.Constant(1), ast.Div(), ast.Call(args=[a]) as b) if (
                called(b) == "sqrt" and ast.dump(node) in self.texts
            ):
                yield a, _form("-0.5 * G * Y ** 3", G=g, Y=node), shape
            case ast.BinOp(a, ast.Div(), b):
                own = _joint(shape, self.shape(b))
                yield a, ast.BinOp(g, ast.Div(), b), own
                form = "-G * Y / B" if ast.dump(node) in self.texts else "-G * A / B ** 2"
                yield b, _form(form, G=g, A=a, B=b, Y=node), _joint(own, self.shape(a))
            case ast.BinOp(a, ast.Pow(), ast.Constant(2)):
                yield (a, *times(_form("2 * A", A=a)))
            case ast.BinOp(a, ast.Pow(), p):
                number = literal(p)
                less = (
                    integer(number - 1) if isinstance(number, (int, float)) else _form("P - 1", P=p)
                )
                yield (a, *times(_form("P * A ** L", A=a, P=p, L=less)))
            case ast.BinOp(a, ast.MatMult(), b):
                yield from self._matmul(a, b, g)
            case ast.Attribute(x, "T"):
                yield x, ast.Attribute(g, "T", ast.Load()), shape and shape[::-1]
            case ast.Subscript(x, _):
                yield x, g, shape
            case ast.IfExp(_, a, b):
                for n in (a, b):
                    yield n, g, shape
            case ast.Call():
                inner = self.inlined(node) if depth < DEEP else None
                if inner is not None:
                    yield from self._local(inner, g, shape, depth + 1)
                else:
                    yield from self._called(node, g, shape)

    def _matmul(
        self, a: ast.expr, b: ast.expr, g: ast.expr
    ) -> Iterator[tuple[ast.expr, ast.expr, Shape | None]]:
        p, q = self.shape(a), self.shape(b)
        if p is None or q is None or (len(p) == len(q) == 2):
            yield a, _form("G @ B.T", G=g, B=b), p
            yield b, _form("A.T @ G", G=g, A=a), q
        elif len(p) == 2 and len(q) == 1:
            yield a, _form("np.outer(G, B)", G=g, B=b), p
            yield b, _form("A.T @ G", G=g, A=a), q
        elif len(p) == 1 and len(q) == 2:
            yield a, _form("B @ G", G=g, B=b), p
            yield b, _form("np.outer(A, G)", G=g, A=a), q
        elif len(p) == len(q) == 1:
            yield a, _form("G * B", G=g, B=b), p
            yield b, _form("G * A", G=g, A=a), q
        elif len(p) > 2 and len(q) == 2:
            yield a, _form("G @ B.T", G=g, B=b), p
            flat = "A.reshape(-1, A.shape[-1]).T @ G.reshape(-1, G.shape[-1])"
            yield b, _form(flat, G=g, A=a), q
        else:
            turned = "swapaxes(-1, -2)"
            yield a, _form(f"G @ B.{turned}", G=g, B=b), (*p[:-1], p[-1])
            yield b, _form(f"A.{turned} @ G", G=g, A=a), (*p[:-2], *q[-2:])

    def _called(
        self, node: ast.Call, g: ast.expr, shape: Shape | None
    ) -> Iterator[tuple[ast.expr, ast.expr, Shape | None]]:
        name = called(node)
        x, rest = operand(node)
        if x is None:
            return
        own = self.shape(x)
        if found := _elementwise(node):
            yield x, _product(g, found[1]), _joint(shape, own)
        elif name in ("sum", "mean"):
            axis = axis_of(node)
            kept = any(k.arg == "keepdims" for k in node.keywords)
            axes = None if axis is None else _whole(axis, self.value)
            if axis is not None and not kept and axes is not None and own is not None:
                g, shape = _expanded(g, axes, shape, len(own))
            if name == "mean":
                count = _count(x, axis, axes, own)
                if count is None:
                    return
                g = ast.BinOp(g, ast.Div(), count)
            yield x, g, shape
        elif name == "reshape" or name in ("ravel", "flatten"):
            yield x, _form("G.reshape(X.shape)", G=g, X=x), own
        elif name in ("transpose", "swapaxes") and own is not None:
            yield from _transposed(name, x, rest, g, own)
        elif name in ("maximum", "minimum") and len(node.args) == 2:
            for a, b in (node.args, node.args[::-1]):
                sign = ">" if name == "maximum" else "<"
                test = _form(f"A {sign} B", A=a, B=b)
                yield a, _product(g, test), _joint(shape, self.shape(test))
        elif name == "clip" and len(node.args) == 3 and is_module(getattr(node.func, "value", x)):
            _, low, high = node.args
            yield x, _product(g, _form("(X > L) & (X < H)", X=x, L=low, H=high)), _joint(shape, own)
        elif name == "where" and len(node.args) == 3:
            c, a, b = node.args
            both = _joint(shape, self.shape(c))
            yield a, _form("np.where(C, G, 0.0)", C=c, G=g), both
            yield b, _form("np.where(C, 0.0, G)", C=c, G=g), both
        elif name in ("dot", "matmul") and (len(node.args) == 2 or (rest and x is not rest[0])):
            yield from self._matmul(x, rest[0], g)
        elif name == "outer":
            a, b = node.args
            yield a, _form("G @ B", G=g, B=b), self.shape(a)
            yield b, _form("A @ G", G=g, A=a), self.shape(b)
        elif name == "einsum" and isinstance(literal(node.args[0]), str):
            yield from self._einsum(node, g)
        elif name in ("concatenate", "hstack", "vstack", "stack"):
            yield from self._joined(node, g)
        elif name == "cumsum" and own is not None:
            axis = axis_of(node) or expression("-1" if len(own) == 1 else "0")
            text = "np.flip(np.cumsum(np.flip(G, axis=A), axis=A), axis=A)"
            yield x, _form(text, G=g, A=axis), own
        elif name in ("max", "min", "amax", "amin") and own is not None:
            axis, kept = axis_of(node), any(k.arg == "keepdims" for k in node.keywords)
            axes = None if axis is None else _whole(axis, self.value)
            if axis is not None and not kept and axes is not None:
                whole = _expanded(node, axes, shape, len(own))[0]
                g, shape = _expanded(g, axes, shape, len(own))
            else:
                whole = node
            yield x, _product(g, _form("X == M", X=x, M=whole)), own
        elif name == "norm" and axis_of(node) is None and not rest:
            yield x, _form("G * X / N", G=g, X=x, N=node), own
        elif name == "inv":
            yield x, _form("-(Y.T @ G @ Y.T)", G=g, Y=node), own
        elif name in ("var", "std") and own is not None:
            axis = axis_of(node)
            along = "" if axis is None else f"axis={ast.unparse(axis)}, "
            axes = None if axis is None else _whole(axis, self.value)
            count = _count(x, axis, axes, own)
            if count is None or any(k.arg == "ddof" for k in node.keywords):
                return
            y: ast.expr = node
            if axes is not None and not any(k.arg == "keepdims" for k in node.keywords):
                y = _expanded(y, axes, shape, len(own))[0]
                g, shape = _expanded(g, axes, shape, len(own))
            slope = f"(X - X.mean({along}keepdims=True)) / N"
            if name == "std":
                yield x, _product(g, _form(f"{slope} / Y", X=x, N=count, Y=y)), own
            else:
                yield x, _product(g, _form(f"2 * {slope}", X=x, N=count)), own
        elif name in ("logsumexp", "prod") and own is not None:
            axis = axis_of(node)
            axes = None if axis is None else _whole(axis, self.value)
            y = node
            if axes is not None and not any(k.arg == "keepdims" for k in node.keywords):
                y = _expanded(y, axes, shape, len(own))[0]
                g, shape = _expanded(g, axes, shape, len(own))
            form = "np.exp(X - Y)" if name == "logsumexp" else "Y / X"
            yield x, _product(g, _form(form, X=x, Y=y)), own
        elif name in ("tril", "triu"):
            yield x, changed(node, {id(x): g}), shape
        elif name in ("flip", "flipud", "fliplr"):
            yield x, changed(node, {id(x): g}), own
        elif name == "roll" and rest:
            yield x, changed(node, {id(x): g, id(rest[0]): _negative(rest[0])}), own
        elif name in ("expand_dims", "squeeze", "atleast_2d"):
            yield x, _form("G.reshape(X.shape)", G=g, X=x), own
        elif name == "pad" and own is not None:
            yield from self._padded(x, rest, g, own)
        elif name == "repeat" and rest and own is not None:
            yield from self._repeated(node, x, rest[0], g, own)
        elif name == "broadcast_to":
            yield x, g, self.shape(node)
        elif name == "solve" and len(node.args) == 2:
            a, b = node.args
            back = _form("np.linalg.solve(A.T, G)", A=a, G=g)
            yield b, back, self.shape(b)
            vector = len(self.shape(b) or (1, 1)) == 1
            form = "-np.outer(D, Y)" if vector else "-(D @ Y.T)"
            yield a, _form(form, D=back, Y=node), self.shape(a)
        elif name in OPERATORS and len(node.args) == 2:
            a, b = node.args
            yield from self._local(ast.BinOp(a, OPERATORS[name], b), g, shape, 0)
        elif name in ("copy", "array", "asarray", "float", "astype", "ascontiguousarray"):
            yield x, g, shape

    def _einsum(
        self, node: ast.Call, g: ast.expr
    ) -> Iterator[tuple[ast.expr, ast.expr, Shape | None]]:
        text = literal(node.args[0]).replace(" ", "")
        if "->" not in text or "." in text:
            return
        inner, out = text.split("->")
        letters, args = inner.split(","), node.args[1:]
        if len(letters) != len(args):
            return
        for k, (own, x) in enumerate(zip(letters, args, strict=True)):
            others = [(p, n) for j, (p, n) in enumerate(zip(letters, args, strict=True)) if j != k]
            there = set(out).union(*(set(p) for p, _ in others)) if others else set(out)
            if set(own) <= there and len(set(own)) == len(own):
                words = ",".join([out, *(p for p, _ in others)])
                call: Any = expression(f"np.einsum('{words}->{own}')")
                call.args += [g, *(n for _, n in others)]
                yield x, call, self.shape(x)

    def _padded(
        self, x: ast.expr, rest: list[ast.expr], g: ast.expr, own: Shape
    ) -> Iterator[tuple[ast.expr, ast.expr, Shape | None]]:
        """Without what was put around it."""
        widths = [getattr(n, "elts", None) for n in getattr(rest[0], "elts", [])] if rest else []
        if len(widths) != len(own) or not all(w and len(w) == 2 for w in widths):
            return
        slices = [
            ":"
            if literal(w[0]) == literal(w[1]) == 0
            else f"{ast.unparse(w[0])}:{ast.unparse(w[0])} + {ast.unparse(x)}.shape[{k}]"
            for k, w in enumerate(widths)
            if w
        ]
        yield x, _form(f"G[{', '.join(slices)}]", G=g), own

    def _repeated(
        self, node: ast.Call, x: ast.expr, count: ast.expr, g: ast.expr, own: Shape
    ) -> Iterator[tuple[ast.expr, ast.expr, Shape | None]]:
        """The sum over the copies."""
        axis = literal(axis_of(node) or ast.Constant(None))
        if not isinstance(axis, int):
            return
        place = axis % len(own)
        sizes = [f"X.shape[{k}]" for k in range(len(own))]
        sizes.insert(place + 1, "N")
        text = f"G.reshape({', '.join(sizes)}).sum(axis={place + 1})"
        yield x, _form(text, G=g, X=x, N=count), own

    def _joined(
        self, node: ast.Call, g: ast.expr
    ) -> Iterator[tuple[ast.expr, ast.expr, Shape | None]]:
        """Each part of what was put together."""
        parts = getattr(node.args[0], "elts", []) if node.args else []
        shapes = [self.shape(p) for p in parts]
        if not parts or any(s is None for s in shapes):
            return
        name, axis = called(node), literal(axis_of(node) or ast.Constant(0))
        if not isinstance(axis, int):
            return
        if name == "hstack":
            axis = 1 if len(shapes[0] or ()) > 1 else 0
        if name == "vstack":
            axis = 0
        if name == "stack":
            lead = "..., " if axis < 0 else ":, " * axis
            for k, (x, s) in enumerate(zip(parts, shapes, strict=True)):
                yield x, _form(f"G[{lead}{k}]", G=g), s
            return
        before: list[ast.expr] = []
        place = axis if axis >= 0 else len(shapes[0] or ()) + axis
        lead = ":, " * place
        for x, s in zip(parts, shapes, strict=True):
            size = _form(f"X.shape[{axis}]", X=x)
            start = _total(before)
            before.append(size)
            end = _total(before) if x is not parts[-1] else None
            words = f"{ast.unparse(start) if start else ''}:{ast.unparse(end) if end else ''}"
            yield x, _form(f"G[{lead}{words}]", G=g), s


def named(node: Any, names: Mapping[str, ast.expr]) -> Any:
    """The same with other expressions in the place of names."""
    found = {
        id(n): names[n.id] for n in ast.walk(node) if isinstance(n, ast.Name) and n.id in names
    }
    return changed(node, found) if found else node


def summed(g: ast.expr, shape: Shape, wanted: Shape) -> tuple[ast.expr, Shape]:
    """The cotangent of what was broadcast, summed over the axes that it did not have."""
    lead = len(shape) - len(wanted)
    if lead > 0:
        axis = "0" if lead == 1 else str(tuple(range(lead)))
        g, shape = _form(f"G.sum(axis={axis})", G=g), shape[lead:]
    if lead < 0:
        return g, shape
    kept = [k for k, (n, m) in enumerate(zip(shape, wanted, strict=True)) if m == 1 < n]
    if kept:
        axis = repr(kept[0] if len(kept) == 1 else tuple(kept))
        g = _form(f"G.sum(axis={axis}, keepdims=True)", G=g)
        shape = tuple(1 if k in kept else n for k, n in enumerate(shape))
    return g, shape


def _filling(g: ast.expr, shape: Shape | None, wanted: Shape | None, name: ast.expr) -> ast.expr:
    """g, spread where it is smaller than what it is the gradient of."""
    if shape is None or wanted is None or shape == wanted:
        return g
    g, shape = summed(g, shape, wanted)
    return g if shape == wanted else _form("G * np.ones_like(X)", G=g, X=name)


def _elementwise(node: ast.Call) -> tuple[str, ast.expr] | None:
    """The function that is applied to every entry, and its slope."""
    name, args = called(node), node.args
    inner = name == "logaddexp" and len(args) == 2 and [literal(a) for a in args].count(0) == 1
    if inner:
        (x,) = [a for a in args if literal(a) != 0]
        return "softplus", _slope("softplus", x, node)
    if name in SLOPES and len(args) == 1:
        return name, _slope(name, args[0], node)
    return None


def _slope(name: str, x: ast.expr, y: ast.expr) -> ast.expr:
    return _form(SLOPES[name], X=x, Y=y)


def _of_sigmoid(node: ast.expr) -> ast.expr | None:
    """x of 1 / (1 + exp(-x))."""
    match node:
        case ast.BinOp(ast.Constant(1), ast.Div(), ast.BinOp(a, ast.Add(), b)):
            for one, power in ((a, b), (b, a)):
                if literal(one) == 1 and called(power) == "exp" and isinstance(power, ast.Call):
                    match power.args:
                        case [ast.UnaryOp(ast.USub(), x)]:
                            return x
    return None


def tidied(node: ast.expr) -> ast.expr:
    """A product with its numbers multiplied out.

    >>> [ast.unparse(tidied(expression(t))) for t in ("dy * (0.5 * reg) * (2 * w)", "2 * (a + b)")]
    ['dy * reg * w', '2 * (a + b)']
    """
    factors = [*_factors(node, False)]
    numbers = [(literal(n), below) for n, below in factors if isinstance(literal(n), (int, float))]
    if len(numbers) < 2 or any(below and not n for n, below in numbers):
        return node
    number = 1.0
    for n, below in numbers:
        number = number / n if below else number * n
    rest = [(n, below) for n, below in factors if not isinstance(literal(n), (int, float))]
    above = [n for n, below in rest if not below]
    if abs(number) != 1 or not above:
        above.insert(0, ast.Constant(int(abs(number)) if number == int(number) else abs(number)))
    whole = above[0]
    for n in above[1:]:
        whole = _product(whole, n)
    for n in (n for n, below in rest if below):
        whole = ast.BinOp(whole, ast.Div(), n)
    return _negative(whole) if number < 0 else whole


def _factors(node: ast.expr, below: bool) -> Iterator[tuple[ast.expr, bool]]:
    """The factors of a product, each with whether it is divided by."""
    match node:
        case ast.BinOp(a, ast.Mult(), b):
            yield from _factors(a, below)
            yield from _factors(b, below)
        case ast.BinOp(a, ast.Div(), b):
            yield from _factors(a, below)
            yield from _factors(b, not below)
        case ast.UnaryOp(ast.USub(), a) if literal(node) is ...:
            yield ast.Constant(-1), False
            yield from _factors(a, below)
        case _:
            yield node, below


def _form(form: str, **parts: ast.expr) -> Any:
    """A form with expressions in the places of its capitals."""
    return ast.fix_missing_locations(named(expression(form), parts))


def _product(g: ast.expr, factor: ast.expr) -> ast.expr:
    return ast.BinOp(g, ast.Mult(), factor)


def _negative(g: ast.expr) -> ast.expr:
    return ast.UnaryOp(ast.USub(), g)


def _joint(a: Shape | None, b: Shape | None) -> Shape | None:
    """The shape of a product."""
    if a is None or b is None:
        return None
    try:
        return np.broadcast_shapes(a, b)
    except ValueError:
        return None


def _whole(node: ast.expr, value: Callable) -> tuple[int, ...] | None:
    found = value(node)
    several = found if isinstance(found, tuple) else (found,)
    return several if all(isinstance(k, (int, np.integer)) for k in several) else None


def _expanded(
    g: ast.expr, axes: tuple[int, ...], shape: Shape | None, ndim: int
) -> tuple[ast.expr, Shape | None]:
    """With the axes again that were summed over."""
    places = sorted(k % ndim for k in axes)
    if shape == () or (shape is not None and len(shape) + len(places) != ndim):
        return g, shape
    if shape is not None:
        rest = iter(shape)
        shape = tuple(1 if k in places else next(rest) for k in range(ndim))
    marks = ["None" if k in places else ":" for k in range(ndim)]
    if places[0] == 0 and places == list(range(len(places))):
        return g, shape  # it broadcasts there by itself
    return _form(f"G[{', '.join(marks)}]", G=g), shape


def _count(
    x: ast.expr, axis: ast.expr | None, axes: tuple[int, ...] | None, own: Shape | None
) -> ast.expr | None:
    """How many entries a mean is of."""
    if axis is None:
        return _form("X.size", X=x)
    if axes is None:
        return None
    if len(axes) == 1:
        return _form(f"X.shape[{axes[0]}]", X=x)
    return _form(f"np.prod([X.shape[k] for k in {axes}])", X=x)


def _transposed(
    name: str, x: ast.expr, rest: list[ast.expr], g: ast.expr, own: Shape
) -> Iterator[tuple[ast.expr, ast.expr, Shape]]:
    axes = [literal(n) for n in (getattr(rest[0], "elts", rest) if rest else [])]
    if not all(isinstance(k, int) for k in axes):
        return
    if name == "swapaxes":
        yield x, _form(f"G.swapaxes({axes[0]}, {axes[1]})", G=g), own
    elif not axes:
        yield x, ast.Attribute(g, "T", ast.Load()), own
    else:
        back = ", ".join(str(axes.index(k)) for k in range(len(axes)))
        yield x, _form(f"G.transpose({back})", G=g), own


def _total(sizes: list[ast.expr]) -> ast.expr | None:
    if not sizes:
        return None
    total = sizes[0]
    for n in sizes[1:]:
        total = ast.BinOp(total, ast.Add(), n)
    return total


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
