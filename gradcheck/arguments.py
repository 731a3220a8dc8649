"""Inputs for what is found in a file: from annotations, --shapes or the docstring.

What none of them says is asked for, with the flag to add.
"""

import inspect
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradcheck import inputs
from gradcheck.layers import positional
from gradcheck.shapes import Spec, read, specs
from gradcheck.told import FLOATS, INTS, Told, in_docstring, products, stand_in

USUAL = {
    "x": "n d",
    "X": "n d",
    "w": "d m",
    "W": "d m",
    "b": "m",
    "y": "n m",
    "h": "n h",
    "t": "n m",
}
USUAL |= {"inputs": "n d", "weights": "d m", "biases": "m", "targets": "n m"}

CLASSES = re.compile(r"class|vocab|label|^[CV]$")
_PARTS = re.compile(
    r"^(p|rate|ratio|prob|keep_prob|drop\w*|p_drop|alpha|slope|momentum|reg\w*|lam\w*|l2|decay)$"
)
_OF_LOG = re.compile(r"entropy|bce|nll|log_?loss|likelihood|kl", re.I)
_SHARES = re.compile(
    r"^(p|q|probs?|probabilities|y|t|y_?(pred|hat|true)|a|A2?|AL|preds?|predictions?|targets?)$"
)
SMALL = (3, 5, 2, 7)
LISTS = ("inputs", "targets", "ids", "tokens")  # of a loss over the parameters of its module


@dataclass(frozen=True)
class Drawn:
    """Arguments by name, and the sizes of their axes."""

    values: dict[str, Any]
    axes: dict[str, Any]


@dataclass(frozen=True)
class Wanted:
    """What is known of the arguments of a function before any is drawn.

    `arrays` are annotations by parameter; `numbers` those that are plain numbers, and their values;
    `unknown` those of which nobody says anything; `whole` below which axis integers are.
    """

    name: str
    arrays: dict[str, Any]
    numbers: dict[str, Any]
    unknown: tuple[str, ...]
    whole: dict[str, str]
    products: dict[str, str]

    def draws(self, seed: int, more: dict[str, int] | None = None) -> Iterator[Drawn]:
        """Three draws with sizes that are pairwise distinct, then one with any sizes."""
        f = stand_in(self.name, self.arrays)
        for k in range(4):
            rng = np.random.default_rng([seed, k] if k < 3 else [seed, 2, 3])
            sizes_of = inputs.distinct_sizes if k < 3 else _free
            sizes = sizes_of(f, lambda s, c: True, {}, rng)
            few = [n for n, star in inputs.axes(f).items() if not star]
            if k < 3 and len(few) < 3 and len(few) == len(sizes):  # else often the same again
                start = int(rng.integers(1, 4))
                sizes = {n: SMALL[(seed + k + start * i) % 4] for i, n in enumerate(few)}
            sizes |= {n: int(np.prod(sizes[s])) for n, s in self.products.items() if s in sizes}
            sizes |= more or {}
            arrays = inputs.fill(f, sizes, {}, rng, self.samplers())
            yield Drawn({**dict(zip(self.arrays, arrays, strict=True)), **self.numbers}, sizes)

    def samplers(self) -> dict[str, Callable]:
        f = stand_in(self.name, self.arrays)

        def sampler(below: str) -> Callable:
            def sample(rng: np.random.Generator, size: tuple, sizes: dict[str, Any]) -> np.ndarray:
                most = int(below) if below.isdigit() else sizes.get(below, 4)
                return rng.integers(0, max(int(most), 1), size)

            return sample

        def between(rng: np.random.Generator, size: tuple, sizes: dict[str, Any]) -> np.ndarray:
            return rng.uniform(0.1, 0.9, size)

        found = {n: sampler(below or self.labelled(f)) for n, below in self.whole.items()}
        if _OF_LOG.search(self.name):  # of what has a logarithm within 0 and 1 only
            # an annotation is by someone who gives CASES where any number will not do
            told = [n for n, a in self.arrays.items() if isinstance(a, Told)]
            found |= {n: between for n in told if n not in found and _SHARES.match(n)}
        return found

    def labelled(self, f: Callable) -> str:
        """The axis that labels count along, where nobody says: that of classes, or the last."""
        named = [n for n in inputs.axes(f) if CLASSES.search(n)]
        first = next((s for s in specs(f) if s and s.kind == "float" and len(s.axes) > 1), None)
        return named[-1] if named else first.axes[-1].name if first else ""


def _free(f: Callable, where: Callable, config: dict, rng: np.random.Generator) -> dict[str, Any]:
    return inputs.free_sizes(f, where, config, rng, most=4)


def wanted(
    name: str,
    f: Callable,
    told: dict[str, Told],
    docs: tuple[str | None, ...] = (),
    skip: tuple[str, ...] = (),
) -> Wanted:
    """What is known of the arguments of a function.

    Args:
        name: to speak of it.
        f: a function or a method.
        told: shapes of the command line, which come before all others.
        docs: docstrings, that of the function first.
        skip: parameters that are not wanted.

    Raises:
        InputError: `told` names an argument that there is not.
    """
    parameters = {n: p for n, p in positional(f).items() if n not in skip}
    hints = _annotations(f)
    said: dict[str, Told] = {}
    for doc in docs:
        said = in_docstring(doc) | said
    arrays: dict[str, Any] = {}
    numbers: dict[str, Any] = {}
    unknown, whole = [], {}
    for n, p in parameters.items():
        annotation = told.get(n) or (hints.get(n) if _reads(n, hints.get(n)) else said.get(n))
        if annotation is None:
            if p.default is not p.empty:
                continue
            number = _number(n, hints.get(n), docs)
            if number is None:
                unknown.append(n)
            else:
                numbers[n] = number
            continue
        arrays[n] = annotation
        if isinstance(annotation, Told) and annotation.dtypes == INTS:
            whole[n] = annotation.below
    starred = next((products(d) for d in docs if products(d)), {})
    return Wanted(name, arrays, numbers, tuple(unknown), whole, starred)


def _annotations(f: Callable) -> dict[str, Any]:
    try:
        parameters = inspect.signature(f, eval_str=True).parameters
    except Exception:  # a name in an annotation that is not there
        parameters = inspect.signature(f).parameters
    return {n: p.annotation for n, p in parameters.items()}


def _reads(name: str, annotation: Any) -> Spec | None:
    return read(name, annotation) if annotation is not inspect.Parameter.empty else None


def _number(name: str, annotation: Any, docs: tuple[str | None, ...]) -> float | int | None:
    """A value for an argument that is said to be a plain number."""
    if annotation is float or _PARTS.match(name):
        return 0.375
    if name in ("eps", "epsilon"):
        return 0.125
    if annotation is int:
        return 2
    for doc in filter(None, docs):
        if re.search(rf"\b{name}\b\W{{0,4}}\(?(?:float|scalar)\b", doc):
            return 0.375
    return None


def asked(target: str, known: Wanted, sort: str = "") -> inputs.InputError:
    """The error that asks for the shapes of what is unknown, with the flag to add."""
    parts = [f"{n}: {_spelled(a)}" for n, a in known.arrays.items() if isinstance(a, Told)]
    parts += [f"{n}: {USUAL.get(n, 'n d')}" for n in known.unknown]
    what = " and ".join(known.unknown) if len(known.unknown) < 3 else ", ".join(known.unknown)
    have = "has" if len(known.unknown) == 1 else "have"
    return inputs.InputError(
        f"{known.name}: nobody says what shape {what} {have}; say it, "
        f'e.g. gradcheck {target} --shapes "{"; ".join(parts)}"{sort}'
    )


def _spelled(told: Told) -> str:
    return told.dim_str + (f" < {told.below}" if told.below else "")


__all__ = ["FLOATS", "Drawn", "Wanted", "asked", "wanted"]
