"""What is known of the function in which an edit stands: what its names are, and their values."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradcheck.looks import indices_in, is_size, names_in, sizes_in
from gradcheck.missing import evaluated

Scope = tuple[dict[str, Any], dict[str, Any]]  # the globals and the locals of a function

KEEP = {"keep", "keep_prob", "prob", "p", "rate", "p_drop"}


@dataclass(frozen=True)
class About:
    """What is known of a function, where an edit stands in it."""

    upstream: frozenset[str] = frozenset()  # dy, and what is unpacked from it
    looped: str = ""  # the variable of a loop over time around the edit
    sizes: frozenset[str] = frozenset()
    indices: frozenset[str] = frozenset()  # names that are used in indices only
    assigned: tuple[tuple[str, ast.expr], ...] = ()
    carried: frozenset[str] = frozenset()  # from one pass of a loop to the next
    loops: frozenset[str] = frozenset()  # the variables of all loops around the edit
    used: frozenset[str] = frozenset()  # what is read in them, but to be assigned again
    forward: bool = False  # it is not run by the backward
    slopes: tuple[np.ndarray, ...] = ()  # of the activations that the forward applies
    scope: Scope | None = None

    def value(self, node: ast.AST) -> Any:
        """The value of an expression when the function ended; None where it has none."""
        return evaluated(node, self.scope) if self.scope else None

    def is_size(self, node: ast.AST) -> bool:
        """Whether an expression is a whole number that is no constant of the file's text."""
        value = self.value(node)
        if value is None or not names_in(node):
            return is_size(node, self.sizes)
        return isinstance(value, (int, np.integer)) and not isinstance(value, bool)

    def is_share(self, node: ast.AST) -> bool:
        """Whether an expression has the name of the share of units that dropout keeps."""
        value = self.value(node)
        named = {n.lower() for n in names_in(node)} & KEEP
        return bool(named) and (value is None or (self.is_scalar(node) and 0 < value < 1))

    def is_scalar(self, node: ast.AST) -> bool:
        """Whether an expression is one number, and no count."""
        value = self.value(node)
        single = isinstance(value, np.ndarray) and not value.ndim
        return single or isinstance(value, (float, np.floating))

    def is_count(self, node: ast.AST) -> bool:
        """Whether an expression is an array of whole numbers, of which some are above 1."""
        value = self.value(node)
        if not isinstance(value, np.ndarray) or not value.size or value.dtype.kind not in "iuf":
            return False
        return bool(np.all(value >= 0) and np.all(value == np.round(value)) and np.any(value > 1))

    def is_slope(self, node: ast.AST) -> bool:
        """Whether an expression has the values of a slope of an activation, or a multiple of it."""
        value = self.value(node)
        if not isinstance(value, np.ndarray) or value.size < 3 or value.dtype.kind != "f":
            return False
        return any(_are_multiples(value, s) for s in self.slopes if s.shape == value.shape)

    def is_mask(self, node: ast.AST) -> bool:
        """Whether an expression is 0 in some places and one other number in all others."""
        value = self.value(node)
        if value is None:
            return isinstance(node, ast.Compare)
        if not isinstance(value, np.ndarray) or value.size < 2 or value.dtype.kind not in "bif":
            return False
        if value.dtype == bool or np.any(value < 0):
            return value.dtype == bool
        return bool(np.any(value == 0)) and len(np.unique(value[value != 0])) == 1


NOTHING = About()


def about(
    text: str,
    function: str,
    line: int,
    scope: Scope | None = None,
    forward: bool = False,
    slopes: tuple[np.ndarray, ...] = (),
) -> About:
    """What is known of a function of a file, for an edit of one of its lines."""
    upstream: tuple[str, ...] = ()
    assigned: tuple[tuple[str, ast.expr], ...] = ()
    looped, carried, loops, used = "", set[str](), set[str](), set[str]()
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.FunctionDef)
            and (node.name == function and node.args.args)
            and node.lineno <= line <= (node.end_lineno or 0)
        ):
            names = [a.arg for a in node.args.args if a.arg != "self"]
            likely = [n for n in names if n[:1] in "dgu" or "grad" in n]
            given = next(iter(likely or names), "")
            if not likely and len(names) < 2:  # it takes no dy
                continue
            upstream = (given,)
            for stmt in (n for n in ast.walk(node) if isinstance(n, ast.Assign)):
                if ast.unparse(stmt.value) == given:
                    upstream += tuple(sorted(names_in(stmt.targets[0])))
                assigned += ((ast.unparse(stmt.targets[0]), stmt.value),)
        if isinstance(node, (ast.For, ast.While)) and node.lineno <= line <= (node.end_lineno or 0):
            carried |= _carried(node, tree)
            used |= _used(node)
            loops |= names_in(node.target) if isinstance(node, ast.For) else set()
            if isinstance(node, ast.For) and isinstance(node.target, ast.Name) and over_time(node):
                looped = node.target.id
    sizes, indices = frozenset(sizes_in(tree)), frozenset(indices_in(tree))
    return About(
        frozenset(upstream),
        looped,
        sizes,
        indices,
        assigned,
        frozenset(carried),
        frozenset(loops),
        frozenset(used),
        forward,
        slopes,
        scope,
    )


def _are_multiples(a: np.ndarray, b: np.ndarray) -> bool:
    largest = float(np.max(np.abs(a), initial=0.0)) * float(np.max(np.abs(b), initial=0.0))
    if not np.isfinite(largest) or not largest:
        return False
    products = np.outer(a.ravel()[:64], b.ravel()[:64])
    off = np.abs(products - products.T)
    return bool(np.max(off) <= 1e-9 * largest and np.ptp(a) > 1e-6 * np.max(np.abs(a)))


def over_time(loop: ast.For) -> bool:
    names = names_in(loop.iter) | names_in(loop.target)
    return any(n.lower() in ("t", "time", "step", "steps", "tape") for n in names)


def _carried(loop: ast.For | ast.While, function: ast.AST) -> set[str]:
    """Names that have a value before a loop, get another in it, and are no plain total of it.

    >>> tree = ast.parse("c = b = 0; [...]\\nfor t in s: dh = c; c = dh @ w; b = b + dh")
    >>> _carried(tree.body[2], tree)
    {'c'}
    """
    before = {n for s, n in _assigns(function) if s.lineno < loop.lineno}
    inner = [*_assigns(loop)]
    return {
        name
        for stmt, name in inner
        if name in before
        and (
            name not in names_in(stmt.value)
            or any(name in names_in(s.value) for s, _ in inner if s is not stmt)
        )
    }


def _used(loop: ast.For | ast.While) -> set[str]:
    """Names that are read in a loop by others than the statements that assign them."""
    simple = [n for n in ast.walk(loop) if isinstance(n, (ast.Assign, ast.AugAssign, ast.Expr))]
    return {
        n.id
        for stmt in simple
        for n in ast.walk(stmt)
        if isinstance(n, ast.Name) and n.id not in {name for _, name in _assigns(stmt)}
    }


def _assigns(tree: ast.AST) -> Iterator[tuple[ast.Assign, str]]:
    """The statements that give names a value, with each of the names."""
    for stmt in (n for n in ast.walk(tree) if isinstance(n, ast.Assign)):
        parts = [p for t in stmt.targets for p in getattr(t, "elts", [t])]
        yield from ((stmt, p.id) for p in parts if isinstance(p, ast.Name))
