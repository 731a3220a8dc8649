"""Who is wrong: the hand backward, the hand forward, or the twin.

Three witnesses: the hand gradient g, autodiff's gradient G of the twin, and certified differences
of either forward. The one that the others contradict is at fault.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from gradcheck import autodiff, differences
from gradcheck.instrument import Prepared
from gradcheck.subjects import Subject

Array = np.ndarray


def verdict(
    subject: Subject,
    i: int,
    G: Array,
    agrees: dict[str, bool],
    slack: float,
    dy: tuple,
    seed: list[int],
) -> str:
    """A sentence on who is at fault for argument i.

    Args:
        subject: the pair and its twin.
        i: position of the argument.
        G: the twin's gradient by autodiff.
        agrees: "forwards": whether they agree; "gradients": g with G; "differences": g with those
            of the hand forward.
        slack: the rounding to be expected of an entry of g.
        dy: cotangents.
        seed: of the direction.
    """
    twin_agrees = differences.measure(_of_twin(subject), i, G, slack, dy, seed).agrees
    if not twin_agrees and not agrees["differences"]:
        return (
            "neither gradient agrees with differences of its own forward: mend the forwards first"
        )
    if not twin_agrees:
        return (
            "differences side with the hand gradient: the twin's derivative is at fault (a custom "
            "rule, a stop_gradient, a rounding in it)"
        )
    if agrees["forwards"]:
        return "differences of both forwards side with autodiff: the hand backward is at fault"
    if agrees["differences"]:
        return (
            "each gradient is right for its own forward: the two forwards compute different things"
        )
    if agrees["gradients"]:
        return "the hand backward agrees with the twin: the hand forward is at fault"
    return "the hand backward fits neither forward: mend the hand forward first, then the backward"


def _of_twin(subject: Subject) -> Subject:
    """The twin's forward as a subject, to take differences of; nothing in it is watched."""
    run: Callable = autodiff.forward(subject.twin, subject.config)  # type: ignore[arg-type]

    def forward(*arrays: Any, **config: Any) -> tuple[Any, None]:
        return run(*arrays), None

    twin = replace(subject, forward=forward)
    twin.__dict__["functions"] = Prepared(())
    return twin
