"""What the edits ask of a syntax tree, and the small trees they build."""

import ast
from collections.abc import Iterator
from itertools import combinations
from typing import Any

# where the axis stands among the arguments of np.f(x, ...); one place less in x.f(...)
AXIS = {
    "sum mean max min prod var std any all argmax argmin cumsum cumprod logsumexp flip": 1,
    "concatenate stack expand_dims squeeze sort argsort": 1,
    "repeat roll split take take_along_axis": 2,
}
AXIS = {name: place for names, place in AXIS.items() for name in names.split()}
REDUCTIONS = set(["sum", "mean", "max", "min", "prod", "var", "std", "any", "all", "logsumexp"])


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


def literal(node: ast.expr) -> Any:
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
