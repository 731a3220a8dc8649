"""What a mistake in a function that is applied is called, or in the order of things."""

import ast

from gradcheck.about import About
from gradcheck.looks import bare, is_sliced, is_softmax, is_transposed, names_in, values_in
from gradcheck.syntax import REDUCTIONS, TRANSPOSES, axis_of, called, literal, same

SQUASHING = {"exp", "tanh", "expit", "sigmoid", "sin", "cos", "log", "sqrt", "square"}
JOINING = {"concatenate", "stack", "hstack", "vstack", "column_stack", "dstack", "block"}
SPECIAL = {"erf", "erfc", "arctan", "arcsinh", "logistic", "softplus"}
FILTERS = {"convolve", "correlate", "convolve2d", "correlate2d", "fftconvolve"}


def applied(old: ast.AST, new: ast.AST, parents: tuple, about: About) -> str:
    """A function applied, or not."""
    for a, b, brought in ((old, new, True), (new, old, False)):
        if isinstance(b, ast.Attribute) and b.attr in ("T", "mT") and same(a, b.value):
            summed = any(called(p) in REDUCTIONS for p in parents)
            return "wrong-axis" if summed else "transposed"
        if isinstance(b, ast.Subscript) and same(a, b.value):
            if "::-1" in ast.unparse(b.slice).replace(" ", ""):
                if isinstance(about.value(b.value), list):
                    return "time-shift"
                filtered = any(called(p) in FILTERS for p in parents)
                return "flipped-kernel" if filtered or not about.looped else "time-shift"
            if not brought and isinstance(literal(b.slice), int):
                return "missing-term"  # one of all that are summed
            return "shape" if "None" in ast.unparse(b.slice) else "misaligned"
        if not isinstance(b, ast.Call):
            continue
        inner = [getattr(b.func, "value", None), *b.args]
        if not any(i is not None and same(a, i) for i in inner):
            continue
        name = called(b)
        summed = any(called(p) in REDUCTIONS for p in parents)
        if name in TRANSPOSES:
            return "wrong-axis" if summed else "transposed"
        if name in ("max", "min"):
            return "mask"
        powers = any(called(p) == "exp" for k in parents for p in ast.walk(k))
        if name in REDUCTIONS and brought and (is_softmax(a, parents) or powers):
            return "softmax-diagonal-only"
        if name in REDUCTIONS and brought and _is_one_of(parents):
            return "missing-term"
        if name in REDUCTIONS:
            again = isinstance(a, ast.Call) and called(a) in REDUCTIONS
            return "unreduced-broadcast" if brought and not again else "wrong-axis"
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
        if name not in SQUASHING | {"conj"}:
            return "wrong-operand"
        if name == "conj":
            return "transposed"
        number = about.is_scalar(a) or about.is_size(a)
        return "constant-factor" if number else "activation-derivative-misplaced"
    return _exchanged(old, new, about)


def _exchanged(old: ast.AST, new: ast.AST, about: About) -> str:
    """One call in the place of another, or of one entry."""
    if isinstance(old, ast.Subscript) and called(new) in REDUCTIONS:
        whole = getattr(new.func, "value", None)  # type: ignore[attr-defined]
        if whole is not None and same(old.value, whole):
            return "missing-term"
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
            inner = [getattr(n.func, "value", None) for n in (old, new)]
            if all(called(n) == "reshape" for n in inner if n) and _permuted(*inner):
                return "misaligned"
            axes = [axis_of(n) for n in (old, new)]
            if "dtype" not in changed and _text(axes[0]) != _text(axes[1]):
                return "wrong-axis"
            if "dtype" in changed and kept:
                return "dtype"
            return "shape" if kept and "keepdims" in changed else "wrong-axis"
        if names == {"einsum"}:
            return _of_einsum(old, new, about)
        if names <= TRANSPOSES or (len(names) == 1 and names <= {"outer", "tensordot"}):
            return "transposed"
        if len(names) == 1 and names <= {"dot", "matmul"}:
            p, q = (sorted(bare(k, is_transposed) for k in n.args) for n in (old, new))
            return "transposed" if p == q else ""
        if len(names) == 1 and names <= {"where"}:
            return "mask"
    if isinstance(old, ast.Attribute) and isinstance(new, ast.Attribute):
        names = {old.attr, new.attr}
        if names == {"sum", "mean"}:
            return "mean-vs-sum"
        if names <= FILTERS:
            return "flipped-kernel"
        if names == {"add", "subtract"}:
            return "sign"
    return ""


def _are_heads(several: ast.Tuple | ast.List) -> bool:
    """Whether queries, keys and values are put together, not gates."""
    names = [{n.lower().strip("d_") for n in names_in(e)} for e in several.elts]
    return sum(bool(n & {"q", "k", "v"}) for n in names) > 1


def _permuted(old: ast.AST | None, new: ast.AST | None) -> bool:
    """Whether two calls have the same arguments in another order."""
    args = [[*map(ast.dump, getattr(n, "args", []))] for n in (old, new)]
    return args[0] != args[1] and sorted(args[0]) == sorted(args[1])


def _is_one_of(parents: tuple) -> bool:
    """Whether what stands here is one of several that are taken by a number: dy[:, -1]."""
    index = parents[-1].slice if parents and isinstance(parents[-1], ast.Subscript) else None
    return any(isinstance(literal(n), int) for n in getattr(index, "elts", [index]) if n)


def _text(node: ast.expr | None) -> str:
    return ast.unparse(node) if node else ""


def _of_einsum(old: ast.Call, new: ast.Call, about: About) -> str:
    """By the operands; where they are the same, the letters are in another order."""
    given = [sorted(map(ast.unparse, n.args[1:])) for n in (old, new)]
    if given[0] == given[1]:
        return "transposed"
    lost = [n for n in new.args[1:] if ast.unparse(n) not in given[0]]
    if len(given[0]) == len(given[1]):
        whole = [[bare(n, is_sliced) for n in k.args[1:]] for k in (old, new)]
        return "misaligned" if whole[0] == whole[1] else "wrong-operand"
    if len(given[0]) > len(given[1]):
        return "extra-term"
    upstream = any(about.upstream & values_in(n) for n in lost)
    return "ignores-upstream" if upstream else "missing-term"


def reordered(old: ast.AST, new: ast.AST, parents: tuple, about: About) -> str:
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
            return "misaligned" if _are_heads(old) else "gate-order"
        given = parents and isinstance(parents[-1], ast.Call)
        if given or any(isinstance(p, ast.Return) for p in parents):
            return "argument-order"
        if isinstance(getattr(old, "ctx", None), ast.Store):
            return ""
        return "transposed" if any(called(p) in TRANSPOSES for p in parents) else "wrong-operand"
    if isinstance(old, ast.Dict):
        return "argument-order"
    return ""
