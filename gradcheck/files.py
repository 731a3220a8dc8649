"""The text of a module as its trees: what its functions hold, and where each node is written."""

import ast
from functools import cached_property
from typing import Any

from gradcheck.attributes import functions, joined
from gradcheck.edits import Edit
from gradcheck.scope import Scope, bound
from gradcheck.syntax import TRANSPOSES, called, expression, literal, operand, size

LARGEST = 40  # nodes of an expression that is used again
BUILTINS = {"range", "len", "reversed", "enumerate", "zip", "sum", "max", "min", "abs", "list"}
# of a batch of images, of sequences, of heads
TURNS = (0, 2, 3, 1), (0, 3, 1, 2), (1, 0, 2, 3), (1, 2, 3, 0), (0, 2, 1, 3), (0, 2, 1), (1, 0, 2)


class File:
    """The text of a module, its functions and what all of them know."""

    def __init__(self, text: str):
        self.data = text.encode()
        self.tree = joined(ast.parse(text))
        self.starts = [0]
        for line in self.data.splitlines(keepends=True):
            self.starts.append(self.starts[-1] + len(line))
        self.by_name = functions(self.tree)
        self.functions = [f.node for f in self.by_name.values()]
        self.known = {name for n in self.tree.body for name in _binds(n)} | BUILTINS

    @cached_property
    def expressions(self) -> list[ast.expr]:
        """Every expression in a function that is worth using again, once."""
        found: dict[str, ast.expr] = {}
        for node in (n for f in self.functions for stmt in f.body for n in ast.walk(stmt)):
            if isinstance(node, ast.Attribute):
                worth = node.attr in ("T", "mT", "size")
            else:
                kinds = (ast.BinOp, ast.Call, ast.Subscript, ast.UnaryOp, ast.Compare, ast.IfExp)
                worth = isinstance(node, kinds)
                worth = worth and isinstance(getattr(node, "ctx", ast.Load()), ast.Load)
            if isinstance(node, ast.expr) and worth and size(node) <= LARGEST:
                found.setdefault(ast.dump(node), node)
        return [*found.values()]

    @cached_property
    def keys(self) -> list[ast.expr]:
        """The keys of the dicts that are made in a function."""
        nodes = [n for f in self.functions for n in ast.walk(f)]
        texts = [ast.unparse(k) for n in nodes if isinstance(n, ast.Dict) for k in n.keys if k]
        calls = [n for n in nodes if isinstance(n, ast.Call) and called(n) == "dict"]
        texts += [repr(k.arg) for n in calls for k in n.keywords if k.arg]
        slices = [n.slice for n in nodes if isinstance(n, ast.Subscript)]
        texts += [ast.unparse(k) for k in slices if isinstance(getattr(k, "value", None), str)]
        return [expression(t) for t in dict.fromkeys(texts)]

    @cached_property
    def called_the_same(self) -> set[int]:
        """The nodes that are returned and go by the same name where they are taken: "x": x."""
        nodes = [n for f in self.functions for n in ast.walk(f)]
        taken = [
            [getattr(t, "id", "") for t in n.targets[0].elts]
            for n in nodes
            if isinstance(n, ast.Assign) and isinstance(n.targets[0], ast.Tuple)
        ]
        found: set[int] = set()
        for n in nodes:
            match n:
                case ast.Dict(keys, parts):
                    pairs = [(getattr(k, "value", ""), v) for k, v in zip(keys, parts, strict=True)]
                    found |= {id(v) for k, v in pairs if getattr(v, "id", None) == k}
                case ast.keyword(arg, ast.Name(name) as part) if arg == name:
                    found.add(id(part))
                case ast.Tuple(parts) | ast.List(parts):
                    for names in (t for t in taken if len(t) == len(parts)):
                        pairs = [*zip(names, parts, strict=True)]
                        found |= {id(v) for k, v in pairs if getattr(v, "id", None) == k}
        return found

    @cached_property
    def constants(self) -> list[str]:
        """The names of numbers at the top of the module."""
        simple = [n for n in self.tree.body if isinstance(n, ast.Assign)]
        made = [n for n in simple if not any(isinstance(m, ast.Call) for m in ast.walk(n))]
        kinds = (ast.Constant, ast.BinOp, ast.UnaryOp, ast.Tuple)
        return [name for n in made if isinstance(n.value, kinds) for name in sorted(bound(n))]

    @cached_property
    def called(self) -> list[str]:
        """The names of what is called in a function."""
        calls = [n for f in self.functions for n in ast.walk(f) if isinstance(n, ast.Call)]
        return sorted({name for n in calls if (name := called(n))})

    @cached_property
    def strides(self) -> set[str]:
        """The names by which the steps of loops are multiplied."""
        found = set()
        for f in self.functions:
            steps = Scope.of(f).steps
            for node in ast.walk(f):
                if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
                    sides = {getattr(n, "id", "") for n in (node.left, node.right)}
                    found |= sides - steps if sides & steps else set()
        return found - {""}

    @cached_property
    def turns(self) -> list[tuple[int, ...]]:
        """Orders of axes in the file, each with the one that undoes it, and common ones."""
        found: list[tuple[int, ...]] = []
        for node in (n for f in self.functions for n in ast.walk(f)):
            if isinstance(node, ast.Call) and called(node) in TRANSPOSES:
                _, rest = operand(node)
                axes = tuple(map(literal, getattr(rest[0], "elts", rest) if rest else ()))
                if len(axes) > 2 and sorted(map(str, axes)) == [*map(str, range(len(axes)))]:
                    found += [tuple(axes.index(k) for k in range(len(axes))), axes]
        return [*dict.fromkeys([*found, *TURNS])]

    def span(self, node: Any) -> tuple[int, int]:
        """From where to where a node reaches, in bytes."""
        start = self.starts[node.lineno - 1] + node.col_offset
        return start, self.starts[node.end_lineno - 1] + node.end_col_offset

    def written(self, kind: str, stmt: ast.stmt, start: int, end: int, words: str) -> Edit:
        """The edit that puts words from start to end of a statement."""
        data, (first, last) = self.data, self.span(stmt)
        after = data[first:start] + words.encode() + data[end:last]
        lost = data[first:last].count(b"\n") - after.count(b"\n")
        edited = data[:first] + after + b"\n" * lost + data[last:]
        line = data[:start].count(b"\n") + 1
        texts = data[first:last].decode(), after.decode(), edited.decode()
        return Edit(kind, line, *texts, start, True)


def _binds(node: ast.stmt) -> set[str]:
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        return {(a.asname or a.name).split(".")[0] for a in node.names}
    return {node.name} if isinstance(node, (ast.FunctionDef, ast.ClassDef)) else bound(node)
