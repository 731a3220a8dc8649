"""What may be wrong with one derivative rule, as hypotheses for `rules.Probe`, each with its name."""

import itertools
import operator
from collections.abc import Iterator
from typing import Any

import numpy as np
from math import erf, pi, sqrt

from gradcheck.instrument import watching
from gradcheck.rules import Bent, Probe, Rule, Source, again
from gradcheck.samples import TOLERANCE, Operation, Sample, is_number
from gradcheck.signatures import Explanation, factors

Array = np.ndarray
BILINEAR = (operator.mul, operator.matmul, np.dot, np.outer, np.multiply, np.matmul, np.einsum)
BILINEAR += (np.convolve, np.correlate)


def explain(sample: Sample) -> list[Explanation]:
    """All hypotheses on one rule that explain the wrong gradients of this sample together."""
    gradients = [sample.gradients[n] for n in sample.wrong]
    if any(g is None or g.shape != sample.truths[n].shape for n, g in zip(sample.wrong, gradients, strict=True)):
        return []
    probe = Probe(sample)
    if not np.any(probe.hand) or np.max(np.abs(probe.hand - probe.true)) < 1e-4 * probe.scale:
        return []
    with np.errstate(all="ignore"):
        return [e for look in (paths, slopes, partners, blocks) for e in look(probe)]


def line(ops: list[Operation]) -> str:
    return f"line {ops[0].site.line}"


def paths(probe: Probe) -> Iterator[Explanation]:
    """g counts what goes through one operation, or through one of its operands, c times.

    The derivative is affine in c, and known for c = 0, where the path is held still, and for 1.
    """
    for ops in probe.moving.values():
        numbers = [j for j in range(min(len(o.given) for o in ops)) if all(is_number(o.given[j]) for o in ops)]
        for j in (None, *(numbers if len(numbers) > 1 else ())):
            for free in (-1, 0, len(ops) - 1) if len(ops) > 1 else (-1,):
                c = _count(probe, ops, _held(ops, j, free))
                if c is not None:
                    yield from _counted(probe, ops, j, free, c)


def _held(ops: list[Operation], j: int | None, free: int) -> Rule:
    """The rule that holds a result, or operand j, where it was; but for occurrence `free`."""

    def rule(k: int, now: Operation, _: Any) -> Any:
        if k == free:
            return now.result
        if j is None or now.f is None:
            return ops[k].result
        return again(now, (*now.given[:j], ops[k].given[j], *now.given[j + 1 :]))

    return rule


def _count(probe: Probe, ops: list[Operation], rule: Rule) -> float | None:
    """The c that explains g along both directions, or None."""
    site, counts = ops[0].site, []
    for k in range(2):
        cut = probe.derivative(k, site, rule)
        share = probe.true[k] - cut
        if not abs(share) > 1e-3 * probe.scale:
            return None
        counts.append((probe.hand[k] - cut) / share)
        if k and not abs(counts[0] - counts[1]) * abs(share) <= TOLERANCE * 10 * probe.scale:
            return None
        if abs(counts[0] - 1) < 1e-4:
            return None
    return counts[0]


def _counted(
    probe: Probe, ops: list[Operation], j: int | None, free: int, c: float
) -> Iterator[Explanation]:
    place = (id(ops[0].site), j)
    of = f"operand {j + 1} of " if j is not None else ""
    if free >= 0:
        if abs(c) > 1e-5:
            return
        if free == 0 and _recurs(probe, ops, j):
            kind, words = "missing-recurrent-term", f"what {of}{line(ops)} hands from pass to pass"
            yield Explanation(kind, (*place, free), f"the gradients lack {words}")
            return
        which = "first" if free == 0 else "last"
        words = f"the gradients hold the {which} of {len(ops)} passes of {line(ops)} alone"
        yield Explanation("overwrites-instead-of-accumulates", (*place, which), words)
    elif abs(c) < 1e-5:
        kind = "missing-recurrent-term" if _recurs(probe, ops, j) else "missing-term"
        yield Explanation(kind, place, f"the gradients lack what goes through {of}{line(ops)}")
    else:
        for e in factors(c, probe.sample, np.shape(ops[0].result)):
            words = f"what goes through {of}{line(ops)} is counted {e.words} times"
            yield Explanation(e.kind, (*place, e.key), words)


def _recurs(probe: Probe, ops: list[Operation], j: int | None) -> bool:
    """Whether what an operation gives comes back as an operand at its next occurrence."""
    if len(ops) < 2:
        return False
    seen: list[tuple] = []

    def rule(k: int, now: Operation, _: Any) -> Any:
        seen.append(tuple(np.array(g) if is_number(g) else None for g in now.given))
        return now.result + 0.125 if k == 0 else now.result

    with watching(probe.sample.subject.functions, Bent(ops[0].site, rule)):
        probe.sample.subject.run()
    before = [g if is_number(g) else None for g in ops[1].given]
    return any(
        b is not None and not np.array_equal(a, b)
        for i, (a, b) in enumerate(zip(seen[1], before, strict=True))
        if j in (None, i)
    )


def slopes(probe: Probe) -> Iterator[Explanation]:
    """A function v of z, entry by entry or a softmax, has another slope than its own."""
    for ops in probe.moving.values():
        v, seen = [o.result for o in ops], set()
        softmax = _softmax(v[0])
        for source in _sources(probe, ops):
            z = [source.of(o) for o in _at(probe, source)]
            mark = b"".join(np.asarray(a).tobytes() for a in z)
            if np.shape(z[0]) != np.shape(v[0]) or mark in seen:
                continue
            seen.add(mark)
            own = _slope(probe, ops, source) if len(ops) == 1 else None
            if len(ops) == 1 and own is None and not softmax:
                continue
            if own is not None and np.ptp(own) < 1e-9 * np.max(np.abs(own)):
                continue  # a scale, whose factor says it all
            found = [c for c in _candidates(probe, v, z, own, softmax)]
            for kind, key, words in probe.having(ops, source, z, found):
                place = (id(ops[0].site), id(source.site), source.j, key)
                yield Explanation(kind, place, f"{words} at {line(ops)}")


def _at(probe: Probe, source: Source) -> list[Operation]:
    return [o for o in probe.sample.tape if o.site is source.site]


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
            for j in (None, *(j for j, g in enumerate(earlier[0].given) if is_number(g))):
                yield Source(earlier[0].site, j)


def _slope(probe: Probe, ops: list[Operation], source: Source) -> Array | None:
    """dv/dz where each entry of v hangs on the same entry of z alone, else None."""
    found = []
    for k in range(2):
        dv, dz = probe.tangent(k, Source(ops[0].site)), probe.tangent(k, source)
        if not np.all(np.abs(dz) > 1e-6):
            return None
        found.append(dv / dz)
    return found[0] if np.allclose(*found, 1e-4, 1e-6) else None


def _softmax(v: Array) -> str:
    """Whether v sums to 1 along its last axis, or exp(v) does."""
    if v.ndim and v.shape[-1] > 1:
        for word, p in (("softmax", v), ("log", np.exp(v))):
            if np.all(p >= 0) and np.all(p < 1) and np.allclose(p.sum(-1), 1, 0, 1e-9):
                return word
    return ""


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
    return {
        "GELU by erf": cdf + x * np.exp(-(x**2) / 2) / sqrt(2 * pi),
        "GELU by tanh": 0.5 * (1 + t) + 0.5 * x * (1 - t**2) * c * (1 + 3 * 0.044715 * x**2),
        "ELU with alpha = 1": np.where(x > 0, 1, np.exp(x)),
    }


def _candidates(
    probe: Probe, v: list[Array], z: list[Array], own: Array | None, softmax: str
) -> Iterator[tuple[str, str, str, list[Array]]]:
    """(kind, key, words, slope at every occurrence)"""
    name = "activation-derivative-missing"
    yield name, "1", "the slope counts as 1", [np.ones(np.shape(a)) for a in v]
    if softmax and own is None:
        diagonal = [a * (1 - a) if softmax == "softmax" else 1 - np.exp(a) for a in v]
        yield "softmax-diagonal-only", "diagonal", "the softmax has its diagonal only", diagonal
        if softmax == "softmax":
            yield "missing-term", "sum", "the sum in the softmax counts as constant", v
        return
    gate = own is not None and np.all((np.abs(own) < 1e-9) | (np.abs(own - 1) < 1e-6))
    name = "mask" if gate else "activation-derivative-misplaced"
    yield name, "v", "the slope is the value itself", v
    yield name, "1-v", "the slope is 1 minus the value", [1 - a for a in v]
    for key, points in {"its argument": z, "its value": v}.items():
        slopes = [_forms(p) for p in points]
        for form in slopes[0]:
            words = f"the slope is {form.replace('{}', key)}"
            yield name, f"{key} {form}", words, [s[form] for s in slopes]
    for key, form, found in _points(probe, len(v), np.shape(v[0])):
        yield name, f"{key} {form}", f"the slope is {form.replace('{}', key)}", found
    variants = [_variants(a) for a in z]
    for key in variants[0]:
        slope = [s[key] for s in variants]
        yield "forward-backward-variant-mismatch", key, f"the slope is that of {key}", slope


def _points(probe: Probe, count: int, shape: tuple) -> list[tuple[str, str, list[Array]]]:
    """Slopes at other values of some shape that occur so often, at arguments and at dy."""
    if (count, shape) not in probe.memory:
        found: dict[str, list[Array]] = {}
        for other in _grouped(probe):
            if len(other) == count and np.shape(other[0].result) == shape:
                at = f"the value of line {other[0].site.line}"
                found[at + "'" * (at in found)] = [o.result for o in other]
        if count == 1:
            given = zip(probe.sample.subject.names, probe.sample.subject.arrays, strict=True)
            found |= {n: [a] for n, a in given if np.shape(a) == shape and is_number(a)}
            dys = enumerate(probe.sample.dy)
            found |= {f"dy[{k}]": [d] for k, d in dys if np.shape(d) == shape}
        forms = {key: [_forms(p) for p in points] for key, points in found.items()}
        probe.memory[count, shape] = [
            (key, form, [s[form] for s in slopes])
            for key, slopes in forms.items()
            for form in slopes[0]
        ]
    return probe.memory[count, shape]


def _grouped(probe: Probe) -> list[list[Operation]]:
    found: dict[int, list[Operation]] = {}
    for o in probe.sample.tape:
        found.setdefault(id(o.site), []).append(o)
    return list(found.values())


def partners(probe: Probe) -> Iterator[Explanation]:
    """In a product a b, the gradient of one factor is taken with something else for the other."""
    for ops in probe.moving.values():
        f = ops[0].f
        numbers = [j for j, g in enumerate(ops[0].given) if is_number(g)]
        if not any(f is b for b in BILINEAR) or len(numbers) != 2:
            continue
        for j, other in (numbers, numbers[::-1]):  # a moves, b is replaced
            for kind, key, words, values in _others(probe, ops, other):

                def rule(k: int, now: Operation, _: Any, j=j, other=other, values=values) -> Any:
                    first, second = [*ops[k].given], [*ops[k].given]
                    first[j], first[other] = now.given[j] - ops[k].given[j], values[k]
                    second[other] = now.given[other] - ops[k].given[other]
                    return ops[k].result + again(now, tuple(first)) + again(now, tuple(second))

                try:
                    held = probe.holds(ops, rule)
                except (ValueError, TypeError):
                    continue
                if held:
                    yield Explanation(kind, (id(ops[0].site), j, key), f"{words} at {line(ops)}")


def _others(
    probe: Probe, ops: list[Operation], j: int
) -> Iterator[tuple[str, str, str, list[Array]]]:
    """What may stand for operand j: itself transposed, flipped, from another pass; another value."""
    own = [np.asarray(o.given[j]) for o in ops]
    shape = own[0].shape
    for axes in itertools.combinations(range(len(shape)), 2):
        if shape[axes[0]] == shape[axes[1]]:
            yield "transposed", f"transposed {axes}", f"operand {j + 1} is transposed", [np.swapaxes(a, *axes) for a in own]
    for count in (1, 2):
        for axes in itertools.combinations(range(len(shape)), count):
            if all(shape[a] > 1 for a in axes):
                yield "flipped-kernel", f"flipped {axes}", f"operand {j + 1} is flipped", [np.flip(a, axes) for a in own]
    for other in _grouped(probe):
        at = f"line {other[0].site.line}:{other[0].site.column}"
        for i, g in ((None, other[0].result), *enumerate(other[0].given)):
            if not is_number(g) or np.shape(g) != shape or len(other) not in (1, len(ops)):
                continue
            values = [Source(other[0].site, i).of(o) for o in other]
            values = values * len(ops) if len(other) == 1 else values
            if all(np.array_equal(a, b) for a, b in zip(values, own, strict=True)):
                continue
            late = len(ops) > 1 and any(
                all(np.array_equal(a, b) for a, b in zip(*pair, strict=True))
                for pair in ((values[1:], own[:-1]), (values[:-1], own[1:]))
            )
            kind = "time-shift" if late else "wrong-operand"
            yield kind, f"{id(other[0].site)} {i}", f"operand {j + 1} is that of {at}", values
    given = zip(probe.sample.subject.names, probe.sample.subject.arrays, strict=True)
    for n, a in given:
        if is_number(a) and np.shape(a) == shape and not any(np.array_equal(a, b) for b in own):
            yield "wrong-operand", n, f"operand {j + 1} is {n}", [a] * len(ops)


def blocks(probe: Probe) -> Iterator[Explanation]:
    """Equal blocks of a value along its last axis get each other's gradients."""
    for ops in probe.moving.values():
        shape = np.shape(ops[0].result)
        for count in (2, 3, 4):
            if not shape or shape[-1] % count or shape[-1] == count:
                continue
            for order in itertools.permutations(range(count)):
                if order == tuple(range(count)):
                    continue

                def rule(k: int, now: Operation, _: Any, order=order, count=count) -> Any:
                    parts = np.split(now.result - ops[k].result, count, -1)
                    return ops[k].result + np.concatenate([parts[i] for i in order], -1)

                if probe.holds(ops, rule):
                    words = f"the {count} blocks of {line(ops)} are in the order {order}"
                    yield Explanation("gate-order", (id(ops[0].site), order), words)
