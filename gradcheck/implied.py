"""What a mistake is called, from the edit that undoes it."""

import ast
import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from gradcheck.about import NOTHING, About, Scope, about, over_time
from gradcheck.calls import FILTERS, SPECIAL, SQUASHING, applied, reordered
from gradcheck.compared import relation
from gradcheck.differing import difference, differences
from gradcheck.factored import cancels, term, terms
from gradcheck.joins import exchanged, is_inner, joined, scale
from gradcheck.looks import (
    SIZES,
    bare,
    is_derivative,
    is_one_minus,
    is_product_with_slope,
    is_sliced,
    is_slope,
    names_in,
    targets_of,
    values_in,
)
from gradcheck.positions import placed
from gradcheck.syntax import REDUCTIONS, called, is_a, literal, same

SLOPES = ("activation-derivative-missing", "activation-derivative-misplaced")


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
        _of_choice,
        _of_upstream,
        placed,
        _of_helpers,
        _of_masks,
        joined,
        applied,
        reordered,
        _summed,
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
    if name := _of_slopes(old, new, parents, about):
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
    return "missing-term" if more and (_holds(new, old) or called(new) == "einsum") else ""


def _is_neighbour(name: str, old: ast.Subscript) -> bool:
    """Whether a name is that of the entry before or after: h_prev for h[t]."""
    words = ("prev", "last", "next", "before", "old", "init")
    return any(w in name.lower() for w in words) or name in [f"{n}0" for n in names_in(old.value)]


def _of_helpers(old: ast.AST, new: ast.AST, parents: tuple, about: About) -> str:
    """A helper for derivatives is another one, or is not called: softmax_vjp(dp, p) for dp."""
    names = [_helper(n) for n in (old, new)]
    if all(names) and names[0] != names[1] and len(_arguments(old) & _arguments(new)):
        return "forward-backward-variant-mismatch"
    if names[1] and not names[0] and _arguments(new) & {ast.dump(old), *_arguments(old)}:
        if "softmax" in names[1] and not _holds(old, new):
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


def _are_names(old: ast.AST, new: ast.AST) -> bool:
    return isinstance(old, ast.Name) and isinstance(new, ast.Name)


def _are_alike(old: ast.AST, new: ast.AST, about: About) -> bool:
    """Whether something was computed anew, and is of the same shape, but is something else."""
    a, b = about.value(old), about.value(new)
    if not isinstance(a, np.ndarray) or not isinstance(b, np.ndarray) or a.shape != b.shape:
        return False
    return not names_in(new) & names_in(old) and not about.is_mask(new)


def _holds(whole: ast.AST, part: ast.AST) -> bool:
    return any(same(n, part) for n in ast.walk(whole) if type(n) is type(part))


def _by_value(old: ast.AST, new: ast.AST, parents: tuple[ast.AST, ...], about: About) -> str:
    """By the values of what differs; where that is no value, of what it stands in."""
    if isinstance(old, ast.expr) and isinstance(new, ast.expr):
        return relation(about.value(old), about.value(new))
    return ""


def _of_choice(old: ast.AST, new: ast.AST, parents: tuple, about: About) -> str:
    """x if t > 0 else y, or where(mask, x, y), where only one of them was thought of."""
    if about.is_mask(new) and _are_ones(about.value(old)):
        return "mask"
    if called(new) == "where" != called(old) and names_in(old) <= names_in(new):
        condition = new.args[0]  # type: ignore[attr-defined]
        if literal(new.args[-1]) != 0 and literal(new.args[1]) != 0:  # type: ignore[attr-defined]
            return "mask" if _holds(old, condition) else "activation-derivative-missing"
    if isinstance(old, ast.IfExp) == isinstance(new, ast.IfExp):
        return ""
    one, other = (old, new) if isinstance(old, ast.IfExp) else (new, old)
    looped = {*about.loops} & names_in(one.test)  # type: ignore[attr-defined]
    return "time-shift" if looped and isinstance(other, ast.Subscript) else ""


def _are_ones(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.size > 1 and bool(np.all(value == 1))


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


def _of_slopes(old: ast.AST, new: ast.AST, parents: tuple, about: About) -> str:
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


def _of_masks(old: ast.AST, new: ast.AST, parents: tuple, about: About) -> str:
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


def _is_diagonal(old: ast.expr, new: ast.expr) -> bool:
    """Whether g p (1 - p) stands in the place of g p - p sum(g p)."""
    first, *rest = terms(new)
    lost = term(old).factors.keys() - first.factors.keys()
    shared = first.factors.keys() <= term(old).factors.keys() and len(first.factors) > 1
    if len(rest) != 1 or rest[0].number != -first.number or not shared or len(lost) != 1:
        return False
    return lost <= {f"1 - {p}" for p in first.factors}


def _is_only_mask(node: ast.expr, about: About) -> bool:
    """Whether no other array is in an expression."""
    nodes = [n for n in ast.walk(node) if isinstance(n, ast.Name)]
    return all(np.ndim(about.value(n)) == 0 or about.is_mask(n) for n in nodes)


def _summed(old: ast.AST, new: ast.AST, parents: tuple, about: About) -> str:
    """Where something is subtracted from g that should be the sum of it."""
    if isinstance(old, ast.expr) and isinstance(new, ast.expr) and _is_diagonal(old, new):
        return "softmax-diagonal-only"
    minus = [p for p in parents if isinstance(p, ast.BinOp) and isinstance(p.op, ast.Sub)]
    sums = [isinstance(k, ast.expr) and is_inner(k, about) for k in (old, new)]
    if minus and sums == [False, True] and names_in(new) <= names_in(old):
        return "softmax-diagonal-only"
    return ""
