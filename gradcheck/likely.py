"""Changes by which a rule of differentiation becomes another one that people mean.

A softmax has all of its outputs in every gradient; the slope of a sigmoid is s (1 - s), that of a
tanh 1 - t^2; what was reshaped goes back by the same sizes. Each is a large change of text, and one
idea.
"""

import ast
import itertools
from collections.abc import Iterable, Iterator, Sequence

from gradcheck.factored import term
from gradcheck.ingredients import SOFTMAX
from gradcheck.looks import names_in
from gradcheck.syntax import called, changed, expression, filled, literal, operand, with_args
from gradcheck.vjps_of_calls import SLOPES as OF_FUNCTIONS
from gradcheck.vjps_of_calls import slope

SLOPES = ("1 - {0} ** 2", "{0} * (1 - {0})", "({0} > 0)")
GROWN = ("_ / {0}", "_ / {0}[:, None]", "_ * {0}[:, None]", "{0}.T @ _", "_ @ {0}.T")
COUNTED = ("{0}.shape[0]", "{0}.shape[1]", "{0}.shape[-1]", "{0}.size", "{0}.size // {0}.shape[1]")
ALONG = ("axis=-1, keepdims=True", "axis=0, keepdims=True")
MOST = 24  # orders of a shape
KNOWN = {"tanh", "sigmoid", "expit"}  # of what these gave, the slope is one of SLOPES


def likely(
    node: ast.expr, whole: bool, arrays: Sequence[str], turns: Sequence[tuple[int, ...]]
) -> Iterator[ast.expr]:
    """Other rules for an expression; some are only for the `whole` of what is assigned.

    `turns` are orders of axes that are likely.

    >>> def rules(text, whole=True):
    ...     node = ast.parse(text, mode="eval").body
    ...     return [ast.unparse(n) for n in likely(node, whole, ["p", "dp"], [(0, 2, 1)])]
    >>> "p * (dp - (p * dp).sum(axis=-1, keepdims=True))" in rules("dp * p * (1 - p)")
    True
    >>> "dp * (1 - p ** 2)" in rules("dp * p * (1 - p)")
    True
    >>> rules("w[k, ::-1, ::-1]", False)
    ['w[k, :, :]']
    >>> rules("dp.reshape(2, 3).sum(axis=1)", False)
    ['dp.reshape(3, 2).sum(axis=0)']
    >>> rules("dp.reshape(-1, 2)", False)[:2]
    ['dp.reshape(2, -1).T', 'dp.transpose(0, 2, 1).reshape(-1, 2)']
    >>> rules("np.cumsum(dp, axis=0)")
    ['np.cumsum(dp[::-1], axis=0)[::-1]']
    """
    if whole:
        yield from _softmaxes(node, arrays)
    yield from _other_slopes(node, arrays)
    yield from _moved(node)
    match node:
        case ast.Subscript(value, index) if ast.unparse(index).count("::-1"):
            text = ast.unparse(index).strip("()").replace("::-1", ":")
            yield expression(f"{ast.unparse(value)}[{text}]")
        case ast.Call() if called(node) == "sum":
            yield from _other_orders(node)
        case ast.Call(args=[x, *rest]) if called(node) == "cumsum":
            backwards = f"({ast.unparse(x)})[::-1]", *map(ast.unparse, [*rest, *node.keywords])
            yield expression(f"{ast.unparse(node.func)}({', '.join(backwards)})[::-1]")
        case ast.Call() if called(node) == "reshape":
            array, rest = operand(node)
            if array:
                if len(rest) == 2:
                    turned = with_args(node, [*node.args[:-2], *reversed(rest)])
                    yield ast.Attribute(turned, "T", ast.Load())
                for form in (expression(f"_.transpose{turn}") for turn in turns):
                    yield changed(node, {id(array): filled(form, array)})
                    yield filled(form, node)


def _moved(node: ast.expr) -> Iterator[ast.expr]:
    """A factor before or after a function or a matrix: (s * g) @ w, s * (g @ w)."""
    match node:
        case ast.BinOp(a, ast.Mult(), b):
            for factor, rest in ((a, b), (b, a)):
                match rest:
                    case ast.Call(args=[x]) if not isinstance(rest.func, ast.Attribute):
                        yield with_args(rest, [ast.BinOp(factor, ast.Mult(), x)])
                    case ast.BinOp(left, ast.MatMult(), right):
                        for product, other in ((left, right), (right, left)):
                            new = ast.BinOp(product, ast.Mult(), factor)
                            both = (new, other) if product is left else (other, new)
                            yield ast.BinOp(both[0], ast.MatMult(), both[1])
        case ast.BinOp(ast.BinOp(a, ast.Mult(), b), ast.MatMult(), w):
            for factor, rest in ((a, b), (b, a)):
                yield ast.BinOp(ast.BinOp(rest, ast.MatMult(), w), ast.Mult(), factor)
        case ast.Call(args=[ast.BinOp(a, ast.Mult(), b)]) if isinstance(node.func, ast.Name):
            for factor, rest in ((a, b), (b, a)):
                yield ast.BinOp(with_args(node, [rest]), ast.Mult(), factor)


def _softmaxes(node: ast.expr, arrays: Sequence[str]) -> Iterator[ast.expr]:
    """p (dp - sum(p dp)) for what is made of p and dp."""
    read, factors = names_in(node), term(node).factors
    for p, dp in itertools.permutations([a for a in arrays if a in read], 2):
        left = {t: f for t, f in factors.items() if t not in (p, dp, f"1 - {p}")}
        beside = factors.keys() >= {p, dp} and all(abs(n) == 1 for _, n in left.values())
        for along in ALONG:
            new = expression(SOFTMAX[0].format(p, dp).replace(ALONG[0], along))
            yield new
            for other, power in left.values() if beside else ():
                new = ast.BinOp(new, ast.Mult() if power > 0 else ast.Div(), other)
            yield ast.fix_missing_locations(new)


def _other_slopes(node: ast.expr, arrays: Sequence[str]) -> Iterator[ast.expr]:
    """In a product the slope of a tanh or of a SiLU for a sigmoid's, a sigmoid's for a tanh's."""
    factors = term(node).factors
    for name, (inner, power) in factors.items():
        rest = [n for t, (n, _) in factors.items() if t != name]
        match inner:
            case ast.BinOp(ast.Constant(1), ast.Sub(), ast.Name(v)) if power == 1 and v in factors:
                others = [n for n in rest if not (isinstance(n, ast.Name) and n.id == v)]
                if len(others) == len(factors) - 2 and term(node).number == 1:
                    yield _product([*others, expression(f"1 - {v} ** 2")])
                    for x in arrays:  # of x s(x)
                        yield _product([*others, expression(f"{v} + {x} * {v} * (1 - {v})")])
            case ast.BinOp(ast.Constant(1), ast.Sub(), ast.BinOp(ast.Name(v), ast.Pow())):
                if all(p == 1 for _, p in factors.values()) and term(node).number == 1:
                    yield _product([*rest, expression(v), expression(f"1 - {v}")])


def other_letters(text: str) -> Iterator[str]:
    """The subscripts of an einsum with one letter of an operand for another.

    >>> [*other_letters("ab,a->b")]
    ['bb,a->b', 'aa,a->b', 'ab,b->b']
    """
    inner = text.split("->")[0]
    letters = sorted(set(filter(str.isalpha, inner)))
    for k in (k for k, c in enumerate(inner) if c.isalpha()):
        yield from (text[:k] + c + text[k + 1 :] for c in letters if c != text[k])


def _product(factors: list[ast.expr]) -> ast.expr:
    first, *others = factors
    for n in others:
        first = ast.BinOp(first, ast.Mult(), n)
    return ast.fix_missing_locations(first)


def _other_orders(node: ast.Call) -> Iterator[ast.expr]:
    """x.reshape(n, k, m).sum(axis=1) with the sizes in another order, summed over the same ones."""
    inner = getattr(node.func, "value", None)
    if not isinstance(inner, ast.Call) or called(inner) != "reshape" or len(node.keywords) != 1:
        return
    lead = [s for s in inner.args if isinstance(s, ast.Starred)]
    sizes = inner.args[len(lead) :]
    axes = _axes(node.keywords[0].value)
    back = len(sizes) if axes and max(axes) < 0 else 0  # counted from the end
    summed = [back + k for k in axes]
    if not axes or inner.args[: len(lead)] != lead or (lead and not back):
        return
    if not all(0 <= k < len(sizes) for k in summed):
        return
    orders = itertools.combinations(range(len(sizes)), len(axes))
    for places in itertools.islice(orders, MOST):
        if places != tuple(sorted(summed)):
            away = iter([sizes[k] for k in sorted(summed)])
            kept = iter([s for k, s in enumerate(sizes) if k not in summed])
            order = [next(away) if k in places else next(kept) for k in range(len(sizes))]
            words = ", ".join(map(ast.unparse, [*lead, *order]))
            axis = tuple(k - back for k in places) if len(places) > 1 else places[0] - back
            yield expression(f"{ast.unparse(inner.func)}({words}).sum(axis={axis})")


def _axes(node: ast.expr) -> tuple[int, ...]:
    """The axes that are written as numbers; none where they are not."""
    found = [literal(n) for n in getattr(node, "elts", [node])]
    return tuple(found) if all(isinstance(n, int) for n in found) else ()


def slopes(arrays: Sequence[str], functions: Iterable[str]) -> list[ast.expr]:
    """Slopes of activations at some arrays, and of `functions` that the forward may apply.

    >>> [ast.unparse(n) for n in slopes(["h"], ["sin", "exp"])]
    ['1 - h ** 2', 'h * (1 - h)', 'h > 0', 'np.cos(h)', 'np.exp(h)']
    """
    found = [expression(form.format(name)) for name in arrays for form in SLOPES]
    for f in (f for f in functions if f in OF_FUNCTIONS and f not in KNOWN):
        for x in arrays:
            found.append(slope(f, expression(x), expression(f"np.{f}({x})")))
    return found


def grown(
    node: ast.expr, arrays: Sequence[str], shares: Sequence[str], functions: Iterable[str] = ()
) -> Iterator[ast.expr]:
    """A term with a factor more: a slope, a mask over the share it keeps, an array, a matrix.

    `functions` are those that the forward may apply.

    >>> [ast.unparse(n) for n in grown(ast.Name("dy"), ["m"], ["keep"], ["abs"])][2:7]
    ['dy * (m > 0)', 'dy * np.sign(m)', 'dy * (m / keep)', 'dy * (m / (1 - keep))', 'dy / m']
    """
    for name in arrays:
        scaled = [f"{name} / {p}" for p in shares] + [f"{name} / (1 - {p})" for p in shares]
        for factor in (*slopes([name], functions), *map(expression, scaled)):
            yield ast.BinOp(node, ast.Mult(), factor)
        for form in GROWN:
            yield filled(expression(form.format(name)), node)


def counted(arrays: Sequence[str]) -> list[ast.expr]:
    """Sizes of arrays, in the place of another."""
    return [expression(form.format(name)) for name in arrays for form in COUNTED]
