"""What a sum lacks that is multiplied or divided before it is a gradient, by its values.

Where g = s E is wrong and G is right, E should be G / s: what E lacks is sought as what g lacks is.
"""

import ast
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from gradcheck.about import Scope
from gradcheck.missing import Known, evaluated, sums
from gradcheck.samples import same
from gradcheck.syntax import is_a

Array = np.ndarray
DEEP = 3  # products within each other
FEW = 3  # expressions that are proposed for one place


def inside(
    whole: ast.expr,
    g: Array,
    G: Array,
    scope: Scope,
    known: tuple[list[Known], dict[str, float]],
) -> Iterator[ast.expr]:
    """Expressions for G that are the whole, whose value is g, with a term more inside a product.

    >>> a, b, s = np.arange(1.0, 4.0), np.array([2.0, 5.0, 3.0]), np.array([3.0, 4.0, 5.0])
    >>> whole = ast.parse("(a - 1) / s", mode="eval").body
    >>> values = [Known(ast.Name("a", ast.Load()), a), Known(ast.Name("b", ast.Load()), b)]
    >>> scope = {}, {"a": a, "b": b, "s": s}
    >>> found = inside(whole, (a - 1) / s, (a - 1 - b) / s, scope, (values, {}))
    >>> ast.unparse(next(found))
    '(a - 1 - b) / s'
    """
    value = evaluated(whole, scope)
    if not isinstance(value, np.ndarray) or value.shape != G.shape or not same(value, g):
        return
    for part, wanted, put in _parts(whole, G, scope, DEEP):
        own = evaluated(part, scope)
        if np.shape(own) == G.shape and np.isfinite(wanted).all():
            several = sums(wanted - own, *known)
            if is_a(part, ast.Add) or is_a(part, ast.Sub):  # a sum that lacks one term
                several = [n for n in several if not is_a(n, ast.Add) and not is_a(n, ast.Sub)]
            for more in several[:FEW]:
                less = isinstance(more, ast.UnaryOp)
                other, op = (more.operand, ast.Sub()) if less else (more, ast.Add())  # type: ignore[attr-defined]
                yield ast.fix_missing_locations(put(ast.BinOp(part, op, other)))


def _parts(
    node: ast.expr, G: Array, scope: Scope, deep: int
) -> Iterator[tuple[ast.expr, Array, Callable[[ast.expr], ast.expr]]]:
    """The factors of a product, what each should be, and how it is put back."""
    if not isinstance(node, ast.BinOp) or not isinstance(node.op, (ast.Mult, ast.Div)) or not deep:
        return
    sides: list[tuple[ast.expr, ast.expr, Any]] = [
        (node.left, node.right, lambda new, op=node.op, r=node.right: ast.BinOp(new, op, r))
    ]
    if isinstance(node.op, ast.Mult):
        sides.append(
            (node.right, node.left, lambda new, k=node.left: ast.BinOp(k, ast.Mult(), new))
        )
    for part, other, put in sides:
        factor = evaluated(other, scope)
        try:
            with np.errstate(all="ignore"):
                wanted = G / factor if isinstance(node.op, ast.Mult) else G * factor
        except (TypeError, ValueError):
            continue
        if np.shape(wanted) == G.shape:
            yield part, wanted, put
            for inner, value, back in _parts(part, wanted, scope, deep - 1):
                yield inner, value, lambda new, back=back, put=put: put(back(new))  # type: ignore[misc]
