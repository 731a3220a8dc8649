"""What a mistake is called, from the edit that undoes it."""

import ast
import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from gradcheck.about import NOTHING, About, Scope, about, over_time
from gradcheck.activated import SLOPES, holds, of_choice, of_helpers, of_masks, of_slopes, summed
from gradcheck.calls import FILTERS, SPECIAL, SQUASHING, applied, reordered
from gradcheck.compared import relation
from gradcheck.differing import difference, differences
from gradcheck.factored import cancels
from gradcheck.joins import exchanged, joined, scale
from gradcheck.looks import (
    SIZES,
    bare,
    is_sliced,
    names_in,
    targets_of,
    values_in,
)
from gradcheck.positions import placed
from gradcheck.syntax import REDUCTIONS, called, is_a, literal, same


def kind(before: str, after: str, about: About = NOTHING) -> str:
    """The kind of mistake in a statement, "" where the edit does not say.

    Args:
        before: the statement with the mistake.
        after: the same without it; several with semicolons where statements were missing.
        about: the function that it stands in.

    >>> kind("dx = dy @ w", "dx = dy @ w.T"), kind("db = dy.mean(0)", "db = dy.sum(0)")
    ('transposed', 'mean-vs-sum')
    >>> kind("return a * x", "return a * x * dy", About(upstream=frozenset({"dy"})))
    'ignores-upstream'
    """
    try:
        old, new = _parsed(before), _parsed(after)
    except SyntaxError:
        return ""
    if len(new) > len(old):
        texts = [ast.dump(s) for s in old]
        return _missing(next((s for s in new if ast.dump(s) not in texts), new[-1]), about)
    if len(old) != 1 or len(new) != 1 or (cancels(new[0]) and not cancels(old[0])):
        return ""  # right, but in other words than those of the mistake
    return _of_statement(old[0], new[0], about)


def of_edit(
    text: str,
    function: str,
    line: int,
    before: str,
    after: str,
    scope: Scope | None = None,
    forward: bool = False,
    slopes: tuple[np.ndarray, ...] = (),
) -> str:
    """The kind of mistake that an edit of a line undoes, seen where it stands.

    `scope` has the globals and the locals of the function when it ended, if it is known; a
    `forward` is not run by the backward; `slopes` are those of the activations that it applies.
    """
    return kind(before, after, about(text, function, line, scope, forward, slopes))


def _parsed(text: str) -> list[ast.stmt]:
    text = text.strip().removeprefix("el") if text.strip().startswith("elif") else text.strip()
    return ast.parse(f"{text} pass" if text.endswith(":") else text).body


def _missing(stmt: ast.stmt, about: About) -> str:
    match stmt:
        case ast.AugAssign(target=ast.Name() as name, op=ast.Mult() | ast.Div() as op, value=value):
            return _of_expression(name, ast.BinOp(name, op, value), (stmt,), about)
        case ast.AugAssign(op=ast.Mult() | ast.Div(), value=value):
            return scale(value, about)
        case ast.Assign([ast.Name(name) as target], value) if name in names_in(value):
            return _of_expression(target, value, (stmt,), about) or "missing-term"
        case ast.Assign([ast.Subscript(slice=ast.Compare() as mask)], ast.Constant(0 | 0.0)):
            return joined(ast.Constant(1), _other(mask), (stmt,), about)
        case ast.Assign([ast.Subscript()], ast.Constant(0 | 0.0)):
            return "mask"
    return "missing-term"


def _other(test: ast.Compare) -> ast.Compare:
    """Where a test with one sign does not hold: x >= 0 for x < 0."""
    turned = {ast.Lt: ast.GtE(), ast.LtE: ast.Gt(), ast.Gt: ast.LtE(), ast.GtE: ast.Lt()}
    op = turned.get(type(test.ops[0]), test.ops[0])
    return ast.Compare(test.left, [op], test.comparators)


def _of_statement(old: ast.stmt, new: ast.stmt, about: About) -> str:
    match old, new:
        case _, ast.Pass():
            return _extra(old, about)
        case ast.For(), ast.For():
            return "time-shift" if over_time(old) or _turned(old, new) else "misaligned"
        case (ast.If() | ast.While(), _):
            return "mask"
        case ast.AugAssign(), ast.Assign([target], ast.BinOp(left, _, _)) if ast.unparse(
            target
        ) == ast.unparse(left):
            return "mutates"
        case ast.Assign([ast.Name(name)]), ast.AugAssign() if about.looped and name in about.used:
            return "missing-recurrent-term"
        case ast.Assign(), ast.AugAssign():
            return "overwrites-instead-of-accumulates"
        case (ast.Assign() | ast.AugAssign(), ast.Expr()):
            return "overwrites-instead-of-accumulates"
        case ast.AugAssign(op=a), ast.AugAssign(op=b) if type(a) is not type(b):
            if isinstance(a, (ast.Add, ast.Sub)):
                return "sign"
            if same(old.value, new.value):
                return _inverted(old.value, about)
            ones = [ast.BinOp(s.target, s.op, s.value) for s in (old, new)]
            return _of_expression(ones[0], ones[1], (), about)
        case ast.AugAssign(), ast.Assign():
            return "extra-term"
    if name := _of_dtype(old, new):
        return name
    results = _results(old, new)
    seen = relation(*map(about.value, results)) if results else ""
    if seen == "shape":
        return seen
    if seen == "unreduced-broadcast" and not _is_inner(*map(about.value, results or ())):
        return seen
    if results and all(called(r) in REDUCTIONS for r in results):
        shapes = [np.shape(about.value(r)) for r in results]
        if np.prod(shapes[0]) != np.prod(shapes[1]):
            return "wrong-axis"
    if isinstance(old, ast.Assign) and _names_of(old.targets[0]) <= about.indices:
        tested = any(isinstance(n, ast.Compare) for n in (*ast.walk(old), *ast.walk(new)))
        return "mask" if tested else "misaligned"
    name = _of_place(old, new, about)
    if about.forward and name in ("", "extra-term", "missing-term", "shape", "misaligned", *SLOPES):
        return "wrong-operand"  # something else is cached
    if seen == "misaligned" and name in ("transposed", ""):
        return seen
    if seen == "constant-factor" and name in ("", "wrong-axis") and not about.loops:
        means = any(called(n) == "mean" for k in (old, new) for n in ast.walk(k))
        return "mean-vs-sum" if means else seen
    return name


def _turned(old: ast.For, new: ast.For) -> bool:
    """Whether one of two loops runs the other way."""
    inner = [
        re.sub(r"\[::-1\]$|^reversed\((.*)\)$", r"\1", ast.unparse(s.iter)) for s in (old, new)
    ]
    return inner[0] == inner[1]


def _is_inner(old: Any, new: Any) -> bool:
    """Whether axes are kept, as where a sum is subtracted from what was summed."""
    return np.ndim(old) == np.ndim(new)


def _extra(stmt: ast.stmt, about: About) -> str:
    """A statement that should not be there."""
    match stmt:
        case ast.AugAssign(op=ast.Mult() | ast.Div(), value=value):
            return "mask" if about.is_mask(value) else scale(value, about)
        case ast.Assign(value=value) if called(value) in ("tril", "triu", "where"):
            return "mask"
        case ast.Assign([target], value) if names_in(target) <= names_in(value):
            one, other = (getattr(n, "elts", [n])[0] for n in (target, value))
            return joined(other, one, (stmt,), about) or "extra-term"
    return "extra-term"


def _results(old: ast.stmt, new: ast.stmt) -> tuple[ast.expr, ast.expr] | None:
    """The values of two statements, or the only two of those returned that differ."""
    if not isinstance(old, (ast.Assign, ast.Return)) or type(old) is not type(new):
        return None
    a, b = old.value, new.value
    if isinstance(a, ast.Tuple) and isinstance(b, ast.Tuple) and len(a.elts) == len(b.elts):
        differ = [(p, q) for p, q in zip(a.elts, b.elts, strict=True) if not same(p, q)]
        return differ[0] if len(differ) == 1 else None
    return (a, b) if a and b else None


def _of_place(old: ast.stmt, new: ast.stmt, about: About) -> str:
    """By the place at which two statements differ."""
    if isinstance(old, ast.Assign) and _are_sizes(old, new, about):
        return "constant-factor"
    slices = [[n for n in ast.walk(s) if is_sliced(n)] for s in (old, new)]
    moved = sum(not same(a, b) for a, b in zip(*slices, strict=False))
    if moved > 1 and bare(old, is_sliced) == bare(new, is_sliced):
        return "time-shift" if about.looped in names_in(old) else "misaligned"
    axes = [re.sub(r"arg='axis', value=\w+\(value=.*?\)", "axis", ast.dump(s)) for s in (old, new)]
    if axes[0] == axes[1]:
        return "wrong-axis"
    place = difference(old, new, ())
    name = _of_expression(*place, about)
    if not name:  # the same at several places, perhaps
        names = {_of_expression(*one, about) for one in differences(old, new, ())}
        name = names.pop() if len(names) == 1 else ""
    return name or _by_value(*place, about)


def _are_sizes(old: ast.Assign, new: ast.stmt, about: About) -> bool:
    """Whether a number of entries is counted otherwise."""
    single = isinstance(old.targets[0], ast.Name) and isinstance(new, ast.Assign)
    return single and about.is_size(old.value) and about.is_size(new.value)  # type: ignore[attr-defined]


def _names_of(target: ast.expr) -> set[str]:
    """The names that are assigned; "" where it is something else."""
    parts = getattr(target, "elts", [target])
    return {getattr(p, "id", "") for p in parts}


def _inverted(factor: ast.expr, about: About) -> str:
    """Multiplied by what should be divided by, or the other way round."""
    value = about.value(factor)
    return "wrong-operand" if np.ndim(value) else scale(factor, about)


def _of_dtype(old: ast.stmt, new: ast.stmt) -> str:
    """Another precision, which the right statement does not speak of."""
    found = [{w for n in ast.walk(s) for w in _dtypes(n)} for s in (old, new)]
    more = found[0] - found[1]
    if not more:
        return ""
    return "precision" if more & {"float16", "half", "f2"} else "dtype"


def _dtypes(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.keyword(arg="dtype", value=value):
            yield ast.unparse(value).removeprefix("np.").strip("'\"")
        case ast.Call(args=[value]) if called(node) == "astype":
            yield ast.unparse(value).removeprefix("np.").strip("'\"")
        case ast.Attribute(attr="float16" | "float32" | "half" | "single" as name):
            yield name


def _of_expression(old: ast.AST, new: ast.AST, parents: tuple[ast.AST, ...], about: About) -> str:
    if two := exchanged(old, new):
        return _of_expression(*two, (*parents, old), about)
    if called(old).startswith("zeros") and isinstance(new, ast.expr):
        return "missing-recurrent-term" if names_in(new) & about.carried else "missing-term"
    for what in (
        of_choice,
        _of_upstream,
        placed,
        of_helpers,
        of_masks,
        joined,
        applied,
        reordered,
        summed,
    ):
        if name := what(old, new, parents, about):
            return name
    if literal(old) == 0 and isinstance(old, ast.Constant) and isinstance(parents[-1], ast.Assign):
        return "missing-recurrent-term" if targets_of(parents) & about.carried else "missing-term"
    if isinstance(old, ast.Constant) and old.value is None:
        return "missing-term"
    if isinstance(old, ast.Name) and isinstance(old.ctx, ast.Store):  # a result under another name
        return "missing-recurrent-term" if about.looped else "wrong-operand"
    if isinstance(old, ast.Constant) and isinstance(new, (ast.Constant, ast.Name)):
        term = any(is_a(p, ast.Add) for p in parents[-1:]) and isinstance(new, ast.Name)
        return "" if term else "missing-term" if old.value == 0 else "constant-factor"
    if any(isinstance(p, ast.Attribute) and p.attr in SIZES for p in parents):
        return "constant-factor"  # of another array
    if name := of_slopes(old, new, parents, about):
        return name
    if about.is_share(old) and about.is_share(new):
        return "scale-by-keep-probability"
    if isinstance(old, ast.Subscript) and about.looped in names_in(old.slice) - names_in(new):
        shifted = any(isinstance(n, ast.BinOp) for n in ast.walk(old.slice))
        if shifted or any(_is_neighbour(name, old) for name in names_in(new)):
            return "time-shift"
    numbers = [about.is_size(n) or about.is_scalar(n) for n in (old, new)]
    if all(numbers) and (about.is_size(old) or about.is_size(new) or not _are_names(old, new)):
        return "constant-factor"
    if isinstance(old, ast.Name) and isinstance(new, ast.Name) and {old.id, new.id} <= FILTERS:
        return "flipped-kernel"
    functions = {called(n) for n in ast.walk(old)} ^ {called(n) for n in ast.walk(new)}
    if functions & SQUASHING and len(functions & (SQUASHING | SPECIAL)) > 1:
        return "forward-backward-variant-mismatch"
    if name := _by_value(old, new, parents, about):
        return name
    plain = (ast.Name, ast.Attribute, ast.Subscript)  # more may be another way to write it
    if isinstance(new, plain) and (isinstance(old, plain) or _are_alike(old, new, about)):
        return "wrong-operand"
    more = names_in(old) < names_in(new)
    return "missing-term" if more and (holds(new, old) or called(new) == "einsum") else ""


def _is_neighbour(name: str, old: ast.Subscript) -> bool:
    """Whether a name is that of the entry before or after: h_prev for h[t]."""
    words = ("prev", "last", "next", "before", "old", "init")
    return any(w in name.lower() for w in words) or name in [f"{n}0" for n in names_in(old.value)]


def _are_names(old: ast.AST, new: ast.AST) -> bool:
    return isinstance(old, ast.Name) and isinstance(new, ast.Name)


def _are_alike(old: ast.AST, new: ast.AST, about: About) -> bool:
    """Whether something was computed anew, and is of the same shape, but is something else."""
    a, b = about.value(old), about.value(new)
    if not isinstance(a, np.ndarray) or not isinstance(b, np.ndarray) or a.shape != b.shape:
        return False
    return not names_in(new) & names_in(old) and not about.is_mask(new)


def _by_value(old: ast.AST, new: ast.AST, parents: tuple[ast.AST, ...], about: About) -> str:
    """By the values of what differs; where that is no value, of what it stands in."""
    if isinstance(old, ast.expr) and isinstance(new, ast.expr):
        return relation(about.value(old), about.value(new))
    return ""


def _of_upstream(old: ast.AST, new: ast.AST, parents: tuple, about: About) -> str:
    """dy is asked for its shape only, or not at all."""
    if not isinstance(old, ast.expr) or isinstance(getattr(old, "ctx", None), ast.Store):
        return ""
    if not about.upstream & (values_in(new) - values_in(old)):
        return ""
    if isinstance(old, ast.Constant):
        return "ignores-upstream" if literal(old) not in (0, None) else ""
    if called(old).startswith("ones"):
        return "ignores-upstream"
    product = called(new) == "einsum" or is_a(new, ast.MatMult) or is_a(new, ast.Mult)
    less = names_in(new) - about.upstream <= names_in(old)
    return "ignores-upstream" if less and product else ""
