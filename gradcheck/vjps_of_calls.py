"""The derivatives of NumPy's functions, for `vjps`: each operand's cotangent, and its shape."""

import ast
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from gradcheck.built import form_of, negative, product
from gradcheck.syntax import axis_of, called, changed, expression, is_module, literal, turned

if TYPE_CHECKING:
    from gradcheck.vjps import Rules

Shape = tuple[int, ...]
Operands = Iterator[tuple[ast.expr, ast.expr, Shape | None]]
REDUCED = {"sum", "mean", "max", "min", "amax", "amin", "var", "std", "logsumexp", "prod", "norm"}
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


def of_call(rules: "Rules", node: ast.Call, g: ast.expr, shape: Shape | None) -> Operands:
    """Of a call of NumPy's, or of a method: (operand, its cotangent, the shape of that)."""
    name, (x, rest) = called(node), _operands(rules, node)
    if x is None:
        return
    if found := elementwise(node):
        _, x, factor = found
        yield x, product(g, factor), joint(shape, rules.shape(x))
    elif name in ("copy", "array", "asarray", "float", "astype", "ascontiguousarray"):
        yield x, g, shape
    elif name in OPERATORS and len(node.args) == 2:
        a, b = node.args
        yield from rules.local(ast.BinOp(a, OPERATORS[name], b), g, shape, 0)
    else:
        yield from _reduced(rules, node, x, g, shape)
        yield from _chosen(rules, node, x, g, shape)
        yield from _moved(rules, node, x, rest, g, shape)
        yield from _multiplied(rules, node, x, rest, g)


def _operands(rules: "Rules", node: ast.Call) -> tuple[ast.expr | None, list[ast.expr]]:
    """The array that a function or a method is applied to, and its other arguments."""
    method = isinstance(node.func, ast.Attribute) and not _is_module(rules, node.func.value)
    if method:
        return node.func.value, node.args  # type: ignore[attr-defined]
    return (node.args[0], node.args[1:]) if node.args else (None, [])


def _is_module(rules: "Rules", node: ast.expr) -> bool:
    return is_module(node) or isinstance(rules.value(node), ModuleType)


def _reduced(
    rules: "Rules", node: ast.Call, x: ast.expr, g: ast.expr, shape: Shape | None
) -> Operands:
    """Sums, means, maxima and their like, along an axis or of everything."""
    name, own, axis = called(node), rules.shape(x), axis_of(node)
    other = len(node.args) > 1 or any(k.arg == "ord" for k in node.keywords)
    if name not in REDUCED or own is None or (name == "norm" and other):
        return
    axes = None if axis is None else _whole(axis, rules.value)
    count = _count(x, axis, axes)
    y: ast.expr = node
    if axes is not None and not any(k.arg == "keepdims" for k in node.keywords):
        y = _expanded(y, axes, shape, len(own))[0]
        g, shape = _expanded(g, axes, shape, len(own))
    along = "" if axis is None else f"axis={ast.unparse(axis)}, "
    apart = f"(X - X.mean({along}keepdims=True)) / N"  # in variances
    forms = {"max": "X == Y", "min": "X == Y", "amax": "X == Y", "amin": "X == Y", "prod": "Y / X"}
    forms |= {"var": f"2 * {apart}", "std": f"{apart} / Y", "norm": "X / Y"}
    forms |= {"logsumexp": "np.exp(X - Y)"}
    if name == "sum":
        yield x, g, shape
    elif name == "mean" and count is not None:
        yield x, ast.BinOp(g, ast.Div(), count), shape
    elif name in forms and count is not None and not any(k.arg == "ddof" for k in node.keywords):
        yield x, product(g, form_of(forms[name], X=x, Y=y, N=count)), own


def _chosen(
    rules: "Rules", node: ast.Call, x: ast.expr, g: ast.expr, shape: Shape | None
) -> Operands:
    """Entries of one operand or of another."""
    name = called(node)
    if name in ("maximum", "minimum") and len(node.args) == 2:
        for a, b in (node.args, node.args[::-1]):
            test = form_of(f"A {'>' if name == 'maximum' else '<'} B", A=a, B=b)
            yield a, product(g, test), joint(shape, rules.shape(test))
    elif (
        name == "clip" and len(node.args) == 3 and _is_module(rules, getattr(node.func, "value", x))
    ):
        test = form_of("(X > L) & (X < H)", X=x, L=node.args[1], H=node.args[2])
        yield x, product(g, test), joint(shape, rules.shape(x))
    elif name == "where" and len(node.args) == 3:
        c, a, b = node.args
        both = joint(shape, rules.shape(c))
        yield a, form_of("np.where(C, G, 0.0)", C=c, G=g), both
        yield b, form_of("np.where(C, 0.0, G)", C=c, G=g), both


def _moved(
    rules: "Rules",
    node: ast.Call,
    x: ast.expr,
    rest: list[ast.expr],
    g: ast.expr,
    shape: Shape | None,
) -> Operands:
    """Entries that go elsewhere, come several times, or are left out."""
    name, own = called(node), rules.shape(x)
    if name in ("reshape", "ravel", "flatten", "expand_dims", "squeeze", "atleast_2d"):
        yield x, form_of("G.reshape(X.shape)", G=g, X=x), own
    elif name in ("transpose", "swapaxes") and own is not None:
        yield from _transposed(name, x, rest, g, own)
    elif name in ("concatenate", "hstack", "vstack", "stack"):
        yield from _joined(rules, node, g)
    elif name == "cumsum" and own is not None:
        axis = axis_of(node) or expression("-1" if len(own) == 1 else "0")
        text = "np.flip(np.cumsum(np.flip(G, axis=A), axis=A), axis=A)"
        yield x, form_of(text, G=g, A=axis), own
    elif name in ("tril", "triu", "flip", "flipud", "fliplr"):
        yield x, changed(node, {id(x): g}), shape
    elif name == "roll" and rest:
        yield x, changed(node, {id(x): g, id(rest[0]): negative(rest[0])}), own
    elif name == "pad" and own is not None:
        yield from _padded(x, rest, g, own)
    elif name == "repeat" and rest and own is not None:
        yield from _repeated(node, x, rest[0], g, own)
    elif name == "broadcast_to":
        yield x, g, rules.shape(node)


def _multiplied(
    rules: "Rules", node: ast.Call, x: ast.expr, rest: list[ast.expr], g: ast.expr
) -> Operands:
    """Products of matrices, norms, inverses."""
    name, own = called(node), rules.shape(x)
    if name in ("dot", "matmul") and rest:
        yield from of_matmul(rules, x, rest[0], g)
    elif name == "outer" and rest:
        yield x, form_of("G @ B", G=g, B=rest[0]), own
        yield rest[0], form_of("A @ G", G=g, A=x), rules.shape(rest[0])
    elif name == "einsum" and isinstance(literal(node.args[0]), str):
        yield from _einsum(rules, node, g)
    elif name == "inv":
        yield x, form_of("-(Y.T @ G @ Y.T)", G=g, Y=node), own
    elif name == "solve" and rest:
        back = form_of("np.linalg.solve(A.T, G)", A=x, G=g)
        yield rest[0], back, rules.shape(rest[0])
        vector = len(rules.shape(rest[0]) or (1, 1)) == 1
        form = "-np.outer(D, Y)" if vector else "-(D @ Y.T)"
        yield x, form_of(form, D=back, Y=node), own


def of_matmul(rules: "Rules", a: ast.expr, b: ast.expr, g: ast.expr) -> Operands:
    p, q = rules.shape(a), rules.shape(b)
    if p is None or q is None or (len(p) == len(q) == 2):
        yield a, form_of("G @ B", G=g, B=turned(b)), p
        yield b, form_of("A @ G", G=g, A=turned(a)), q
    elif len(p) == 2 and len(q) == 1:
        yield a, form_of("np.outer(G, B)", G=g, B=b), p
        yield b, form_of("A.T @ G", G=g, A=a), q
    elif len(p) == 1 and len(q) == 2:
        yield a, form_of("B @ G", G=g, B=b), p
        yield b, form_of("np.outer(A, G)", G=g, A=a), q
    elif len(p) == len(q) == 1:
        yield a, form_of("G * B", G=g, B=b), p
        yield b, form_of("G * A", G=g, A=a), q
    elif len(p) > 2 and len(q) == 2:
        yield a, form_of("G @ B.T", G=g, B=b), p
        flat = "A.reshape(-1, A.shape[-1]).T @ G.reshape(-1, G.shape[-1])"
        yield b, form_of(flat, G=g, A=a), q
    else:
        swap = "swapaxes(-1, -2)"
        yield a, form_of(f"G @ B.{swap}", G=g, B=b), p
        yield b, form_of(f"A.{swap} @ G", G=g, A=a), (*p[:-2], *q[-2:])


def _einsum(rules: "Rules", node: ast.Call, g: ast.expr) -> Operands:
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
            yield x, call, rules.shape(x)


def _padded(x: ast.expr, rest: list[ast.expr], g: ast.expr, own: Shape) -> Operands:
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
    yield x, form_of(f"G[{', '.join(slices)}]", G=g), own


def _repeated(node: ast.Call, x: ast.expr, count: ast.expr, g: ast.expr, own: Shape) -> Operands:
    """The sum over the copies."""
    axis = literal(axis_of(node) or ast.Constant(None))
    if not isinstance(axis, int):
        return
    place = axis % len(own)
    sizes = [f"X.shape[{k}]" for k in range(len(own))]
    sizes.insert(place + 1, "N")
    text = f"G.reshape({', '.join(sizes)}).sum(axis={place + 1})"
    yield x, form_of(text, G=g, X=x, N=count), own


def _joined(rules: "Rules", node: ast.Call, g: ast.expr) -> Operands:
    """Each part of what was put together."""
    parts = getattr(node.args[0], "elts", []) if node.args else []
    shapes = [rules.shape(p) for p in parts]
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
            yield x, form_of(f"G[{lead}{k}]", G=g), s
        return
    before: list[ast.expr] = []
    place = axis if axis >= 0 else len(shapes[0] or ()) + axis
    lead = ":, " * place
    for x, s in zip(parts, shapes, strict=True):
        size = form_of(f"X.shape[{axis}]", X=x)
        start = _total(before)
        before.append(size)
        end = _total(before) if x is not parts[-1] else None
        words = f"{ast.unparse(start) if start else ''}:{ast.unparse(end) if end else ''}"
        yield x, form_of(f"G[{lead}{words}]", G=g), s


def elementwise(node: ast.Call) -> tuple[str, ast.expr, ast.expr] | None:
    """The function that is applied to every entry of something, that, and the slope."""
    name, args = called(node), node.args
    if name == "logaddexp" and [literal(a) for a in args].count(0) == 1:
        (x,) = [a for a in args if literal(a) != 0]
        return "softplus", x, slope("softplus", x, node)
    if name in SLOPES and len(args) == 1:
        return name, args[0], slope(name, args[0], node)
    return None


def slope(name: str, x: ast.expr, y: ast.expr) -> ast.expr:
    return form_of(SLOPES[name], X=x, Y=y)


def of_softmax(rules: "Rules", node: ast.Call, g: ast.expr) -> Operands:
    """Of a function that turns out to be a softmax, or the logarithm of one, along some axis."""
    if len(node.args) != 1 or called(node) in SLOPES:
        return
    x, y = (rules.value(n) for n in (node.args[0], node))
    if not all(isinstance(v, np.ndarray) and v.dtype.kind == "f" and v.ndim for v in (x, y)):
        return
    for axis in range(x.ndim) if x.shape == y.shape and x.size else ():
        with np.errstate(all="ignore"):
            e = np.exp(x - x.max(axis=axis, keepdims=True))
            p = e / e.sum(axis=axis, keepdims=True)
            forms = {"Y * (G - (Y * G).sum(A))": p, "G - np.exp(Y) * G.sum(A)": np.log(p)}
            for form, value in forms.items():
                if x.shape[axis] > 1 and np.allclose(y, value, rtol=1e-9, atol=1e-12):
                    text = form.replace("A)", f"axis={axis - x.ndim}, keepdims=True)")
                    yield node.args[0], form_of(text, Y=node, G=g), x.shape
                    return


def of_sigmoid(node: ast.expr) -> ast.expr | None:
    """x of 1 / (1 + exp(-x))."""
    match node:
        case ast.BinOp(ast.Constant(1), ast.Div(), ast.BinOp(a, ast.Add(), b)):
            for one, power in ((a, b), (b, a)):
                if literal(one) == 1 and called(power) == "exp" and isinstance(power, ast.Call):
                    match power.args:
                        case [ast.UnaryOp(ast.USub(), x)]:
                            return x
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
    return form_of(f"G[{', '.join(marks)}]", G=g), shape


def _count(x: ast.expr, axis: ast.expr | None, axes: tuple[int, ...] | None) -> ast.expr | None:
    """How many entries a mean is of."""
    if axis is None:
        return form_of("X.size", X=x)
    if axes is None:
        return None
    if len(axes) == 1:
        return form_of(f"X.shape[{axes[0]}]", X=x)
    return form_of(f"np.prod([X.shape[k] for k in {axes}])", X=x)


def _transposed(name: str, x: ast.expr, rest: list[ast.expr], g: ast.expr, own: Shape) -> Operands:
    axes = [literal(n) for n in (getattr(rest[0], "elts", rest) if rest else [])]
    if not all(isinstance(k, int) for k in axes):
        return
    if name == "swapaxes":
        yield x, form_of(f"G.swapaxes({axes[0]}, {axes[1]})", G=g), own
    elif not axes:
        yield x, ast.Attribute(g, "T", ast.Load()), own
    else:
        back = ", ".join(str(axes.index(k)) for k in range(len(axes)))
        yield x, form_of(f"G.transpose({back})", G=g), own


def _total(sizes: list[ast.expr]) -> ast.expr | None:
    if not sizes:
        return None
    total = sizes[0]
    for n in sizes[1:]:
        total = ast.BinOp(total, ast.Add(), n)
    return total


def joint(a: Shape | None, b: Shape | None) -> Shape | None:
    """The shape of a product."""
    if a is None or b is None:
        return None
    try:
        return np.broadcast_shapes(a, b)
    except ValueError:
        return None
