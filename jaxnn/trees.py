"""Parameter trees: nested dicts with string keys and array leaves."""

from collections.abc import Callable
from typing import Any

Tree = dict[str, Any]


def map(f: Callable, tree: Tree, *rest: Tree) -> Tree:
    """Apply `f` leaf by leaf to trees of one structure.

    Raises:
        ValueError: a key stands in one tree and not in another.

    >>> map(lambda a, b: a + b, {"fc": {"w": 1, "b": 2}}, {"fc": {"w": 10, "b": 20}})
    {'fc': {'w': 11, 'b': 22}}
    """
    for other in rest:
        if tree.keys() != other.keys():
            raise ValueError(
                f"trees differ: {sorted(tree)} against {sorted(other)}; wanted equal keys"
            )
    return {
        k: map(f, v, *[r[k] for r in rest]) if isinstance(v, dict) else f(v, *[r[k] for r in rest])
        for k, v in tree.items()
    }


def add(a: Tree, b: Tree) -> Tree:
    """Sum of two trees, leaf by leaf.

    >>> add({"w": 1}, {"w": 10})
    {'w': 11}
    """
    return map(lambda x, y: x + y, a, b)


def flatten(tree: Tree, prefix: str = "") -> dict[str, Any]:
    """One dict with the paths as keys, sorted.

    >>> flatten({"fc": {"w": 1, "b": 2}})
    {'fc/b': 2, 'fc/w': 1}
    """
    flat: dict[str, Any] = {}
    for key in sorted(tree):
        value = tree[key]
        if isinstance(value, dict):
            flat |= flatten(value, f"{prefix}{key}/")
        else:
            flat[prefix + key] = value
    return flat


def unflatten(flat: dict[str, Any]) -> Tree:
    """The inverse of `flatten`.

    >>> unflatten({"fc/b": 2, "fc/w": 1})
    {'fc': {'b': 2, 'w': 1}}
    """
    tree: Tree = {}
    for path, leaf in flat.items():
        *parents, key = path.split("/")
        node = tree
        for parent in parents:
            node = node.setdefault(parent, {})
        node[key] = leaf
    return tree
