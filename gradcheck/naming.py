"""The name of a bug, from its numbers: spoken only where one explanation is left.

An explanation counts if it holds at two independent samples, with another dy, other inputs, and
other shapes where there are any. If those that hold share one kind, that is the name; if not, they
are alternatives, the simplest first; and if there are none, the error itself is described.
"""

from dataclasses import dataclass

import numpy as np

from gradcheck import hypotheses, signatures
from gradcheck.factors import Explanation
from gradcheck.samples import TOLERANCE, Sample

Array = np.ndarray


# where both hold, the first says more
BETTER = (
    ("mean-vs-sum", "constant-factor"),
    ("scale-by-keep-probability", "constant-factor"),
    ("scale-by-keep-probability", "mean-vs-sum"),
    ("forward-backward-variant-mismatch", "constant-factor"),
    ("missing-recurrent-term", "overwrites-instead-of-accumulates"),
    ("missing-recurrent-term", "missing-term"),
    ("missing-term", "overwrites-instead-of-accumulates"),
)


@dataclass(frozen=True)
class Name:
    """What a bug is called: `kind` is "unnamed" where `alternatives` are several or none."""

    kind: str
    message: str
    alternatives: tuple[str, ...] = ()
    evidence: tuple[str, ...] = ()


def names(samples: list[Sample]) -> dict[str, Name]:
    """The names of all wrong gradients, by argument.

    Args:
        samples: at least two, of different shapes where there are such; those wrong in the first.

    Returns:
        One name for all, where one wrong rule explains all of them; else one for each.
    """
    first = samples[0]
    found: dict[str, list[Explanation]] = {}
    for argument in first.wrong:
        for look in signatures.DIRECT:
            each = [look(s, argument) if argument in s.wrong else [] for s in samples]
            found[argument] = common(each)
            if found[argument]:
                break
    kinds = {frozenset(e.kind for e in es) for es in found.values()}
    if len(kinds) != 1 or not all(found.values()):
        shared = hypotheses.explain(samples)
        if shared:
            found = {a: shared for a in first.wrong}
    return {a: _spoken(first, a, es) for a, es in found.items()}


def common(each: list[list[Explanation]]) -> list[Explanation]:
    """Those of the first sample that hold in all."""
    keys = [{(e.kind, e.key) for e in es} for es in each]
    return [e for e in each[0] if all((e.kind, e.key) in k for k in keys)]


def _spoken(sample: Sample, argument: str, explanations: list[Explanation]) -> Name:
    kinds = list(dict.fromkeys(e.kind for e in explanations))
    for better, worse in BETTER:
        if better in kinds and worse in kinds:
            kinds.remove(worse)
    kept = [e for e in explanations if e.kind in kinds]
    evidence = tuple(dict.fromkeys(e.words for e in kept))
    if len(kinds) == 1:
        return Name(kinds[0], evidence[0], (), evidence)
    return Name("unnamed", pattern(sample, argument), tuple(kinds), evidence)


def pattern(sample: Sample, argument: str) -> str:
    """Which entries are wrong, and by how much, where no name is known.

    >>> from gradcheck.samples import take
    >>> from gradcheck.subjects import pair
    >>> def double(x):
    ...     return 2 * x, None
    >>> def double_backward(dy, cache):
    ...     return 2 * dy * (np.arange(len(dy)) > 0)
    >>> pattern(take(pair(double, double_backward, (np.ones(5),)), (np.ones(5),)), "x")
    'dx is wrong at 1 of 5 entries, all at the first place of axis 0; most there: got 0, wanted 2'
    """
    g, G = sample.gradients[argument], sample.truths[argument]
    if g is None:
        return f"d{argument} is None; wanted shape {G.shape}"
    if g.shape != G.shape:
        return f"d{argument} has shape {g.shape}; wanted {G.shape}, as {argument}"
    if not np.isfinite(g).all():
        return f"d{argument} has {np.count_nonzero(~np.isfinite(g))} entries that are not finite"
    wrong = np.abs(g - G) > TOLERANCE * float(np.max(np.abs(G), initial=0.0))
    places = np.argwhere(wrong)
    words = [f"d{argument} is wrong at {len(places)} of {G.size} entries"]
    for axis, size in enumerate(G.shape):
        where = np.unique(places[:, axis])
        if size > 2 and len(where) and len(where) < size:
            ends = {
                (0,): "the first place",
                (size - 1,): "the last place",
                (0, size - 1): "both ends",
            }
            few = "all at places " + ", ".join(map(str, where))
            word = ends.get(tuple(map(int, where)))
            words.append(f"{f'all at {word}' if word else few} of axis {axis}")
    if G.ndim == 2 and min(G.shape) > 2 and _rank(g - G) == 1:
        words.append("by an outer product of two vectors")
    at = np.unravel_index(np.argmax(np.abs(g - G)), G.shape)
    index = f"[{', '.join(map(str, at))}]" if at else ""
    place = f"at d{argument}{index}" if len(places) > 1 else "there"
    values = f"most {place}: got {g[at]:.6g}, wanted {G[at]:.6g}"
    return "; ".join([", ".join(words), values])


def _rank(error: Array) -> int:
    sizes = np.linalg.svd(error, compute_uv=False)
    return int(np.sum(sizes > 1e-5 * sizes[0]))


def describe(name: str, g: Array, G: Array, tolerance: float) -> tuple[str, str]:
    """(kind, message) for a wrong gradient g of argument `name` and the right one G.

    A kind is spoken only when it explains every entry to `tolerance`; else it is "unnamed".

    >>> describe("w", np.array([-1.0, -2.0]), np.array([1.0, 2.0]), 1e-9)
    ('sign', 'dw has the wrong sign: it is -1 times the right gradient at all 2 entries')
    """
    scale = float(np.max(np.abs(G)))
    if np.count_nonzero(np.abs(G) > tolerance * scale) > 1:
        ratio = float(np.sum(g * G) / np.sum(G * G))
        if ratio and np.max(np.abs(g - ratio * G)) <= tolerance * scale * max(abs(ratio), 1):
            entries = f"times the right gradient at all {G.size} entries"
            if abs(ratio + 1) <= tolerance:
                return "sign", f"d{name} has the wrong sign: it is -1 {entries}"
            return "constant-factor", f"d{name} is {_number(ratio)} {entries}"
    square = G.ndim == 2 and G.shape[0] == G.shape[1]
    if square and np.max(np.abs(g.T - G)) <= tolerance * scale:
        return "transposed", f"d{name} is the transpose of the right gradient"
    wrong = np.abs(g - G) > tolerance * scale
    at = np.unravel_index(np.argmax(np.abs(g - G)), G.shape)
    where = f"[{', '.join(map(str, at))}]" if at else ""
    return "unnamed", (
        f"d{name} is wrong at {np.count_nonzero(wrong)} of {G.size} entries, most at "
        f"d{name}{where}: got {g[at]:.6g}, wanted {G[at]:.6g}"
    )


def _number(ratio: float) -> str:
    if abs(1 / ratio - round(1 / ratio)) < 1e-6 and abs(ratio) < 1:
        return f"1/{round(1 / ratio)}"
    return f"{ratio:.6g}"
