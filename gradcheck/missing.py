"""What a gradient lacks, by its values: sums of products of what its backward knows when it ends.

With g the gradient and G the right one, G - g and G are sought among the expressions of the file,
their products in pairs, summed over the axes that the gradient does not have, and the sums of two
of these, up to a factor that has a name too. Axes are told apart by their sizes. What is found
holds at one point; the search tries it at others.
"""

import ast
import itertools
import math
import string
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import reduce
from types import CodeType, FrameType
from typing import Any

import numpy as np

from gradcheck.attributes import split
from gradcheck.ingredients import Ingredients
from gradcheck.looks import within
from gradcheck.syntax import called, expression, size

Array = np.ndarray
CLOSE = 1e-6  # of the largest entry: the right gradient is known to nine digits
VALUES = 150  # expressions that are multiplied with each other
NAMES = 24  # of which three are multiplied with each other
ENTRIES = 4096  # of a value
TERMS = 12  # that are proposed for one gradient
PAIRS = 200  # of terms that are looked at for their names
CHANGING = {"pop", "append", "extend", "insert", "update", "sort", "fill", "at", "next", "shuffle"}


@dataclass(frozen=True)
class Known:
    """An expression and its value when the backward ends."""

    node: ast.expr
    value: Array


def ending(code: CodeType, run: Callable[[], Any], once: bool = True) -> tuple[dict, dict] | None:
    """The globals and the locals of a function as it returns, the last time that it does.

    None where it did not run, or, if so wanted, where it ran more than `once`.
    """
    seen: list[FrameType] = []

    def noting(frame: FrameType, event: str, _: Any) -> None:
        if event == "return" and frame.f_code is code:
            seen.append(frame)

    before = sys.getprofile()
    sys.setprofile(noting)
    try:
        run()
    finally:
        sys.setprofile(before)
    if not seen or (once and len(seen) > 1):
        return None
    return seen[-1].f_globals, dict(seen[-1].f_locals)


def known(given: Ingredients, scope: tuple[dict, dict]) -> tuple[list[Known], dict[str, float]]:
    """The values of expressions, each once, and the numbers among them by their text."""
    found: dict[tuple, Known] = {}
    numbers: dict[str, float] = {}
    own = [n for n in given.file.expressions if within(n, given.function)]
    for name, value in scope[1].items():
        if isinstance(value, dict):
            own += [expression(f"{name}[{key!r}]") for key in value if isinstance(key, str)]
    inverse = [ast.BinOp(expression("1"), ast.Div(), node) for node in given.alone]
    for node in (*given.alone, *sorted(own, key=size), *inverse, *given.expressions):
        value = evaluated(node, scope)
        if isinstance(value, np.ndarray) and not value.ndim:
            value = value[()]
        if isinstance(value, (int, float, np.floating, np.integer)):
            numbers.setdefault(ast.unparse(node), float(value))
        elif isinstance(value, np.ndarray) and value.dtype.kind in "fb":
            mark = value.squeeze().shape, value.tobytes()
            ordinary = value.size <= ENTRIES and np.isfinite(value).all() and value.any()
            if len(found) < VALUES and ordinary:
                found.setdefault(mark, Known(node, value.astype(float)))
    return [*found.values()], {t: v for t, v in numbers.items() if math.isfinite(v) and v}


def shapes(given: Ingredients, scope: tuple[dict, dict]) -> dict[str, tuple[int, ...]]:
    """The shapes that have a name, and those of arrays that have one."""
    found = {}
    for node in given.alone:
        value, text = evaluated(node, scope), ast.unparse(node)
        if isinstance(value, np.ndarray) and value.ndim:
            found[f"{text}.shape"] = value.shape
        elif type(value) is tuple and value and all(type(n) is int for n in value):
            found[text] = value
    return found


def evaluated(node: ast.AST, scope: tuple[dict, dict]) -> Any:
    if any(called(n) in CHANGING for n in ast.walk(node)):
        return None
    try:
        tree = ast.fix_missing_locations(ast.Expression(split(node)))
        return eval(compile(tree, "<expression>", "eval"), *scope)
    except TimeoutError:
        raise
    except Exception:  # an index of a loop that is over, a name that is not bound yet
        return None


def sums(target: Array, values: list[Known], numbers: dict[str, float]) -> list[ast.expr]:
    """Expressions that have the target's value: terms and sums of two, the smallest first.

    >>> a, b = np.arange(1.0, 3.0), np.arange(4.0, 7.0)
    >>> values = [Known(expression("a"), a), Known(expression("b"), b)]
    >>> ast.unparse(sums(-2 * np.outer(b, a), values, {"n": 2.0})[0])
    '-(np.outer(b, a) * n)'
    """
    found = {ast.unparse(node): node for node in _sums(target, values, numbers)}
    return [ast.fix_missing_locations(n) for n in sorted(found.values(), key=size)[:TERMS]]


def _sums(target: Array, values: list[Known], numbers: dict[str, float]) -> Iterator[ast.expr]:
    terms = [t for t in _terms(target.shape, values) if np.isfinite(t[1]).all()]
    largest = float(np.max(np.abs(target), initial=0.0))
    if not terms or not largest:
        return
    matrix = np.stack([t[1].ravel() for t in terms])
    flat = target.ravel()
    norms = np.einsum("mk,mk->m", matrix, matrix)
    with np.errstate(all="ignore"):
        factors = matrix @ flat / norms
        off = np.max(np.abs(matrix * factors[:, None] - flat), axis=1)
    for at in np.flatnonzero(off <= CLOSE * largest):
        new = _scaled(terms[at][0], float(factors[at]), numbers)
        if new is not None:
            yield new
    for j, k, a, b in itertools.islice(_pairs(matrix, flat), PAIRS):
        first, second = (_scaled(terms[i][0], f, numbers) for i, f in ((j, a), (k, b)))
        if first is not None and second is not None:
            less = isinstance(second, ast.UnaryOp)
            op, other = (ast.Sub(), second.operand) if less else (ast.Add(), second)  # type: ignore[attr-defined]
            yield ast.BinOp(first, op, other)


def _terms(shape: tuple[int, ...], values: list[Known]) -> Iterator[tuple[ast.expr, Array]]:
    """Values and products of two that have this shape, or have it once summed."""
    sizes = sorted({n for v in values for n in v.value.shape} | set(shape))
    letters = dict(zip(sizes, string.ascii_lowercase, strict=False))
    plain = len(set(shape)) == len(shape)  # else which axis is which is not told by its size
    out = "".join(letters.get(n, "") for n in shape) if plain else ""
    axes = [_axes(v.value, letters) for v in values]
    for v, own in zip(values, axes, strict=True):
        if v.value.shape == shape:
            yield v.node, v.value
            yield ast.BinOp(v.node, ast.Pow(), expression("2")), v.value**2
        elif _spreads([v.value], shape):
            yield v.node, np.broadcast_to(v.value, shape)
        elif out and own and set(own) >= set(out):
            yield _einsum([v], [own], out)
    pairs = list(zip(values, axes, strict=True))
    for (a, own), (b, other) in itertools.combinations(pairs, 2):
        if out and own and other:
            if set(own) | set(other) >= set(out):
                yield _einsum([a, b], [own, other], out)
        else:
            yield from _tried(a, b, shape)
    if out:  # of three names, what is summed nowhere
        names = [(v, own) for v, own in pairs if own and set(own) <= set(out) and _is_name(v.node)]
        for several in itertools.combinations(names[:NAMES], 3):
            if set().union(*(own for _, own in several)) == set(out):
                yield _einsum([v for v, _ in several], [own for _, own in several], out)


def _is_name(node: ast.expr) -> bool:
    """Whether an expression is a name, or 1 over one."""
    inner = node.right if isinstance(node, ast.BinOp) else node
    return isinstance(inner, ast.Name)


def _tried(a: Known, b: Known, shape: tuple[int, ...]) -> Iterator[tuple[ast.expr, Array]]:
    """Products whose axes are not told apart by their sizes."""
    if _spreads([a.value, b.value], shape):
        yield _product(a.node, b.node), a.value * b.value
    for one, other in ((a, b), (b, a)):
        p, q = one.value, other.value
        if p.ndim != 2 or q.ndim != 2:
            continue
        for form, m, n in (("_ @ __", p, q), ("_ @ __.T", p, q.T), ("_.T @ __", p.T, q)):
            if m.shape[1] == n.shape[0] and (len(m), n.shape[1]) == shape:
                yield _form(form, one.node, other.node), m @ n


def _spreads(values: list[Array], shape: tuple[int, ...]) -> bool:
    """Whether arrays of as many axes are of this shape, but for axes of size 1."""
    if any(v.ndim != len(shape) for v in values):
        return False
    sizes = zip(*(v.shape for v in values), strict=True)
    fits = zip(sizes, shape, strict=True)
    return all(max(several) == n and set(several) <= {1, n} for several, n in fits)


def _axes(value: Array, letters: dict[int, str]) -> str:
    """A letter for each axis; none where two have the same size."""
    if len(set(value.shape)) < value.ndim or not all(n in letters for n in value.shape):
        return ""
    return "".join(letters[n] for n in value.shape)


def _einsum(values: list[Known], axes: list[str], out: str) -> tuple[ast.expr, Array]:
    """The product, summed over what is not in `out`: as an expression, and its value."""
    total = np.einsum(f"{','.join(axes)}->{out}", *(v.value for v in values))
    nodes = [v.node for v in values]
    if len(values) > 1:
        with suppress(ValueError):
            plain = reduce(np.multiply, [v.value for v in values])
            if plain.shape == total.shape and np.allclose(plain, total, rtol=1e-12, atol=0):
                return reduce(_product, nodes), total
    if len(values) > 2:
        spread = [_spread(*k, out) for k in zip(nodes, axes, strict=True)]
        return reduce(_product, spread), total
    return _written(nodes, axes, out), total


def _written(nodes: list[ast.expr], axes: list[str], out: str) -> ast.expr:
    """As people write it: a * b, a @ b.T; else with einsum."""
    first, own = nodes[0], axes[0]
    if len(nodes) == 1:
        if own == out:
            return first
        lost = [k for k, axis in enumerate(own) if axis not in out]
        if "".join(a for a in own if a in out) == out:
            axis = lost[0] if len(lost) == 1 else tuple(lost)
            return _form("_.sum(axis=__)", first, expression(repr(axis)))
    else:
        second, other = nodes[1], axes[1]
        for (a, p), (b, q) in (((first, own), (second, other)), ((second, other), (first, own))):
            if len(p) == len(q) == len(out) == 2:
                shared = (set(p) & set(q)) - set(out)
                for form, i, k in (("_ @ __", 1, 0), ("_.T @ __", 0, 0), ("_ @ __.T", 1, 1)):
                    if shared == {p[i]} == {q[k]} and p[1 - i] + q[1 - k] == out:
                        return _form(form, a, b)
        if all("".join(a for a in out if a in p) == p for p in axes):  # nothing is summed
            (a, p), (b, q) = sorted(zip(nodes, axes, strict=True), key=lambda n: out.index(n[1][0]))
            if p + q == out and len(p) == len(q) == 1:
                return _form("np.outer(_, __)", a, b)
            return ast.BinOp(_spread(a, p, out), ast.Mult(), _spread(b, q, out))
    text = f"np.einsum('{','.join(axes)}->{out}')"
    call: Any = expression(text)
    call.args += nodes
    return call


def _spread(node: ast.expr, own: str, out: str) -> ast.expr:
    """A value with an axis of size 1 wherever it has none of `out`."""
    match node:
        case ast.BinOp(ast.Constant(1), ast.Div(), divisor):  # its marks belong to the divisor
            return ast.BinOp(ast.Constant(1), ast.Div(), _spread(divisor, own, out))
    marks = [":" if axis in own else "None" for axis in out]
    while marks[0] == "None":
        marks = marks[1:]
    return _form(f"_[{', '.join(marks)}]", node, node) if "None" in marks else node


def _product(a: ast.expr, b: ast.expr) -> ast.expr:
    for one, other in ((a, b), (b, a)):
        match other:
            case ast.BinOp(ast.Constant(1), ast.Div(), divisor):
                return ast.BinOp(one, ast.Div(), divisor)
    return ast.BinOp(a, ast.Mult(), b)


def _form(form: str, a: ast.expr, b: ast.expr) -> ast.expr:
    """A form with two expressions in the places of _ and __."""

    class Filled(ast.NodeTransformer):
        def visit_Name(self, node: ast.Name) -> ast.expr:
            return {"_": a, "__": b}.get(node.id, node)

    return Filled().visit(expression(form))


def _scaled(node: ast.expr, factor: float, numbers: dict[str, float]) -> ast.expr | None:
    """A term times a factor that is 1, a whole number, or a number of the file."""
    if abs(factor) > 1 + CLOSE or abs(factor) < 1 - CLOSE:
        words = _words(abs(factor), numbers)
        if words is None:
            return None
        op = ast.Div() if words.startswith("/") else ast.Mult()
        node = ast.BinOp(node, op, expression(words.removeprefix("/")))
    return ast.UnaryOp(ast.USub(), node) if factor < 0 else node


def _words(factor: float, numbers: dict[str, float]) -> str | None:
    """What a factor is called, with a stroke where it is divided by; None where it has no name.

    >>> _words(3.0, {}), _words(0.1, {"n": 10.0}), _words(0.06, {"n": 10.0, "reg": 0.6})
    ('3', '/n', 'reg / n')
    """

    def close(value: float) -> bool:
        return math.isclose(factor, abs(value), rel_tol=CLOSE)

    for text, value in numbers.items():
        if close(value) or close(1 / value):
            return text if close(value) else f"/{text}"
    for text in ("2", "3", "4"):
        if close(float(text)) or close(1 / float(text)):
            return text if close(float(text)) else f"/{text}"
    for (a, p), (b, q) in itertools.permutations(list(numbers.items())[:20], 2):
        if close(p / q) or close(p * q):
            return f"{a} / {b}" if close(p / q) else f"{a} * {b}"
    return None


def _pairs(matrix: Array, flat: Array) -> Iterator[tuple[int, int, float, float]]:
    """Pairs of rows of which one added or taken away leaves a multiple of the other.

    Rows that are multiples of each other have the same ratio of two projections.
    """
    if matrix.shape[1] < 3:
        return
    p = np.random.default_rng(0).standard_normal((2, matrix.shape[1]))
    with np.errstate(all="ignore"):
        ratios = (matrix @ p[0]) / (matrix @ p[1])
        order = np.argsort(ratios)
        for sign in (1.0, -1.0):
            rest = flat - sign * matrix
            wanted = (rest @ p[0]) / (rest @ p[1])
            at = np.searchsorted(ratios[order], wanted)
            for shift in (-1, 0):
                near = order[np.clip(at + shift, 0, len(order) - 1)]
                for j in np.flatnonzero(np.abs(ratios[near] - wanted) <= 1e-5 * np.abs(wanted)):
                    row = matrix[near[j]]
                    factor = float(row @ rest[j] / (row @ row))
                    gap = np.max(np.abs(rest[j] - factor * row))
                    if gap <= CLOSE * np.max(np.abs(flat)):
                        yield int(j), int(near[j]), sign, factor
