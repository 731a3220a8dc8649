"""Signatures in the shares that the places of y have in a gradient: dy times the entries of J."""

import itertools

import numpy as np

from gradcheck.factors import Explanation
from gradcheck.samples import TOLERANCE, Sample, same

Array = np.ndarray


def cotangents(sample: Sample, name: str) -> list[Explanation]:
    """g is the right gradient for another dy: reversed along an axis, or without one output."""
    g = sample.gradients[name]
    if g is None or g.shape != sample.truths[name].shape:
        return []
    found = []
    for k, v in enumerate(sample.dy):
        rest = [*sample.dy]
        if len(sample.dy) > 1:
            rest[k] = np.zeros_like(v)
            if np.any(g) and same(g, sample.truth(name, tuple(rest))):
                words = f"d{name} is the right gradient for dy[{k}] = 0: a term is missing"
                found.append(Explanation("missing-term", ("output", k), words))
        for count in (1, 2):
            for axes in itertools.combinations(range(np.ndim(v)), count) if not found else ():
                if min(v.shape[a] for a in axes) < 3:
                    continue
                rest[k] = np.flip(v, axes)
                G = sample.truth(name, tuple(rest))
                for turned in (None, *itertools.combinations(range(G.ndim), count)):
                    if same(g, G if turned is None else np.flip(G, turned)):
                        words = f"d{name} is the right gradient for dy reversed along {axes}"
                        words += f", itself reversed along {turned}" if turned is not None else ""
                        kernel = count == 2 or (turned is not None and _has_partner(sample, name))
                        kind = "flipped-kernel" if kernel else "time-shift"
                        found.append(Explanation(kind, ("dy", axes, turned), words))
    return found


def _has_partner(sample: Sample, name: str) -> bool:
    """Whether another argument has as many axes, as signal and kernel have."""
    return any(
        n != name and a.ndim == sample.array(name).ndim and a.size > 1
        for n, a in zip(sample.subject.names, sample.subject.arrays, strict=True)
        if isinstance(a, np.ndarray)
    )


def contributions(sample: Sample, name: str) -> list[Explanation]:
    """Entries that y uses several times hold the last or first share only, or none of the future.

    The share of each place of y in an entry is dy J; `axes` are those along which places differ.
    """
    g, G = sample.gradients[name], sample.truths[name]
    if g is None or g.shape != G.shape or len(sample.dy) != 1 or not np.any(g):
        return []
    v = np.asarray(sample.dy[0])
    shares = (v.ravel()[:, None] * sample.jacobians[name]).reshape(*v.shape, G.size)
    small = TOLERANCE * float(np.max(np.abs(shares), initial=0.0))
    found = []
    for count in range(1, v.ndim + 1):
        for axes in itertools.combinations(range(v.ndim), count):
            others = tuple(a for a in range(v.ndim) if a not in axes)
            placed = shares.sum(others).reshape(-1, G.size)
            there = np.abs(placed) > small
            if np.max(there.sum(0), initial=0) < 2:
                continue
            first = there.argmax(0)
            last = len(there) - 1 - there[::-1].argmax(0)
            for word, which in (("first", first), ("last", last)):
                kept = placed[which, np.arange(G.size)].reshape(G.shape)
                if same(g, kept):
                    words = (
                        f"d{name} holds the {word} of up to {there.sum(0).max()} shares of each "
                        "entry, where their sum is wanted"
                    )
                    found.append(Explanation(_of_shares(sample, there, G.shape), (word,), words))
    return found[:1]


def _of_shares(sample: Sample, there: Array, shape: tuple[int, ...]) -> str:
    """What it is called to hold one share of several.

    Where the shares of an entry are those of its own place and of all later ones, the later ones
    are what recurs. Entries with different numbers of shares, or a loop, suggest an overwriting.
    """
    for axis, n in enumerate(shape):
        if n == len(there) > 2:
            each = np.moveaxis(there.reshape(n, *shape), axis + 1, 1).reshape(n, n, -1)
            if all(np.array_equal(m, np.tri(n, dtype=bool)) for m in np.moveaxis(each, 2, 0)):
                return "missing-recurrent-term"
    counts = there.sum(0)
    loops = len({id(o.site) for o in sample.tape}) < len(sample.tape)
    if np.ptp(counts[counts > 0]) > 0 or loops:
        return "overwrites-instead-of-accumulates"
    return "missing-term"
