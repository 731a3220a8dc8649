"""What an object holds: arrays by attribute, key or place, and their gradients by name."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from gradcheck.subjects import is_float

Array = np.ndarray
Path = tuple[Any, ...]  # an attribute, and perhaps a key or a place within it
HOLDERS = ("grads", "gradients", "grad", "derivatives")


def entries_of(layer: Any) -> Iterator[tuple[Path, Any]]:
    """(path, value) of all attributes, and of the entries of lists and dicts among them."""
    for name, value in vars(layer).items():
        yield (name,), value
        if isinstance(value, dict):
            yield from (((name, k), v) for k, v in value.items())
        elif isinstance(value, list):
            yield from (((name, k), v) for k, v in enumerate(value))


def arrays_of(layer: Any) -> Iterator[tuple[Path, Array]]:
    """(path, array) of the float arrays that have axes."""
    return ((p, v) for p, v in entries_of(layer) if is_float(v) and v.ndim)


def at(layer: Any, path: Path) -> Any:
    value = vars(layer).get(path[0]) if path else None
    if len(path) > 1 and value is not None:
        try:
            return value[path[1]]
        except (KeyError, IndexError):
            return None
    return value


def put(layer: Any, path: Path, value: Any) -> None:
    """Give a parameter another array, wherever the layer holds it."""
    old = at(layer, path)
    for other, held in list(entries_of(layer)):
        if held is old and (held is not None or other == path):
            if len(other) == 1:
                setattr(layer, other[0], value)
            else:
                vars(layer)[other[0]][other[1]] = value


def names_of(paths: tuple[Path, ...], taken: list[str]) -> list[str]:
    """What parameters are called: weights, or W for parameters["W"], or params[0]."""

    def name(p: Path) -> str:
        last = str(p[-1]) if not isinstance(p[-1], int) else f"{p[0]}[{p[1]}]"
        return last if last not in taken else ".".join(map(str, p))

    return [name(p) for p in paths]


def gradient_of(layer: Any, path: Path) -> Path | None:
    """Where the gradient of a parameter is, by name."""
    if len(path) == 1:
        for other, value in entries_of(layer):
            if len(other) == 1 and value is not None and is_for(str(other[0]), str(path[0])):
                return other
        for holder in HOLDERS:
            held = getattr(layer, holder, None)
            if isinstance(held, dict) and (k := key_of(held, str(path[0]))):
                return (holder, k)
        return None
    for holder in (*HOLDERS, f"d{path[0]}", f"d_{path[0]}"):
        held = getattr(layer, holder, None)
        if isinstance(held, dict):
            k = key_of(held, str(path[1]))
            if k is not None:
                return (holder, k)
        elif isinstance(held, list) and isinstance(path[1], int) and path[1] < len(held):
            return (holder, path[1])
    return None


def key_of(found: dict, name: str) -> str | None:
    return next((k for k in (f"d{name}", f"d_{name}", name, f"grad_{name}") if k in found), None)


def is_for(gradient: str, name: str) -> bool:
    """Whether an attribute is called as the gradient of another is.

    >>> is_for("dW", "W"), is_for("dweights", "weights"), is_for("grad_w", "w")
    (True, True, True)
    >>> is_for("weights_gradient", "weights"), is_for("dW", "w"), is_for("delta", "elta")
    (True, False, False)
    """
    before, after = (
        ("d", "d_", "grad_", "grad", "dL_d", "dLd", "delta_", "nabla_", "g"),
        "grad _grad",
    )
    if gradient == "delta" or gradient == name:
        return False
    return any(gradient == b + name for b in before) or any(
        gradient == name + a for a in (*after.split(), "_gradient", "_gradients", "_grads", "Grad")
    )
