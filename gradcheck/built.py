"""Expressions built of others: forms with capitals in them, products, sums, names for names."""

import ast
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import reduce
from typing import Any

from gradcheck.syntax import called, changed, expression, literal, same


def named(node: Any, names: Mapping[str, ast.expr]) -> Any:
    """The same with other expressions in the place of names."""
    found = {
        id(n): names[n.id] for n in ast.walk(node) if isinstance(n, ast.Name) and n.id in names
    }
    return changed(node, found) if found else node


def tidied(node: ast.expr) -> ast.expr:
    """A product with its numbers multiplied out, and without parentheses of its own.

    >>> texts = "dy * (0.5 * reg) * (2 * w)", "2 * (a + b)", "dy * (o * (1 - o))"
    >>> [ast.unparse(tidied(expression(t))) for t in texts]
    ['dy * reg * w', '2 * (a + b)', 'dy * o * (1 - o)']
    """
    factors = [*_factors(node, False)]
    numbers = [(literal(n), below) for n, below in factors if isinstance(literal(n), (int, float))]
    if len(numbers) < 2 or any(below and not n for n, below in numbers):
        if len(factors) < 3 or any(below or literal(n) == -1 for n, below in factors):
            return node
        return reduce(product, (n for n, _ in factors))
    number = 1.0
    for n, below in numbers:
        number = number / n if below else number * n
    rest = [(n, below) for n, below in factors if not isinstance(literal(n), (int, float))]
    above = [n for n, below in rest if not below]
    if abs(number) != 1 or not above:
        above.insert(0, ast.Constant(int(abs(number)) if number == int(number) else abs(number)))
    whole = above[0]
    for n in above[1:]:
        whole = product(whole, n)
    for n in (n for n, below in rest if below):
        whole = ast.BinOp(whole, ast.Div(), n)
    return negative(whole) if number < 0 else whole


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


def form_of(form: str, **parts: ast.expr) -> Any:
    """A form with expressions in the places of its capitals."""
    return ast.fix_missing_locations(named(expression(form), parts))


def product(g: ast.expr, factor: ast.expr) -> ast.expr:
    return ast.BinOp(g, ast.Mult(), factor)


def negative(g: ast.expr) -> ast.expr:
    return ast.UnaryOp(ast.USub(), g)


def _counted(terms: Sequence[ast.expr]) -> list[tuple[ast.expr, int]]:
    """Each term once, and how often it came."""
    count = Counter(map(ast.dump, terms))
    return [*{ast.dump(t): (t, count[ast.dump(t)]) for t in terms}.values()]


def _either(a: ast.expr, b: ast.expr) -> ast.expr | None:
    """The sum of an entry where something holds, and of another one where it does not."""
    less = isinstance(b, ast.UnaryOp) and isinstance(b.op, ast.USub)
    inner = b.operand if isinstance(b, ast.UnaryOp) and less else b
    for node in (a, inner):
        if called(node) != "where" or len(getattr(node, "args", [])) != 3:
            return None
    (test, there, rest), (other, first, here) = a.args, inner.args  # type: ignore[attr-defined]
    if not same(test, other) or literal(rest) != 0 or literal(first) != 0:
        return None
    return form_of("np.where(C, A, B)", C=test, A=there, B=negative(here) if less else here)


def sum_of(terms: Sequence[ast.expr]) -> ast.expr:
    """The sum of one term or more; those with a minus are taken away.

    >>> ast.unparse(sum_of([expression("a"), expression("-b"), expression("c")]))
    'a - b + c'
    >>> ast.unparse(sum_of([expression("0.5 * a"), expression("b"), expression("0.5 * a")]))
    'a + b'
    >>> ast.unparse(sum_of([expression(t) for t in ("np.where(c, a, 0)", "-np.where(c, 0, b)")]))
    'np.where(c, a, -b)'
    """
    first, *others = (
        tidied(ast.BinOp(ast.Constant(n), ast.Mult(), t)) if n > 1 else t
        for t, n in _counted(terms)
    )
    total = first
    for n in others:
        if (both := _either(total, n)) is not None:
            total = both
            continue
        match n:
            case ast.UnaryOp(ast.USub(), less):
                total = ast.BinOp(total, ast.Sub(), less)
            case _:
                total = ast.BinOp(total, ast.Add(), n)
    return total
