"""Where two syntax trees differ."""

import ast
from collections.abc import Iterator

from gradcheck.syntax import same


def differences(
    old: ast.AST, new: ast.AST, parents: tuple[ast.AST, ...]
) -> Iterator[tuple[ast.AST, ast.AST, tuple[ast.AST, ...]]]:
    """All such pairs of two trees that differ at several places."""
    differ = [(a, b) for a, b in _pairs(old, new) if not _same(a, b)]
    inside = all(isinstance(k, ast.AST) for pair in differ for k in pair)
    if type(old) is type(new) and differ and inside:
        for a, b in differ:
            yield from differences(a, b, (*parents, old))
    else:
        yield old, new, parents


def difference(
    old: ast.AST, new: ast.AST, parents: tuple[ast.AST, ...]
) -> tuple[ast.AST, ast.AST, tuple[ast.AST, ...]]:
    """The innermost pair of nodes outside which two trees are the same, and what it is in."""
    if type(old) is type(new):
        pairs = [*_pairs(old, new)]
        differ = [(a, b) for a, b in pairs if not _same(a, b)]
        inside = isinstance(differ[0][0], ast.AST) if differ else False
        if len(differ) == 1 and inside and isinstance(differ[0][1], ast.AST):
            return difference(*differ[0], (*parents, old))
    return old, new, parents


def _pairs(old: ast.AST, new: ast.AST) -> Iterator[tuple]:
    for field in old._fields:
        a, b = getattr(old, field, None), getattr(new, field, None)
        if isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
            yield from zip(a, b, strict=True)
        else:
            yield a, b


def _same(a: object, b: object) -> bool:
    if isinstance(a, ast.AST) and isinstance(b, ast.AST):
        return same(a, b)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(_same, a, b))
    return a == b
