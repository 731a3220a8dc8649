"""What a mistake is called by where it stands: in an index, as an axis, in a comparison."""

import ast
from typing import Any

import numpy as np

from gradcheck.about import About
from gradcheck.calls import JOINING
from gradcheck.looks import is_reversed, names_in, within
from gradcheck.syntax import REDUCTIONS, TRANSPOSES, called, is_a, literal

INDEXING = {"put_along_axis", "take_along_axis", "take", "at", "put", "choose"}


def placed(old: ast.AST, new: ast.AST, parents: tuple, about: About) -> str:
    """What a change means by where it is; "" where that says nothing."""
    for parent in reversed(parents):
        if isinstance(parent, ast.Slice) and old is parent.step:
            return "time-shift" if about.looped else "flipped-kernel"
        if isinstance(parent, ast.keyword):
            known = {"axis": "wrong-axis", "axes": "transposed", "keepdims": "shape"}
            known["order"] = "misaligned"
            if any(called(p) in JOINING for p in parents):  # what is put together lies elsewhere
                return "misaligned"
            return known.get(parent.arg or "", "dtype" if parent.arg == "dtype" else "misaligned")
        if isinstance(parent, ast.Compare):
            return "mask"
        if called(parent) == "len":
            return "constant-factor"
        if called(parent) == "roll" and parent.args and not within(old, parent.args[0]):
            return "misaligned"
        if called(parent) == "at" and len(parent.args) > 1 and within(old, parent.args[1]):
            return "misaligned"
        constant = isinstance(old, (ast.Constant, ast.Tuple)) or literal(old) is not ...
        if isinstance(parent, ast.Call) and called(parent) in REDUCTIONS and constant:
            return "wrong-axis"
        if isinstance(parent, ast.Call) and called(parent) in TRANSPOSES and constant:
            return "transposed"
        if isinstance(parent, ast.Call) and called(parent) == "einsum" and constant:
            return _of_subscripts(literal(old), literal(new))
        if isinstance(parent, ast.Subscript) and within(old, parent.slice):
            if isinstance(old, ast.Constant) and isinstance(old.value, str):
                return "wrong-operand"
            if isinstance(parent.value, ast.Attribute) and parent.value.attr == "shape":
                return "wrong-axis"
            timed = about.looped and about.looped in names_in(old) | names_in(new)
            strided = [n for p in (old, new) for n in ast.walk(p) if is_a(n, ast.Mult)]
            timed = timed and not strided
            if timed:
                return "time-shift"
            if _is_moved_axis(old, new):
                return "wrong-axis"
            return "flipped-kernel" if _is_turned(old, new) else "misaligned"
        if is_a(parent, ast.Pow) and within(old, parent.right):
            return "wrong-operand"
    if isinstance(old, ast.Compare) and isinstance(new, ast.Compare):
        return "mask"
    if isinstance(old, ast.expr) and isinstance(new, ast.expr):
        values = about.value(old), about.value(new)
        places = any(isinstance(p, ast.Subscript) or called(p) in INDEXING for p in parents)
        if places and all(isinstance(v, np.ndarray) and v.dtype.kind in "iu" for v in values):
            return "misaligned"  # places
    return "misaligned" if isinstance(old, ast.Slice) else ""


def _is_turned(old: ast.AST, new: ast.AST) -> bool:
    """Whether one of two indices runs backwards."""
    several = [getattr(n, "elts", [n]) for n in (old, new)]
    turned = [sum(map(is_reversed, s)) for s in several]
    steps = [ast.unparse(n).replace(" ", "").count("::-1") for n in (old, new)]
    if steps[0] != steps[1]:
        return True
    return turned[0] != turned[1]


def _is_moved_axis(old: ast.AST, new: ast.AST) -> bool:
    """Whether a new axis stands elsewhere: [None, :] for [:, None]."""
    parts = [[*map(ast.unparse, getattr(n, "elts", []))] for n in (old, new)]
    rest = [[p for p in some if p != "None"] for some in parts]
    return len(parts[0]) == len(parts[1]) != len(rest[0]) and rest[0] == rest[1]


def _of_subscripts(old: Any, new: Any) -> str:
    """By the letters of an einsum."""
    if not isinstance(old, str) or not isinstance(new, str):
        return "transposed"
    (given, _, out), (wanted, _, right) = (s.replace(" ", "").partition("->") for s in (old, new))
    if given != wanted:
        return "transposed" if sorted(given + out) == sorted(wanted + right) else "wrong-axis"
    if set(out) == set(right):
        return "transposed"
    return "unreduced-broadcast" if set(out) > set(right) else "wrong-axis"
