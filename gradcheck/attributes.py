"""Attributes of self as names, so that what edits a function edits a method too.

`joined` makes one name of `self.x` in a tree, and of `ctx.x` where a function is given ctx, which
writes itself as it was; `split` undoes it before a tree is compiled.
"""

import ast
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Function:
    """A function of a file, at its top or in a class, and the attributes that the class sets."""

    node: ast.FunctionDef
    fields: tuple[str, ...] = ()


def functions(tree: ast.Module) -> dict[str, Function]:
    """The functions of a joined tree by qualified name; of several of one name the first.

    >>> tree = joined(ast.parse("class A:\\n def f(self):\\n  self.x = 1\\n def g(self): pass"))
    >>> {k: f.fields for k, f in functions(tree).items()}
    {'A.f': ('self.x',), 'A.g': ('self.x',)}
    """
    found: dict[str, Function] = {}
    kept = _kept(tree)

    def within(body: list[ast.stmt], prefix: str, fields: tuple[str, ...]) -> None:
        for node in body:
            if isinstance(node, ast.FunctionDef):
                own = [n.id for n in ast.walk(node) if isinstance(n, ast.Name) and "." in n.id]
                owners = {n.split(".")[0] for n in own} - {"self"}
                held = (f"{o}.{k}" for o in sorted(owners) for k in kept)
                known = tuple(dict.fromkeys((*fields, *own, *held)))
                found.setdefault(prefix + node.name, Function(node, known))
            elif isinstance(node, ast.ClassDef):
                within(node.body, f"{prefix}{node.name}.", _set_in(node))

    within(tree.body, "", ())
    return found


def _kept(tree: ast.Module) -> list[str]:
    """What is put under a name into something: x and w of Context(x=x, w=w)."""
    calls = [n for n in ast.walk(tree) if isinstance(n, ast.Call) and not n.args]
    several = [n for n in calls if len(n.keywords) > 1]
    return list(dict.fromkeys(k.arg for n in several for k in n.keywords if k.arg))


def _set_in(cls: ast.ClassDef) -> tuple[str, ...]:
    names = [
        n.id
        for n in ast.walk(cls)
        if isinstance(n, ast.Name) and "." in n.id and isinstance(n.ctx, ast.Store)
    ]
    return tuple(dict.fromkeys(names))


def joined(tree: ast.Module) -> ast.Module:
    """The tree with a name in the place of each attribute of self.

    >>> ast.unparse(joined(ast.parse("self.dw = self.x.T @ dy")).body[0].value.left)
    'self.x.T'
    """
    return _Join().visit(tree)


def split(node: Any) -> Any:
    """The tree with attributes in the place of such names; what is changed is copied."""
    if isinstance(node, ast.Name) and "." in node.id:
        owner, _, attribute = node.id.partition(".")
        name = ast.copy_location(ast.Name(owner, ast.Load()), node)
        return ast.copy_location(ast.Attribute(name, attribute, node.ctx), node)
    if isinstance(node, list):
        new = [split(v) for v in node]
        return new if any(a is not b for a, b in zip(new, node, strict=True)) else node
    if not isinstance(node, ast.AST):
        return node
    fields = dict(ast.iter_fields(node))
    parts = {k: split(v) for k, v in fields.items()}
    if all(parts[k] is v for k, v in fields.items()):
        return node
    return ast.copy_location(type(node)(**parts), node)


class _Join(ast.NodeTransformer):
    def __init__(self) -> None:
        self.given: set[str] = set()  # the parameters of the functions around

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        before = self.given
        self.given = before | {a.arg for a in node.args.args}
        self.generic_visit(node)
        self.given = before
        return node

    def visit_Call(self, node: ast.Call) -> ast.Call:
        if isinstance(node.func, ast.Attribute):  # a method is no value
            node.func.value = self.visit(node.func.value)
        else:
            node.func = self.visit(node.func)
        node.args = [self.visit(a) for a in node.args]
        node.keywords = [self.visit(k) for k in node.keywords]
        return node

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        if isinstance(node.value, ast.Name):
            owner = node.value.id
            held = owner in self.given and not hasattr(np.ndarray, node.attr)
            if owner == "self" or held or node.attr in ("data", "grad"):
                return ast.copy_location(ast.Name(f"{owner}.{node.attr}", node.ctx), node)
        self.generic_visit(node)
        return node
