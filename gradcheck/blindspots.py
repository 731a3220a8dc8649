"""What a check at this input could not have shown, whatever its verdict.

Cotangents and directions are random, so what is left is the input's own doing: a batch of one
cannot tell a mean from a sum, a weight of ones cannot show that it was forgotten.
"""

from collections import Counter

import numpy as np

from gradcheck.subjects import Subject, is_float

Array = np.ndarray


def blind_spots(subject: Subject, grads: tuple) -> list[str]:
    """The kinds of error that would have stayed unseen here, one sentence each.

    >>> from gradcheck.subjects import pair
    >>> scale = pair(lambda x, w: (x * w, w), None, (np.array([2.0, 3.0]), np.ones(2)))
    >>> blind_spots(scale, (np.ones(2), np.array([2.0, 3.0])))
    ['w is 1 everywhere: a factor w too many or few would not show']
    """
    found = []
    for name, a in zip(subject.names, subject.arrays, strict=True):
        if isinstance(a, np.ndarray):
            found += _of_values(name, a) + _of_shape(name, a)
    for i, g in zip(subject.floats, grads, strict=True):
        if not np.any(g):
            found.append(f"d{subject.names[i]} is zero here: its sign and factors would not show")
    return found


def _of_values(name: str, a: Array) -> list[str]:
    if a.size < 2 or a.dtype.kind == "b":
        return []
    if not is_float(a):
        if len(np.unique(a)) == a.size:
            return [f"{name} repeats nothing: overwriting instead of adding would not show"]
        return []
    first = float(a.flat[0])
    if np.all(a == first):
        if first in (0.0, 1.0):
            part = "factor" if first else "term with a factor"
            return [
                f"{name} is {first:g} everywhere: a {part} {name} too many or few would not show"
            ]
        return [f"{name} is {first:g} everywhere: entries of it mixed up would not show"]
    if a.ndim == 2 and a.shape[0] == a.shape[1] and np.array_equal(a, a.T):
        return [f"{name} is symmetric: a transpose of it would not show"]
    return []


def _of_shape(name: str, a: Array) -> list[str]:
    if a.ndim < 2:
        return []
    found = [
        f"axis {k} of {name} has size 1: a mean for a sum over it, or no sum, would not show"
        for k, size in enumerate(a.shape)
        if size == 1
    ]
    size, times = Counter(a.shape).most_common(1)[0]
    if times > 1 and size > 1:
        found.append(
            f"{name} has equal sides {a.shape}: code that is right for equal sizes only would pass"
        )
    return found
