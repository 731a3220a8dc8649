"""Taps: the results of single statements of a backward, recorded, and changed on purpose.

A tap is one array or number that a statement produces in one of its executions. `Bench` re-runs a
backward with changed taps and says what the returned gradients do: a line that cannot reach an
error, or whose every possible result leaves some of the error standing, is not its cause.
"""

import ast
import sys
import types
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from gradcheck.instrument import Hook, Site, watching
from gradcheck.subjects import Forward, Subject

Array = np.ndarray
Key = tuple[int, tuple, int]
Plan = dict[Key, tuple[str, Any]]
_WRITERS = {"at", "copyto", "put_along_axis", "place", "put", "putmask", "fill_diagonal"}
_KEEPERS = {"append", "extend", "insert", "update", "setdefault"}
_CHANGERS = _KEEPERS | {"pop", "popitem", "remove", "clear", "reverse", "sort"}
_LAZY = (types.GeneratorType, map, zip, reversed)


@dataclass(frozen=True)
class Tap:
    """One result: `part` is its place within a tuple, or names the array that is written into."""

    site: Site
    part: tuple
    occurrence: int
    value: Any  # a copy
    object: Any  # itself

    @property
    def key(self) -> Key:
        return id(self.site), self.part, self.occurrence

    @property
    def size(self) -> int:
        return int(np.size(self.value))

    @property
    def is_float(self) -> bool:
        return np.asarray(self.value).dtype.kind == "f"


class Injector(Hook):
    """Records the taps of a run, or adds to them or sets them as `plan` says."""

    def __init__(self) -> None:
        self.plan: Plan = {}
        self.taps: list[Tap] | None = None
        self.count: Counter[tuple[int, tuple]] = Counter()
        self.on = False
        self.events = 0
        self.returned: Site | None = None  # the return that ran last
        self.operands: tuple = ()  # of the call that raised
        self.owned: set[int] = set()  # lists and dicts that nobody may change
        self.changed: Site | None = None  # the call that changed one

    def call(self, site: Site, f: Any, /, *args: Any, **kwargs: Any) -> Any:
        self.events += 1
        if not self.on:
            return f(*args, **kwargs)
        name, owner = getattr(f, "__name__", ""), getattr(f, "__self__", None)
        if id(owner) in self.owned and name in _CHANGERS:
            self.changed = self.changed or site
        if type(owner) in (list, dict) and name in _KEEPERS:
            args = tuple(self.through(site, (k,), a) for k, a in enumerate(args))
        try:
            value = f(*args, **kwargs)
        except Exception:
            self.operands = self.operands or (owner, *args)
            raise
        if name in _WRITERS and args:
            self.write(site, "", args[0])
        elif name in ("fill", "sort", "itemset") and isinstance(owner, np.ndarray):
            self.write(site, "", owner)
        elif isinstance(out := kwargs.get("out"), np.ndarray):
            self.write(site, "", out)
        return value

    def assign(self, site: Site, value: Any) -> Any:
        self.events += 1
        if not self.on:
            return value
        about = statement(site.code)
        if about.kind == "return":
            self.returned = site
        if about.unpacks and isinstance(value, _LAZY):
            value = tuple(value)
        value = self.through(site, (), value, about.plain)
        return self.stored(site, about, value) if about.stores else value

    def augment(self, site: Site, value: Any) -> Any:
        self.events += 1
        if not self.on:
            return value
        value = self.through(site, (), value)
        about = statement(site.code)
        return self.stored(site, about, value) if about.stores else value

    def stored(self, site: Site, about: "Statement", value: Any) -> Any:
        """The value of a statement that writes a part of an array: a tap of the whole array.

        The part is written here, ahead of the statement, which then writes what is there.
        """
        frame = sys._getframe(3)  # of the function that is watched
        for k, name, index in about.stores:
            base = frame.f_locals.get(name)
            if not isinstance(base, np.ndarray) or base.dtype.kind != "f":
                continue
            if k is not None and not isinstance(value, (tuple, list)):
                continue
            try:
                at = eval(index, frame.f_globals, frame.f_locals)  # what the statement itself says
                base[at] = value if k is None else value[k]
            except Exception:  # the statement will say so itself
                continue
            self.write(site, name, base)
            now = base[at].copy() if isinstance(base[at], np.ndarray) else base[at]
            value = now if k is None else type(value)((*value[:k], now, *value[k + 1 :]))
        return value

    def write(self, site: Site, name: str, base: Any) -> None:
        if isinstance(base, np.ndarray) and base.dtype.kind == "f" and base.flags.writeable:
            change = self.passing(site, ("into", name), base)
            if change is not None:
                base[...] = _changed(base, change)

    def through(self, site: Site, part: tuple, value: Any, plain: frozenset = frozenset()) -> Any:
        """The value as it goes on; a tuple or list entry by entry."""
        if -1 in plain:
            return value
        if type(value) in (tuple, list) and len(part) < 3 and len(value) <= 64:
            new = [self.through(site, (*part, k), v) for k, v in enumerate(value) if k not in plain]
            new = [value[k] if k in plain else new.pop(0) for k in range(len(value))]
            if all(a is b for a, b in zip(new, value, strict=True)):
                return value
            return type(value)(new)
        if not _is_tappable(value):
            return value
        change = self.passing(site, part, value)
        return value if change is None else _changed(value, change)

    def passing(self, site: Site, part: tuple, value: Any) -> tuple[str, Any] | None:
        place = id(site), part
        n = self.count[place]
        self.count[place] += 1
        if self.taps is not None:
            copied = value.copy() if isinstance(value, np.ndarray) else value
            self.taps.append(Tap(site, part, n, copied, value))
        return self.plan.get((*place, n)) if self.plan else None


def _is_tappable(value: Any) -> bool:
    if isinstance(value, np.ndarray):
        return value.dtype.kind in "fiubc"
    return isinstance(value, (float, int, np.number, np.bool_))


def _changed(value: Any, change: tuple[str, Any]) -> Any:
    how, by = change
    if how == "set":
        return by.copy() if isinstance(by, np.ndarray) else by
    if isinstance(value, np.ndarray):
        return value + by.astype(value.dtype, copy=False)
    return value + (by if by.ndim else by[()])


@dataclass(frozen=True)
class Statement:
    """What the text of a statement says: where it writes, and which of its values are bare names.

    `plain` holds the places of bare names in a return, -1 for a return of one name only; `stores`
    the place among several targets, the name and the index of each part of an array written.
    """

    stores: tuple[tuple[int | None, str, types.CodeType], ...] = ()
    unpacks: bool = False
    plain: frozenset = frozenset()
    kind: str = ""


@lru_cache(maxsize=4096)
def statement(code: str) -> Statement:
    """Read the text of an assignment or a return.

    >>> statement("return dx, x.T @ dy").plain, statement("dx[t], h = step(h)").stores[0][:2]
    (frozenset({0}), (0, 'dx'))
    """
    try:
        node = ast.parse(code).body[0]
    except (SyntaxError, IndexError):
        return Statement()
    if isinstance(node, ast.Return):
        if isinstance(node.value, (ast.Tuple, ast.List)):
            bare = {k for k, e in enumerate(node.value.elts) if isinstance(e, ast.Name)}
            return Statement(plain=frozenset(bare), kind="return")
        listed = isinstance(node.value, ast.ListComp) and _only_reads(node.value.elt)
        bare = {-1} if listed or isinstance(node.value, ast.Name) else set()
        return Statement(plain=frozenset(bare), kind="return")
    if not isinstance(node, (ast.Assign, ast.AnnAssign, ast.AugAssign)):
        return Statement()
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    parts = [p for t in targets for p in (t.elts if isinstance(t, (ast.Tuple, ast.List)) else [t])]
    stores = []
    for k, p in enumerate(parts):
        if not isinstance(p, ast.Subscript) or not isinstance(p.value, ast.Name):
            continue
        if _may_run_twice(p.slice):
            index = compile(ast.unparse(ast.Expression(_as_index(p.slice))), "index", "eval")
            stores.append((k if len(parts) > 1 else None, p.value.id, index))
    value = node.value
    alias = isinstance(value, ast.Name) and len(parts) == 1  # that may lack a step
    reads = value is not None and not alias and _only_reads(value)
    reads = reads and not isinstance(node, ast.AugAssign)
    kind = "read" if reads else ""
    return Statement(tuple(stores), len(parts) > 1, kind=kind)


def _may_run_twice(index: ast.expr) -> bool:
    """Whether an index calls nothing but NumPy and what counts."""
    calls = [n.func for n in ast.walk(index) if isinstance(n, ast.Call)]
    owners = [f.value for f in calls if isinstance(f, ast.Attribute)]
    names = [f for f in calls if not isinstance(f, ast.Attribute)] + owners
    known = {"np", "numpy", "len", "range", "min", "max", "int", "slice"}
    walrus = any(isinstance(n, ast.NamedExpr) for n in ast.walk(index))
    return not walrus and all(isinstance(n, ast.Name) and n.id in known for n in names)


def _as_index(node: ast.expr) -> ast.expr:
    """What stands between brackets, as an expression: ``1:, k`` as ``(slice(1, None), k)``."""
    if isinstance(node, ast.Tuple):
        return ast.Tuple([_as_index(e) for e in node.elts], ast.Load())
    if isinstance(node, ast.Slice):
        ends = [e or ast.Constant(None) for e in (node.lower, node.upper, node.step)]
        return ast.Call(ast.Name("slice", ast.Load()), ends, [])
    return node


def _only_reads(node: ast.expr) -> bool:
    """Whether an expression computes nothing."""
    reads = (ast.Attribute, ast.Subscript, ast.Tuple, ast.GeneratorExp, ast.Name)
    if isinstance(node, ast.Subscript):
        return isinstance(node.slice, (ast.Constant, ast.Name)) and _only_reads(node.value)
    if isinstance(node, ast.Tuple):
        return all(map(_only_reads, node.elts))
    if isinstance(node, ast.GeneratorExp):
        return _only_reads(node.elt)
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Name) and node.func.id == "len"
    return isinstance(node, reads)


class Bench:
    """A subject at its point, its forward and backward open to injection inside `watching`.

    `dys` are several cotangents, each a tuple. `spent` counts what the hook saw: a measure of cost
    that no clock disturbs.
    """

    def __init__(self, subject: Subject, dys: list[tuple]):
        self.subject, self.dys = subject, dys
        self.hook = Injector()
        self.ran: Any = None
        self.spent = 0

    @contextmanager
    def watching(self) -> Iterator[None]:
        with np.errstate(all="ignore"), watching(self.subject.functions, self.hook):
            self.ran = self.subject.run()
            yield

    def backward(self, k: int = 0, plan: Plan | None = None, ran: Forward | None = None) -> tuple:
        """The gradients for cotangent k under a plan."""
        with self.injecting(plan):
            return self.subject.gradients(self.dys[k], ran or self.ran)

    def forward(self, plan: Plan | None = None) -> Forward:
        """The outputs and the cache under a plan."""
        with self.injecting(plan):
            return self.subject.run()

    @contextmanager
    def injecting(self, plan: Plan | None) -> Iterator[None]:
        hook = self.hook
        hook.plan, hook.on, hook.operands = plan or {}, True, ()
        hook.count.clear()
        try:
            yield
        finally:
            hook.on = False
            self.spent, hook.events = self.spent + hook.events + 8, 0

    def record(self, run: Callable, *args: Any) -> tuple[Any, list[Tap]]:
        """(result, taps) of a run; (what it raised, taps until then) where it does not end."""
        taps = self.hook.taps = []
        try:
            return run(*args), taps
        except Exception as error:
            return error, taps
        finally:
            self.hook.taps = None


def leaves(value: Any) -> Iterator[Any]:
    """The arrays in a nest of tuples, lists and dicts."""
    if isinstance(value, (tuple, list)):
        for v in value:
            yield from leaves(v)
    elif isinstance(value, dict):
        yield from leaves(tuple(value.values()))
    elif isinstance(value, np.ndarray):
        yield value


def containers(value: Any) -> Iterator[Any]:
    """The lists and dicts in a nest."""
    if isinstance(value, (list, dict)):
        yield value
    if isinstance(value, (tuple, list, dict)):
        for v in value.values() if isinstance(value, dict) else value:
            yield from containers(v)


def swapped(value: Any, old: Array, new: Array) -> Any:
    """A nest with one array in the place of another."""
    if value is old:
        return new
    if type(value) in (tuple, list):
        return type(value)(swapped(v, old, new) for v in value)
    if type(value) is dict:
        return {k: swapped(v, old, new) for k, v in value.items()}
    return value
