"""What the edits ask of a syntax tree, and the small trees they build."""

import ast
import copy
from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import Any

# where the axis stands among the arguments of np.f(x, ...); one place less in x.f(...)
AXIS = {
    "sum mean max min prod var std any all argmax argmin cumsum cumprod logsumexp flip": 1,
    "concatenate stack expand_dims squeeze sort argsort": 1,
    "repeat roll split take take_along_axis": 2,
}
AXIS = {name: place for names, place in AXIS.items() for name in names.split()}
# axes along which a sum may have been forgotten
ALONG = "0", "1", "-1", "(0, 1)", "(0, 2)", "(1, 2)", "(2, 3)", "(0, 1, 2)", "(0, 2, 3)"
REDUCTIONS = set(["sum", "mean", "max", "min", "prod", "var", "std", "any", "all", "logsumexp"])
TRANSPOSES = {"transpose", "swapaxes", "moveaxis"}
PRODUCTS = {"matmul", "dot", "inner", "outer", "tensordot", "vdot"}
UNARY = {"sqrt", "square", "exp", "expm1", "log", "log1p", "tanh", "sin", "cos", "abs", "sign"}
UNARY |= {"reciprocal", "copy", "flip"}
UNARY |= {"expit", "conj", "ravel", "flipud", "fliplr", "negative"}
PAIRS = "sum mean, max min, maximum minimum, argmax argmin, sin cos, exp expm1, log log1p"
PAIRS += ", zeros ones, zeros_like ones_like, floor ceil, tanh expit, sqrt square, add subtract"
PAIRS += ", multiply divide, cumsum cumprod, tril triu, convolve correlate, convolve2d correlate2d"
TWINS = {a: b for pair in PAIRS.split(", ") for a, b in [pair.split(), pair.split()[::-1]]}
COMPARED: dict[type, tuple[type, ...]] = {
    ast.Gt: (ast.GtE, ast.Lt),
    ast.GtE: (ast.Gt, ast.LtE),
    ast.Lt: (ast.LtE, ast.Gt),
    ast.LtE: (ast.Lt, ast.GtE),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
}


def called(node: ast.AST) -> str:
    """The last name of what is called: "sum" in x.sum() and in np.sum(x)."""
    if not isinstance(node, ast.Call):
        return ""
    return getattr(node.func, "attr", getattr(node.func, "id", ""))


def is_module(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and node.id in ("np", "numpy", "jnp", "math", "scipy")


def operand(node: ast.Call) -> tuple[ast.expr | None, list[ast.expr]]:
    """The array that a function or method is applied to, and its other arguments."""
    if isinstance(node.func, ast.Attribute) and not is_module(node.func.value):
        return node.func.value, node.args
    return (node.args[0], node.args[1:]) if node.args else (None, [])


def axis_of(node: ast.Call) -> ast.expr | None:
    """The axis argument of a call."""
    for k in node.keywords:
        if k.arg in ("axis", "axes"):
            return k.value
    if called(node) not in AXIS:
        return None
    method = isinstance(node.func, ast.Attribute) and not is_module(node.func.value)
    place = AXIS[called(node)] - method
    return node.args[place] if 0 <= place < len(node.args) else None


def literal(node: ast.AST) -> Any:
    """The value of a constant, a negative one too; Ellipsis for anything else."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        value = literal(node.operand)
        return ... if value is ... or isinstance(value, (str, bool)) else -value
    return node.value if isinstance(node, ast.Constant) else ...


def is_a(node: ast.AST, op: type) -> bool:
    return isinstance(node, ast.BinOp) and isinstance(node.op, op)


def is_or(op: ast.boolop) -> bool:
    return isinstance(op, ast.Or)


def same(a: ast.AST, b: ast.AST) -> bool:
    return ast.dump(a) == ast.dump(b)


def turned(node: ast.expr) -> ast.expr:
    """The transpose of a value."""
    if isinstance(node, ast.Attribute) and node.attr == "T":
        return node.value
    return ast.copy_location(ast.Attribute(node, "T", ast.Load()), node)


def swapped(things: list) -> Iterator[list]:
    """Two of them in each other's place, neighbours first."""
    pairs = combinations(range(len(things)), 2)
    for i, j in sorted(pairs, key=lambda pair: pair[1] - pair[0]):
        others = list(things)
        others[i], others[j] = others[j], others[i]
        yield others


def letters(text: str) -> Iterator[str]:
    """The subscripts of an einsum with two neighbouring letters swapped."""
    for k in range(len(text) - 1):
        if text[k].isalpha() and text[k + 1].isalpha():
            yield text[:k] + text[k + 1] + text[k] + text[k + 2 :]


def minus(node: ast.expr) -> ast.expr:
    return ast.UnaryOp(ast.USub(), node)


def integer(value: Any) -> ast.expr:
    negative = isinstance(value, (int, float)) and not isinstance(value, bool) and value < 0
    return minus(ast.Constant(-value)) if negative else ast.Constant(value)


def tuple_of(elts: list) -> ast.expr:
    return ast.Tuple(elts, ast.Load())


def expression(text: str) -> ast.expr:
    return ast.parse(text, mode="eval").body


def call(name: str, *args: ast.expr) -> ast.expr:
    return ast.Call(ast.Name(name, ast.Load()), list(args), [])


def with_args(node: ast.Call, args: list) -> ast.expr:
    return ast.Call(node.func, args, node.keywords)


def renamed(node: ast.Call, name: str) -> ast.expr:
    """The same call of another function, method or function as it was."""
    if isinstance(node.func, ast.Attribute):
        f: ast.expr = ast.Attribute(node.func.value, name)
    else:
        f = ast.Name(name, ast.Load())
    return ast.Call(f, node.args, node.keywords)


_STRENGTH: dict[type, int] = {ast.Or: 3, ast.And: 4, ast.Not: 5, ast.BitOr: 7, ast.BitXor: 8}
_STRENGTH |= {ast.BitAnd: 9, ast.LShift: 10, ast.RShift: 10, ast.Add: 11, ast.Sub: 11, ast.Pow: 14}


def strength(node: ast.AST) -> int:
    """How strongly an expression binds; 16 needs no parentheses anywhere."""
    if isinstance(node, (ast.BinOp, ast.BoolOp)):
        return _STRENGTH.get(type(node.op), 12)
    if isinstance(node, ast.UnaryOp):
        return _STRENGTH.get(type(node.op), 13)
    weak = {ast.Compare: 6, ast.IfExp: 2, ast.Lambda: 1, ast.NamedExpr: 0, ast.Starred: 0}
    return weak.get(type(node), 15 if isinstance(node, ast.Constant) else 16)


def wanted(parent: ast.AST, field: str) -> int:
    """How strongly an expression must bind to stand here without parentheses."""
    match parent, field:
        case ast.BinOp(op=ast.Pow()), "left":
            return 15
        case ast.BinOp(), "right":
            return strength(parent) + (not isinstance(parent.op, ast.Pow))
        case ((ast.BinOp() | ast.UnaryOp()), _):
            return strength(parent)
        case ast.BoolOp(), _:
            return strength(parent) + 1
        case ast.Compare(), _:
            return 7
        case ((ast.Attribute() | ast.Subscript()), "value"):
            return 16
        case ast.Call(), "func":
            return 16
        case ast.Starred(), _:
            return 7
        case ast.IfExp(), _:
            return 3
    return 0


def spelled(new: ast.expr, old: ast.expr, least: int, text: str) -> str:
    """An expression as text in place of an old one: its quotes, and parentheses where needed.

    It must bind as strongly as `least`, see `wanted`.
    """
    words = ast.unparse(ast.fix_missing_locations(new))
    if '"' in text and '"' not in words:
        words = words.replace("'", '"')
    if isinstance(new, ast.Tuple) and isinstance(old, ast.Tuple) and len(new.elts) > 1:
        return words if text.startswith("(") else words[1:-1]
    return f"({words})" if strength(new) < least else words


def parts(node: ast.expr) -> list[ast.expr]:
    """The values below a node, each once."""
    kinds = (ast.Name, ast.BinOp, ast.Call, ast.Subscript, ast.UnaryOp)
    functions = [n.func for n in ast.walk(node) if isinstance(n, ast.Call)]
    below = [n for n in ast.walk(node) if isinstance(n, kinds) and n is not node]
    below = [n for n in below if n not in functions and not is_module(n)]
    return [*{ast.dump(n): n for n in below}.values()]


def otherwise(node: ast.expr) -> Iterator[ast.expr]:
    """A call without one of its keywords, or along an axis."""
    if not isinstance(node, ast.Call):
        return
    for k in range(len(node.keywords)):
        yield ast.Call(node.func, node.args, node.keywords[:k] + node.keywords[k + 1 :])
    for axis in ALONG if called(node) in AXIS and axis_of(node) is None else ():
        along = ast.keyword("axis", expression(axis))
        new = ast.Call(node.func, node.args, [*node.keywords, along])
        yield ast.fix_missing_locations(ast.copy_location(new, node))


def blocks(tree: ast.AST) -> Iterator[list[ast.stmt]]:
    """Every list of statements in a tree."""
    for node in ast.walk(tree):
        for field in ("body", "orelse", "finalbody"):
            block = getattr(node, field, None)
            if isinstance(block, list):
                yield block


def size(node: ast.AST) -> int:
    return sum(1 for _ in ast.walk(node))


def filled(form: ast.expr, node: ast.expr) -> ast.expr:
    """A form with a node in the place of its underscore."""
    return changed(form, {id(n): node for n in ast.walk(form) if getattr(n, "id", "") == "_"})


def changed(tree: Any, new: Mapping[int, ast.expr]) -> Any:
    """A tree with other nodes for those of some ids; what did not change is shared."""
    if id(tree) in new:
        return new[id(tree)]
    other = None
    for field, value in ast.iter_fields(tree):
        fresh = value
        if isinstance(value, ast.AST):
            fresh = changed(value, new)
        elif isinstance(value, list):
            parts = [changed(v, new) if isinstance(v, ast.AST) else v for v in value]
            if any(a is not b for a, b in zip(parts, value, strict=True)):
                fresh = parts
        if fresh is not value:
            other = other or copy.copy(tree)
            setattr(other, field, fresh)
    return other or tree
