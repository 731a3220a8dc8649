"""An expression as a sum of products, and what two of them differ by: terms, factors, a number."""

import ast
from collections.abc import Callable
from dataclasses import dataclass, field

from gradcheck.looks import names_in
from gradcheck.syntax import called, literal

MOST = 12  # terms that are told apart


@dataclass(frozen=True)
class Term:
    """A number times factors, each an expression with a power, by its text."""

    number: float = 1.0
    factors: dict[str, tuple[ast.expr, float]] = field(default_factory=dict)

    def times(self, other: "Term", power: float = 1.0) -> "Term":
        """The product with another to some power.

        >>> x = Term(3.0, {"x": (ast.Name("x"), 1.0)})
        >>> x.times(x, -1.0) == Term(), x.times(x).number
        (True, 9.0)
        """
        factors = dict(self.factors)
        for text, (node, own) in other.factors.items():
            sum_ = factors.pop(text, (node, 0.0))[1] + own * power
            if sum_:
                factors[text] = (node, sum_)
        return Term(self.number * other.number**power, factors)


@dataclass(frozen=True)
class Changed:
    """What turns one expression into another: terms that come and go, and factors of one term.

    `lost` are factors that the new one has besides, `gained` those that only the old one has, each
    with its power; `number` is what else multiplies. They are those of every term that changes.
    """

    missing: tuple[Term, ...] = ()
    extra: tuple[Term, ...] = ()
    lost: tuple[tuple[ast.expr, float], ...] = ()
    gained: tuple[tuple[ast.expr, float], ...] = ()
    number: float = 1.0


def terms(node: ast.expr) -> list[Term]:
    """The terms of a sum; those of a sum in parentheses with a number or a factor stay together.

    >>> [sorted(t.factors) for t in terms(ast.parse("a * b - (c + d) / e", mode="eval").body)]
    [['a', 'b'], ['c + d', 'e']]
    """
    match node:
        case ast.BinOp(left, ast.Add(), right):
            return [*terms(left), *terms(right)]
        case ast.BinOp(left, ast.Sub(), right):
            return [*terms(left), *(t.times(Term(-1.0)) for t in terms(right))]
        case ast.UnaryOp(ast.USub(), operand):
            return [t.times(Term(-1.0)) for t in terms(operand)]
    return [term(node)]


def term(node: ast.expr) -> Term:
    """The factors of a product.

    >>> term(ast.parse("-2 * x / (y * x**2)", mode="eval").body).number
    -2.0
    """
    match node:
        case ast.BinOp(left, ast.Mult(), right):
            return term(left).times(term(right))
        case ast.BinOp(left, ast.Div(), right):
            below = term(right)
            return term(left).times(below, -1.0) if below.number else Term(1.0, _only(node))
        case ast.UnaryOp(ast.USub(), operand):
            return term(operand).times(Term(-1.0))
        case ast.BinOp(base, ast.Pow(), ast.Constant(int(n))) if type(n) is int:
            return Term().times(term(base), float(n))
        case ast.Call(args=[a, b]) if called(node) in ("multiply", "divide"):
            return term(a).times(term(b), 1.0 if called(node) == "multiply" else -1.0)
        case ast.Call(args=[a]) if called(node) == "square":
            return Term().times(term(a), 2.0)
        case ast.BinOp(ast.UnaryOp(ast.USub(), left), ast.MatMult() as op, right):
            return Term(-1.0, _only(ast.BinOp(left, op, right)))
        case ast.Call(ast.Attribute(inner, "copy"), args=[]):
            return term(inner)
        case ast.Call(args=[mask, a, b]) if called(node) == "where":
            if literal(b) == 0:  # mask * a
                return term(a).times(Term(1.0, _only(mask)))
            if literal(a) == 0:
                other = ast.UnaryOp(ast.Invert(), mask)
                return term(b).times(Term(1.0, _only(other)))
    value = literal(node)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return Term(float(value))
    return Term(1.0, _only(node))


def _only(node: ast.expr) -> dict[str, tuple[ast.expr, float]]:
    return {ast.unparse(node): (node, 1.0)}


def expanded(node: ast.expr) -> list[Term]:
    """The terms of a sum of products of sums.

    >>> [sorted(t.factors) for t in expanded(ast.parse("a * (b - c)", mode="eval").body)]
    [['a', 'b'], ['a', 'c']]
    """
    found: list[Term] = []
    for t in terms(node):
        product = [Term(t.number)]
        for text, (n, power) in t.factors.items():
            parts = expanded(n) if power == 1 and _is_sum(n) else [Term(1.0, {text: (n, power)})]
            product = [a.times(b) for a in product for b in parts][: MOST + 1]
        found += product
    return found


def cancels(tree: ast.AST) -> bool:
    """Whether something is both multiplied and divided by the same, or added and subtracted.

    >>> [cancels(ast.parse(t)) for t in ("a * b / a", "a - (b - a)", "a + b - (a - c)", "a / b")]
    [True, False, True, False]
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Mult, ast.Div)):
            kept = [n for n, _ in term(node).factors.values()]
            if names_in(node) - set().union(*map(names_in, kept)):
                return True
        if _is_sum(node):
            own = [(t.number, str(sorted(_powers(t).items()))) for t in terms(node)]  # type: ignore[arg-type]
            if any((-number, powers) in own for number, powers in own):
                return True
    return False


def changed(old: ast.expr, new: ast.expr, made: Callable = terms) -> Changed | None:
    """What the new expression has that the old one has not, and the other way round.

    None where that is not told: a sum turns into one of other terms. Both are taken apart by
    `made`.

    >>> def parsed(text):
    ...     return ast.parse(text, mode="eval").body
    >>> found = changed(parsed("a * b - c"), parsed("a * b / n - c / n"))
    >>> [(n.id, power) for n, power in found.lost], found.gained
    ([('n', -1.0)], ())
    >>> len(changed(parsed("a"), parsed("a - b * c")).missing)
    1
    """
    before, after = made(old), made(new)
    if max(len(before), len(after)) > MOST:
        return None
    before, after = _without(before, after), _without(after, before)
    one = made is terms and not (_is_sum(old) and _is_sum(new))
    if before and after and one:  # compared as products
        before, after = [term(old)], [term(new)]
    found: list[Changed] = []
    for other in [*after]:  # those that are most alike belong together
        near = max(before, key=lambda t: _shared(t, other), default=None)
        if near is None or (not _shared(near, other) and len(before) + len(after) > 2):
            continue
        before.remove(near)
        after.remove(other)
        found.append(_between(near, other))
    if not found:
        return Changed(tuple(after), tuple(before)) if before or after else None
    alike = {str(_texts(c)) for c in found}
    return found[0] if len(alike) == 1 and not before and not after else None


def _is_sum(node: ast.AST) -> bool:
    return isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Add, ast.Sub))


def _without(some: list[Term], others: list[Term]) -> list[Term]:
    """The terms that are not among others, each of which stands for one."""
    left = [(o.number, *sorted(_powers(o).items())) for o in others]
    kept = []
    for t in some:
        mark = (t.number, *sorted(_powers(t).items()))
        if mark in left:
            left.remove(mark)
        else:
            kept.append(t)
    return kept


def _powers(t: Term) -> dict[str, float]:
    return {text: power for text, (_, power) in t.factors.items()}


def _shared(a: Term, b: Term) -> int:
    return len(a.factors.keys() & b.factors.keys())


def _between(old: Term, new: Term) -> Changed:
    """What one term has that the other has not; what is divided by, not multiplied, is lost."""
    lost, gained = [], []
    for text, (node, _) in {**old.factors, **new.factors}.items():
        p, q = (t.factors.get(text, (node, 0.0))[1] for t in (old, new))
        if abs(q) > abs(p) or p == -q:
            lost.append((node, q - p))
        elif p != q:
            gained.append((node, p - q))
    number = new.number / old.number if old.number else new.number
    return Changed((), (), tuple(lost), tuple(gained), number)


def _texts(c: Changed) -> tuple:
    return c.number, *([(ast.unparse(n), p) for n, p in side] for side in (c.lost, c.gained))
