"""What a piece of source looks like: a size, the slope of an activation, a reversed index."""

import ast
import copy
from collections.abc import Callable, Container

from gradcheck.syntax import called, literal

SIZES = ("shape", "size", "ndim")


def is_transposed(node: ast.AST) -> bool:
    return isinstance(node, ast.Attribute) and node.attr in ("T", "mT")


def is_sliced(node: ast.AST) -> bool:
    return isinstance(node, ast.Subscript) and any(isinstance(n, ast.Slice) for n in ast.walk(node))


def bare(node: ast.AST, outer: Callable[[ast.AST], bool]) -> str:
    """A tree as text, without what some of its nodes do to their values."""

    class Bare(ast.NodeTransformer):
        def visit(self, node: ast.AST) -> ast.AST:
            node = self.generic_visit(node)
            return node.value if outer(node) else node  # type: ignore[attr-defined]

    return ast.dump(Bare().visit(copy.deepcopy(node)))


def is_reversed(index: ast.AST) -> bool:
    """Whether an index counts down as its variable counts up: K - 1 - k."""
    match index:
        case ast.BinOp(_, ast.Sub(), ast.Name()):
            return True
        case ast.UnaryOp(ast.USub(), ast.Name()) | ast.UnaryOp(ast.Invert(), ast.Name()):
            return True
    return False


def within(node: ast.AST, whole: ast.AST) -> bool:
    return any(n is node for n in ast.walk(whole))


def is_tiny(node: ast.AST) -> bool:
    value = literal(node) if isinstance(node, ast.expr) else ...
    return isinstance(value, float) and 0 < abs(value) < 0.01


def names_in(node: ast.AST) -> set[str]:
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}


def values_in(node: ast.AST) -> set[str]:
    """The names whose values count, not only their sizes."""
    if isinstance(node, ast.Attribute) and node.attr in SIZES:
        return set()
    below = (values_in(child) for child in ast.iter_child_nodes(node))
    return set().union({node.id} if isinstance(node, ast.Name) else (), *below)


def is_size(node: ast.AST, sizes: Container[str] = ()) -> bool:
    """Whether a factor is a size: a shape, a length, a name in capitals, or one of `sizes`."""
    names = [n for n in ast.walk(node) if isinstance(n, (ast.Name, ast.Attribute, ast.Call))]
    return any(
        (isinstance(n, ast.Attribute) and n.attr in SIZES)
        or called(n) == "len"
        or (isinstance(n, ast.Name) and (n.id.isupper() or n.id in sizes))
        for n in names
    )


def sizes_in(tree: ast.AST) -> set[str]:
    """Names that are only ever given sizes."""
    given: dict[str, bool] = {}
    for stmt in (n for n in ast.walk(tree) if isinstance(n, ast.Assign)):
        if isinstance(stmt.targets[0], ast.Tuple) and isinstance(stmt.value, ast.Name):
            continue  # unpacked, as it was packed
        for name in names_in(stmt.targets[0]):
            given[name] = given.get(name, True) and is_size(stmt.value)
    return {name for name, size in given.items() if size}


def is_slope(node: ast.AST) -> bool:
    """Whether an expression looks like the derivative of an activation: 1 - a, 1 - a**2, a > 0."""
    for n in ast.walk(node):
        if isinstance(n, ast.Compare):
            return True
        if isinstance(n, ast.BinOp) and isinstance(n.op, ast.Sub) and literal(n.left) == 1:
            return True
    return False
