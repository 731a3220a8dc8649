"""A gradient that is a part of some value, or one in another shape, by the names of sizes."""

import ast
import itertools
from collections.abc import Iterator

import numpy as np

from gradcheck.syntax import expression, filled, size

Array = np.ndarray
CLOSE = 1e-6  # of the largest entry
PLACES = 200  # of a part in a value that are tried


def crops(
    target: Array, values: list[tuple[ast.expr, Array]], numbers: dict[str, float]
) -> list[ast.expr]:
    """Slices of the values that are the target, the smallest expressions first.

    >>> padded = np.pad(np.ones((2, 3)), ((0, 0), (1, 2)))
    >>> found = crops(np.ones((2, 3)), [(expression("p"), padded)], {"left": 1.0, "right": 2.0})
    >>> [ast.unparse(e) for e in found]
    ['p[:, left:-right]']
    """
    counts = {t: int(n) for t, n in numbers.items() if t.isidentifier() and n == int(n) > 0}
    counts |= {t: int(t) for t in ("1", "2") if int(t) not in counts.values()}
    found: dict[str, ast.expr] = {}
    for node, value in values:
        larger = value.ndim == target.ndim and value.shape != target.shape
        if larger and all(n >= m for n, m in zip(value.shape, target.shape, strict=True)):
            for start in _places(target, value):
                for index in _indices(start, target.shape, value.shape, counts):
                    text = f"{ast.unparse(node)}[{index}]"
                    found.setdefault(text, expression(text))
    return sorted(found.values(), key=size)


def reshapes(
    target: Array, values: list[tuple[ast.expr, Array]], shapes: dict[str, tuple[int, ...]]
) -> list[ast.expr]:
    """The values that are the target in another shape, with a name for it, or once summed.

    >>> values = [(expression("g"), np.ones((1, 3)))]
    >>> [ast.unparse(e) for e in reshapes(np.ones(3), values, {"b.shape": (3,)})]
    ['g.ravel()', 'g.reshape(b.shape)']
    >>> values = [(expression("g"), np.ones((2, 3)))]
    >>> [ast.unparse(e) for e in reshapes(np.full((2, 1), 3.0), values, {})]
    ['g.sum(axis=1, keepdims=True)']
    """
    found: list[ast.expr] = []
    largest = float(np.max(np.abs(target), initial=0.0))
    for node, value in values:
        if value.ndim == target.ndim and value.size > target.size:
            found += _summed(node, value, target)
        if value.ndim == target.ndim and value.size < target.size:
            found += _spread(node, value, target, shapes)
        if value.size != target.size or value.shape == target.shape:
            continue
        if np.max(np.abs(value.reshape(target.shape) - target), initial=0.0) <= CLOSE * largest:
            names = [text for text, shape in shapes.items() if shape == target.shape][:3]
            texts = [*["_.ravel()"] * (target.ndim == 1), *(f"_.reshape({n})" for n in names)]
            found += [filled(expression(text), node) for text in texts]
    return [ast.fix_missing_locations(n) for n in sorted(found, key=size)]


def _spread(
    node: ast.expr, value: Array, target: Array, shapes: dict[str, tuple[int, ...]]
) -> Iterator[ast.expr]:
    """A value repeated along the axes along which it has one entry."""
    if not all(n in (1, m) for n, m in zip(value.shape, target.shape, strict=True)):
        return
    largest = float(np.max(np.abs(target), initial=0.0))
    if np.max(np.abs(value - target), initial=0.0) <= CLOSE * largest:
        for text in [text for text, shape in shapes.items() if shape == target.shape][:3]:
            yield filled(expression(f"np.ones({text}) * _"), node)


def _summed(node: ast.expr, value: Array, target: Array) -> Iterator[ast.expr]:
    """The sum of a value over the axes along which the target has one entry."""
    axes = tuple(k for k, n in enumerate(target.shape) if n == 1 and value.shape[k] > 1)
    total = value.sum(axis=axes, keepdims=True)
    largest = float(np.max(np.abs(target), initial=0.0))
    if total.shape == target.shape and np.max(np.abs(total - target)) <= CLOSE * largest:
        axis = axes if len(axes) > 1 else axes[0]
        yield filled(expression(f"_.sum(axis={axis}, keepdims=True)"), node)


def _places(target: Array, value: Array) -> Iterator[tuple[int, ...]]:
    """Where in a value the target begins."""
    room = [range(n - m + 1) for n, m in zip(value.shape, target.shape, strict=True)]
    if np.prod([len(r) for r in room]) > PLACES:
        return
    largest = float(np.max(np.abs(target), initial=0.0))
    for start in itertools.product(*room):
        part = value[tuple(slice(s, s + m) for s, m in zip(start, target.shape, strict=True))]
        if np.max(np.abs(part - target), initial=0.0) <= CLOSE * largest:
            yield start


def _indices(
    start: tuple[int, ...], own: tuple[int, ...], whole: tuple[int, ...], counts: dict[str, int]
) -> Iterator[str]:
    """Indices that begin there, with names for what is neither 0 nor the end."""
    axes = []
    for s, m, n in zip(start, own, whole, strict=True):
        begins = [""] if s == 0 else [t for t, k in counts.items() if k == s]
        axes.append([f"{b}:{e}" for b in begins for e in _ends(s + m, n, counts)])
    for parts in itertools.islice(itertools.product(*axes), 8):
        yield ", ".join(parts)


def _ends(end: int, n: int, counts: dict[str, int]) -> list[str]:
    """What the end of a slice may be called, from the front or from the back."""
    if end == n:
        return [""]
    names = [t for t, k in counts.items() if k == end]
    back = [f"-{t}" for t, k in counts.items() if k == n - end]
    pairs = list(itertools.permutations(counts.items(), 2))
    sums = [f"{a} + {b}" for (a, p), (b, q) in pairs if p + q == end and a < b]
    less = [f"{a} - {b}" for (a, p), (b, q) in pairs if p - q == end]
    return [*names[:2], *back[:2], *sums[:2], *less[:2]]


def from_the_front(array: ast.expr, axis: int, index: ast.expr) -> ast.expr:
    """array[a : -b] along an axis as a : array.shape[axis] - b."""
    match index:
        case ast.Slice(lower, ast.UnaryOp(ast.USub(), b), step):
            end = filled(expression(f"_.shape[{axis}]"), array)
            return ast.Slice(lower, ast.BinOp(end, ast.Sub(), b), step)
    return index
