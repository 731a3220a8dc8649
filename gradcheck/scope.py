"""The names in scope in a function, and what each of them seems to hold."""

import ast
from dataclasses import dataclass, replace
from functools import lru_cache

from gradcheck.syntax import called, is_a

OF_SIZES = {"len", "int", "float", "prod", "max", "min", "tuple", "list", "sqrt", "range", "divmod"}


@dataclass(frozen=True)
class Scope:
    """The names in scope at a statement, by what they hold."""

    known: tuple[str, ...]
    sizes: frozenset[str]
    steps: frozenset[str]  # of loops
    functions: frozenset[str]
    flags: frozenset[str]  # only ever asked whether they are true

    @classmethod
    def of(cls, function: ast.FunctionDef, fields: tuple[str, ...] = ()) -> "Scope":
        """The scope in which the first statement of a function stands; a method knows `fields`."""
        sizes, steps, functions = set(), set(), set()
        asked = [n for n in ast.walk(function) if isinstance(n, (ast.If, ast.IfExp, ast.While))]
        tests = [n for a in asked for n in ast.walk(a.test) if isinstance(n, ast.Name)]
        reads = [n.id for n in ast.walk(function) if isinstance(n, ast.Name) and not stored(n)]
        flags = {n.id for n in tests if reads.count(n.id) == sum(m.id == n.id for m in tests)}
        for node in ast.walk(function):
            match node:
                case ast.Assign([target], value) if is_size(value):
                    sizes |= bound(target)
                case ast.For(target, iterable) | ast.comprehension(target, iterable):
                    text = ast.unparse(iterable)
                    if "range(" in text or "ndindex(" in text:
                        steps |= bound(target)
                case ast.Slice() | ast.Call(ast.Name("range")):
                    sizes |= {n for part in ast.iter_child_nodes(node) for n in added(part)}
                case ast.Call(ast.Name(called)):
                    functions.add(called)
                case ast.FunctionDef(called):
                    functions.add(called)
        args = function.args
        given = [a.arg for a in (*args.posonlyargs, *args.args, *args.kwonlyargs)]
        sizes -= {"range"}
        scope = cls((), *map(frozenset, (sizes, steps, functions, flags)))
        return scope.with_names([*(n for n in given if n not in ("self", "cls")), *fields])

    def with_names(self, more: set[str] | list[str]) -> "Scope":
        """The scope after these are bound; a list keeps its order."""
        more = more if isinstance(more, list) else sorted(more)
        new = (n for n in more if n not in self.known and n != "_")
        return replace(self, known=(*self.known, *new))

    def sort(self, name: str) -> str:
        """What a name holds: an array, a size, a cache, a flag or a function."""
        if name in self.functions:
            return "function"
        if name in self.flags:
            return "flag"
        if name in self.sizes or name in self.steps:
            return "size"
        return "cache" if name.endswith(("cache", "caches", "part", "parts")) else "array"

    @property
    def arrays(self) -> tuple[str, ...]:
        return tuple(n for n in self.known if self.sort(n) == "array")

    def similar(self) -> dict[str, tuple[str, ...]]:
        """For each name those of the same sort, those that are written most alike first."""
        return _similar(self)


@lru_cache(maxsize=64)  # it is asked for every expression
def _similar(scope: Scope) -> dict[str, tuple[str, ...]]:
    sorts = {n: scope.sort(n) for n in scope.known}
    return {
        n: tuple(
            sorted(
                (m for m in scope.known if m != n and sorts[m] == sorts[n]),
                key=lambda m: distance(m, n),
            )
        )
        for n in scope.known
        if sorts[n] != "function"
    }


def is_size(value: ast.expr) -> bool:
    """Whether an expression is made of sizes, and of nothing that makes an array of them.

    >>> from gradcheck.syntax import expression
    >>> [is_size(expression(t)) for t in ("x.shape[0] // 2", "x.reshape(x.shape[0], -1)")]
    [True, False]
    """
    text, calls = ast.unparse(value), {called(n) for n in ast.walk(value)} - {""}
    products = any(is_a(n, ast.MatMult) for n in ast.walk(value))
    sized = ".shape" in text or ".size" in text or ".ndim" in text
    return sized and not products and calls <= OF_SIZES


def distance(a: str, b: str) -> float:
    """How unlikely it is to write one name for the other."""
    if a == "d" + b or b == "d" + a:
        return 0.0
    front = next((k for k, (p, q) in enumerate(zip(a, b, strict=False)) if p != q), 99)
    back = next((k for k, (p, q) in enumerate(zip(a[::-1], b[::-1], strict=False)) if p != q), 99)
    return max(len(a), len(b)) - min(max(front, back), len(a), len(b))


def bound(target: ast.AST) -> set[str]:
    """The names that an assignment, a loop or a definition binds."""
    return {n.id for n in ast.walk(target) if isinstance(n, ast.Name) and stored(n)}


def stored(n: ast.Name) -> bool:
    return isinstance(n.ctx, ast.Store)


def read(node: ast.AST) -> set[str]:
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and not stored(n)}


def added(node: ast.AST) -> set[str]:
    """The variables of a sum or product."""
    if isinstance(node, ast.BinOp):
        return added(node.left) | added(node.right)
    return {node.id} if isinstance(node, ast.Name) else set()


def written(stmt: ast.stmt) -> set[str]:
    """Names that a statement binds, and those whose arrays it writes into."""
    into = [t for t in getattr(stmt, "targets", [getattr(stmt, "target", None)]) if t]
    if isinstance(stmt, ast.Expr) and called(stmt.value) == "at":
        into = stmt.value.args[:1]  # type: ignore[attr-defined]
    return bound(stmt) | {n for t in into for n in read(t)}


def written_into(tree: ast.AST) -> set[str]:
    """Names of arrays of which a tree writes entries."""
    stored = (n for n in ast.walk(tree) if isinstance(getattr(n, "ctx", None), ast.Store))
    targets = [n.value for n in stored if isinstance(n, ast.Subscript)]
    targets += [n.target for n in ast.walk(tree) if isinstance(n, ast.AugAssign)]
    for call in (n for n in ast.walk(tree) if isinstance(n, ast.Call)):
        targets += call.args[:1] if called(call) in ("at", "copyto", "put", "putmask") else []
        targets += [k.value for k in call.keywords if k.arg == "out"]
    return {n.id for n in targets if isinstance(n, ast.Name)}
