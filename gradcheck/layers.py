"""Classes with `forward` and `backward` as pairs: parameters and gradients are found by name.

A layer is built anew for each forward, so that nothing of an earlier check stays behind; before the
forward that counts it may see another input, which a stale cache betrays. The backward works on a
copy of the layer, so that gradients which are added up begin from where the forward left them.
"""

import copy
import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from types import FunctionType, ModuleType
from typing import Any

import numpy as np

from gradcheck.held import (
    HOLDERS,
    Path,
    arrays_of,
    at,
    entries_of,
    gradient_of,
    key_of,
    names_of,
    put,
)
from gradcheck.subjects import Adapted, ContractError, copied, is_float

Array = np.ndarray
OUTPUTS = ("output", "outputs", "out", "y", "Y", "A", "a", "result")
INPUTS = ("dinputs", "dinput", "dx", "dX", "d_input", "d_inputs", "dA_prev", "grad_input")
RATES = ("lr", "learning_rate", "eta", "learn_rate", "step_size")
RATE = (
    2.0**20
)  # of the step of a backward that takes one; so large that the gradient keeps its digits
TRAINING = ("training", "train", "train_flg", "is_training", "is_train", "retain_derived")


class LayerError(ValueError):
    """A class that cannot be run as a layer, and why."""


@dataclass(frozen=True)
class Fixed:
    """An argument that is not differentiated: nothing gives a gradient of it."""

    value: Any

    def __repr__(self) -> str:
        return f"an array of shape {np.shape(self.value)}, of which no gradient is given"


def freed(a: Any) -> Any:
    """The value of an argument, of a fixed one a copy."""
    return copy.deepcopy(a.value) if isinstance(a, Fixed) else a


@dataclass(frozen=True)
class Layer:
    """How a class becomes a pair; calling this with its module makes it.

    `given` inputs come first among the arrays, then the parameters; `gradients` says where that of
    each is after a backward: ("returned", k), or a path within the layer.
    """

    name: str
    arguments: tuple = ()  # of the constructor
    options: tuple[tuple[str, Any], ...] = ()
    given: int = 1
    parameters: tuple[Path, ...] = ()
    gradients: tuple[Path | None, ...] = ()
    output: Path = ("returned",)
    again: tuple[str, ...] = ()  # arguments of the forward that the backward wants too
    upstream: bool = True  # whether the backward takes dy
    training: tuple[tuple[str, Any], ...] = ()
    methods: tuple[str, str] = ("forward", "backward")

    def __call__(self, module: ModuleType) -> Adapted:
        cls = _class(module, self.name)
        run, back = self.methods

        def ran(arrays: tuple, earlier: int) -> tuple[Any, Any]:
            layer, given = self.built(cls), tuple(map(freed, arrays[: self.given]))
            if any(at(layer, p) is None for p in self.parameters):
                getattr(layer, run)(*given, **self.unkept())  # it makes them now
            for _ in range(earlier):
                getattr(layer, run)(*map(_other, given), **self.unkept())
            for path, value in zip(self.parameters, arrays[self.given :], strict=True):
                put(layer, path, value)
            y = getattr(layer, run)(*given, **dict(self.training))
            return (y if self.output == ("returned",) else at(layer, self.output)), layer

        def forward(*arrays: Any, earlier_forwards: int = 0) -> tuple[Any, Any]:
            given, fresh = tuple(map(freed, arrays[: self.given])), None
            with seeded():
                if earlier_forwards:
                    first, fresh = ran(copied(arrays), 0)
                y, layer = ran(arrays, earlier_forwards)
            if fresh is not None and not np.array_equal(first, y):
                fresh = None  # it has a state, which the forward may use
            return y, (layer, fresh, given)

        def backward(dy: Any, cache: Any) -> tuple:
            layer, fresh, given = copy.deepcopy(cache)
            grads = self.pulled(cls, layer, dy, given)
            again = None if fresh is None else self.pulled(cls, fresh, _copy(dy), given)
            if again is not None and not _same(grads, again):
                raise ContractError(
                    "not-repeatable",
                    f"{self.name}.{back} uses what an earlier {run} kept, not the last one: "
                    "a cache is stale",
                )
            return grads if self.upstream else tuple(g if g is None else dy * g for g in grads)

        forwards, backwards = methods(cls, run), methods(cls, back)
        return Adapted(forward, backward, forwards, backwards)

    def built(self, cls: type) -> Any:
        """A new layer."""
        return cls(*copy.deepcopy(self.arguments), **copy.deepcopy(dict(self.options)))

    def pulled(self, cls: type, layer: Any, dy: Any, given: tuple) -> tuple:
        """The gradients after a backward of the layer; of a step of size RATE from the step."""
        before = {p: _copy(at(layer, p)) for p in self.parameters}
        with seeded():
            returned = getattr(layer, self.methods[1])(*self.handed(cls, dy, given))
        return tuple(
            (before[path[1:]] - at(layer, path[1:])) / RATE
            if path and path[0] == "updated"
            else _found(layer, returned, path)
            for path in self.gradients
        )

    def handed(self, cls: type, dy: Any, given: tuple) -> tuple:
        """The arguments of the backward."""
        names = list(positional(getattr(cls, self.methods[0])))
        again = {n: given[names.index(n)] for n in self.again}
        several = dy if isinstance(dy, tuple) else (dy,)
        handed: list[Any] = []
        left = list(several[::-1]) if self.upstream else []
        for name in positional(getattr(cls, self.methods[1])):
            if name in again:
                handed.append(again[name])
            elif name in RATES:
                handed.append(RATE)
            elif left:
                handed.append(left.pop())
        return tuple(handed)

    def adds_up(self, module: ModuleType, arrays: tuple) -> bool:
        """Whether gradients of parameters are added to those of an earlier backward."""
        cls = _class(module, self.name)
        with np.errstate(all="ignore"), suppress(Exception):
            y, (layer, _, given) = self(module).forward(*copied(arrays))
            dy = np.ones_like(y)
            found = [copied(self.pulled(cls, layer, dy, given)) for _ in range(2)]
            return any(
                isinstance(a, np.ndarray) and np.any(a) and np.allclose(2 * a, b, rtol=1e-9, atol=0)
                for a, b in zip(*found, strict=True)
            )
        return False

    def unkept(self) -> dict[str, Any]:
        """Options of a forward that is not to be remembered, where there are such."""
        return {k: v if k != "retain_derived" else False for k, v in self.training}


def _class(module: ModuleType, name: str) -> Any:
    found: Any = module
    for part in name.split("."):
        found = getattr(found, part)
    return found


def examined(
    cls: type, layer: Layer, given: Sequence[Any]
) -> tuple[Layer, dict[str, Any], list[str]]:
    """The layer with its parameters and gradients found, its parameters by name, and notes.

    Args:
        cls: the class.
        layer: with its constructor's arguments.
        given: what the forward takes.

    Raises:
        LayerError: it has no output or no gradient that could be found.
        Whatever the class raises.
    """
    run, back = layer.methods
    names = list(positional(getattr(cls, run)))
    extra = names[len(given) :]
    training = tuple((n, True) for n in extra if n in TRAINING)
    wanted = list(positional(getattr(cls, back)))
    again = tuple(n for n in wanted if n in names[: len(given)])
    rest = [n for n in wanted if n not in again and n not in RATES]
    needed = [
        n for n in rest if positional(getattr(cls, back))[n].default is inspect.Parameter.empty
    ]
    upstream = len(rest) > 0
    layer = replace(layer, given=len(given), again=again, upstream=upstream, training=training)
    with seeded(), np.errstate(all="ignore"):
        made = layer.built(cls)
        before = dict(arrays_of(made))
        empty = {p for p, v in entries_of(made) if v is None}
        frozen = {p: v.copy() for p, v in before.items()}
        y = getattr(made, run)(*copy.deepcopy(tuple(given)), **dict(training))
        after = dict(arrays_of(made))
        output: Path = ("returned",)
        if y is None:
            output = next(((n,) for n in OUTPUTS if at(made, (n,)) is not None), ())
            if not output:
                raise LayerError(
                    f"{layer.name}.{run} returns None and sets none of {', '.join(OUTPUTS[:3])}; "
                    "wanted it to return y"
                )
            y = at(made, output)
        own = {
            p: v
            for p, v in after.items()
            if p[0] not in HOLDERS
            and (
                (p in before and v is before[p] and np.array_equal(v, frozen[p]))
                or (p in empty and len(p) > 1)
            )
        }
        outputs = y if isinstance(y, tuple) else (y,)
        if len(needed) > len(outputs):
            raise LayerError(f"{layer.name}.{back} wants {', '.join(needed)}; wanted dy alone")
        dys = (np.ones_like(v, dtype=np.float64) for v in outputs)
        ones = tuple(
            v if isinstance(u, np.ndarray) else v[()] for u, v in zip(outputs, dys, strict=True)
        )
        dy: Any = ones if isinstance(y, tuple) else ones[0]
        floats = [k for k, a in enumerate(given) if is_float(a)]
        try:
            returned = getattr(made, back)(*layer.handed(cls, dy, tuple(given)))
        except Exception:  # the check will say so: what would be set is read off the code
            for name in {n for m in methods(cls, back) for n in m.__code__.co_names}:
                vars(made).setdefault(name, ())
            returned = None if any(_of_inputs(made, None, names, floats)) else dy
    found = {p: g for p in own if (g := gradient_of(made, p))}
    if len(wanted) > len(rest) + len(again):  # it takes a step by itself
        moved = (p for p in own if p in frozen and not np.array_equal(at(made, p), frozen[p]))
        found |= {p: ("updated", *p) for p in moved if p not in found}
    distinct: dict[int, Path] = {}
    for p in sorted(found, key=len):  # self.W before self.params[0], where they are one array
        distinct.setdefault(id(own[p]), p)
    paths = tuple(sorted(distinct.values(), key=list(own).index))
    returns_all = isinstance(returned, (tuple, list)) and len(returned) == len(floats) + len(own)
    of_inputs = _of_inputs(made, returned, names, floats)
    gradients: dict[int, Path | None] = dict(zip(floats, of_inputs, strict=True))
    if not found and returns_all:  # backward returns those of the parameters too
        paths = tuple(own)
        found = {p: ("returned", len(floats) + k) for k, p in enumerate(own)}
    if not any(gradients.values()) and not found:
        raise LayerError(
            f"{layer.name}.{back} returns no gradient and sets none of {', '.join(INPUTS[:3])}; "
            "wanted dx returned, or kept under such a name"
        )
    arrays = {n: after[p] for n, p in zip(names_of(paths, names), paths, strict=True)}
    told = tuple(gradients.get(k) for k in range(len(given))) + tuple(found[p] for p in paths)
    layer = replace(layer, parameters=paths, gradients=told, output=output)
    loose = [".".join(map(str, p)) for p in own if p not in found and id(own[p]) not in distinct]
    notes = [f"no gradient was found of {n}: it was not checked" for n in loose]
    return layer, arrays, notes


def _of_inputs(layer: Any, returned: Any, names: list[str], floats: list[int]) -> list[Path | None]:
    """Where the gradient of each float input is."""
    if isinstance(returned, dict):
        return [("returned", k) if (k := key_of(returned, names[i])) else None for i in floats]
    if isinstance(returned, (tuple, list)):
        enough = len(returned) >= len(floats)
        return [("returned", k) if enough else None for k in range(len(floats))]
    if returned is not None:
        return [("returned",), *[None] * (len(floats) - 1)][: len(floats)]
    found: list[Path | None] = []
    for j, i in enumerate(floats):
        wanted = [f"d{names[i]}", f"d_{names[i]}", f"grad_{names[i]}", *(INPUTS if not j else ())]
        found.append(next(((n,) for n in wanted if at(layer, (n,)) is not None), None))
    return found


def _found(layer: Any, returned: Any, path: Path | None) -> Any:
    if path is None:
        return None
    if path[0] != "returned":
        return at(layer, path)
    if len(path) == 1:
        return returned
    try:
        return returned[path[1]]
    except (KeyError, IndexError, TypeError):
        raise ContractError("shape", f"the backward returned no gradient {path[1]}") from None


def _copy(a: Any) -> Any:
    return a.copy() if isinstance(a, np.ndarray) else a


def _same(a: tuple, b: tuple) -> bool:
    """Whether gradients agree to rounding, in shape too."""
    return all(
        np.shape(p) == np.shape(q)
        and (p is None or np.allclose(p, q, rtol=1e-6, atol=1e-12, equal_nan=True))
        for p, q in zip(a, b, strict=True)
    )


def _other(a: Any) -> Any:
    """Another value of the same shape, that does not move with a: what came before."""
    if not is_float(a):
        return a
    return np.sin(1.0 + np.arange(a.size, dtype=a.dtype)).reshape(a.shape)


# ---- functions


def positional(method: Callable) -> dict[str, inspect.Parameter]:
    """The positional parameters of a method, without self."""
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    found = {n: p for n, p in inspect.signature(method).parameters.items() if p.kind in kinds}
    first = next(iter(found), None)
    if first in ("self", "cls"):
        del found[first]
    return found


def methods(cls: type, name: str) -> tuple[Callable, ...]:
    """A method, last, after those of its class that it calls."""
    found: dict[str, Callable] = {}
    queue = [name]
    while queue:
        n = queue.pop()
        f = inspect.getattr_static(cls, n, None)
        f = getattr(f, "__func__", getattr(f, "fget", f))
        if n in found or not isinstance(f, FunctionType):
            continue
        found[n] = f
        queue += [m for m in f.__code__.co_names if m not in found]
    own = found.pop(name)
    return (*found.values(), own)


@contextmanager
def seeded() -> Iterator[None]:
    """What draws from NumPy's global generator draws the same each time."""
    state = np.random.get_state()  # noqa: NPY002
    np.random.seed(0)  # noqa: NPY002
    try:
        yield
    finally:
        np.random.set_state(state)  # noqa: NPY002
