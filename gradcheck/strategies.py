"""Hypothesis: arrays in the shapes that a function declares, and a test of a pair at all of them.

    @gradcheck.given(affine)
    def test_affine(x, w, b): ...

checks `affine_backward` at what is drawn, then runs the body. What fails shrinks to the smallest
sizes that show it; nothing but this file imports Hypothesis.
"""

import inspect
import math
from collections.abc import Callable
from typing import Any

import hypothesis
import numpy as np
from hypothesis import control
from hypothesis import strategies as st
from hypothesis.extra import numpy as extra

from gradcheck.checks import check_subject
from gradcheck.doctor import diagnosed
from gradcheck.inputs import InputError, axes
from gradcheck.shapes import Spec, bind, shape, specs
from gradcheck.subjects import pair

Array = np.ndarray
FINENESS = 64  # steps of the grid from the least value to the greatest
ENTRIES = 600  # of all arrays together


def arrays_for(
    f: Callable,
    *,
    config: dict[str, Any] | None = None,
    ranges: dict[str, tuple] | None = None,
    where: Callable[[dict[str, Any]], bool] = lambda sizes: True,
    most: int = 4,
) -> st.SearchStrategy[tuple]:
    """Tuples of arrays for the positional arguments of f, in the shapes of its annotations.

    Values lie on a grid and shrink to 1; sizes shrink to 1 too, starred axes to none, what is
    optional to None.

    Args:
        f: annotated in jaxtyping's form.
        config: values that the shapes mention.
        ranges: by argument, (least, greatest), by default (-4, 4). Of integers the greatest is left
            out, as in `range`, and may be the name of an axis: `{"labels": (0, "C")}`.
        where: what must hold of the sizes, by axis.
        most: the greatest size of an axis.

    Raises:
        ValueError: an argument declares no shape, or is integer without a range.

    >>> from jaxtyping import Float
    >>> def outer(a: Float[np.ndarray, " N"], b: Float[np.ndarray, " M"]): ...
    >>> a, b = hypothesis.find(arrays_for(outer), lambda drawn: drawn[0].size == 2)
    >>> a.tolist(), b.tolist()
    ([1.0, 1.0], [1.0])
    """
    config, ranges = config or {}, ranges or {}
    declared = [_ready(f, i, spec, ranges) for i, spec in enumerate(specs(f))]
    size = st.integers(1, most)

    @st.composite
    def drawn(draw: st.DrawFn) -> tuple:
        sizes = {
            name: tuple(draw(st.lists(size, max_size=2))) if star else draw(size)
            for name, star in axes(f).items()
        }
        hypothesis.assume(where(sizes))
        shapes = [shape(spec.axes, sizes, config) for spec in declared]
        hypothesis.assume(sum(map(math.prod, shapes)) <= ENTRIES)
        return tuple(
            draw(st.none() | array) if spec.optional else draw(array)
            for spec, given in zip(declared, shapes, strict=True)
            for array in [_array(spec, given, sizes, ranges.get(spec.name))]
        )

    return drawn()


def _ready(f: Callable, i: int, spec: Spec | None, ranges: dict[str, tuple]) -> Spec:
    if spec is None:
        raise InputError(
            f"{f.__name__}: argument {i + 1} declares no shape; annotate it, as in "
            'x: Float[np.ndarray, "N D"]'
        )
    if _kind(spec) == "int" and spec.name not in ranges:
        raise InputError(
            f"{f.__name__}: {spec.name} is an integer array, of which nobody said the range; add "
            f'ranges={{"{spec.name}": (0, 3)}}, or the name of an axis for 3'
        )
    return spec


def _kind(spec: Spec) -> str:
    """float, int or bool; where float32 alone is declared too."""
    return next((k for k in ("float", "int") if any(k in d for d in spec.dtypes)), "bool")


def _array(
    spec: Spec, given: tuple[int, ...], sizes: dict[str, Any], limits: tuple | None
) -> st.SearchStrategy[Array]:
    dtypes = [d for d in spec.dtypes if d in ("float64", "int64", "bool")] or [*spec.dtypes]
    if _kind(spec) == "bool":
        elements: st.SearchStrategy = st.booleans()
    elif _kind(spec) == "float":
        low, high = limits or (-4.0, 4.0)
        unit = 2.0 ** math.floor(math.log2((high - low) / FINENESS))
        first, last = math.ceil(low / unit), math.floor(high / unit)
        # they shrink to 1: with zeros nothing can be told
        one = min(max(round(1 / unit), first), last)
        numbers = st.integers(first - one, last - one)
        elements = numbers.map(lambda k: (k + one) * unit)
    else:
        low, high = limits or (0, 1)
        elements = st.integers(low, sizes.get(high, high) - 1)
    return extra.arrays(dtypes[0], given, elements=elements, fill=st.nothing())


def given(
    f: Callable,
    f_backward: Callable | None = None,
    *,
    config: dict[str, Any] | None = None,
    ranges: dict[str, tuple] | None = None,
    where: Callable[[dict[str, Any]], bool] = lambda sizes: True,
    most: int = 4,
    reference: Callable | None = None,
    seed: int = 0,
) -> Callable[[Callable], Callable]:
    """Decorate a test: the gradients of a pair are checked at arrays of any declared shape.

    The test is then run with those arrays of them that it names; its other parameters are fixtures.
    Where a gradient cannot be judged, other arrays are drawn. There is no deadline; `@settings`
    above this should say `deadline=None`, as a first check takes longer than the others.

    Args:
        f: annotated in jaxtyping's form.
        f_backward: by default the function of that name beside f.
        config: keyword arguments of f.
        ranges: as in `arrays_for`, and `where` and `most` too.
        where: what must hold of the sizes.
        most: the greatest size of an axis.
        reference: a twin of f in JAX.
        seed: of cotangents and directions.

    Raises:
        ValueError: f declares too little, or its backward is not to be found.
    """
    backward = f_backward or _backward(f)
    drawn = arrays_for(f, config=config, ranges=ranges, where=where, most=most)
    names = [spec.name for spec in specs(f) if spec]

    def decorate(test: Callable) -> Callable:
        parameters = inspect.signature(test).parameters
        fixtures = [p for n, p in parameters.items() if n not in names]

        def run(*, arrays: tuple, **others: Any) -> None:
            __tracebackhide__ = True
            sizes = bind(f, arrays, config)
            subject = pair(f, backward, arrays, config, reference, axes=sizes)
            report = check_subject(subject, seed)
            if report.verdict == "unresolved":
                hypothesis.reject()
            if report.verdict not in ("pass", "kink"):
                # once, when the smallest has been found
                if control.current_build_context().is_final:
                    report = diagnosed(report, [subject], seed)
                raise AssertionError(str(report))
            named = zip(names, arrays, strict=True)
            test(**{n: a for n, a in named if n in parameters}, **others)

        for name in ("__name__", "__qualname__", "__module__", "__doc__"):
            setattr(run, name, getattr(test, name))
        run.__dict__ |= {"pytestmark": getattr(test, "pytestmark", [])}
        own = inspect.Parameter("arrays", inspect.Parameter.KEYWORD_ONLY)
        keyword = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in fixtures]
        run.__signature__ = inspect.Signature([*keyword, own])  # type: ignore[attr-defined]
        # @settings goes before, above or below; to explain is to trace every line of ours
        phases = [p for p in hypothesis.Phase if p is not hypothesis.Phase.explain]
        default = hypothesis.settings(deadline=None, phases=phases)
        setattr(run, SETTINGS, getattr(test, SETTINGS, None) or default)
        return hypothesis.given(arrays=drawn)(run)

    return decorate


SETTINGS = "_hypothesis_internal_use_settings"  # where @settings leaves them


def _backward(f: Callable) -> Callable:
    name = f"{f.__name__.removesuffix('_forward')}_backward"
    found = getattr(f, "__globals__", {}).get(name)
    if found is None:
        raise ValueError(
            f"{f.__name__}: there is no {name} beside it; wanted given({f.__name__}, f_backward)"
        )
    return found
