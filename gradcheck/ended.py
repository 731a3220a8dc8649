"""A backward and its forward as they end: what their names hold then, and which belong together."""

from collections.abc import Sequence
from types import FunctionType

import numpy as np

from gradcheck.forwards import Scope
from gradcheck.missing import ending
from gradcheck.subjects import Subject


def ended(
    subject: Subject, backward: FunctionType, forward: FunctionType, dy: tuple | None = None
) -> tuple[Scope | None, Scope | None]:
    """Globals and locals of the forward and of the backward; None for one that does not end.

    `dy` is of ones where none is given.
    """
    ran = subject.run()
    dy = tuple(map(np.ones_like, ran.y)) if dy is None else dy
    there = ending(forward.__code__, subject.run, once=False)
    return there, ending(backward.__code__, lambda: subject.gradients(dy, ran), once=False)


def forward_of(backward: FunctionType, forwards: Sequence[FunctionType]) -> FunctionType | None:
    """The function of a helper's name, if a file has one.

    >>> def sigmoid(x): ...
    >>> def sigmoid_backward(dy, s): ...
    >>> forward_of(sigmoid_backward, [sigmoid]).__name__
    'sigmoid'
    """
    name = backward.__qualname__
    stem = name.removesuffix("_backward").removesuffix("_bwd")
    names = (stem, f"{stem}_forward", f"{stem}_fwd", name.replace("backward", "forward"))
    return next((g for g in forwards if g.__qualname__ in names and g is not backward), None)
