"""What a mistake in masks, in slopes of activations and in functions for them is called."""

import ast
from typing import Any

import numpy as np

from gradcheck.about import About
from gradcheck.factored import term, terms
from gradcheck.joins import is_inner
from gradcheck.looks import (
    is_derivative,
    is_one_minus,
    is_product_with_slope,
    is_slope,
    names_in,
)
from gradcheck.syntax import called, is_a, literal, same

SLOPES = ("activation-derivative-missing", "activation-derivative-misplaced")


def of_choice(old: ast.AST, new: ast.AST, parents: tuple, about: About) -> str:
    """x if t > 0 else y, or where(mask, x, y), where only one of them was thought of."""
    if about.is_mask(new) and _are_ones(about.value(old)):
        return "mask"
    if called(new) == "where" != called(old) and names_in(old) <= names_in(new):
        condition = new.args[0]  # type: ignore[attr-defined]
        if literal(new.args[-1]) != 0 and literal(new.args[1]) != 0:  # type: ignore[attr-defined]
            return "mask" if holds(old, condition) else "activation-derivative-missing"
    if isinstance(old, ast.IfExp) == isinstance(new, ast.IfExp):
        return ""
    one, other = (old, new) if isinstance(old, ast.IfExp) else (new, old)
    looped = {*about.loops} & names_in(one.test)  # type: ignore[attr-defined]
    return "time-shift" if looped and isinstance(other, ast.Subscript) else ""


def _are_ones(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.size > 1 and bool(np.all(value == 1))


def of_slopes(old: ast.AST, new: ast.AST, parents: tuple, about: About) -> str:
    """The slope of an activation is missing, or is that of something else."""
    around = any(is_slope(p) for p in parents if isinstance(p, ast.expr))
    slopes = [isinstance(n, ast.expr) and is_slope(n) for n in (old, new)]
    if slopes == [True, True] and isinstance(old, ast.Compare) != isinstance(new, ast.Compare):
        return "forward-backward-variant-mismatch"
    if any(slopes) and not all(slopes) and not around:
        if called(new) == "where":
            return "activation-derivative-missing"
        if names_in(old) == names_in(new):
            return "activation-derivative-misplaced"
        if slopes[1] and isinstance(new, (ast.BinOp, ast.Compare)) and isinstance(old, ast.Name):
            return "activation-derivative-misplaced"
    if isinstance(old, ast.Name) and isinstance(new, ast.Name):
        if around and any(map(is_one_minus, parents)):
            return "activation-derivative-misplaced"
        for name, value in about.assigned:  # z, which is h times a slope, for h
            if name == new.id and is_product_with_slope(value, old.id):
                term = any(is_a(p, ast.Add) for p in parents[-1:])
                return SLOPES[term]  # beside what has its slope, or in the place of it
    return ""


def of_helpers(old: ast.AST, new: ast.AST, parents: tuple, about: About) -> str:
    """A helper for derivatives is another one, or is not called: softmax_vjp(dp, p) for dp."""
    names = [_helper(n) for n in (old, new)]
    if all(names) and names[0] != names[1] and len(_arguments(old) & _arguments(new)):
        return "forward-backward-variant-mismatch"
    if names[1] and not names[0] and _arguments(new) & {ast.dump(old), *_arguments(old)}:
        if "softmax" in names[1] and not holds(old, new):
            whole = any(same(old, a) for a in getattr(new, "args", ()))
            return "activation-derivative-missing" if whole else "softmax-diagonal-only"
        return "activation-derivative-missing"
    return ""


def _helper(node: ast.AST) -> str:
    """The name of a called function that speaks of derivatives."""
    return called(node).lower() if is_derivative(called(node)) else ""


def _arguments(node: ast.AST) -> set[str]:
    if isinstance(node, ast.Call):
        return {ast.dump(a) for a in node.args}
    return {ast.dump(n) for n in ast.walk(node) if isinstance(n, ast.expr)}


def of_masks(old: ast.AST, new: ast.AST, parents: tuple, about: About) -> str:
    """One mask in the place of another: of other places, or of another height."""
    if not isinstance(old, ast.expr) or not isinstance(new, ast.expr):
        return ""
    a, b = about.value(old), about.value(new)
    if not about.is_mask(old) or not about.is_mask(new) or a is None or b is None:
        return ""
    if not all(_is_only_mask(n, about) for n in (old, new)):
        return ""
    scaled = np.array_equal(np.ravel(a) != 0, np.ravel(b) != 0)
    return "scale-by-keep-probability" if scaled else "mask"


def _is_only_mask(node: ast.expr, about: About) -> bool:
    """Whether no other array is in an expression."""
    nodes = [n for n in ast.walk(node) if isinstance(n, ast.Name)]
    return all(np.ndim(about.value(n)) == 0 or about.is_mask(n) for n in nodes)


def _is_diagonal(old: ast.expr, new: ast.expr) -> bool:
    """Whether g p (1 - p) stands in the place of g p - p sum(g p)."""
    first, *rest = terms(new)
    lost = term(old).factors.keys() - first.factors.keys()
    shared = first.factors.keys() <= term(old).factors.keys() and len(first.factors) > 1
    if len(rest) != 1 or rest[0].number != -first.number or not shared or len(lost) != 1:
        return False
    return lost <= {f"1 - {p}" for p in first.factors}


def summed(old: ast.AST, new: ast.AST, parents: tuple, about: About) -> str:
    """Where something is subtracted from g that should be the sum of it."""
    if isinstance(old, ast.expr) and isinstance(new, ast.expr) and _is_diagonal(old, new):
        return "softmax-diagonal-only"
    minus = [p for p in parents if isinstance(p, ast.BinOp) and isinstance(p.op, ast.Sub)]
    sums = [isinstance(k, ast.expr) and is_inner(k, about) for k in (old, new)]
    if minus and sums == [False, True] and names_in(new) <= names_in(old):
        return "softmax-diagonal-only"
    return ""


def holds(whole: ast.AST, part: ast.AST) -> bool:
    return any(same(n, part) for n in ast.walk(whole) if type(n) is type(part))
