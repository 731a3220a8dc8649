"""What stands in a file and could be used again in one of its functions.

What a backward lacks its file often has: the term for q beside the lost one for k, the factor that
the forward computes, the statement that the sibling has. Names that are not known where it would be
used are changed for known ones, and others as the names around them differ: gq @ Wq.T gives
gk @ Wk.T where there are gk and Wk.
"""

import ast
import copy
from collections.abc import Iterator
from functools import cached_property
from typing import Any

from gradcheck.files import LARGEST, File
from gradcheck.scope import Scope, bound, distance, read
from gradcheck.syntax import blocks, called, expression, is_module, size

MOST = 400  # such expressions
SIZES = 5  # names of sizes of which areas are made
KEYED = 24  # entries of dicts
NEAREST = 4  # names that are tried for one that is not known
SIMPLE = (ast.Assign, ast.AugAssign, ast.Expr)
SLOPES = ("1 - {0}**2", "{0} * (1 - {0})", "{0} > 0", "1 - {0}", "np.sign({0})")
SOFTMAX = "{0} * ({1} - ({0} * {1}).sum(axis=-1, keepdims=True))", "{0} * ({1} - {2})"
# of the logarithm of a softmax, and of what is divided by its norm
PROJECTED = (
    "{1} - {0} * {1}.sum(axis=-1, keepdims=True)",
    "{1} - {0} * ({0} * {1}).sum(axis=-1, keepdims=True)",
)
PRODUCTS = ("{} @ {}.T", "{}.T @ {}", "{} @ {}", "{} * {}")
_WRAPS = """
    _.T  _.copy()  _.ravel()  _[:, None]  _[None]  -_
    _.sum()  _.sum(axis=0)  _.sum(axis=1)  _.sum(axis=-1)  _.sum(axis=(0, 1))
    _.sum(axis=0, keepdims=True)  _.sum(axis=1, keepdims=True)  _.sum(axis=-1, keepdims=True)
"""
WRAPS = tuple(w.strip() for line in _WRAPS.strip().splitlines() for w in line.strip().split("  "))


class Ingredients:
    """What could be used again in one function of a file."""

    def __init__(self, file: File, function: ast.FunctionDef, fields: tuple[str, ...] = ()):
        self.file, self.function = file, function
        args = function.args
        given = [a.arg for a in (*args.posonlyargs, *args.args, *args.kwonlyargs)]
        given = [n for n in given if n not in ("self", "cls")]
        given += [n for n in fields if n not in given]
        self.names = [*given, *sorted(bound(function) - set(given))]
        self.read = sorted(read(function) - file.known)
        self.scope = Scope.of(function).with_names(self.names)
        self.arrays = [n for n in self.scope.arrays if n in self.names]
        self.steps = sorted(self.scope.steps)
        self.statements = [
            n
            for n in ast.walk(function)
            if isinstance(n, (*SIMPLE, ast.Return)) and not _is_text(n)
        ]

    def knows(self, node: ast.AST) -> bool:
        """Whether all that a node reads has a name here."""
        return read(node) <= {"self", *self.names, *self.file.known, *bound(node)}

    @cached_property
    def renames(self) -> list[tuple[str, str]]:
        """(q, k) where gk is gq but for that, and another such pair is there too."""
        count: dict[tuple[str, str], int] = {}
        for a in self.names:
            for b in self.names:
                pair = _difference(a, b)
                if all(len(p) <= 2 for p in pair) and a != b:
                    count[pair] = count.get(pair, 0) + 1
        return [pair for pair, n in sorted(count.items(), key=lambda p: -p[1]) if n > 1][:12]

    def renamed(self, node: ast.AST) -> Iterator[Any]:
        """The node, and the same with other names."""
        if self.knows(node):
            yield node
        names = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)} - self.file.known
        strange = names - set(self.names)
        if len(strange) == 1:
            (one,) = strange
            for name in sorted(self.arrays, key=lambda n: distance(n, one))[:NEAREST]:
                yield from self.with_names(node, {one: name})
        for a, b in self.renames:
            yield from self.with_names(node, {n: n.replace(a, b) for n in names if a in n})

    def with_names(self, node: ast.AST, names: dict[str, str]) -> Iterator[ast.AST]:
        if names and set(names.values()) <= set(self.names):
            other = copy.deepcopy(node)
            for n in ast.walk(other):
                if isinstance(n, ast.Name):
                    n.id = names.get(n.id, n.id)
            if self.knows(other):
                yield other

    @cached_property
    def alone(self) -> list[ast.expr]:
        """The names."""
        return [expression(n) for n in self.names]

    @cached_property
    def keyed(self) -> list[str]:
        """What may be in the dicts that the function reads, by the keys of the file."""
        read = [n for n in ast.walk(self.function) if isinstance(n, ast.Subscript)]
        keys = [n for n in read if isinstance(getattr(n.slice, "value", None), str)]
        dicts = dict.fromkeys(ast.unparse(n.value) for n in keys)
        return [f"{d}[{ast.unparse(k)}]" for d in dicts for k in self.file.keys][:KEYED]

    @cached_property
    def upstream(self) -> list[str]:
        """dy, and what is unpacked from it."""
        given = [a.arg for a in self.function.args.args if a.arg not in ("self", "cls")][:1]
        simple = [n for n in ast.walk(self.function) if isinstance(n, ast.Assign)]
        parts = [n.targets[0] for n in simple if ast.unparse(n.value) in given]
        return [*given, *(n.id for p in parts for n in ast.walk(p) if isinstance(n, ast.Name))]

    @cached_property
    def expressions(self) -> list[ast.expr]:
        """Slopes of activations, what stands in the file, the same with other names."""
        slopes = (form.format(name) for form in SLOPES for name in self.arrays)
        found = {ast.dump(n): n for n in map(expression, (*self.arrays, *slopes))}
        found |= {ast.dump(n): n for n in self.file.expressions if self.knows(n)}
        for node in sorted(self.file.expressions, key=self.knows):
            for other in self.renamed(node):
                found.setdefault(ast.dump(other), other)
        return [*found.values()][:MOST]

    @cached_property
    def crops(self) -> list[ast.expr]:
        """What is left of an underscore without the padding that the file puts around an array."""
        calls = [n for f in self.file.functions for n in ast.walk(f) if isinstance(n, ast.Call)]
        widths = [n.args[1] for n in calls if called(n) == "pad" and len(n.args) > 1]
        names = {n.id for w in widths for n in ast.walk(w) if isinstance(n, ast.Name)}
        ends = [n for n in self.names if n in names]
        ends += [k for k in self.keyed if k.split("[")[-1].strip("'\"]") in names]
        # of images by channels first and last, of sequences, of one array
        places = (2, 3), (1, 2), (2,), (1,), (0, 1), (0,)
        texts = [
            ", ".join(f"{p}:_.shape[{k}] - {p}" if k in axes else ":" for k in range(max(axes) + 1))
            for p in ends
            for axes in places
        ]
        return [expression(f"_[{t}]") for t in texts]

    @cached_property
    def numbers(self) -> list[ast.expr]:
        """Small numbers, those in the function, areas; others may be sizes of a case."""
        found = (n for n in ast.walk(self.function) if isinstance(n, ast.Constant))
        known = {repr(n.value) for n in found if isinstance(n.value, float)}
        counts = [n for n in self.names if self.scope.sort(n) == "size"][:SIZES]
        areas = [f"({a} * {b})" for k, a in enumerate(counts) for b in counts[k:]]
        texts = (*sorted({"1", "2", "3", "4"} | known), *areas, *self.file.constants)
        return [expression(text) for text in texts]

    @cached_property
    def calls(self) -> list[ast.expr]:
        """Other backwards of the file, of everything."""
        others = [f.name for f in self.file.functions if f.name.endswith("_backward")]
        others = [name for name in others if name != self.function.name]
        pairs = [(a, b) for a in self.arrays for b in self.names if a != b]
        return [expression(f"{f}({a}, {b})") for f in others for a, b in pairs][:MOST]

    @cached_property
    def scaled(self) -> list[ast.expr]:
        """Slopes and expressions of the file, multiplied by a name."""
        pairs = [(a, b) for a in self.arrays for b in self.arrays if a != b]
        slopes = [expression(f"{a} * ({s.format(b)})") for s in SLOPES for a, b in pairs]
        known = [n for n in self.file.expressions if self.knows(n) and size(n) < LARGEST // 2]
        more = [ast.BinOp(expression(a), ast.Mult(), n) for n in known for a in self.arrays]
        return [*slopes, *(ast.fix_missing_locations(n) for n in more)][: 2 * MOST]

    @cached_property
    def products(self) -> list[ast.expr]:
        names = self.arrays
        return [expression(p.format(a, b)) for p in PRODUCTS for a in names for b in names]

    @cached_property
    def softmaxes(self) -> list[ast.expr]:
        """Backwards of a softmax, with the sum in place and with a name for it, and the like."""
        whole, part = SOFTMAX
        names = self.arrays
        texts = [whole.format(p, dp) for p in names for dp in names if p != dp]
        texts += [f.format(p, dp) for f in PROJECTED for p in names for dp in names if p != dp]
        texts += [part.format(p, q, r) for p in names for q in names for r in names if q != r]
        return [expression(t) for t in texts[:MOST]]

    @cached_property
    def forms(self) -> list[ast.expr]:
        """Functions as they are applied in the file, and common ones, to an underscore."""
        shapes = (f"_.reshape({n}.shape)" for n in self.arrays)
        turns = (f"_.transpose{t}" for t in self.file.turns)
        forms, hole = [expression(w) for w in (*WRAPS, *shapes, *turns)], expression("_")
        for node in self.expressions:
            if isinstance(node, ast.Subscript):
                forms.append(ast.Subscript(hole, node.slice, ast.Load()))
            elif isinstance(node, ast.Call):
                if isinstance(node.func, ast.Attribute) and not is_module(node.func.value):
                    method = ast.Attribute(hole, node.func.attr, ast.Load())
                    forms.append(ast.Call(method, node.args, node.keywords))
                for k in range(len(node.args)):
                    args = [*node.args[:k], hole, *node.args[k + 1 :]]
                    forms.append(ast.Call(node.func, args, node.keywords))
        return [*{ast.dump(f): ast.fix_missing_locations(f) for f in forms}.values()]

    @cached_property
    def indices(self) -> list[ast.expr]:
        found = (n for f in self.file.functions for n in ast.walk(f))
        slices = [n.slice for n in found if isinstance(n, ast.Subscript) and self.knows(n.slice)]
        slices += self.file.keys
        return [*{ast.dump(s): s for s in slices}.values()]

    @cached_property
    def again(self) -> list[ast.stmt]:
        """Statements, those of this function first."""
        found = [n for f in (self.function, *self.file.functions) for n in ast.walk(f)]
        simple = [s for s in found if isinstance(s, SIMPLE) and not _is_text(s)]
        return [*{ast.dump(s): s for stmt in simple for s in self.renamed(stmt)}.values()]

    def loses(self, new: ast.stmt, beside: ast.stmt) -> bool:
        """Whether a new statement binds afresh what one of those around its place binds too."""
        if not isinstance(new, ast.Assign):
            return False
        names = bound(new.targets[0])
        block = next(b for b in blocks(self.function) if any(s is beside for s in b))
        return bool(names) and not names & read(new.value) and any(names & bound(s) for s in block)


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _difference(a: str, b: str) -> tuple[str, str]:
    """What of two words is between their common beginning and their common end."""
    least = min(len(a), len(b))
    head = next((k for k in range(least) if a[k] != b[k]), least)
    tail = next((k for k in range(least - head) if a[-1 - k] != b[-1 - k]), least - head)
    tail = min(tail, max(least - head - 1, 0))
    return a[head : len(a) - tail], b[head : len(b) - tail]
