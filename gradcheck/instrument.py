"""The instrument: a function's own source, re-run with every operation routed through a hook.

Nothing is imported, decorated or executed twice. The source file is parsed, each call, operator,
comparison and assignment is wrapped in a call of a `Hook`, and the new code objects take the
place of the old ones in the live functions while `watching` lasts. Closures, methods, recursion
and `from module import name` therefore see the change, and line numbers stay those of the file.

A function without source (built in, or typed at a bare prompt) simply runs unobserved.
"""

import ast
import dataclasses
import linecache
import operator
import types
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

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

    def call(self, site: Site, f: Callable, *args: Any, **kwargs: Any) -> Any:
        return f(*args, **kwargs)

    def compare(self, site: Site, value: Any) -> Any:
        return value

    def assign(self, site: Site, value: Any) -> Any:
        return value

    def augment(self, site: Site, value: Any) -> Any:
        """After ``x += ...`` and its like: `value` is the new x, which is stored again."""
        return value


@contextmanager
def watching(functions: Iterable[Callable], hook: Hook) -> Iterator[None]:
    """While this lasts, the functions and all they reach in their own project report to `hook`."""
    swapped = [(f, f.__code__, new) for f in reach(functions) if (new := _rewritten(f.__code__))]
    spaces = {id(f.__globals__): f.__globals__ for f, _, _ in swapped}.values()
    before = [(space, space.get(NAME)) for space in spaces]
    try:
        for space in spaces:
            space[NAME] = _Handle(hook, _sites)
        for f, _, new in swapped:
            f.__code__ = new
        yield
    finally:
        for f, old, _ in swapped:
            f.__code__ = old
        for space, value in before:
            if value is None:
                space.pop(NAME, None)
            else:
                space[NAME] = value


def reach(roots: Iterable[Callable]) -> list[types.FunctionType]:
    """The Python functions that `roots` can call, as far as they belong to the same project."""
    roots = list(roots)
    home = frozenset(_home(f) for f in map(_plain, roots) if f is not None)
    found: dict[int, types.FunctionType] = {}
    seen: set[int] = set()
    queue: list[Any] = list(roots)
    while queue:
        thing = queue.pop()
        if id(thing) in seen:
            continue
        seen.add(id(thing))
        f = _plain(thing)
        if f is not None:
            if home & {_home(f)}:
                found[id(f)] = f
                queue += _mentioned(f)
            if getattr(thing, "__self__", None) is not None:
                queue.append(thing.__self__)
        elif isinstance(thing, type):
            if _is_home(thing, home):
                queue += [getattr(v, "__func__", v) for v in vars(thing).values()]
                queue += thing.__mro__[1:-1]
        elif isinstance(thing, (list, tuple)):
            queue += thing
        elif isinstance(thing, dict):
            queue += thing.values()
        elif isinstance(thing, partial):
            queue += [thing.func, thing.args]
        elif _is_home(type(thing), home):  # type: ignore[arg-type]
            queue += [type(thing), getattr(thing, "__dict__", {})]
    return list(found.values())


def _plain(thing: Any) -> types.FunctionType | None:
    thing = getattr(thing, "__func__", thing)
    return thing if isinstance(thing, types.FunctionType) else None


def _home(f: types.FunctionType) -> tuple[str, str]:
    """What a function belongs to: its package, or else the folder of its file."""
    package = f.__module__.split(".")[0] if f.__module__ else ""
    nested = "." in (f.__module__ or "")
    return (package, "") if nested else ("", str(Path(f.__code__.co_filename).parent))


@lru_cache(maxsize=4096)  # asked again for every value in reach
def _is_home(cls: type, home: frozenset[tuple[str, str]]) -> bool:
    return (cls.__module__.split(".")[0], "") in home or any(
        isinstance(v, types.FunctionType) and _home(v) in home for v in vars(cls).values()
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
    modules = [m for m in things if isinstance(m, types.ModuleType)]
    things += [vars(m)[n] for m in modules for n in names if n in vars(m)]
    for cell in f.__closure__ or ():
        try:
            things.append(cell.cell_contents)
        except ValueError:  # a cell that is not filled yet
            continue
    wrapped = getattr(f, "__wrapped__", None)
    return [t for t in [*things, wrapped] if not isinstance(t, (types.ModuleType, str, int, float))]


_sites: list[Site] = []


@dataclasses.dataclass(frozen=True)
class _Handle:
    """What the rewritten code calls: looks the site up and passes on to the hook."""

    hook: Hook
    sites: list[Site]
    operators = OPERATORS

    def call(self, site, f, *args, **kwargs):
        return self.hook.call(self.sites[site], f, *args, **kwargs)

    def compare(self, site, value):
        return self.hook.compare(self.sites[site], value)

    def assign(self, site, value):
        return self.hook.assign(self.sites[site], value)

    def augment(self, site, value):
        return self.hook.augment(self.sites[site], value)


def _rewritten(code: types.CodeType) -> types.CodeType | None:
    """The instrumented twin of a code object, or None where its source is not to be had."""
    lines = tuple(linecache.getlines(code.co_filename))
    same = _codes(code.co_filename, lines).get((code.co_name, code.co_firstlineno), [])
    same = [c for c in same if c.co_freevars == code.co_freevars]
    return same[0] if len(same) == 1 else None


@lru_cache(maxsize=256)
def _codes(file: str, lines: tuple[str, ...]) -> dict[tuple[str, int], list[types.CodeType]]:
    try:
        tree = ast.parse("".join(lines))
    except (SyntaxError, ValueError):
        return {}
    tree = ast.fix_missing_locations(_Rewrite(file).visit(tree))
    found: dict[tuple[str, int], list[types.CodeType]] = {}
    codes = [compile(tree, file, "exec", dont_inherit=True)]
    while codes:
        code = codes.pop()
        found.setdefault((code.co_name, code.co_firstlineno), []).append(code)
        codes += [c for c in code.co_consts if isinstance(c, types.CodeType)]
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
        store, load = node.target, ast.parse(target, mode="eval").body
        pure = not any(isinstance(n, (ast.Call, ast.NamedExpr, ast.Await)) for n in ast.walk(load))
        self.generic_visit(node)
        if not pure:
            return node
        value = self.hook("augment", node, load, target=target, code=code)
        return [node, ast.copy_location(ast.Assign([store], value), node)]

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
