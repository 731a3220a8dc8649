"""What a mistake is called, from the edit that undoes it."""

import ast
import re
from dataclasses import dataclass

from gradcheck.differing import difference, differences
from gradcheck.looks import (
    bare,
    indices_in,
    is_reversed,
    is_size,
    is_sliced,
    is_slope,
    is_softmax,
    is_tiny,
    is_transposed,
    names_in,
    sizes_in,
    values_in,
    within,
)
from gradcheck.syntax import REDUCTIONS, TRANSPOSES, called, is_a, literal, same

SQUASHING = {"exp", "tanh", "expit", "sigmoid", "sin", "cos", "log", "sqrt", "square"}
JOINING = {"concatenate", "stack", "hstack", "vstack", "column_stack", "dstack", "block"}
SPECIAL = {"erf", "erfc", "arctan", "arcsinh", "logistic", "softplus"}
KEEP = {"keep", "keep_prob", "prob", "p", "rate", "p_drop"}
FILTERS = {"convolve", "correlate", "convolve2d", "correlate2d", "fftconvolve"}


@dataclass(frozen=True)
class About:
    """What is known of a function: the names of dy and of what is unpacked from it, the variable of
    the loop over time that the statement stands in, names of sizes, names that are only used as
    indices, and what else is assigned."""

    upstream: frozenset[str] = frozenset()
    looped: str = ""
    sizes: frozenset[str] = frozenset()
    indices: frozenset[str] = frozenset()
    assigned: tuple[tuple[str, ast.expr], ...] = ()


NOTHING = About()


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
    if len(old) != 1 or len(new) != 1:
        return ""
    return _of_statement(old[0], new[0], about)


def of_edit(text: str, function: str, line: int, before: str, after: str) -> str:
    """The kind of mistake that an edit of a line undoes, seen where it stands."""
    upstream: tuple[str, ...] = ()
    assigned: tuple[tuple[str, ast.expr], ...] = ()
    looped = ""
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
        if isinstance(node, ast.For) and isinstance(node.target, ast.Name) and _over_time(node):
            looped = node.target.id if node.lineno <= line <= (node.end_lineno or 0) else looped
    sizes, indices = frozenset(sizes_in(tree)), frozenset(indices_in(tree))
    about = About(frozenset(upstream), looped, sizes, indices, assigned)
    return kind(before, after, about)


def _over_time(loop: ast.For) -> bool:
    names = names_in(loop.iter) | names_in(loop.target)
    return any(n.lower() in ("t", "time", "step", "steps", "tape") for n in names)


def _parsed(text: str) -> list[ast.stmt]:
    text = text.strip().removeprefix("el") if text.strip().startswith("elif") else text.strip()
    return ast.parse(f"{text} pass" if text.endswith(":") else text).body


def _missing(stmt: ast.stmt, about: About) -> str:
    match stmt:
        case ast.AugAssign(op=ast.Mult() | ast.Div(), value=value):
            return _scale(value, about)
        case ast.Assign([ast.Name(name)], value) if name in names_in(value):
            return "activation-derivative-missing" if is_slope(value) else "missing-term"
    return "missing-term"


def _scale(factor: ast.expr, about: About) -> str:
    if any(n.id.lower() in KEEP for n in ast.walk(factor) if isinstance(n, ast.Name)):
        return "scale-by-keep-probability"
    return "mean-vs-sum" if is_size(factor, about.sizes) else "constant-factor"


def _of_statement(old: ast.stmt, new: ast.stmt, about: About) -> str:
    match old, new:
        case _, ast.Pass():
            scaled = isinstance(old, ast.AugAssign) and isinstance(old.op, (ast.Mult, ast.Div))
            return _scale(old.value, about) if scaled else "extra-term"  # type: ignore[attr-defined]
        case ast.For(), ast.For():
            return "time-shift" if _over_time(old) else "misaligned"
        case (ast.If() | ast.While(), _):
            return "mask"
        case ast.AugAssign(), ast.Assign([target], ast.BinOp(left, _, _)) if ast.unparse(
            target
        ) == ast.unparse(left):
            return "mutates"
        case ast.Assign(), ast.AugAssign():
            return "overwrites-instead-of-accumulates"
        case (ast.Assign() | ast.AugAssign(), ast.Expr()):
            return "overwrites-instead-of-accumulates"
        case ast.AugAssign(op=a), ast.AugAssign(op=b) if type(a) is not type(b):
            return "sign" if isinstance(a, (ast.Add, ast.Sub)) else "constant-factor"
        case ast.AugAssign(), ast.Assign():
            return "extra-term"
    match old:
        case ast.Assign([ast.Name(name)]) if name in about.indices:
            tested = any(isinstance(n, ast.Compare) for n in (*ast.walk(old), *ast.walk(new)))
            return "mask" if tested else "misaligned"
    slices = [[n for n in ast.walk(s) if is_sliced(n)] for s in (old, new)]
    moved = sum(not same(a, b) for a, b in zip(*slices, strict=False))
    if moved > 1 and bare(old, is_sliced) == bare(new, is_sliced):
        return "time-shift" if about.looped in names_in(old) else "misaligned"
    axes = [re.sub(r"arg='axis', value=\w+\(value=.*?\)", "axis", ast.dump(s)) for s in (old, new)]
    if axes[0] == axes[1]:
        return "wrong-axis"
    name = _of_expression(*difference(old, new, ()), about)
    if not name:  # the same at several places, perhaps
        names = {_of_expression(*place, about) for place in differences(old, new, ())}
        name = names.pop() if len(names) == 1 else ""
    return name


def _of_expression(old: ast.AST, new: ast.AST, parents: tuple[ast.AST, ...], about: About) -> str:
    for what in (_placed, _joined, _applied, _reordered):
        if name := what(old, new, parents, about):
            return name
    if isinstance(old, ast.Constant) and old.value is None:
        return "missing-term"
    if isinstance(old, ast.Name) and isinstance(old.ctx, ast.Store):  # a result under another name
        return "missing-recurrent-term" if about.looped else "wrong-operand"
    if isinstance(old, ast.Constant) and about.upstream & (values_in(new) - values_in(old)):
        return "ignores-upstream"
    if isinstance(old, ast.Constant) and isinstance(new, (ast.Constant, ast.Name)):
        return "constant-factor"
    if isinstance(old, ast.Call) and called(old).startswith("zeros"):
        return "missing-term"
    if is_slope(new) and not is_slope(old) and not any(map(is_slope, parents)):
        return "activation-derivative-missing"
    scaled = [p for p in parents if isinstance(p, ast.BinOp)]
    if (
        scaled
        and isinstance(scaled[-1].op, (ast.Mult, ast.Div))
        and is_size(old, about.sizes)
        and is_size(new, about.sizes)
    ):
        return "constant-factor"
    if isinstance(old, ast.Subscript) and about.looped in names_in(old.slice) - names_in(new):
        return "time-shift"
    if isinstance(old, ast.Name) and isinstance(new, ast.Name) and {old.id, new.id} <= FILTERS:
        return "flipped-kernel"
    functions = {called(n) for n in ast.walk(old)} ^ {called(n) for n in ast.walk(new)}
    if functions & SQUASHING and len(functions & (SQUASHING | SPECIAL)) > 1:
        return "forward-backward-variant-mismatch"
    summed = any(called(n) == "sum" for n in ast.walk(new))
    if (
        summed
        and not any(called(n) == "sum" for n in ast.walk(old))
        and names_in(new) <= names_in(old)
    ):
        return "softmax-diagonal-only"
    if isinstance(old, ast.Name) and isinstance(new, ast.Name):
        for name, value in about.assigned:  # z, which is h times a slope, for h
            if name == new.id and old.id in names_in(value) and is_slope(value):
                return "activation-derivative-missing"
    plain = (ast.Name, ast.Attribute, ast.Subscript)  # more may be another way to write it
    return "wrong-operand" if isinstance(old, plain) and isinstance(new, plain) else ""


def _joined(old: ast.AST, new: ast.AST, parents: tuple, about: About) -> str:
    """A sign, a term or a factor."""
    for a, b in ((old, new), (new, old)):
        if isinstance(b, ast.UnaryOp) and isinstance(b.op, ast.USub) and same(a, b.operand):
            return "sign"
        if isinstance(b, ast.UnaryOp) and same(a, b.operand):
            return "mask"
    plus, times = (ast.Add, ast.Sub), (ast.Mult, ast.Div)
    if isinstance(old, plus) and isinstance(new, plus):
        return "sign"
    if isinstance(old, times) and isinstance(new, times):
        right = parents[-1].right if parents and isinstance(parents[-1], ast.BinOp) else None
        return _scale(right, about) if right is not None else "constant-factor"
    if isinstance(old, (ast.BitAnd, ast.BitOr, ast.cmpop, ast.boolop)):
        return "mask"
    for whole, part, brought in ((new, old, True), (old, new, False)):
        if not isinstance(whole, ast.BinOp) or isinstance(whole.op, ast.MatMult):
            continue
        for kept, other in ((whole.left, whole.right), (whole.right, whole.left)):
            if not same(kept, part) or isinstance(part, ast.Constant):
                continue
            if isinstance(whole.op, ast.Sub) and kept is whole.right and literal(other) == 1:
                return "wrong-operand"  # the other gate
            divided = any(isinstance(p, ast.BinOp) and isinstance(p.op, ast.Div) for p in parents)
            if isinstance(whole.op, plus) and divided and is_size(part, about.sizes):
                return "forward-backward-variant-mismatch"  # n - 1 for n
            if isinstance(whole.op, plus) and brought and names_in(other) <= _targets(parents):
                return "overwrites-instead-of-accumulates"
            if isinstance(whole.op, plus) and not brought and is_tiny(other):
                return "precision"
            if isinstance(whole.op, plus):
                return "missing-term" if brought else "extra-term"
            if isinstance(whole.op, ast.Pow):
                return "wrong-operand"
            if brought and about.upstream & values_in(other):
                return "ignores-upstream"
            if is_slope(other):
                if not brought:
                    return "extra-term"
                compared = isinstance(other, ast.Compare)
                return "mask" if compared else "activation-derivative-missing"
            scale = _scale(other, about)
            if is_size(other, about.sizes) or not names_in(other) or scale.startswith("scale"):
                return scale
            if brought:  # a divisor may be lost in many ways
                return "missing-term" if isinstance(whole.op, ast.Mult) else ""
            return "extra-term"
    return ""


def _applied(old: ast.AST, new: ast.AST, parents: tuple, about: About) -> str:
    """A function applied, or not."""
    for a, b, brought in ((old, new, True), (new, old, False)):
        if isinstance(b, ast.Attribute) and b.attr in ("T", "mT") and same(a, b.value):
            return "transposed"
        if isinstance(b, ast.Subscript) and same(a, b.value):
            if "::-1" in ast.unparse(b.slice).replace(" ", ""):
                filtered = any(called(p) in FILTERS for p in parents)
                return "flipped-kernel" if filtered or not about.looped else "time-shift"
            return "shape" if "None" in ast.unparse(b.slice) else "misaligned"
        if not isinstance(b, ast.Call):
            continue
        inner = [getattr(b.func, "value", None), *b.args]
        if not any(i is not None and same(a, i) for i in inner):
            continue
        name = called(b)
        if name in TRANSPOSES:
            return "transposed"
        if name in ("max", "min"):
            return "mask"
        if name in REDUCTIONS and brought and is_softmax(a, parents):
            return "softmax-diagonal-only"
        if name in REDUCTIONS:
            return "unreduced-broadcast" if brought else "wrong-axis"
        if name in ("copy", "array"):
            return "mutates"
        if name == "clip":
            return "" if brought else "extra-term"
        if name in ("reshape", "ravel", "squeeze"):
            return "shape"
        if name in ("astype", "round"):
            return "dtype" if brought else "precision"
        if name.endswith("_backward"):
            return "activation-derivative-missing"
        if name == "reversed":
            return "time-shift"
        if name in ("flip", "flipud", "fliplr", "rot90"):
            return "flipped-kernel"
        if "broadcast" in name:
            return "unreduced-broadcast"
        return "activation-derivative-misplaced" if name in SQUASHING else "wrong-operand"
    if isinstance(old, str) or isinstance(new, str):
        return ""
    if isinstance(old, ast.Call) and isinstance(new, ast.Call):
        names = {called(old), called(new)}
        if names == {"sum", "mean"}:
            return "mean-vs-sum"
        if names <= FILTERS:
            return "flipped-kernel" if len(names) == 2 else "misaligned"
        if names == {"reshape"}:  # with another order of its entries, or into another shape
            return "misaligned"
        if len(names) == 1 and names <= REDUCTIONS:
            changed = {k.arg for k in (*old.keywords, *new.keywords)}
            kept = [k.arg for k in old.keywords] != [k.arg for k in new.keywords]
            if "dtype" in changed and kept:
                return "dtype"
            return "shape" if kept and "keepdims" in changed else "wrong-axis"
        if names <= TRANSPOSES or (len(names) == 1 and names <= {"outer", "einsum", "tensordot"}):
            return "transposed"
        if len(names) == 1 and names <= {"where"}:
            return "mask"
    if isinstance(old, ast.Attribute) and isinstance(new, ast.Attribute):
        names = {old.attr, new.attr}
        if names == {"sum", "mean"}:
            return "mean-vs-sum"
        if names <= FILTERS:
            return "flipped-kernel"
    return ""


def _reordered(old: ast.AST, new: ast.AST, parents: tuple, about: About) -> str:
    """The same things in another order."""
    if isinstance(old, ast.BinOp) and isinstance(new, ast.BinOp) and type(old.op) is type(new.op):
        if isinstance(old.op, ast.MatMult):
            a, b = ([bare(k, is_transposed) for k in (n.left, n.right)] for n in (old, new))
            return "transposed" if sorted(a) == sorted(b) else "wrong-operand"
        if isinstance(old.op, ast.Sub) and same(old.left, new.right) and same(old.right, new.left):
            return "sign"
    if isinstance(old, (ast.Tuple, ast.List)) and isinstance(new, (ast.Tuple, ast.List)):
        if any(p.arg in ("axis", "axes") for p in parents if isinstance(p, ast.keyword)):
            return "wrong-axis"
        if sorted(map(ast.dump, old.elts)) != sorted(map(ast.dump, new.elts)):
            return ""
        if any(called(p) in JOINING for p in parents):
            return "gate-order"
        given = parents and isinstance(parents[-1], ast.Call)
        if given or any(isinstance(p, ast.Return) for p in parents):
            return "argument-order"
        if isinstance(getattr(old, "ctx", None), ast.Store):
            return ""
        return "transposed" if any(called(p) in TRANSPOSES for p in parents) else "wrong-operand"
    if isinstance(old, ast.Dict):
        return "argument-order"
    return ""


def _placed(old: ast.AST, new: ast.AST, parents: tuple, about: About) -> str:
    """What a change means by where it is: in an index, as an axis, in a comparison."""
    for parent in reversed(parents):
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
        constant = isinstance(old, (ast.Constant, ast.UnaryOp, ast.Tuple))
        if isinstance(parent, ast.Call) and called(parent) in REDUCTIONS and constant:
            return "wrong-axis"
        if isinstance(parent, ast.Call) and called(parent) in TRANSPOSES and constant:
            return "transposed"
        if isinstance(parent, ast.Call) and called(parent) == "einsum" and constant:
            return "transposed"
        if isinstance(parent, ast.Subscript) and within(old, parent.slice):
            if isinstance(old, ast.Constant) and isinstance(old.value, str):
                return "wrong-operand"
            if isinstance(parent.value, ast.Attribute) and parent.value.attr == "shape":
                return "wrong-axis"
            timed = about.looped and about.looped in names_in(old) | names_in(new)
            strided = [n for p in (old, new) for n in ast.walk(p) if is_a(n, ast.Mult)]
            timed = timed and not strided
            turned = not timed and is_reversed(old) != is_reversed(new)
            return "time-shift" if timed else "flipped-kernel" if turned else "misaligned"
    if isinstance(old, ast.Compare) and isinstance(new, ast.Compare):
        return "mask"
    return "misaligned" if isinstance(old, ast.Slice) else ""


def _targets(parents: tuple) -> set[str]:
    """What the statement assigns, outside of indices."""
    stmt = parents[0] if parents else None
    return names_in(stmt.targets[0]) if isinstance(stmt, ast.Assign) else set()
