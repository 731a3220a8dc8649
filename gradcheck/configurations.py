"""Configurations that nobody asked for: the options of a signature are varied, one at a time."""

import contextlib
import inspect
import io
from collections.abc import Callable, Container, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from gradcheck.samples import leaves
from gradcheck.subjects import Subject

# options by name, and values that show what the usual one hides; those of a type other than the
# default's are left out
_STEPS = (1, 2, 3)
VALUES: dict[str, tuple] = {
    "stride": _STEPS,
    "strides": _STEPS,
    "pad": (0, 1, 2),
    "padding": (0, 1, 2, "valid", "same"),
    "dilation": (1, 2),
    "groups": (1, 2, 3),
    "G": (1, 2, 3),
    "size": (2, 3),
    "pool_size": (2, 3),
    "kernel_size": (2, 3),
    "eps": (1e-5, 1.0),
    "epsilon": (1e-5, 1.0),
    "axis": (0, -1, 1, -2),
    "mode": ("train", "test", "eval"),
    "reduction": ("mean", "sum"),
    "p": (0.3, 0.8),
    "rate": (0.3, 0.8),
    "keep_prob": (0.3, 0.8),
    "drop_prob": (0.3, 0.8),
    "p_drop": (0.3, 0.8),
    "dropout": (0.3, 0.8),
    "dropout_ratio": (0.3, 0.8),
    "alpha": (0.1, 1.5),
    "slope": (0.1, 1.5),
    "negative_slope": (0.1, 1.5),
    "margin": (0.3, 1.0),
    "delta": (0.3, 1.0),
    "temperature": (0.5, 2.0),
    "label_smoothing": (0.0, 0.1),
}
# in some of which a backward need not be defined
MODES = ("mode", "train", "training", "is_training", "is_train", "test")


def defaults(f: Callable, given: Container[str] = ()) -> dict[str, Any]:
    """The options of f that can be varied, as they are by default; those `given` stay as they are.

    >>> def conv(x, w, stride=1, *, padding="same", bias=True, scale=2.0): ...
    >>> defaults(conv, ["bias"])
    {'stride': 1, 'padding': 'same'}
    """
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    options = {
        n: p.default
        for n, p in inspect.signature(f).parameters.items()
        if p.default is not p.empty and p.kind in kinds and n not in given
    }
    return {n: v for n, v in options.items() if others(n, v)}


def others(name: str, default: Any) -> list[Any]:
    """Values of an option other than by default.

    >>> others("stride", 1), others("padding", "same"), others("bias", True), others("scale", 2.0)
    ([2, 3], ['valid'], [False], [])
    """
    values = (not default,) if isinstance(default, bool) else VALUES.get(name, ())
    return [v for v in values if v != default and (default is None or _kind(v) is _kind(default))]


def _kind(value: Any) -> type:
    return type(value) if isinstance(value, (str, int, bool)) else float


def variations(f: Callable, given: Container[str] = ()) -> Iterator[dict[str, Any]]:
    """Each option of f other than by default, one at a time; those `given` stay as they are.

    >>> def conv(x, w, stride=1, bias=True): ...
    >>> [*variations(conv)]
    [{'stride': 2}, {'stride': 3}, {'bias': False}]
    """
    for name, default in defaults(f, given).items():
        yield from ({name: value} for value in others(name, default))


def varied(subject: Subject, options: dict[str, Any]) -> Iterator[Subject]:
    """The subject with one option after the other as it is not by default, where that is judged."""
    for name, default in options.items():
        for value in others(name, default):
            # a compiler takes long: differences will do
            other = replace(subject, config={**subject.config, name: value}, twin=None)
            if judged(other, subject, name, value):
                yield other


def judged(other: Subject, usual: Subject, name: str, value: Any) -> bool:
    """Whether a gradient is wanted of the subject with an option: it runs, and uses as much.

    A backward that is not told a mode is that of training, as most have it.
    """
    if not runs(other) or used(other) != used(usual):
        return False
    return name not in MODES or value in leaves(other.run().cache, type(value))


def runs(subject: Subject, backward: bool = False) -> bool:
    """Whether the forward gives finite numbers here; and whether the `backward` runs, if asked."""
    try:
        with np.errstate(all="ignore"), contextlib.redirect_stdout(io.StringIO()):
            ran = subject.run()
            if backward:
                subject.gradients(tuple(map(np.ones_like, ran.y)), ran)
    except Exception:  # an option that does not go with the others, or with these sizes
        return False
    return all(np.size(v) and np.isfinite(v).all() for v in ran.y)


def used(subject: Subject) -> list[str]:
    """The arguments that y moves with: of what an option leaves unused no gradient is wanted."""
    rng, found = np.random.default_rng(0), []
    with np.errstate(all="ignore"), contextlib.redirect_stdout(io.StringIO()):
        before = subject.run().y
        for i in subject.floats:
            moved = list(subject.arrays)
            moved[i] = moved[i] * (1 + rng.uniform(0.01, 0.02, moved[i].shape))
            with contextlib.suppress(Exception):  # outside of its domain it would be another y
                after = subject.run(tuple(moved)).y
                if all(np.array_equal(a, b) for a, b in zip(before, after, strict=True)):
                    continue
            found.append(subject.names[i])
    return found
