"""The instrument: a function's own source, re-run with every operation routed through a hook.

Nothing is imported, decorated or executed twice. The source file is parsed, each call, operator,
comparison and assignment is wrapped in a call of a `Hook`, and the new code objects take the
place of the old ones in the live functions while `watching` lasts. Closures, methods, recursion
and `from module import name` therefore see the change, and line numbers stay those of the file.

A function without source (built in, or typed at a bare prompt) simply runs unobserved.
"""

import ast
import copy
import dataclasses
import linecache
import operator
import sys
import types
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np

NAME = "__gradcheck__"
OPERATORS = {
    "Add": operator.add,
    "Sub": operator.sub,
    "Mult": operator.mul,
    "Div": operator.truediv,
    "FloorDiv": operator.floordiv,
    "Mod": operator.mod,
    "Pow": operator.pow,
    "MatMult": operator.matmul,
}
# these read the frame of their caller, which must stay the function itself
_FRAME = {"super", "locals", "globals", "vars", "dir", "eval", "exec"}


@dataclasses.dataclass(frozen=True)
class Site:
    """A place in a source file: where it is, and for an assignment what it assigns to."""

    file: str
    line: int
    column: int
    target: str = ""
    code: str = ""
    function: str = ""


class Hook:
    """Sees every operation and returns its result; this one changes nothing."""

    def call(self, site: Site, f: Callable, /, *args: Any, **kwargs: Any) -> Any:
        return f(*args, **kwargs)

    def observes(self, f: Callable) -> bool:
        """Whether f is a Python function whose own operations report to this hook."""
        handle = getattr(f, "__globals__", {}).get(NAME)
        return handle is not None and handle.hook is self

    def compare(self, site: Site, value: Any) -> Any:
        return value

    def assign(self, site: Site, value: Any) -> Any:
        return value

    def augment(self, site: Site, value: Any) -> Any:
        """After ``x += ...`` and its like: `value` is the new x, which is stored again."""
        return value


@dataclasses.dataclass(frozen=True)
class Prepared:
    """Functions with their plain and their instrumented code."""

    swaps: tuple[tuple[types.FunctionType, types.CodeType, types.CodeType], ...]


def prepare(functions: Iterable[Callable]) -> Prepared:
    """Instrument the functions and all they reach in their own project, to watch them often."""
    reached = ((f, f.__code__) for f in reach(functions))
    return Prepared(tuple((f, code, new) for f, code in reached if (new := _rewritten(code))))


@contextmanager
def watching(functions: Iterable[Callable] | Prepared, hook: Hook) -> Iterator[None]:
    """While this lasts, the functions and all they reach in their own project report to `hook`."""
    prepared = functions if isinstance(functions, Prepared) else prepare(functions)
    swapped = [(f, f.__code__, new) for f, _, new in prepared.swaps]
    spaces = {id(f.__globals__): f.__globals__ for f, _, _ in swapped}.values()
    # closures made meanwhile keep their instrumented code, so an idle hook stays behind
    before = [(space, space.get(NAME, _Handle(Hook(), _sites))) for space in spaces]
    try:
        for space in spaces:
            space[NAME] = _Handle(hook, _sites)
        for f, _, new in swapped:
            f.__code__ = new
        yield
    finally:
        for f, old, _ in swapped:
            f.__code__ = old
        for space, handle in before:
            space[NAME] = handle


def reach(roots: Iterable[Callable]) -> list[types.FunctionType]:
    """The Python functions that `roots` can call, as far as they belong to the same project."""
    queue: list[Any] = list(roots)
    home = frozenset(_home(f) for root in queue if (f := _innermost(root)))
    found: dict[int, types.FunctionType] = {}
    seen: dict[int, Any] = {}  # keeps what it has seen alive, so that no id comes back
    while queue:
        thing = queue.pop()
        if id(thing) in seen or isinstance(thing, _ATOMS):
            continue
        seen[id(thing)] = thing
        f = _plain(thing)
        if f is not None:
            if _home(f) in home:
                found[id(f)] = f
                queue += _mentioned(f)
            queue += [getattr(thing, "__self__", None), getattr(f, "__wrapped__", None)]
        elif isinstance(thing, type):
            if _is_home(thing, home):
                queue += [getattr(v, "__func__", v) for v in vars(thing).values()]
                queue += thing.__mro__[1:-1]
        elif isinstance(thing, (list, tuple)):
            queue += thing
        elif isinstance(thing, dict):
            queue += thing.values()
        else:
            queue += _parts(thing).values()
            cls: Any = type(thing)
            if _is_home(cls, home):
                queue += [cls, getattr(thing, "__dict__", {})]
    return list(found.values())


# where wrappers keep what they wrap: wraps and caches, properties, partial, vectorize
_WRAPPED = ("__wrapped__", "fget", "fset", "func", "args", "keywords", "pyfunc")
_ATOMS = (types.ModuleType, types.NoneType, str, bytes, int, float, np.ndarray, np.generic)


def _parts(thing: Any) -> dict[str, Any]:
    """The functions inside a wrapper that is no function itself.

    Those of `lru_cache` stay out: they run once only, and take no arrays.
    """
    wraps = callable(thing) or isinstance(thing, (property, cached_property))
    if not wraps or hasattr(thing, "cache_info"):
        return {}
    return {k: v for k in _WRAPPED if (v := getattr(thing, k, None)) is not None}


def _innermost(thing: Any) -> types.FunctionType | None:
    """The function that a root is, or that it wraps in the end."""
    found = None
    while thing is not None:
        f = _plain(thing) or (_plain(type(thing).__call__) if callable(thing) else None)
        found = f or found
        parts = _parts(thing)
        thing = parts.get("__wrapped__", parts.get("func", parts.get("pyfunc")))
    return found


def _plain(thing: Any) -> types.FunctionType | None:
    thing = getattr(thing, "__func__", thing)
    return thing if isinstance(thing, types.FunctionType) else None


def _home(f: types.FunctionType) -> tuple[str, str]:
    """What a function belongs to: its package, or else the folder of its file."""
    module = str(f.__globals__.get("__name__"))  # f.__module__ may be that of a wrapped function
    if "." in module:
        return module.split(".")[0], ""
    return "", str(Path(f.__code__.co_filename).parent)


@lru_cache(maxsize=4096)  # asked again for every value in reach
def _is_home(cls: Any, home: frozenset[tuple[str, str]]) -> bool:
    return (cls.__module__.split(".")[0], "") in home or any(
        isinstance(v, types.FunctionType) and _home(v) in home
        for c in cls.__mro__[:-1]
        for v in vars(c).values()
    )


def _mentioned(f: types.FunctionType) -> list[Any]:
    """What a function names: globals, attributes of modules, the contents of its closure."""
    names: set[str] = set()
    codes = [f.__code__]
    while codes:
        code = codes.pop()
        names.update(code.co_names)
        codes += [c for c in code.co_consts if isinstance(c, types.CodeType)]
    things = [f.__globals__[n] for n in names if n in f.__globals__]
    package = f.__globals__.get("__package__") or ""
    modules = [m for m in things if isinstance(m, types.ModuleType)]
    # imported inside the function
    modules += [m for n in names for p in (n, f"{package}.{n}") if (m := sys.modules.get(p))]
    for m in modules:  # grows: a.b.f goes through a, then b
        things += (inside := [vars(m)[n] for n in names if n in vars(m)])
        modules += [i for i in inside if isinstance(i, types.ModuleType) and i not in modules]
    for cell in f.__closure__ or ():
        try:
            things.append(cell.cell_contents)
        except ValueError:  # a cell that is not filled yet
            continue
    return things


_sites: list[Site] = []


@dataclasses.dataclass(frozen=True)
class _Handle:
    """What the rewritten code calls: looks the site up and passes on to the hook."""

    hook: Hook
    sites: list[Site]
    operators = OPERATORS

    def call(self, site, f, /, *args, **kwargs):
        return self.hook.call(self.sites[site], f, *args, **kwargs)

    def compare(self, site, value):
        return self.hook.compare(self.sites[site], value)

    def assign(self, site, value):
        return self.hook.assign(self.sites[site], value)

    def augment(self, site, value):
        return self.hook.augment(self.sites[site], value)


def _rewritten(code: types.CodeType) -> types.CodeType | None:
    """The instrumented twin of a code object, or None where its source is not to be had."""
    linecache.checkcache(code.co_filename)
    pairs = _codes(code.co_filename, tuple(linecache.getlines(code.co_filename)))
    same = [
        new
        for plain, new in pairs.get((code.co_name, code.co_firstlineno), [])
        if new.co_freevars == code.co_freevars and (code in (plain, new) or _asserts(code))
    ]
    return same[0] if len(same) == 1 else None


def _asserts(code: types.CodeType) -> bool:
    """Whether pytest has rewritten the assertions, so that the code is not that of the file."""
    return any(name.startswith("@py") for name in code.co_names + code.co_varnames)


@lru_cache(maxsize=256)
def _codes(
    file: str, lines: tuple[str, ...]
) -> dict[tuple[str, int], list[tuple[types.CodeType, types.CodeType]]]:
    """(plain, instrumented) code objects by name and first line; in order where several agree."""
    try:
        tree = ast.parse("".join(lines))
        plain = _by_place(compile(tree, file, "exec", dont_inherit=True))
    except (SyntaxError, ValueError):
        return {}
    tree = ast.fix_missing_locations(_Rewrite(file).visit(tree))
    new = _by_place(compile(tree, file, "exec", dont_inherit=True))
    return {
        k: list(zip(plain[k], new[k], strict=True))
        for k in plain
        if len(plain[k]) == len(new.get(k, ()))
    }


def _by_place(code: types.CodeType) -> dict[tuple[str, int], list[types.CodeType]]:
    found: dict[tuple[str, int], list[types.CodeType]] = {}
    found.setdefault((code.co_name, code.co_firstlineno), []).append(code)
    for inner in code.co_consts:
        if isinstance(inner, types.CodeType):
            for place, codes in _by_place(inner).items():
                found.setdefault(place, []).extend(codes)
    return found


class _Rewrite(ast.NodeTransformer):
    def __init__(self, file: str):
        self.file = file
        self.within: list[str] = []

    def hook(
        self, method: str, node: ast.expr | ast.stmt, *args: ast.expr, **site: str
    ) -> ast.Call:
        _sites.append(
            Site(self.file, node.lineno, node.col_offset, **site, function=".".join(self.within))
        )
        handle = ast.Attribute(ast.Name(NAME, ast.Load()), method, ast.Load())
        call = ast.Call(handle, [ast.Constant(len(_sites) - 1), *args], [])
        return ast.copy_location(call, node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        self.within.append(node.name)
        self.generic_visit(node)
        self.within.pop()
        return node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.func, ast.Name) and node.func.id in _FRAME:
            return node
        call = self.hook("call", node, node.func, *node.args)
        call.keywords = node.keywords
        return call

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        name = type(node.op).__name__
        self.generic_visit(node)
        if name not in OPERATORS:
            return node
        table = ast.Attribute(ast.Name(NAME, ast.Load()), "operators", ast.Load())
        f = ast.Subscript(table, ast.Constant(name), ast.Load())
        return self.hook("call", node, ast.copy_location(f, node), node.left, node.right)

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        self.generic_visit(node)
        return self.hook("compare", node, node)

    def visit_Assign(self, node: ast.Assign) -> ast.AST:
        target, code = ast.unparse(node.targets[0]), ast.unparse(node)
        self.generic_visit(node)
        node.value = self.hook("assign", node, node.value, target=target, code=code)
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        target, code = ast.unparse(node.target), ast.unparse(node)
        if node.value is not None:
            value = self.visit(node.value)
            node.value = self.hook("assign", node, value, target=target, code=code)
        return node

    def visit_AugAssign(self, node: ast.AugAssign) -> Any:
        target, code = ast.unparse(node.target), ast.unparse(node)
        self.generic_visit(node)
        again = self.once(node)
        load = copy.deepcopy(again)
        load.ctx = ast.Load()
        value = self.hook("augment", node, load, target=target, code=code)
        return [node, ast.copy_location(ast.Assign([again], value), node)]

    def once(self, node: ast.AugAssign) -> Any:
        """The target to be used again; what it computes is kept, as ``x[i := f()] += 1``."""
        kept = 0

        def keep(part: Any) -> Any:
            """(what to evaluate the first time, what to evaluate again)."""
            nonlocal kept
            if part is None or isinstance(part, (ast.Name, ast.Constant)):
                return part, part
            if isinstance(part, ast.Tuple):
                pairs = [keep(p) for p in part.elts]
                return tuple(ast.Tuple([p[k] for p in pairs], ast.Load()) for k in (0, 1))
            if isinstance(part, ast.Slice):
                pairs = [keep(p) for p in (part.lower, part.upper, part.step)]
                return tuple(ast.Slice(*(p[k] for p in pairs)) for k in (0, 1))
            if isinstance(part, ast.Starred):
                first, then = keep(part.value)
                return ast.Starred(first, ast.Load()), ast.Starred(then, ast.Load())
            kept += 1
            name = f"{NAME[:-2]}{kept}__"
            return ast.NamedExpr(ast.Name(name, ast.Store()), part), ast.Name(name, ast.Load())

        target = node.target
        if isinstance(target, ast.Attribute):
            target.value, value = keep(target.value)
            return ast.Attribute(value, target.attr, ast.Store())
        if isinstance(target, ast.Subscript):
            target.value, value = keep(target.value)
            target.slice, index = keep(target.slice)
            return ast.Subscript(value, index, ast.Store())
        return ast.Name(target.id, ast.Store())

    def visit_Return(self, node: ast.Return) -> ast.AST:
        code = ast.unparse(node)
        if isinstance(node.value, ast.Tuple):  # without the parentheses that unparse adds
            code = "return " + ", ".join(map(ast.unparse, node.value.elts))
        self.generic_visit(node)
        if node.value is not None:
            node.value = self.hook("assign", node, node.value, target="return", code=code)
        return node

    def visit_arguments(self, node: ast.arguments) -> ast.AST:
        return node  # defaults and annotations are not run again

    def visit_MatchValue(self, node: ast.MatchValue) -> ast.AST:
        return node  # a pattern, not an expression
