"""Inputs of classes: sizes for the constructor, and shapes of the forward's inputs by trial."""

import inspect
import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice, product
from types import FunctionType
from typing import Any

import numpy as np

from gradcheck import configurations, layers, losses
from gradcheck.arguments import CLASSES, Wanted, wanted
from gradcheck.found import Found
from gradcheck.inputs import InputError, axes, fill
from gradcheck.layers import TRAINING, positional
from gradcheck.subjects import Subject, is_float
from gradcheck.told import INTS, Told, stand_in

_SIZES = re.compile(
    r"^(n|num|in|out|nin|nout|input|output|hidden|d|dim|h|D|H|C|M|V|K|units|neurons|features|classes|"
    r"channels|vocab|embed|size|width|fan)(_?\w*)?$"
)
_MATRICES = {"W", "w", "weight", "weights"}
_VECTORS = {"b", "bias", "biases"}
_SIZES_OF = "sizes_of_the_constructor"
_SCALES = {"gamma", "beta", "gain"}
_INDICES = ("idx", "ids", "indices", "index", "tokens", "words")
_LABELS = ("y", "t", "labels", "targets", "target", "y_true", "label")


def constructor(cls: type, name: str, told: dict[str, Told]) -> tuple[Wanted, list[str]]:
    """What the constructor takes, and which of it are sizes."""
    init = next((vars(c)["__init__"] for c in cls.__mro__[:-1] if "__init__" in vars(c)), _nothing)
    docs = (inspect.getdoc(init), inspect.getdoc(cls))
    parameters = positional(init)
    usual = {n: Told("d m") for n in parameters if n in _MATRICES}
    usual |= {n: Told("m") for n in parameters if n in _VECTORS and usual}
    usual |= {n: Told("d") for n in parameters if n in _SCALES}
    usual = {n: v for n, v in usual.items() if parameters[n].default is inspect.Parameter.empty}
    known = wanted(name, init, usual | told, docs)
    sizes = [n for n in parameters if _is_size(n, parameters[n], known)]
    unknown = tuple(n for n in known.unknown if n not in sizes)
    return Wanted(
        name, known.arrays, {k: v for k, v in known.numbers.items() if k not in sizes}, unknown,
        known.whole, known.products,
    ), sizes  # fmt: skip


def _nothing(self) -> None: ...


def _is_size(name: str, p: inspect.Parameter, known: Wanted) -> bool:
    if name in known.arrays:
        return False
    if p.default is p.empty:
        return bool(_SIZES.match(name)) or p.annotation is int
    return type(p.default) is int and p.default > 1 and bool(_SIZES.match(name))


def subjects(found: Found, told: dict[str, Told], seed: int) -> Iterator[Subject]:
    """A class at four points, every other one after an earlier forward.

    Raises:
        InputError: nothing tells the inputs.
    """
    init, sizes = constructor(found.cls, found.name, told)
    if init.unknown:
        raise InputError(
            f"{found.name}: the constructor wants {', '.join(init.unknown)}; say it in "
            f'CASES = {{"{found.name}": lambda rng: dict({init.unknown[0]}=..., '
            f"{next(iter(positional(found.f)), 'x')}=...)}}"
        )
    docs = (inspect.getdoc(found.f), inspect.getdoc(found.cls))
    known = wanted(found.name, found.f, told, docs, TRAINING)
    said = {a for t in known.arrays.values() if isinstance(t, Told) for a in t.dim_str.split()}
    init = replace(init, arrays={n: _as_said(t, said) for n, t in init.arrays.items()})
    named = [a for t in init.arrays.values() if isinstance(t, Told) for a in t.dim_str.split()]
    tried, second = None, None
    for shapes in _trials(known, [*sizes, *dict.fromkeys(named)]):
        whole = {n: t.below for n, t in shapes.items() if isinstance(t, Told) and t.dtypes == INTS}
        of_sizes = {_SIZES_OF: Told(" ".join(sizes))} if sizes else {}
        arrays = {**of_sizes, **init.arrays, **shapes}
        numbers = {**init.numbers, **known.numbers}
        complete = Wanted(found.name, arrays, numbers, (), {**init.whole, **whole}, known.products)
        made = _made(found, complete, init, sizes, list(shapes), seed)
        first = next(made, None)
        if isinstance(first, Subject) and _runs(first):
            yield first
            yield from (s for s in made if isinstance(s, Subject))
            given = {*sizes, *init.arrays, *init.numbers}
            for option in configurations.variations(found.cls, given):
                made = _made(found, complete, init, sizes, list(shapes), seed, option)
                (chosen,) = option.items()
                for varied in islice(made, 3):  # whether windows overlap depends on the sizes
                    if isinstance(varied, Subject) and configurations.judged(
                        varied, first, *chosen
                    ):
                        yield varied
            return
        if isinstance(first, Subject):
            second = second or (first, made)
        else:
            tried = tried or first
    if second:  # its backward raises, as the check will say
        yield second[0]
        return
    what = ", ".join(known.unknown or known.arrays)
    words = next(iter(str(tried).splitlines()), "") if tried else "nothing was tried"
    raise InputError(
        f"{found.name}: found no shape of {what} that {found.f.__name__} takes ({words}); say it, "
        f'e.g. --shapes "{_example(found, init, sizes)}"'
    )


def of_globals(found: Found, known: Wanted, seed: int) -> Iterator[Subject]:
    """A loss over the parameters of its module, at three points and small sizes.

    Axes that are told by a letter only are those of the parameters, by trial.
    """
    assert isinstance(found.f, FunctionType)
    f = stand_in(known.name, known.arrays)
    numbers = losses.numbers_of(found.module, found.f)
    for k in range(3):
        rng = np.random.default_rng([seed, k])
        sizes = losses.resized(found.module, found.f, rng)
        named = {n: sizes[v] for n, v in numbers.items() if v in sizes}
        length = next(n for n in (3, 4, 5, 6, 8) if n not in sizes.values())
        open_ = [n for n in axes(f) if n != "T"]
        classes = next((v for n, v in named.items() if CLASSES.search(n)), 0)
        classes = classes or min(sizes.values(), default=2)
        complete = replace(known, whole={n: b or str(classes) for n, b in known.whole.items()})

        def guesses(axis: str, named: dict = named, sizes: dict = sizes) -> list[int]:
            alike = [v for n, v in named.items() if n[0].lower() == axis[0].lower()]
            return list(dict.fromkeys([*alike, *sizes.values()])) or [2]

        for choice in product(*map(guesses, open_)):
            chosen = {**dict(zip(open_, choice, strict=True)), "T": length}
            arrays = fill(f, chosen, {}, rng, complete.samplers())
            try:
                subject = found.subject(arrays, {}, {**named, **chosen}, seed=seed + k, sizes=sizes)
                subject.run()
            except Exception:
                continue
            yield subject
            break


def dicts(found: Found, unknown: tuple[str, ...]) -> dict[str, dict[str, np.ndarray]]:
    """Arguments that are dicts of arrays of the module, or that its `init_...()` makes."""
    held = {}
    for name in unknown:
        value = vars(found.module).get(name)
        for maker in ("init_", "init", "initialize_", "make_", "create_"):
            f = vars(found.module).get(f"{maker}{name}")
            if value is None and isinstance(f, FunctionType) and not _required(f):
                with layers.seeded():
                    value = f()
        if isinstance(value, dict) and value and all(map(is_float, value.values())):
            held[name] = value
    return held


def _required(f: FunctionType) -> list[str]:
    return [n for n, p in positional(f).items() if p.default is p.empty]


def of_dicts(
    found: Found, known: Wanted, held: dict[str, dict[str, np.ndarray]], seed: int
) -> Iterator[Subject]:
    """A model over a dict of parameters at three points; shapes that nobody tells by trial.

    Raises:
        InputError: no shape was found that it takes.
    """
    rest = tuple(n for n in known.unknown if n not in held)
    known = replace(known, unknown=rest)
    sizes = {n for d in held.values() for a in d.values() for n in a.shape if n > 1}
    first = [a.shape[0] for d in held.values() for a in d.values() if a.ndim > 1]
    tried: Exception | None = None
    for shapes in _trials(known, [str(n) for n in dict.fromkeys([*first, *sorted(sizes)])]):
        whole = {n: t.below for n, t in shapes.items() if isinstance(t, Told) and t.dtypes == INTS}
        last = str([a.shape[-1] for d in held.values() for a in d.values()][-1])
        whole = dict.fromkeys(whole, last)
        complete = replace(known, arrays=shapes, unknown=(), whole=whole)
        made = []
        for k, draw in enumerate(complete.draws(seed)):
            rng = np.random.default_rng([seed, k, 9])
            values = {
                n: {key: rng.standard_normal(a.shape) for key, a in d.items()}
                for n, d in held.items()
            }
            values |= draw.values
            arrays = tuple(values[n] for n in positional(found.f) if n in values)
            try:
                subject = found.subject(arrays, {}, draw.axes)
                if not all(np.isfinite(v).all() and np.size(v) for v in subject.run().y):
                    raise InputError("the forward is not finite")
                made.append(subject)
            except Exception as error:
                tried = tried or error
                if not made:
                    break
        if made:
            yield from made[:3]
            return
    words = next(iter(str(tried).splitlines()), "")
    raise InputError(
        f"{found.name}: found no shape of {', '.join(rest)} that {found.f.__name__} takes "
        f'({words}); say it, e.g. --shapes "{rest[0] if rest else "x"}: n {first[0]}"'
    )


def _as_said(told: Any, said: set[str]) -> Any:
    """Axes in capitals where those of the forward are: W: d m beside x: N D."""
    if not isinstance(told, Told):
        return told
    axes = (a.upper() if a.upper() in said and a not in said else a for a in told.dim_str.split())
    return replace(told, dim_str=" ".join(axes))


def _example(found: Found, init: Wanted, sizes: list[str]) -> str:
    told = {n: t.dim_str for n, t in init.arrays.items() if isinstance(t, Told)}
    first = next(iter(told.values()), "d").split()[0]
    x = next(iter(positional(found.f)), "x")
    told |= {x: f"n {sizes[0] if sizes else first}"}
    return "; ".join(f"{n}: {axes}" for n, axes in told.items())


def _trials(known: Wanted, sizes: list[str]) -> Iterator[dict[str, Any]]:
    """Shapes for all inputs; of those that nobody knows, one guess after another.

    The first axis is that of those that are known: rows that go with other rows are as many.
    """
    told = [t.dim_str.split() for t in known.arrays.values() if isinstance(t, Told)]
    batch = next((axes[0] for axes in told if axes and axes[0].isidentifier()), "n")

    def guesses(name: str) -> list[Any]:
        if name in known.arrays:
            return [known.arrays[name]]
        found = [Told(f"{batch} {s}") for s in sizes] or [Told(f"{batch} d")]
        last = found[0].dim_str.split()[-1]
        found += [Told(f"{s} {batch}") for s in sizes] or [Told(f"{batch} c h w")]
        labels = [Told(batch, INTS, last)] if name in _LABELS else []
        labels += [Told(batch, INTS, sizes[0])] if name in _INDICES and sizes else []
        return [*labels, *found, Told(batch)]

    names = [*known.arrays, *known.unknown]
    for choice in product(*map(guesses, names)):
        yield dict(zip(names, choice, strict=True))


def _made(
    found: Found,
    known: Wanted,
    init: Wanted,
    sizes: list[str],
    inputs: list[str],
    seed: int,
    option: dict[str, Any] | None = None,
) -> Iterator[Subject | Exception]:
    parameters = positional(found.cls)
    for k, draw in enumerate(known.draws(seed)):
        settings = {n: draw.axes[n] for n in sizes}
        settings |= {n: draw.values[n] for n in parameters if n in init.arrays or n in init.numbers}
        settings |= option or {}
        arrays = tuple(draw.values[n] for n in inputs)
        axes = {**draw.axes, **(option or {})}
        try:
            subject = found.subject(arrays, {}, axes, (), settings, seed + k)
            ran = subject.run()
            if k == 0 and not all(np.isfinite(v).all() and np.size(v) for v in ran.y):
                yield InputError("the forward is not finite")
                continue
        except Exception as error:
            yield error
            continue
        if k % 2 and found.style == "layer" and _takes_earlier(subject):
            subject = _earlier(subject)
        yield subject


def _earlier(subject: Subject) -> Subject:
    return replace(subject, config={**subject.config, "earlier_forwards": 1})


def _takes_earlier(subject: Subject) -> bool:
    """Whether the forward runs after another one; what the backward does is for the check."""
    try:
        with np.errstate(all="ignore"):
            _earlier(subject).run()
    except Exception:
        return False
    return True


def _runs(subject: Subject) -> bool:
    """Whether the backward runs, and gives gradients of the right shapes."""
    try:
        with np.errstate(all="ignore"):
            ran = subject.run()
            subject.gradients(tuple(np.ones(np.shape(v)) for v in ran.y), ran)
    except Exception:
        return False
    return True
