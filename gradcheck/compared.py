"""What the value of a wrong expression has to do with the value of the right one."""

import itertools
from typing import Any

import numpy as np

from gradcheck.samples import TOLERANCE, same

Array = np.ndarray
MOST = 20000  # entries
NEAR = 0.04  # of the largest entry
LOW = (np.float16,)  # where the digits are what is lost


def relation(old: Any, new: Any) -> str:
    """The kind of mistake that two values show by themselves, "" where they show none.

    >>> a = np.arange(6.0).reshape(2, 3)
    >>> relation(a, a.sum(0)), relation(a, a.T), relation(a.reshape(3, 2), a.T), relation(-a, a)
    ('unreduced-broadcast', 'transposed', 'misaligned', 'sign')
    """
    if not _is_plain(old) or not _is_plain(new):
        return ""
    old, new = np.asarray(old), np.asarray(new)
    if old.dtype.kind in "iu" and new.dtype.kind in "iu":
        return "misaligned" if old.ndim and new.ndim and not np.array_equal(old, new) else ""
    if old.dtype != new.dtype and np.shape(old) == np.shape(new):
        if {old.dtype.kind, new.dtype.kind} <= {"f", "c"}:
            return "precision" if old.dtype in LOW else "dtype"
        return ""
    if max(old.size, new.size) > MOST or old.dtype.kind != "f" or new.dtype.kind != "f":
        return ""
    if not (np.isfinite(old).all() and np.isfinite(new).all() and np.any(new)):
        return ""
    if old.size > new.size:
        return "unreduced-broadcast" if _sums_to(old, new) else ""
    if old.size < new.size:
        return "shape" if _spreads_to(old, new) else ""
    if old.shape == new.shape and new.size > 1:
        ratio = float(np.sum(old * new) / np.sum(new * new))
        if ratio and abs(ratio - 1) > TOLERANCE and same(old, ratio * new):
            return "sign" if abs(ratio + 1) < TOLERANCE else "constant-factor"
    if old.shape == new.shape and _is_masked(old, new):
        return "mask"
    if old.shape == new.shape and new.size > 2 and _is_near(old, new):
        return "forward-backward-variant-mismatch"
    if old.size != new.size or len(np.unique(np.round(new, 9))) < 3:
        return ""
    if old.ndim == new.ndim > 1:
        for axes in itertools.permutations(range(new.ndim)):
            if axes != tuple(range(new.ndim)) and same(old, new.transpose(axes)):
                return "transposed"
    moved = same(np.sort(old, axis=None), np.sort(new, axis=None))
    return "misaligned" if moved and not same(old.ravel(), new.ravel()) else ""


def _is_near(old: Array, new: Array) -> bool:
    """Whether one is the other but for a few hundredths at most, as of two variants of a rule."""
    far = float(np.max(np.abs(old - new))) / float(np.max(np.abs(new)))
    return TOLERANCE < far < NEAR and not same(np.sort(old, axis=None), np.sort(new, axis=None))


def _is_masked(old: Array, new: Array) -> bool:
    """Whether the right one is 0 in some places and the same in all others, not by its sign."""
    kept = new != 0
    some = bool(np.any(~kept & (old != 0)) and np.any(new < 0) and np.any(new > 0))
    return some and same(old * kept, new)


def _spreads_to(old: Array, new: Array) -> bool:
    try:
        return same(np.broadcast_to(old, new.shape), new)
    except ValueError:
        return False


def _is_plain(value: Any) -> bool:
    return isinstance(value, (np.ndarray, np.number, float, int)) and not isinstance(value, bool)


def _sums_to(old: Array, new: Array) -> bool:
    """Whether a sum of the one over some axes is the other."""
    flat = new.ravel()
    for count in range(1, old.ndim + 1):
        for axes in itertools.combinations(range(old.ndim), count):
            summed = np.ravel(old.sum(axes))
            if summed.size == new.size and same(summed, flat):
                return True
    return False
