"""The expressions of a statement in whose place others could stand."""

import ast
import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from gradcheck.syntax import is_module

# options of calls, whose values are tried elsewhere
SETTINGS = {"axis", "axes", "keepdims", "dtype", "mode", "out", "ddof", "order", "strict"}


@dataclass(frozen=True)
class Site:
    """An expression in a statement, and how to put another one there."""

    node: Any
    parent: ast.AST
    field: str
    put: Callable[[Any], ast.stmt]


def values(stmt: ast.stmt) -> Iterator[Site]:
    """The values in a statement that could be others, from the outside in."""
    return (s for s in within(stmt) if s.field != "slice")


def is_whole(site: Site, stmt: ast.stmt) -> bool:
    """Whether it is what a statement assigns or returns, or one of several."""
    return site.parent is stmt or isinstance(site.parent, ast.Tuple)


def within(stmt: ast.stmt) -> Iterator[Site]:
    """The expressions in a statement, and the indices of what is in it."""
    return _inside(stmt, lambda new: new)


def _inside(node: ast.AST, put: Callable) -> Iterator[Site]:
    """The expressions in a node; indices are not entered."""
    for field, value in ast.iter_fields(node):
        if field in ("targets", "target"):
            yield from _index(node, field, put)
            continue
        if field == "annotation":
            continue
        for k, child in enumerate(value if isinstance(value, list) else [value]):
            setting = isinstance(child, ast.keyword) and child.arg in SETTINGS
            if setting or not isinstance(child, (ast.keyword, ast.expr)):
                continue
            place = _place(node, field, k, put)
            if isinstance(child, ast.keyword) or field == "func":
                function = field == "func" and not isinstance(child, ast.Attribute)
                if not function and not is_module(getattr(child, "value", child)):
                    yield from _inside(child, place)
            elif not is_module(child):
                yield Site(child, node, field, place)
                if field != "slice":
                    yield from _inside(child, place)


def _place(node: ast.AST, field: str, k: int, put: Callable) -> Callable[[Any], ast.stmt]:
    def place(new: Any) -> ast.stmt:
        other, value = copy.copy(node), getattr(node, field)
        setattr(
            other, field, [*value[:k], new, *value[k + 1 :]] if isinstance(value, list) else new
        )
        return put(other)

    return place


def _index(node: ast.AST, field: str, put: Callable) -> Iterator[Site]:
    """The index of what is assigned to."""
    value = getattr(node, field)
    target = value[0] if isinstance(value, list) else value
    if isinstance(target, ast.Subscript):
        inner = _place(node, field, 0, put)
        yield Site(target.slice, target, "slice", _place(target, "slice", 0, inner))
