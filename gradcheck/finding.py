"""What of a module can be checked: pairs of functions, closures, losses, classes, tapes, rules."""

import ast
import inspect
from collections.abc import Callable, Iterator
from types import FunctionType, ModuleType
from typing import Any

from gradcheck import adapters, borders, losses
from gradcheck import tapes as recording
from gradcheck.adapters import BACKWARD, FORWARD, Closure, Pair
from gradcheck.borders import Function, Rule
from gradcheck.found import Found
from gradcheck.layers import Layer
from gradcheck.losses import Loss
from gradcheck.tapes import Tape


def find(module: ModuleType) -> list[Found]:
    """Everything in a module that can be checked, in the order of the file."""
    own = {
        k: v
        for k, v in vars(module).items()
        if inspect.isfunction(v) and v.__module__ == module.__name__
    }
    classes = {
        k: v
        for k, v in vars(module).items()
        if isinstance(v, type) and v.__module__ == module.__name__
    }
    rules = {k: v for k, v in vars(module).items() if borders.is_rule(v)}
    for rule in rules.values():  # their parts are no pairs of their own
        parts = [getattr(rule, k, None) for k in ("fwd", "bwd", "jvp", "fun")]
        own = {k: f for k, f in own.items() if f not in parts}
    found = [Found(k, "rule", module, inspect.unwrap(v.fun), Rule(k)) for k, v in rules.items()]
    found += _pairs(module, own)
    taken = {f.f.__name__ for f in found} | {f.g.__name__ for f in found if f.g}
    taken |= {f.how.backward for f in found if isinstance(f.how, Pair)}
    for name, f in own.items():
        if name in taken or name.startswith("_"):  # a helper, which its callers answer for
            continue
        if adapters.is_closure(f):
            found.append(Found(name, "closure", module, f, Closure(name)))
        elif losses.is_loss(name, f):
            found.append(Found(name, "loss", module, f, Loss(name, 0)))
    recorders = [k for k, v in classes.items() if recording.records(v)]
    for values in recorders:
        found += (
            Found(f"{values}.{name}", "operation", module, f, Tape(values, name))
            for name, f in recording.operations(classes.pop(values))
        )
        for name, f in own.items():
            hints = [getattr(a, "__name__", a) for a in f.__annotations__.values()]
            if name not in taken and values in hints:
                found.append(Found(name, "taped", module, f, Tape(values, name, whole=True)))
    for name, cls in classes.items():
        found += _of_class(module, name, cls) if not name.startswith("_") else ()
    return sorted(found, key=lambda f: _line(f.f))


def _line(f: Callable) -> int:
    return getattr(getattr(f, "__code__", None), "co_firstlineno", 0)


def _pairs(module: ModuleType, own: dict[str, Any]) -> Iterator[Found]:
    for name, g in own.items():
        ending = next((e for e in BACKWARD if name.endswith(e)), "")
        stem = name.removesuffix(ending)
        forward = next((stem + e for e in FORWARD if stem + e in own), "")
        if name == "backward" and "forward" in own:
            stem, forward, ending = "forward", "forward", name
        if not ending or not forward:
            continue
        f = own[forward]
        how = adapters.paired(forward, f, name, g, adapters.arity(f))
        drawn = "random" in f.__code__.co_names  # from NumPy's generator: it is seeded each time
        if how is None and not borders.library(module) and not drawn:
            yield Found(stem, "pair", module, f, None, g)
        elif how is None:
            yield Found(stem, "pair", module, f, Pair(forward, name), g)
        elif how.order:
            yield Found(stem, "pair", module, f, how, g)


def _of_class(module: ModuleType, name: str, cls: type) -> Iterator[Found]:
    """A class with forward and backward, or with a method that returns a loss and gradients."""

    def own(method: str) -> Any:
        f = inspect.getattr_static(cls, method, None)
        return f if isinstance(f, FunctionType) and not _is_abstract(f) else None

    if borders.is_function(cls):
        yield Found(name, "function", module, _without_ctx(cls), Function(name))
        return
    both = own("forward"), own("backward")
    if all(both):
        yield Found(name, "layer", module, both[0], Layer(name))
    for method, f in vars(cls).items():
        if isinstance(f, FunctionType) and losses.is_loss(method, f) and "backward" not in method:
            yield Found(f"{name}.{method}", "loss", module, f, Loss(method, 0, owner=name))


def _without_ctx(cls: Any) -> Callable:
    """The forward of a Function of torch as its callers see it."""
    setup = "setup_context" in vars(cls)

    def f() -> None: ...

    signature = inspect.signature(cls.forward)
    given = list(signature.parameters.values())[0 if setup else 1 :]
    f.__signature__ = signature.replace(parameters=given)  # type: ignore[attr-defined]
    f.__name__, f.__doc__ = cls.__name__, cls.__doc__ or cls.forward.__doc__
    f.__code__ = f.__code__.replace(co_firstlineno=cls.forward.__code__.co_firstlineno)
    return f


def _is_abstract(f: FunctionType) -> bool:
    """Whether a method is only to be overridden: it says nothing, or that it is not implemented."""
    node = adapters.tree(f)
    idle = (ast.Pass, ast.Raise, ast.Expr)
    return node is not None and all(isinstance(stmt, idle) for stmt in node.body)
