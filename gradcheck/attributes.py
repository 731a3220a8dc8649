"""Attributes of self as names, so that what edits a function edits a method too.

`joined` makes one name of `self.x` in a tree, and of the `data` and `grad` of others, which writes
itself as it was; `split` undoes it before a tree is compiled.
"""

import ast
from dataclasses import dataclass
from typing import Any


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

    def within(body: list[ast.stmt], prefix: str, fields: tuple[str, ...]) -> None:
        for node in body:
            if isinstance(node, ast.FunctionDef):
                own = (n.id for n in ast.walk(node) if isinstance(n, ast.Name) and "." in n.id)
                known = tuple(dict.fromkeys((*fields, *own)))
                found.setdefault(prefix + node.name, Function(node, known))
            elif isinstance(node, ast.ClassDef):
                within(node.body, f"{prefix}{node.name}.", _set_in(node))

    within(tree.body, "", ())
    return found


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
    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        if isinstance(node.value, ast.Name) and (
            node.value.id == "self" or node.attr in ("data", "grad")
        ):
            return ast.copy_location(ast.Name(f"{node.value.id}.{node.attr}", node.ctx), node)
        self.generic_visit(node)
        return node
