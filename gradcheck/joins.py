"""What a mistake in signs, terms and factors is called."""

import ast
import re

import numpy as np

from gradcheck.about import About
from gradcheck.factored import Changed, Term, changed, expanded, term, terms
from gradcheck.looks import is_derivative, is_slope, names_in, targets_of, values_in
from gradcheck.syntax import REDUCTIONS, called, literal, same
from gradcheck.vjps_of_calls import of_sigmoid

TINY = 0.01
DERIVATIVES = {"sigmoid", "expit", "logistic", "cos", "exp"}  # of softplus, sin, exp
INNER = REDUCTIONS | {"einsum", "dot", "matmul", "inner", "vdot"}
Factors = tuple[tuple[ast.expr, float], ...]


def joined(old: ast.AST, new: ast.AST, parents: tuple, about: About) -> str:
    """The kind where a sign, a term or a factor is another one; "" where it is something else."""
    for a, b in ((old, new), (new, old)):
        if isinstance(b, ast.UnaryOp) and same(a, b.operand):
            return "sign" if isinstance(b.op, ast.USub) else "mask"
    plus, times = (ast.Add, ast.Sub), (ast.Mult, ast.Div)
    if isinstance(old, plus) and isinstance(new, plus):
        return "sign"
    if isinstance(old, times) and isinstance(new, times):
        right = parents[-1].right if parents and isinstance(parents[-1], ast.BinOp) else None
        return scale(right, about) if right is not None else "constant-factor"
    if isinstance(old, (ast.BitAnd, ast.BitOr, ast.cmpop, ast.boolop)):
        return "mask"
    if not isinstance(old, ast.expr) or not isinstance(new, ast.expr):
        return ""
    for whole, part in ((new, old), (old, new)):
        match whole:
            case ast.BinOp(ast.Constant(1), ast.Sub(), right) if same(right, part):
                return "scale-by-keep-probability" if about.is_share(part) else "wrong-operand"
            case ast.BinOp(base, ast.Pow()) if same(base, part):
                return "wrong-operand"
    if literal(old) == 0:
        return ""
    found = changed(old, new)
    name = _of_change(found, old, new, parents, about) if found else ""
    if not name and (found := changed(old, new, expanded)):
        name = _of_change(found, old, new, parents, about)
    return name


def scale(factor: ast.expr, about: About) -> str:
    """What a number by which a gradient is multiplied or divided is called."""
    if about.is_share(factor):
        return "scale-by-keep-probability"
    counts = getattr(about.value(factor), "dtype", None)
    return "mean-vs-sum" if about.is_size(factor) or counts == np.dtype(int) else "constant-factor"


def exchanged(old: ast.AST, new: ast.AST) -> tuple[ast.expr, ast.expr] | None:
    """The two factors by which two products differ, if they are more than these."""
    if not isinstance(old, ast.expr) or not isinstance(new, ast.expr):
        return None
    found = changed(old, new)
    if not found or len(found.lost) != 1 or len(found.gained) != 1 or found.number != 1:
        return None
    (b, q), (a, p) = found.lost[0], found.gained[0]
    return (a, b) if p == q and not (same(a, old) and same(b, new)) else None


def _of_change(found: Changed, old: ast.expr, new: ast.expr, parents: tuple, about: About) -> str:
    if found.missing or found.extra:
        return _of_terms(found, new, parents, about)
    if not found.lost and not found.gained:
        return "sign" if found.number == -1 else "constant-factor"
    if found.lost and found.gained:
        return _of_exchange(found, old, new, about)
    factors, lost = found.lost or found.gained, bool(found.lost)
    known = term(old).factors
    if lost and len(factors) == 1 and ast.unparse(factors[0][0]) in known:
        return "wrong-operand"  # another power of it
    return _of_factors(factors, lost, parents, about, new if lost else old)


def _of_exchange(found: Changed, old: ast.expr, new: ast.expr, about: About) -> str:
    """Factors stand in the place of others."""
    if {old, new} == {n for n, _ in (*found.lost, *found.gained)}:
        return ""
    if len(found.lost) > 1 and _renamed(old) == _renamed(new):
        return "wrong-operand"  # the slope of another gate, say
    if _is_part(found):
        return "missing-term"
    if name := _of_softmax(found, about):
        return name
    slopes = [any(is_slope(n) for n, _ in side) for side in (found.lost, found.gained)]
    return "activation-derivative-misplaced" if all(slopes) else ""


def _renamed(node: ast.expr) -> str:
    """An expression without its names."""
    return re.sub(r"Name\(id='\w+'", "Name(", ast.dump(node))


def _is_part(found: Changed) -> bool:
    """Whether a sum is lost, and one of its terms, or most of one, stands in its place."""
    gained = Term(1.0, {ast.unparse(n): (n, p) for n, p in found.gained})
    lost = Term(1.0, {ast.unparse(n): (n, p) for n, p in found.lost})
    for node, power in found.lost:
        parts = terms(node)
        others = lost.times(Term(1.0, {ast.unparse(node): (node, power)}), -1.0)
        rests = [t.times(others).times(gained, -1.0).factors for t in parts]
        if power == 1 and len(parts) > 1 and any(_is_most(r, gained) for r in rests):
            return True
    return False


def _is_most(rest: dict, gained: Term) -> bool:
    """Whether nothing is left of a term, or a factor where several are gained."""
    return not rest or (len(gained.factors) > 1 and all(p > 0 for _, p in rest.values()))


def _of_terms(found: Changed, whole: ast.expr, parents: tuple, about: About) -> str:
    both = (*found.missing, *found.extra)
    names = set[str]().union(*(names_in(n) for t in both for n, _ in t.factors.values()))
    divided = any(isinstance(p, ast.BinOp) and isinstance(p.op, ast.Div) for p in parents)
    if not names and (divided or about.is_size(whole)):
        return "forward-backward-variant-mismatch"  # n - 1 for n
    if (found.missing and found.extra) or len(found.missing) > 1 < len(names) - 2:
        return ""  # it says the same as the right expression, but in other words
    if found.extra:
        tiny = not names and abs(found.extra[0].number) < TINY
        return "precision" if tiny else "extra-term"
    if _is_itself(found.missing, parents):
        if not about.loops:
            return "missing-term"
        carried = about.looped and names & about.used
        return "missing-recurrent-term" if carried else "overwrites-instead-of-accumulates"
    own = found.missing[0].factors.keys()
    if sum(t.factors.keys() == own for t in terms(whole)) > 1:
        return "constant-factor"  # more of what is there
    return "missing-recurrent-term" if names & about.carried else "missing-term"


def _is_itself(missing: tuple[Term, ...], parents: tuple) -> bool:
    """Whether what is assigned is what is missing: dx = dx + more."""
    targets = targets_of(parents)
    return all(
        t.number == 1 and len(t.factors) == 1 and names_in(n) <= targets
        for t in missing
        for n, _ in t.factors.values()
    ) and any(t.factors for t in missing)


def _of_factors(factors: Factors, lost: bool, parents: tuple, about: About, whole: ast.expr) -> str:
    nodes = [n for n, _ in factors]
    if all(map(about.is_size, nodes)):
        inside = any(called(p) == "sqrt" for p in parents)
        others = [n for n, _ in term(whole).factors.values() if not any(n is f for f in nodes)]
        beside = any(map(about.is_size, others)) or about.is_size(parents[-1])
        return "constant-factor" if inside or beside or _are_less(nodes) else "mean-vs-sum"
    if all(map(about.is_count, nodes)) and all(p < 0 for _, p in factors):
        return "mean-vs-sum"
    if any(about.upstream & values_in(n) for n in nodes):
        return "ignores-upstream" if lost else "extra-term"
    if all(map(about.is_share, nodes)):
        return "scale-by-keep-probability"
    if all(not names_in(n) or about.is_scalar(n) for n in nodes):
        return "constant-factor"
    if all(map(about.is_mask, nodes)):
        compared = all(_is_slope_of_relu(n, about) for n in nodes)
        return "activation-derivative-missing" if compared and lost else "mask"
    if any(map(_is_slope, nodes)):
        return "activation-derivative-missing" if lost else "extra-term"
    if lost and any(map(about.is_slope, nodes)):
        return "activation-derivative-missing"
    return "missing-term" if lost else "extra-term"


def _are_less(nodes: list[ast.expr]) -> bool:
    """Whether they are a size less one, which is no count of what is summed."""
    return any(isinstance(n, ast.BinOp) and isinstance(n.op, (ast.Sub, ast.Add)) for n in nodes)


def _is_slope(node: ast.expr) -> bool:
    """Whether a factor is written as a slope: 1 - h^2, gelu_grad(z), the sigmoid of softplus."""
    helper = called(node) in DERIVATIVES or is_derivative(called(node))
    return is_slope(node) or helper or of_sigmoid(node) is not None


def _is_slope_of_relu(node: ast.expr, about: About) -> bool:
    match node:
        case ast.Compare(left, [ast.Gt() | ast.GtE()], [ast.Constant(0 | 0.0)]):
            return not about.scope or not about.is_mask(left)
    return False


def _of_softmax(found: Changed, about: About) -> str:
    """p (dp - sum(p dp)) is lost, and something made of p and dp stands in its place."""
    own = set[str]().union(*(names_in(n) for n, _ in found.gained))
    for node, _ in found.lost:
        match node:
            case ast.BinOp(left, ast.Sub(), right) if is_inner(right, about):
                if names_in(left) < own:
                    return "softmax-diagonal-only"
                if names_in(left) == own and len(found.lost) > 1:  # dp, without p
                    return "activation-derivative-missing"
    return ""


def is_inner(node: ast.expr, about: About) -> bool:
    """Whether something is summed, or was when it got its name."""
    if isinstance(node, ast.Subscript):
        node = node.value
    if isinstance(node, ast.Name):
        values = [v for name, v in about.assigned if name == node.id]
        return any(called(n) in INNER for v in values for n in ast.walk(v))
    summed = any(called(n) in INNER for n in ast.walk(node))
    return summed or (isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult))
