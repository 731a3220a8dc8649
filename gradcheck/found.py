"""Something found in a module, a pair, closure, loss, layer or rule, as a subject at a point."""

import inspect
import io
from collections.abc import Callable
from contextlib import redirect_stdout, suppress
from dataclasses import dataclass, replace
from types import FunctionType, ModuleType
from typing import Any

import numpy as np

from gradcheck import adapters, borders, layers, losses
from gradcheck.adapters import Closure, Pair
from gradcheck.borders import Bordered, Function, Rule
from gradcheck.inputs import InputError
from gradcheck.layers import Fixed, Layer, positional
from gradcheck.losses import Loss
from gradcheck.subjects import Subject, copied, is_float, made_of, on_grid, pair
from gradcheck.tapes import Tape

Array = np.ndarray


@dataclass(frozen=True)
class Found:
    """Something to check, before its inputs are known.

    `f` is the user's own function whose parameters the inputs are: the forward, the loss, or the
    method of a class. `style` is pair, closure, loss or layer; `g` the backward of a plain pair.
    """

    name: str
    style: str
    module: ModuleType
    f: Callable
    how: Pair | Closure | Loss | Layer | Rule | Function | Tape | None = None
    g: Callable | None = None

    @property
    def file(self) -> str | None:
        return getattr(self.module, "__file__", None)

    @property
    def cls(self) -> Any:
        """The class of a layer, or of a loss that is a method."""
        name = getattr(self.how, "owner", "") if self.style == "loss" else ""
        name = self.how.name if isinstance(self.how, Layer) else name
        return getattr(self.module, name) if name else None

    def subject(
        self,
        arrays: tuple,
        config: dict[str, Any] | None = None,
        axes: dict[str, Any] | None = None,
        constructor: tuple = (),
        settings: dict[str, Any] | None = None,
        seed: int = 0,
        sizes: dict[int, int] | None = None,
        twin: bool = False,
    ) -> Subject:
        """The pair at a point.

        Args:
            arrays: the positional arguments of `f`; parameters of a layer, and those that a loss
                keeps, are added, with random entries.
            config: keyword arguments.
            axes: sizes, to be shown.
            constructor, settings: positional and keyword arguments of the class.
            seed: of the parameters.
            twin: whether JAX is asked for the derivative of the user's own function, if it is
                one that JAX can trace.
            sizes: those of the module's parameters that are to be others, and which.

        Raises:
            ValueError: there is nothing to differentiate, or no gradient was found.
        """
        rng = np.random.default_rng([seed, 5])
        names = list(positional(self.f))[: len(arrays)]
        place = next((k for k, a in enumerate(arrays) if _is_dict(a)), None)
        if place is not None:
            return self._unfolded(place, arrays, names, config or {}, axes)
        arrays = tuple(map(on_grid, arrays))
        notes: list[str] = []
        config = config or {}
        how: Any = self.how
        primal = None
        match self.how:
            case None:
                assert self.g is not None
                if other := _without_cache(self, arrays, config):
                    return replace(self, how=other).subject(arrays, config, axes, seed=seed)
                return pair(self.f, self.g, arrays, config, name=self.name, axes=axes)
            case Loss():
                how, arrays, more = _of_loss(
                    self, arrays, config, constructor, settings, rng, sizes or {}
                )
                names += more
            case Layer():
                how, arrays, more, notes = _of_layer(self, arrays, constructor, settings, rng)
                names += more
            case Pair():
                if self.how.order == ("y",):
                    how = _of_input_or_output(self, arrays)
                if not any(str(n).startswith("dy") for n in self.how.order):
                    _may_lack_dy(self, arrays)
                arrays = _differentiated(self, arrays, config)
            case Rule():
                how, arrays = _of_rule(self, arrays)
                rule = getattr(self.module, how.name)
                primal = borders.twin_of(rule, how.held, arrays) if twin else None
                names = [n for k, n in enumerate(names) if k not in dict(how.held)]
        if library := borders.library(self.module):
            plain = library == "jax" and borders.runs_the_same(how, self.module, self.name, arrays)
            how = Bordered(how, "numpy" if plain else library)
        if isinstance(how, Tape) and not how.whole:  # self is an argument as others are
            names = list(inspect.signature(self.f).parameters)[: len(arrays)]
        made = how(self.module)
        subject = pair(made.forward, made.backward, arrays, config, primal, self.name, axes)
        subject = replace(subject, names=tuple(names), file=self.file, adapt=how)
        return made_of(replace(subject, notes=tuple(notes)), made)

    def _unfolded(
        self, place: int, arrays: tuple, names: list[str], config: dict, axes: dict | None
    ) -> Subject:
        """The pair at a point of which one argument is a dict of arrays."""
        held = arrays[place]
        keys = tuple(held)
        names[place : place + 1] = keys
        flat = tuple(map(on_grid, (*arrays[:place], *held.values(), *arrays[place + 1 :])))
        how: Any = self.how
        if isinstance(how, Loss):
            how = replace(how, given=len(arrays))
            returned = how.values(self.module, copied(arrays), config)
            listed = adapters.returned_names(self.f)
            paths = losses.matched(returned, names, list(flat), listed)
            how = replace(how, gradients=tuple(p for p in paths if p))
            loose = [k for k, p in enumerate(paths) if is_float(flat[k]) and not p]
        else:
            how = how or Pair(self.f.__name__, getattr(self.g, "__name__", ""))
            made = how(self.module)
            found: Any = {}
            with suppress(Exception):  # the check will say so
                y, cache = made.forward(*copied(arrays), **config)
                ones = tuple(map(np.ones_like, y)) if isinstance(y, tuple) else np.ones_like(y)
                found = made.backward(ones, cache)
            only = range(place, place + len(keys))  # parameters, and nothing of the data
            loose = [k for k, a in enumerate(flat) if is_float(a) and k not in only]
            loose = loose if isinstance(found, dict) else []
        how = adapters.Unfolded(how, place, keys)
        flat = tuple(Fixed(a) if k in loose else a for k, a in enumerate(flat))
        made = how(self.module)
        subject = pair(made.forward, made.backward, flat, config, None, self.name, axes)
        subject = replace(subject, names=tuple(names), file=self.file, adapt=how)
        return made_of(subject, made)


def _is_dict(a: Any) -> bool:
    """Whether an argument is a dict of float arrays: parameters by name."""
    return isinstance(a, dict) and bool(a) and all(is_float(v) for v in a.values())


def _may_lack_dy(found: Found, arrays: tuple) -> None:
    """A derivative that takes no dy can be checked of a scalar, or where it is entry by entry.

    Raises:
        InputError: it is neither.
    """
    f = found.f
    with layers.seeded():
        y = f(*[a.copy() if isinstance(a, np.ndarray) else a for a in arrays])
    y = y[0] if isinstance(y, tuple) else y
    floats = [a for a in arrays if is_float(a)]
    if np.size(y) == 1 or (len(arrays) == len(floats) == 1 and adapters.elementwise(f, arrays)):
        return
    assert found.g is not None
    raise InputError(
        f"{found.name}: {found.g.__name__} takes no dy, and {f.__name__} returns shape "
        f"{np.shape(y)}, not entry by entry: a Jacobian is no gradient; wanted "
        f"{found.g.__name__}(dy, ...)"
    )


def _without_cache(found: Found, arrays: tuple, config: dict[str, Any]) -> Pair | None:
    """How a pair goes together whose forward turns out to return y alone."""
    assert found.g is not None
    if set(positional(found.f)).isdisjoint(positional(found.g)):
        return None
    silence = redirect_stdout(io.StringIO())
    try:
        with np.errstate(all="ignore"), layers.seeded(), silence:
            y = found.f(*copied(arrays), **config)
    except Exception:  # the check will say so
        return None
    name, back = (getattr(f, "__name__", "") for f in (found.f, found.g))
    known = vars(found.module).get(name) is found.f and vars(found.module).get(back) is found.g
    if isinstance(y, tuple) or not known:
        return None
    return adapters.paired(name, found.f, back, found.g, 1)


def _of_input_or_output(found: Found, arrays: tuple) -> Pair:
    """A derivative of one argument whose name says nothing: of x, or of y, whichever fits."""
    how = found.how
    assert isinstance(how, Pair) and found.g is not None
    of_input = replace(how, order=(0,))
    with suppress(Exception), np.errstate(all="ignore"), layers.seeded():
        (x,) = arrays
        h = 2.0**-17
        slope = (np.asarray(found.f(x + h)) - np.asarray(found.f(x - h))) / (2 * h)
        off = [np.max(np.abs(found.g(v) - slope)) for v in (x, found.f(x.copy()))]
        return how if off[1] < off[0] else of_input
    return of_input


def _differentiated(found: Found, arrays: tuple, config: dict[str, Any]) -> tuple:
    """The arrays, those behind the last gradient fixed: targets, say."""
    floats = [k for k, a in enumerate(arrays) if is_float(a)]
    try:
        with np.errstate(all="ignore"):
            made = found.how(found.module)  # type: ignore[misc]
            y, cache = made.forward(*copied(arrays), **config)
            dy = tuple(map(np.ones_like, y)) if isinstance(y, tuple) else np.ones_like(y)
            grads = made.backward(dy, cache)
    except Exception:  # the check will say so
        return arrays
    count = len(grads) if isinstance(grads, (tuple, list)) else 1
    return tuple(Fixed(a) if k in floats[count:] else a for k, a in enumerate(arrays))


def _of_loss(
    found: Found,
    arrays: tuple,
    config: dict[str, Any],
    constructor: tuple,
    settings: dict[str, Any] | None,
    rng: np.random.Generator,
    sizes: dict[int, int],
) -> tuple[Loss, tuple, list[str]]:
    """The loss with its gradients placed, all its arrays, and the names of its parameters."""
    how = found.how
    assert isinstance(how, Loss)
    names = list(positional(found.f))[: len(arrays)]
    own: dict[str, Any] = {}
    how = replace(
        how, given=len(arrays), arguments=constructor, settings=tuple((settings or {}).items())
    )
    if how.owner:
        with layers.seeded():
            made = found.cls(*constructor, **(settings or {}))
        own = dict(getattr(made, how.holder, {}))
    elif isinstance(found.f, FunctionType):
        own = {n: getattr(found.module, n) for n in losses.parameters_of(found.module, found.f)}
        numbers = losses.numbers_of(found.module, found.f)
        moved = {n: sizes[v] for n, v in numbers.items() if v in sizes}
        how = replace(how, sizes=tuple(moved.items()))

    def drawn(a: Array) -> Array:
        return on_grid(rng.standard_normal(tuple(sizes.get(k) or k for k in a.shape)))

    own = {n: drawn(a) for n, a in own.items() if is_float(a)}
    all_names, values = [*names, *own], [*arrays, *own.values()]
    how = replace(how, parameters=tuple(own))
    listed = adapters.returned_names(found.f)
    try:
        with np.errstate(all="ignore"):
            returned = how.values(found.module, copied(values), config)
        paths = losses.matched(returned, all_names, values, listed)
    except Exception:  # the check will say where it broke off
        paths = tuple((1,) if is_float(a) else None for a in values)
    # what it gives no gradient of keeps its own value
    kept = [k for k, p in enumerate(paths) if p or k < len(arrays)]
    own = {n: v for n, v in own.items() if paths[all_names.index(n, len(arrays))]}
    how = replace(how, parameters=tuple(own))
    values, paths = [values[k] for k in kept], tuple(paths[k] for k in kept)
    if not any(paths):
        raise InputError(f"{found.name}: none of what it returns is a gradient of its arguments")
    values = [
        Fixed(a) if is_float(a) and p is None else a for a, p in zip(values, paths, strict=True)
    ]
    return replace(how, gradients=tuple(p for p in paths if p)), tuple(values), list(own)


def _of_rule(found: Found, arrays: tuple) -> tuple[Rule, tuple]:
    """The rule with what it holds, and the arrays that are differentiated."""
    how = found.how
    assert isinstance(how, Rule)
    rule = getattr(found.module, how.name)
    held = tuple((k, a) for k, a in enumerate(arrays) if k in rule.nondiff_argnums)
    arrays = tuple(a for k, a in enumerate(arrays) if k not in rule.nondiff_argnums)
    return replace(how, held=held), arrays


def _of_layer(
    found: Found,
    arrays: tuple,
    constructor: tuple,
    settings: dict[str, Any] | None,
    rng: np.random.Generator,
) -> tuple[Layer, tuple, list[str], list[str]]:
    """The layer with its gradients found, all its arrays, names of parameters, and notes."""
    how = found.how
    assert isinstance(how, Layer)
    how = replace(how, arguments=constructor, options=tuple((settings or {}).items()))
    how, own, notes = layers.examined(found.cls, how, arrays)
    # a target, say: its gradient is not wanted where there is one of another input
    loose = [k for k, a in enumerate(arrays) if is_float(a) and how.gradients[k] is None]
    if any(how.gradients):
        arrays = tuple(Fixed(a) if k in loose else a for k, a in enumerate(arrays))
        kept = tuple(g for k, g in enumerate(how.gradients) if k not in loose)
        how = replace(how, gradients=kept)
    values = [on_grid(rng.standard_normal(a.shape)) for a in own.values()]
    if how.adds_up(found.module, (*arrays, *values)):
        notes.append("its gradients add up over calls: set them to zero before each backward")
    return how, (*arrays, *values), list(own), notes
