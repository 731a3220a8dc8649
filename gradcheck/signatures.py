"""What a wrong gradient g looks like beside the right one G: one function per signature.

Each looks at one argument of one sample and says which explanations hold there to `TOLERANCE`. An
explanation that is true holds at another dy, other inputs and other shapes too: its `key` is the
same there.
"""

import itertools
from collections import Counter

import numpy as np

from gradcheck.factors import Explanation, factors, number
from gradcheck.samples import TOLERANCE, Sample, leaves, same
from gradcheck.shares import contributions, cotangents

Array = np.ndarray


def rounded(sample: Sample, name: str) -> list[Explanation]:
    """g is off by little, and by rounding: it is not linear in dy to the digits that it has."""
    g, G = sample.gradients[name], sample.truths[name]
    if g is None or g.shape != G.shape or not np.any(G):
        return []
    scale = float(np.max(np.abs(G)))
    error = float(np.max(np.abs(g - G))) / scale
    if not TOLERANCE < error < 1e-2:
        return []
    gaps = []
    for factor in (1.3, 2.0):
        other = tuple(v * factor for v in sample.dy)
        grads = sample.subject.gradients(other, sample.subject.run())
        again = np.asarray(grads[list(sample.gradients).index(name)])
        gaps.append(float(np.max(np.abs(again / factor - g))) / scale)
    if not gaps[0] > error / 30 or gaps[1] > error / 30:  # what is rounded, is so at 2 dy alike
        return []
    words = f"d{name} is off by {error:.1e}, and not linear in dy to as many digits: it is rounded"
    return [Explanation("precision", ("rounded",), words)]


def absent(sample: Sample, name: str) -> list[Explanation]:
    """There is no gradient, or it is 0 everywhere."""
    g, G = sample.gradients[name], sample.truths[name]
    if g is None:
        return [Explanation("not-implemented", ("absent",), f"d{name} is None: it is not computed")]
    if g.shape == G.shape and np.any(G) and not np.any(g) and len(sample.wrong) == 1:
        return [Explanation("missing-term", ("absent",), f"d{name} is 0 everywhere")]
    return []


def two_ratios(sample: Sample, name: str) -> list[Explanation]:
    """Entry by entry, g is G in some places and c G in all others."""
    g, G = sample.gradients[name], sample.truths[name]
    if g is None or not np.all(G) or not elementwise(sample, name):
        return []
    ratio = (g / G).ravel()
    off = ratio[np.abs(ratio - 1) > TOLERANCE]
    if not 2 <= len(off) < len(ratio) or np.ptp(off) > TOLERANCE * abs(off[0]) or not np.any(off):
        return []
    words = (
        f"d{name} is {number(off[0])} times the right gradient at {len(off)} of {G.size} entries"
    )
    return [Explanation("constant-factor", ("some",), words)]


def constant_ratio(sample: Sample, name: str) -> list[Explanation]:
    """g = c G, at more than one entry, or for a c that is known."""
    g, G = sample.gradients[name], sample.truths[name]
    if g is None or g.shape != G.shape or not np.any(G) or not np.any(g):
        return []
    ratio = float(np.sum(g * G) / np.sum(G * G))
    if not same(g, ratio * G, float(np.max(np.abs(g)))):
        return []
    count = np.count_nonzero(G)
    explanations = factors(ratio, sample, G.shape)
    if count == 1:  # any number is a multiple of another
        explanations = [e for e in explanations if e.key[0] != "factor" or e.kind == "sign"]
    where = f"at all {count} entries that are not 0" if count > 1 else "at its one entry"
    wrong = {"sign": "has the wrong sign: it is"}
    return [
        Explanation(
            e.kind,
            e.key,
            f"d{name} {wrong.get(e.kind, 'is')} {e.words} times the right gradient {where}",
        )
        for e in explanations
    ]


def argument_order(sample: Sample, name: str) -> list[Explanation]:
    """g is the right gradient of another argument, whose own is that of a third, or of this."""
    at, chain = name, []
    while at not in chain:
        chain.append(at)
        g = sample.gradients[at]
        others = [n for n, G in sample.truths.items() if g is not None and same(g, G)]
        if len(others) != 1:
            return []
        at = others[0]
    if at != name or len(chain) < 2:
        return []
    words = " and ".join(
        f"d{a} is that of {b}" for a, b in zip(chain, chain[1:] + chain[:1], strict=True)
    )
    return [
        Explanation("argument-order", tuple(chain), f"the gradients are in another order: {words}")
    ]


def permuted(sample: Sample, name: str) -> list[Explanation]:
    """g holds the entries of G at other places: transposed, in other blocks, or moved."""
    g, G = sample.gradients[name], sample.truths[name]
    if g is None or len(np.unique(np.round(G, 9))) < 2:
        return []
    found = []
    for axes in itertools.permutations(range(G.ndim)):
        if axes != tuple(range(G.ndim)) and same(g, G.transpose(axes)):
            word = "the transpose" if G.ndim == 2 else f"the transpose {axes}"
            found.append(
                Explanation("transposed", axes, f"d{name} is {word} of the right gradient")
            )
    if found or g.shape != G.shape:
        return found
    for axis in range(G.ndim):
        for order, count in _blocks(G.shape[axis]):
            parts = np.split(G, count, axis)
            if same(g, np.concatenate([parts[k] for k in order], axis)):
                words = f"d{name} has its {count} blocks along axis {axis} in the order {order}"
                found.append(Explanation("gate-order", (axis, order), words))
    for axis in range(G.ndim):
        if found == [] and G.shape[axis] > 2 and same(g, np.flip(G, axis)):
            words = f"d{name} is the right gradient reversed along axis {axis}"
            kind = "time-shift" if _is_time(sample, name, axis) else "flipped-kernel"
            found.append(Explanation(kind, ("reversed", axis), words))
    return found or moved(sample, name)


def _blocks(size: int) -> list[tuple[tuple[int, ...], int]]:
    """Orders of two to four equal blocks of at least two entries, and how many there are."""
    return [
        (order, count)
        for count in (2, 3, 4)
        if size % count == 0 and size >= 2 * count
        for order in itertools.permutations(range(count))
        if order != tuple(range(count))
    ]


def _is_time(sample: Sample, name: str, axis: int) -> bool:
    """Whether an axis runs along y too, or a loop along it, unlike along those of a kernel."""
    size = sample.truths[name].shape[axis]
    passes = Counter(id(o.site) for o in sample.tape).values()
    return any(size in np.shape(v) for v in sample.ran.y) or size in passes


def moved(sample: Sample, name: str) -> list[Explanation]:
    """g is G moved by one or two places along one axis or two; what moves in is free."""
    g, G = sample.gradients[name], sample.truths[name]
    assert g is not None
    by = [b for b in itertools.product(range(-2, 3), repeat=G.ndim) if 0 < np.count_nonzero(b) < 3]
    found = []
    for b in by if G.ndim < 5 else []:
        to = tuple(slice(max(k, 0), n + min(k, 0)) for k, n in zip(b, G.shape, strict=True))
        of = tuple(slice(max(-k, 0), n + min(-k, 0)) for k, n in zip(b, G.shape, strict=True))
        part = G[of]
        if 3 * part.size < G.size or np.count_nonzero(part) < 3 or len(np.unique(part)) < 3:
            continue
        if same(g[to], part, float(np.max(np.abs(G)))):
            found.append(b)
    if len(found) != 1:
        return []
    words = f"d{name} is the right gradient moved by {found[0]} places"
    return [Explanation("misaligned", ("moved",), words)]


def broadcast(sample: Sample, name: str) -> list[Explanation]:
    """A g that was not summed back to the shape of G, or was summed too far."""
    g, G = sample.gradients[name], sample.truths[name]
    if g is None:
        return []
    if g.shape != G.shape and g.size > G.size:
        for count in range(1, g.ndim + 1):
            for axes in itertools.combinations(range(g.ndim), count):
                summed = g.sum(axes)
                if summed.size == G.size and same(summed.reshape(G.shape), G):
                    words = (
                        f"d{name} has shape {g.shape}; summed over axes {axes} it is the right "
                        f"gradient, of shape {G.shape}"
                    )
                    return [Explanation("unreduced-broadcast", ("unsummed",), words)]
    if g.shape == G.shape:
        for count in range(1, g.ndim + 1):
            for axes in itertools.combinations(range(g.ndim), count):
                total = np.broadcast_to(G.sum(axes, keepdims=True), G.shape)
                if np.prod([G.shape[a] for a in axes]) > 1 and same(g, total):
                    words = f"d{name} is summed over axes {axes} of its own too, and spread again"
                    return [Explanation("wrong-axis", axes, words)]
    return []


def masked(sample: Sample, name: str) -> list[Explanation]:
    """g = G wherever both are something, and either is 0 where some mask in scope says so."""
    g, G = sample.gradients[name], sample.truths[name]
    if g is None or g.shape != G.shape or G.size < 4:
        return []
    small = TOLERANCE * float(np.max(np.abs(G), initial=0.0))
    on, there = np.abs(g) > small, np.abs(G) > small
    both = on & there
    if not np.any(both) or np.array_equal(on, there) or not same(g[both], G[both]):
        return []
    if not elementwise(sample, name) and not {on.tobytes(), there.tobytes()} <= _masks(
        sample, g.shape
    ):
        return []
    if _is_edge(on ^ there):
        return []
    lost, extra = np.count_nonzero(there & ~on), np.count_nonzero(on & ~there)
    words = (
        f"d{name} is right at {np.count_nonzero(both)} entries, 0 at {lost} where it should not "
        f"be, and not 0 at {extra} where it should be"
    )
    return [Explanation("mask", ("mask",), words)]


def _is_edge(wrong: Array) -> bool:
    """Whether places fill a whole slice across some axis, as a border does, or a step of a loop."""
    for axis, size in enumerate(wrong.shape):
        hit = np.moveaxis(wrong, axis, 0).reshape(size, -1)
        full, touched = np.count_nonzero(hit.all(1)), np.count_nonzero(hit.any(1))
        if size > 2 and hit.shape[1] > 1 and full == touched == 1:
            return True
    return False


def elementwise(sample: Sample, name: str) -> bool:
    """Whether every entry of y hangs on one entry of the argument, at the same place."""
    y, J = sample.ran.y, sample.jacobians[name]
    if len(y) != 1 or np.shape(y[0]) != sample.array(name).shape:
        return False
    return same(J, np.diag(np.diag(J)))


def _masks(sample: Sample, shape: tuple[int, ...]) -> set[bytes]:
    """Everything, and the places where arrays in scope are positive, negative, or not 0."""
    arrays = [*sample.subject.arrays, *leaves(sample.ran.cache, np.ndarray), *sample.dy]
    arrays += [o.result for o in sample.tape]
    found = {np.ones(shape, bool).tobytes()}
    for a in arrays:
        if isinstance(a, np.ndarray) and a.ndim <= len(shape):
            a = a.reshape(a.shape + (1,) * (len(shape) - a.ndim)) if a.ndim < len(shape) else a
            for v in (a > 0, a < 0, a != 0):
                if all(m in (1, n) for m, n in zip(v.shape, shape, strict=True)):
                    found.add(np.broadcast_to(v, shape).tobytes())
    return found


DIRECT = (
    absent,
    rounded,
    constant_ratio,
    argument_order,
    permuted,
    broadcast,
    masked,
    two_ratios,
    cotangents,
    contributions,
)
