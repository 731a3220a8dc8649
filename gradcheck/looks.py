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


def is_derivative(name: str) -> bool:
    """Whether the name of a function speaks of derivatives: sigmoid_prime, softmax_vjp.

    >>> is_derivative("sigmoid_prime"), is_derivative("sigmoid")
    (True, False)
    """
    words = "grad", "prime", "deriv", "vjp", "slope", "backward", "bwd"
    return any(w in name.lower() for w in words)


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
    sized = called(node) == "len" or called(node).endswith("_like")
    if sized or (isinstance(node, ast.Attribute) and node.attr in SIZES):
        return set()
    below = (values_in(child) for child in ast.iter_child_nodes(node))
    return set().union({node.id} if isinstance(node, ast.Name) else (), *below)


def targets_of(parents: tuple[ast.AST, ...]) -> set[str]:
    """What the statement assigns, outside of indices."""
    stmt = parents[0] if parents else None
    return names_in(stmt.targets[0]) if isinstance(stmt, ast.Assign) else set()


def is_size(node: ast.AST, sizes: Container[str] = ()) -> bool:
    """Whether a factor is made of sizes: shapes, lengths, numbers, and the names in `sizes`.

    >>> count, share = ast.parse("len(x) * y.shape[0] - 1; (x > 0) / x.size").body
    >>> is_size(count.value), is_size(share.value)
    (True, False)
    """
    match node:
        case ast.Attribute(attr=attr):
            return attr in SIZES
        case ast.Name(name):
            return name in sizes
        case ast.Call():
            whole = ("prod", "int", "float", "max", "min")
            inner = all(is_size(a, sizes) for a in node.args)
            return called(node) == "len" or (called(node) in whole and inner)
        case ast.Subscript(value):
            return is_size(value, sizes)
        case ast.BinOp(left, _, right):
            either = is_size(left, sizes), is_size(right, sizes)
            counts = [isinstance(literal(n), int) for n in (left, right)]
            return any(either) and all(e or c for e, c in zip(either, counts, strict=True))
    return False


def sizes_in(tree: ast.AST) -> set[str]:
    """Names that are only ever given sizes, and what is used as one wherever it comes from."""
    given: dict[str, bool] = {}
    for stmt in (n for n in ast.walk(tree) if isinstance(n, ast.Assign)):
        if isinstance(stmt.targets[0], ast.Tuple) and isinstance(stmt.value, ast.Name):
            continue  # unpacked, as it was packed
        for target, value in _assigned(stmt):
            known = {name for name, size in given.items() if size}
            for name in names_in(target):
                given[name] = given.get(name, True) and is_size(value, known)
    return {name for name, size in given.items() if size} | (_counted(tree) - set(given))


def _assigned(stmt: ast.Assign) -> list[tuple[ast.expr, ast.expr]]:
    """Each target with its value."""
    target, value = stmt.targets[0], stmt.value
    several = isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple)
    if several and len(target.elts) == len(value.elts):  # type: ignore[attr-defined]
        return list(zip(target.elts, value.elts, strict=True))  # type: ignore[attr-defined]
    return [(target, value)]


def _counted(tree: ast.AST) -> set[str]:
    """Names that a range, a shape or a slice is made of."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if called(node) in ("range", "reshape", "zeros", "ones", "empty", "arange"):
            parts = [a for a in node.args for a in getattr(a, "elts", [a])]  # type: ignore[attr-defined]
            found |= {a.id for a in parts if isinstance(a, ast.Name)}
        if isinstance(node, ast.Slice):
            found |= {n for a in (node.lower, node.upper) if a for n in names_in(a)}
    return found


def indices_in(tree: ast.AST) -> set[str]:
    """Names that are read in indices, and nowhere else but to make others of these.

    >>> sorted(indices_in(ast.parse("i = 2 * k; j = i + 1; x[i:j] = y[i] * k")))
    ['i', 'j']
    """
    slices = [n.slice for n in ast.walk(tree) if isinstance(n, ast.Subscript)]
    inside = [n for part in slices for n in ast.walk(part)]
    makes = {id(n): _made(s) for s in ast.walk(tree) if isinstance(s, ast.Assign) for n in _all(s)}
    found = {n.id for n in inside if isinstance(n, ast.Name)}
    within = {id(n) for n in inside}
    read = [n for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)]
    while True:
        outside = {
            n.id
            for n in read
            if id(n) not in within and not makes.get(id(n), {""}) <= found - {n.id}
        }
        if not found & outside:
            return found
        found -= outside


def _made(stmt: ast.Assign) -> set[str]:
    """The names that a statement assigns; "" for what is no name."""
    return {getattr(p, "id", "") for t in stmt.targets for p in getattr(t, "elts", [t])}


def _all(stmt: ast.Assign) -> list[ast.AST]:
    return [*ast.walk(stmt.value)]


def is_slope(node: ast.AST) -> bool:
    """Whether an expression looks like the derivative of an activation: 1 - a, 1 - a**2, a > 0."""
    for n in ast.walk(node):
        if isinstance(n, ast.Compare):
            return True
        if isinstance(n, ast.BinOp) and isinstance(n.op, ast.Sub) and literal(n.left) == 1:
            return not (isinstance(n.right, ast.BinOp) and isinstance(n.right.op, ast.Div))
    return False


def is_one_minus(node: ast.AST) -> bool:
    """1 - a, or 1 - a**2."""
    return isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub) and literal(node.left) == 1


def is_product_with_slope(node: ast.expr, name: str) -> bool:
    """Whether an expression is a product of a name and the slope of an activation."""
    match node:
        case ast.BinOp(left, ast.Mult(), right):
            for a, b in ((left, right), (right, left)):
                if is_slope(b) and isinstance(b, (ast.BinOp, ast.Compare)) and name in names_in(a):
                    return isinstance(a, ast.Name) or is_product_with_slope(a, name)
            return any(is_product_with_slope(k, name) for k in (left, right))
    return called(node) == "where" and name in names_in(node) and is_slope(node)


def is_softmax(inner: ast.AST, parents: tuple[ast.AST, ...]) -> bool:
    """Whether p g is taken from g, and the whole multiplied by p."""
    below = [p for p in parents if isinstance(p, ast.BinOp)][-2:]
    if len(below) < 2 or not isinstance(inner, ast.BinOp):
        return False
    outer, minus = below
    factors = [ast.dump(n) for n in (inner.left, inner.right)]
    taken = isinstance(minus.op, ast.Sub) and ast.dump(minus.left) in factors
    return taken and isinstance(outer.op, ast.Mult) and ast.dump(outer.left) in factors
