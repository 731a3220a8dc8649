"""Hypothesis: a function of the forward counts with another slope than its own.

It is left out and counts as 1, or taken at another point; a softmax has its diagonal only.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import erf, pi, sqrt
from typing import Any

import numpy as np

from gradcheck.factors import Explanation
from gradcheck.probes import Probe
from gradcheck.rules import Source, line
from gradcheck.samples import Operation, is_number

Array = np.ndarray
Candidates = Iterator[tuple[str, str, str, list[Array]]]
LIMITS = {"clip", "where", "minimum"}  # what is cut off by these is masked
# a factor left out: a term that is missing, or the wrong one of two names? the source can tell
FACTOR = ("missing-term", "wrong-operand")


@dataclass(frozen=True)
class Pair:
    """A value z and a function v of it, at every occurrence.

    `own` is dv/dz where each entry of v hangs on the same entry of z alone; `softmax` says whether
    v is one instead, or the logarithm of one; `straight` whether v = own z + constant.
    """

    v: list[Array]
    z: list[Array]
    own: Array | None
    softmax: str
    straight: bool
    f: Callable | None

    @property
    def gates(self) -> bool:
        """Whether slopes are all 0 or 1."""
        if self.own is None:
            return False
        return bool(np.all((np.abs(self.own) < 1e-9) | (np.abs(self.own - 1) < 1e-6)))


def plain_slopes(probe: Probe) -> Iterator[Explanation]:
    """The slope of a function counts as 1; a softmax has its diagonal only."""
    yield from _slopes(probe, _plain)


def other_slopes(probe: Probe) -> Iterator[Explanation]:
    """The slope of a function is taken at another point, or is that of another function."""
    yield from _slopes(probe, _others_of)


def _slopes(probe: Probe, candidates: Callable) -> Iterator[Explanation]:
    """Of all pairs of a value z and a function v of it, entry by entry or a softmax."""
    for ops in probe.moving.values():
        v, seen = [o.result for o in ops], set()
        softmax = _softmax(v[0])
        for source in _sources(probe, ops):
            z = [np.asarray(source.of(o)) for o in probe.occurrences(source.site)]
            mark = b"".join(a.tobytes() for a in z)
            if z[0].shape != np.shape(v[0]) or mark in seen:
                continue
            seen.add(mark)
            own = _slope(probe, ops, source) if len(ops) == 1 else None
            if len(ops) == 1 and own is None and not softmax:
                continue
            if own is not None and np.ptp(own) < 1e-9 * np.max(np.abs(own)):
                continue  # a scale, whose factor says it all
            straight = own is not None and _straight(probe, ops, source, own)
            kind_of = softmax if own is None else ""
            pair = Pair(v, z, own, kind_of, straight, ops[0].f)
            found = [*candidates(probe, pair)]
            for kind, key, words in probe.having(ops, source, z, found):
                place = (id(ops[0].site), id(source.site), source.j, key)
                yield Explanation(kind, place, f"{words} at {line(ops)}")


def _sources(probe: Probe, ops: list[Operation]) -> Iterator[Source]:
    """The operands of an operation, and the values before it that move and occur as often."""
    if ops[0].f is not None:
        for j, g in enumerate(ops[0].given):
            if is_number(g):
                yield Source(ops[0].site, j)
    for earlier in probe.moving.values():
        if earlier is ops:
            return
        if len(earlier) == len(ops):
            yield Source(earlier[0].site)
            for j, g in enumerate(earlier[0].given):
                if is_number(g):
                    yield Source(earlier[0].site, j)


def _slope(probe: Probe, ops: list[Operation], source: Source) -> Array | None:
    """dv/dz where each entry of v hangs on the same entry of z alone, else None."""
    found = []
    for k in range(2):
        dv, dz = probe.tangent(k, Source(ops[0].site)), probe.tangent(k, source)
        if not np.all(np.abs(dz) > 1e-6):
            return None
        found.append(dv / dz)
    return found[0] if np.allclose(found[0], found[1], 1e-4, 1e-6) else None


def _softmax(v: Array) -> str:
    """Whether v sums to 1 along its last axis, or exp(v) does."""
    if v.ndim and v.shape[-1] > 1:
        for word, p in (("softmax", v), ("log", np.exp(v))):
            if np.all(p >= 0) and np.min(p.max(-1)) < 1 and np.allclose(p.sum(-1), 1, 0, 1e-9):
                return word
    return ""


def _plain(probe: Probe, pair: Pair) -> Candidates:
    """(kind, key, words, slope at every occurrence) of what is plainly left out."""
    v, own = pair.v, pair.own
    names: tuple[str, ...] = ("activation-derivative-missing",)
    if own is not None and pair.straight and not pair.gates:
        names = FACTOR if np.all(own) else ("mask",)  # a product, whose factor is left out
    elif pair.gates and getattr(pair.f, "__name__", "") in LIMITS:
        names = ("mask",)
    for name in names:
        yield name, "1", "the slope counts as 1", [np.ones(a.shape) for a in v]
    if own is not None and np.allclose(own, v[0] * (1 - v[0])):
        yield name, "v", "the slope is its first factor only, the value", v
        yield name, "1 - v", "the slope is its second factor only", [1 - a for a in v]
    if pair.softmax:
        softmax = pair.softmax == "softmax"
        diagonal = [a * (1 - a) if softmax else 1 - np.exp(a) for a in v]
        yield "softmax-diagonal-only", "diagonal", "the softmax has its diagonal only", diagonal
        if softmax:
            yield "missing-term", "sum", "the sum in the softmax counts as constant", v
    if own is not None and len(levels := np.unique(np.round(own, 6))) == 2:
        swapped = np.where(np.abs(own - levels[0]) < 1e-5, levels[1], levels[0])
        yield "mask", "swapped", "the two slopes stand in each other's place", [swapped]


def _straight(probe: Probe, ops: list[Operation], source: Source, own: Array) -> bool:
    """Whether v = own z + constant, as products have it."""
    if "far" not in probe.memory:
        probe.memory["far"] = probe.tape(probe.moved(0, 0.125))
    ends = [
        (far[id(ops[0].site)][0], far[id(source.site)][0])
        for far in (probe.memory["far"], probe.all)
    ]
    (v, z), (v0, z0) = ((np.asarray(a.result), np.asarray(source.of(b))) for a, b in ends)
    return v.shape == v0.shape and np.allclose(v - v0, own * (z - z0), rtol=1e-6, atol=1e-9)


def _others_of(probe: Probe, pair: Pair) -> Candidates:
    """The same, of slopes at other points, of other functions, with a factor more or less."""
    if pair.softmax:
        return
    v, z, own = pair.v, pair.z, pair.own
    name = "mask" if pair.gates else "activation-derivative-misplaced"
    if own is not None and np.allclose(own, 1 - v[0] ** 2):
        yield name, "v", "the slope is the value itself", v
    near = {}
    for key, points in {"its argument": z, "its value": v}.items():
        slopes = [_forms(p) for p in points]
        for form in slopes[0]:
            near[key, form] = [s[form] for s in slopes]
            words = f"the slope is {form.replace('{}', key)}"
            yield name, f"{key} {form}", words, near[key, form]
    for f, key, form, found in _points(probe, len(v), v[0].shape):
        if any(np.array_equal(found[0], n[0]) for n in near.values()):
            continue
        kind = "wrong-operand" if f is not None and f is pair.f else name  # its sibling's slope
        yield kind, f"{key} {form}", f"the slope is {form.replace('{}', key)}", found
    variants = [_variants(a) for a in z]
    for key in variants[0]:
        slope = [s[key] for s in variants]
        yield "forward-backward-variant-mismatch", key, f"the slope is that of {key}", slope
    for key, w in (("its argument", z), ("its value", v)) if own is not None else ():
        for kind in FACTOR if np.ptp(w[0]) > 0 else ():
            yield kind, f"times {key}", f"the slope lacks a division by {key}", [own * w[0]]
            yield kind, f"over {key}", f"the slope lacks a factor, {key}", [own / w[0]]


def _points(probe: Probe, count: int, shape: tuple) -> list[tuple[Any, str, str, list[Array]]]:
    """Slopes at other values of some shape that occur so often, at arguments and at dy."""
    if (count, shape) not in probe.memory:
        found: dict[str, list[Array]] = {}
        by: dict[str, Any] = {}
        for other in probe.all.values():
            if len(other) == count and np.shape(other[0].result) == shape:
                at = f"the value of line {other[0].site.line}"
                at += "'" * (at in found)
                found[at], by[at] = [o.result for o in other], other[0].f
        if count == 1:
            given = zip(probe.sample.subject.names, probe.sample.subject.arrays, strict=True)
            found |= {n: [a] for n, a in given if np.shape(a) == shape and is_number(a)}
            dys = enumerate(probe.sample.dy)
            found |= {f"dy[{k}]": [d] for k, d in dys if np.shape(d) == shape}
        forms = {key: [_forms(p) for p in points] for key, points in found.items()}
        probe.memory[count, shape] = [
            (by.get(key), key, form, [s[form] for s in slopes])
            for key, slopes in forms.items()
            for form in slopes[0]
        ]
    return probe.memory[count, shape]


def _forms(w: Array) -> dict[str, Array]:
    """Slopes that people write, at w."""
    s = 1 / (1 + np.exp(-w))
    return {
        "1 - {}**2": 1 - w**2,
        "{} (1 - {})": w * (1 - w),
        "1 - tanh({})**2": 1 - np.tanh(w) ** 2,
        "sigmoid'({})": s * (1 - s),
        "[{} > 0]": (w > 0) * 1.0,
        "exp({})": np.exp(w),
    }


def _variants(x: Array) -> dict[str, Array]:
    """Slopes of functions that have two forms under one name."""
    c = sqrt(2 / pi)
    t = np.tanh(c * (x + 0.044715 * x**3))
    cdf = 0.5 * (1 + np.vectorize(erf)(x / sqrt(2)))
    return {  # functions that have two forms under one name
        "GELU by erf": cdf + x * np.exp(-(x**2) / 2) / sqrt(2 * pi),
        "GELU by tanh": 0.5 * (1 + t) + 0.5 * x * (1 - t**2) * c * (1 + 3 * 0.044715 * x**2),
        "ELU with alpha = 1": np.where(x > 0, 1, np.exp(x)),
    }
