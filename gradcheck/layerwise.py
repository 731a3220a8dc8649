"""Which part of a network has the wrong backward: each is run alone, whatever the others do.

A part is a call that returned (y, cache) in the forward and whose very cache came back in the
backward: a layer, a block of layers, or an op of a model that is written out. Fed with a random
cotangent, its gradients are held against differences of its own forward. The first wrong part is
the innermost one that is wrong; what only receives a wrong cotangent is a consequence.
"""

import copy
import inspect
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gradcheck.instrument import Hook, Site, watching
from gradcheck.subjects import Subject, is_float

Array = np.ndarray
STEP = 2.0**-15
WRONG = 1e-6
_MISSING = object()


@dataclass(frozen=True)
class Part:
    """One part of a network: its path from the outermost one, and what was found.

    `verdict` is right, wrong, contains (a part of it is wrong), consequence (it receives a wrong
    cotangent, and is right itself) or unmatched (its cache never came back, so it was not run).
    `backward` is the name of its backward function.
    """

    path: tuple[str, ...]
    verdict: str
    arguments: tuple[str, ...]  # whose gradients are wrong
    file: str
    line: int  # where the backward calls it
    backward: str = ""

    @property
    def name(self) -> str:
        return " / ".join(self.path)

    def __str__(self) -> str:
        if self.verdict == "wrong":
            return f"first wrong: {self.name}, argument {', '.join(self.arguments)}"
        return f"{self.name}: {self.verdict}" + " only" * (self.verdict == "consequence")


@dataclass
class _Call:
    """A call of the forward that returned a pair, and the call of the backward that took it up."""

    f: Callable
    args: tuple
    kwargs: dict[str, Any]
    parent: "_Call | None"
    result: Any = None
    g: Callable | None = None
    dy: Any = None
    site: Site | None = None
    children: list["_Call"] = field(default_factory=list)
    wrong: tuple[str, ...] = ()

    @property
    def layer(self) -> Any:
        """The layer whose method this is, if it is one."""
        owner = getattr(self.f, "__self__", None)
        return owner if owner is not None and hasattr(owner, "backward") else None

    def takes(self, g: Callable, dy: Any, cache: Any) -> bool:
        """Whether a call of the backward is the other half of this one."""
        owner = getattr(g, "__self__", None)  # a layer may have been built anew since
        alike = type(owner) is type(self.layer) if self.layer else not hasattr(owner, "backward")
        return self.g is None and alike and self.result[1] is cache and _fits(self.y, dy)

    @property
    def y(self) -> Any:
        return self.result[0][0] if self.layer else self.result[0]


class _Calls(Hook):
    """Records the calls; moves the output of one of them where told to."""

    def __init__(self) -> None:
        self.calls: list[_Call] = []
        self.stack: list[_Call] = []
        self.forward = True
        self.move: tuple[int, Array] | None = None  # (number of the call, what is added to its y)
        self.count = 0

    def call(self, site: Site, f: Callable, /, *args: Any, **kwargs: Any) -> Any:
        if not (inspect.isfunction(f) or inspect.ismethod(f)):
            return f(*args, **kwargs)
        if not self.forward:
            if len(args) == 2 and self.move is None:
                for c in self.calls[::-1]:
                    if c.takes(f, *args):
                        c.g, c.dy, c.site = f, args[0], site
                        break
            return f(*args, **kwargs)
        made = _Call(
            f,
            args,
            {k: copy.deepcopy(v) if k == "rng" else v for k, v in kwargs.items()},
            self.stack[-1] if self.stack else None,
        )
        self.stack.append(made)
        try:
            made.result = f(*args, **kwargs)
        finally:
            self.stack.pop()
        if not _is_pair(made):
            return made.result
        k, self.count = self.count, self.count + 1
        if self.move is None:
            self.calls.append(made)
        elif self.move[0] == k:
            y = made.y + self.move[1]
            rest = made.result[1]
            return ((y, made.result[0][1]), rest) if made.layer else (y, rest)
        return made.result


def _fits(y: Any, dy: Any) -> bool:
    """Whether dy can be the cotangent of y."""
    if isinstance(y, tuple):
        return isinstance(dy, tuple) and len(y) == len(dy)
    return np.shape(y) == np.shape(dy)


def _is_pair(c: _Call) -> bool:
    """Whether a call returned an output, or several, and a cache that can be told from others."""
    r = c.result
    if not (isinstance(r, tuple) and len(r) == 2 and isinstance(r[1], (tuple, list, dict))):
        return False
    if c.layer and not (isinstance(r[0], tuple) and len(r[0]) == 2):
        return False
    y = c.y
    return bool(r[1]) and all(is_float(v) or isinstance(v, np.floating) for v in _outputs(y))


def _outputs(y: Any) -> tuple:
    return y if isinstance(y, tuple) else (y,)


def parts(subject: Subject, seed: int = 0) -> tuple[Part, ...]:
    """Every part of a network, in the order of the forward; the wrong ones are the causes.

    Args:
        subject: a layer or a model, as `gradcheck.shipped.layer_subject` makes it, or any pair
            whose functions call others that return (y, cache).
        seed: of cotangents and directions.
    """
    rng = np.random.default_rng([seed, 78])
    hook = _Calls()
    with np.errstate(all="ignore"), watching(subject.functions, hook):
        ran = subject.run()
        hook.forward = False
        dy = tuple(_normal(y, rng) for y in ran.y)
        subject.gradients(dy, ran)
    matched = [c for c in hook.calls if c.g is not None]
    with np.errstate(all="ignore"):
        for c in matched:
            c.wrong = _wrong_arguments(c, rng)
    for c in matched:
        if (parent := _matched_parent(c)) is not None:
            parent.children.append(c)
    received = {
        id(c) for k, c in enumerate(hook.calls) if c.g and not _receives(subject, c, k, dy, rng)
    }
    found = []
    for c in hook.calls:
        inner = any(k.wrong for k in _below(c))
        verdict = (
            "unmatched"
            if c.g is None
            else "contains"
            if c.wrong and inner
            else "wrong"
            if c.wrong
            else "consequence"
            if id(c) in received
            else "right"
        )
        site = c.site or Site("", 0, 0)
        g = getattr(c.g, "__qualname__", "")
        found.append(Part(_path(c, hook.calls), verdict, c.wrong, site.file, site.line, g))
    return tuple(found)


def _matched_parent(c: _Call) -> _Call | None:
    p = c.parent
    while p is not None and p.g is None:
        p = p.parent
    return p


def _below(c: _Call) -> Iterator[_Call]:
    for child in c.children:
        yield child
        yield from _below(child)


def _path(c: _Call, calls: list[_Call]) -> tuple[str, ...]:
    """Names from the outermost part inwards."""
    known = {id(k) for k in calls}
    names, call = [], c
    while True:
        if id(call) in known:
            names.append(_word(call, [k for k in calls if k.parent is call.parent]))
        if call.parent is None:
            return tuple(names[::-1])
        call = call.parent


def _word(c: _Call, alike: list[_Call]) -> str:
    """Of a layer its place and name in its parent, and its class; of an op its name and count."""
    parent = c.parent.layer if c.parent else None
    if not c.layer:
        same = [k for k in alike if k.f is c.f]
        place = next(n for n, k in enumerate(same, 1) if k is c)
        return f"{c.f.__name__} {place}" if len(same) > 1 else c.f.__name__
    word = type(c.layer).__name__
    listed = getattr(parent, "layers", None)
    if isinstance(listed, (tuple, list)):
        at = next(n for n, k in enumerate(k for k in alike if k.layer) if k is c)
        if at < len(listed):
            named = f" {listed[at][0]}" if isinstance(listed[at], tuple) else ""
            return f"layer {at + 1}{named} ({word})"
    fields = [k for k, v in getattr(parent, "__dict__", {}).items() if v is c.layer]
    return f"{fields[0]} ({word})" if fields else word


def _wrong_arguments(c: _Call, rng: np.random.Generator) -> tuple[str, ...]:
    """The arguments whose gradient is not that of the part's own forward, twice in a row."""
    assert c.g is not None
    bound = _bound(c)
    names = [name for name, _ in _floats(bound)]
    for _ in range(2):
        dy = tuple(_normal(y, rng) for y in _outputs(c.y))
        try:
            grads = c.g(dy if isinstance(c.y, tuple) else dy[0], c.result[1])
        except Exception:
            return ("dy",)
        given = _by_name(c, bound, grads)
        bad = []
        for name in names:
            x = dict(_floats(bound))[name]
            g = given.get(name, _MISSING)
            if g is _MISSING:
                continue
            if g is None or np.shape(g) != x.shape:
                bad.append(name)
                continue
            d = rng.standard_normal(x.shape)

            def output(t: float, name: str = name, d: Array = d) -> tuple:
                return _outputs(_again(c, bound, name, t * d))

            if not _agrees(output, dy, STEP * _scale(x), g, d):
                bad.append(name)
        names = bad
    return tuple(names)


def _bound(c: _Call) -> dict[str, Any]:
    """The arguments of a call by name, less what is configuration."""
    bound = inspect.signature(c.f).bind(*c.args, **c.kwargs)
    return dict(bound.arguments)


def _floats(bound: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Array]]:
    """(path, array) of the float arrays among arguments, inside dicts and tuples too."""
    for k, v in bound.items():
        if k in ("state", "rng"):
            continue
        path = f"{prefix}{k}"
        if is_float(v) and v.size:
            yield path, v
        elif isinstance(v, dict):
            yield from _floats(v, "" if path == "params" else f"{path}.")
        elif isinstance(v, tuple):
            yield from _floats({str(n): e for n, e in enumerate(v)}, f"{path}.")


def _again(c: _Call, bound: dict[str, Any], name: str, by: Array) -> Any:
    """The output of a call with one of its arrays moved."""

    def moved(value: Any, path: str) -> Any:
        if path == name and is_float(value):
            return value + by
        if isinstance(value, dict):
            inner = "" if path == "params" else f"{path}."
            return {k: moved(v, f"{inner}{k}") for k, v in value.items()}
        if isinstance(value, tuple):
            return tuple(moved(v, f"{path}.{n}") for n, v in enumerate(value))
        return value

    parameters = inspect.signature(c.f).parameters
    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    for k, v in bound.items():
        kind = parameters[k].kind
        new = moved(v, k) if k not in ("state", "rng") else copy.deepcopy(v)
        if kind is inspect.Parameter.VAR_POSITIONAL:
            args += new
        elif kind is inspect.Parameter.VAR_KEYWORD:
            kwargs |= new
        elif kind is inspect.Parameter.KEYWORD_ONLY:
            kwargs[k] = new
        else:
            args.append(new)
    result = c.f(*args, **kwargs)
    return result[0][0] if c.layer else result[0]


def _by_name(c: _Call, bound: dict[str, Any], grads: Any) -> dict[str, Any]:
    """The gradients by the paths of their arguments."""
    if c.layer:
        dparams, dx = grads
        found = dict(_floats({"params": dparams}))
        return found | (
            {f"x.{n}": d for n, d in enumerate(dx)} if isinstance(dx, tuple) else {"x": dx}
        )
    grads = tuple(grads) if isinstance(grads, (tuple, list)) else (grads,)
    parameters = inspect.signature(c.f).parameters
    slots = [
        k
        for k, p in parameters.items()
        if p.kind is not p.KEYWORD_ONLY and (k not in bound or _is_slot(bound[k]))
    ]
    return dict(zip(slots, grads, strict=False))


def _is_slot(value: Any) -> bool:
    return value is None or isinstance(value, np.ndarray)


def _receives(subject: Subject, c: _Call, k: int, dy: tuple, rng: np.random.Generator) -> bool:
    """Whether the cotangent that the backward hands to a part is the right one."""
    if isinstance(c.y, tuple) or np.shape(c.dy) != np.shape(c.y):
        return True
    d = rng.standard_normal(np.shape(c.y))

    def output(t: float) -> tuple:
        hook = _Calls()
        hook.move = k, t * d
        with np.errstate(all="ignore"), watching(subject.functions, hook):
            return subject.run().y

    return _agrees(output, dy, STEP * _scale(c.y), c.dy, d)


def _agrees(output: Callable[[float], tuple], dy: tuple, h: float, g: Any, d: Array) -> bool:
    """Whether <g, d> is the slope of <dy, output(t)> at 0, as far as two steps can tell."""
    hand = float(np.sum(g * d))
    size = float(np.linalg.norm(g)) * float(np.linalg.norm(d)) / math.sqrt(d.size)
    slopes: list[float] = []
    for step in (h, h / 8):
        try:
            up, down = output(step), output(-step)
        except Exception:  # outside its domain
            return True
        moves = (np.where(a == b, 0.0, a - b) for a, b in zip(up, down, strict=True))
        slope = float(sum(np.sum(v * m) for v, m in zip(dy, moves, strict=True))) / (2 * step)
        slopes.append(slope)
        unsure = abs(slopes[0] - slope)
        if not abs(hand - slope) > WRONG * max(size, abs(slope)) + 2 * unsure + 1e-9:
            return True
    return False


def _scale(x: Any) -> float:
    """The size of a typical entry; masked scores may be infinite."""
    typical = float(np.median(np.abs(x)))
    return typical if 0 < typical < math.inf else 1.0


def _normal(y: Any, rng: np.random.Generator) -> Any:
    if np.asarray(y).dtype.kind != "f":
        return np.zeros(np.shape(y))
    v = rng.standard_normal(np.shape(y)).astype(np.asarray(y).dtype)
    return v if isinstance(y, np.ndarray) else v[()]
