"""A subject at other sizes and values, for pairs whose own inputs come in one size only."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from gradcheck.subjects import Subject, is_float

# what a size becomes: all of them doubled, so that multiples stay; those equal to the first one
# only, which is the batch in most code; all one longer, so that differences stay
GROWN: tuple[Callable[[int, int], int], ...] = (
    lambda n, first: 2 * n if n > 1 else n,
    lambda n, first: n + 2 if n == first else n,
    lambda n, first: n + 1 if n > 1 else n,
)


def resized(subject: Subject, seed: int = 0) -> Iterator[Subject]:
    """The subject at other sizes, as far as its functions run there as they do at its own.

    The forward gives finite numbers, the backward gradients whose shapes are right or wrong as
    they were: a kernel of fixed width takes no other. Entries are drawn from those given, each
    moved by up to a tenth, so that signs and ranges stay.

    >>> from gradcheck.subjects import pair
    >>> half = pair(lambda x: (x / 2, None), lambda dy, cache: dy / 2, (np.arange(3.0),))
    >>> [s.arrays[0].shape for s in resized(half)]
    [(6,), (5,), (4,)]
    """
    rng = np.random.default_rng([seed, 79])
    shapes = [a.shape for a in subject.arrays if isinstance(a, np.ndarray) and a.ndim]
    first = shapes[0][0] if shapes else 0
    shaped = _shaped(subject)
    for grown in GROWN:

        def changed(a: Any, grown: Callable[[int, int], int] = grown) -> Any:
            if not isinstance(a, np.ndarray) or not a.ndim:
                return a
            drawn = rng.choice(a.ravel(), [grown(n, first) for n in a.shape])
            if is_float(a):
                drawn = (drawn * (1 + rng.uniform(-0.1, 0.1, drawn.shape))).astype(a.dtype)
            return drawn

        other = replace(subject, arrays=tuple(map(changed, subject.arrays)), axes={})
        try:
            with np.errstate(all="ignore"):
                y = other.run().y
        except Exception:  # these sizes do not go together
            continue
        finite = all(np.size(v) and np.isfinite(v).all() for v in y)
        if finite and _shaped(other) == shaped:
            yield other


def _shaped(subject: Subject) -> list[bool] | None:
    """Which gradients have the shapes of their arguments; None where the backward raises."""
    try:
        with np.errstate(all="ignore"):
            ran = subject.run()
            found = subject.gradients(tuple(np.ones_like(v) for v in ran.y), ran)
        return [
            np.shape(g) == subject.arrays[i].shape
            for i, g in zip(subject.floats, found, strict=True)
        ]
    except Exception:
        return None
