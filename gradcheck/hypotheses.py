"""What may be wrong with one derivative rule, as hypotheses for `rules.Probe`, each with its name."""

import itertools
import operator
from collections.abc import Callable, Iterator
from math import erf, pi, sqrt
from typing import Any

import numpy as np

from gradcheck.instrument import watching
from gradcheck.rules import Bent, Probe, Rule, Source, again
from gradcheck.samples import TOLERANCE, Operation, Sample, is_number
from gradcheck.signatures import Explanation, factors

Array = np.ndarray
# a factor left out: a term that is missing, or the wrong one of two names? the source can tell
FACTOR = ("missing-term", "wrong-operand")
BILINEAR = (operator.mul, operator.matmul, np.dot, np.outer, np.multiply, np.matmul, np.einsum)
BILINEAR += (np.convolve, np.correlate)


def explain(samples: list[Sample]) -> list[Explanation]:
    """The hypotheses on one rule that explain all wrong gradients of all samples together.

    The simplest kind of hypothesis that does ends the search.
    """
    probes = [Probe(s) for s in samples]
    for s in samples:
        if any(g is None or g.shape != s.truths[n].shape for n, g in s.gradients.items()):
            return []
    for p in probes:
        if not np.any(p.hand) or np.max(np.abs(p.hand - p.true)) < 1e-4 * p.scale:
            return []
    with np.errstate(all="ignore"):
        for look in (
            results,
            operand_paths,
            plain_slopes,
            choices,
            blocks,
            turned,
            other_slopes,
            partners,
        ):
            found: list[Explanation] = []
            for n, p in enumerate(probes):
                here = [*look(p)] if not n or found else []
                keys = {(e.kind, e.key) for e in here}
                found = [e for e in found if (e.kind, e.key) in keys] if n else here
            if found:
                return found
    return []


def line(ops: list[Operation]) -> str:
    return f"line {ops[0].site.line}"


def results(probe: Probe) -> Iterator[Explanation]:
    """g counts what goes through one operation c times.

    The derivative is affine in c, and known for c = 0, where the path is held still, and for 1.
    """
    found = [e for ops in probe.moving.values() for e in _path(probe, ops, None)]
    yield from _whole(found)


def operand_paths(probe: Probe) -> Iterator[Explanation]:
    """g counts what goes through one operand of an operation c times."""
    several = [ops for ops in probe.moving.values() if len(_numbers(ops)) > 1]
    yield from _whole([e for ops in several for j in _numbers(ops) for e in _path(probe, ops, j)])


def _whole(found: list[tuple[float, Explanation]]) -> list[Explanation]:
    """The explanations by the largest share: half of w w lost is all of it minus another half."""
    most = max((share for share, _ in found), default=0.0)
    return [e for share, e in found if share > 0.999 * most]


def _numbers(ops: list[Operation]) -> list[int]:
    """The operands that are numbers at every occurrence."""
    least = min(len(o.given) for o in ops)
    return [j for j in range(least) if all(is_number(o.given[j]) for o in ops)]


def _path(probe: Probe, ops: list[Operation], j: int | None) -> Iterator[tuple[float, Explanation]]:
    """(share, explanation) by the path through a result, or through operand j."""
    for free in (-1, 0, len(ops) - 1) if len(ops) > 1 else (-1,):
        found = _count(probe, ops, _held(ops, j, free))
        if found is not None:
            for e in _counted(probe, ops, j, free, found[0]):
                yield found[1], e


def _held(ops: list[Operation], j: int | None, free: int) -> Rule:
    """The rule that holds a result, or operand j, where it was; but for occurrence `free`."""

    def rule(k: int, now: Operation, _: Any) -> Any:
        if k == free:
            return now.result
        if j is None or now.f is None:
            return ops[k].result
        return again(now, (*now.given[:j], ops[k].given[j], *now.given[j + 1 :]))

    return rule


def _count(probe: Probe, ops: list[Operation], rule: Rule) -> tuple[float, float] | None:
    """The c that explains g along both directions, and the path's share in G along one."""
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
    if probe.entries == 1 and abs(counts[0]) > 1e-5 and abs(counts[0] + 1) > 1e-5:
        return None  # any number is a multiple of another
    return counts[0], abs(share)


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
        own = np.shape(ops[0].result if j is None else ops[0].given[j])
        for e in factors(c, probe.sample, own):
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
            z = [np.asarray(source.of(o)) for o in _at(probe, source)]
            mark = b"".join(a.tobytes() for a in z)
            if z[0].shape != np.shape(v[0]) or mark in seen:
                continue
            seen.add(mark)
            own = _slope(probe, ops, source) if len(ops) == 1 else None
            if len(ops) == 1 and own is None and not softmax:
                continue
            if own is not None and np.ptp(own) < 1e-9 * np.max(np.abs(own)):
                continue  # a scale, whose factor says it all
            found = [*candidates(probe, ops, z, own, softmax if own is None else "")]
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
            if np.all(p >= 0) and np.min(p.max(-1)) < 1 and np.allclose(p.sum(-1), 1, 0, 1e-9):
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
    return {  # functions that have two forms under one name
        "GELU by erf": cdf + x * np.exp(-(x**2) / 2) / sqrt(2 * pi),
        "GELU by tanh": 0.5 * (1 + t) + 0.5 * x * (1 - t**2) * c * (1 + 3 * 0.044715 * x**2),
        "ELU with alpha = 1": np.where(x > 0, 1, np.exp(x)),
    }


Candidates = Iterator[tuple[str, str, str, list[Array]]]


def _plain(
    probe: Probe, ops: list[Operation], z: list[Array], own: Array | None, softmax: str
) -> Candidates:
    """(kind, key, words, slope at every occurrence) of what is plainly left out."""
    v = [o.result for o in ops]
    names: tuple[str, ...] = ("activation-derivative-missing",)
    if own is not None and not _gates(own) and _straight(probe, ops, z, own):
        names = FACTOR if np.all(own) else ("mask",)  # a product, whose factor is left out
    for name in names:
        yield name, "1", "the slope counts as 1", [np.ones(a.shape) for a in v]
    if own is not None and np.allclose(own, v[0] * (1 - v[0])):
        yield name, "v", "the slope is its first factor only, the value", v
        yield name, "1 - v", "the slope is its second factor only", [1 - a for a in v]
    if softmax:
        diagonal = [a * (1 - a) if softmax == "softmax" else 1 - np.exp(a) for a in v]
        yield "softmax-diagonal-only", "diagonal", "the softmax has its diagonal only", diagonal
        if softmax == "softmax":
            yield "missing-term", "sum", "the sum in the softmax counts as constant", v
    levels = np.unique(np.round(own, 6)) if own is not None else []
    if own is not None and len(levels) == 2:
        swapped = np.where(np.abs(own - levels[0]) < 1e-5, levels[1], levels[0])
        yield "mask", "swapped", "the two slopes stand in each other's place", [swapped]


def _straight(probe: Probe, ops: list[Operation], z: list[Array], own: Array) -> bool:
    """Whether v = own z + constant, as products have it."""
    if "far" not in probe.memory:
        probe.memory["far"] = probe.tape(probe.moved(0, 0.125))
    far = probe.memory["far"]
    source = next(
        s
        for s in _sources(probe, ops)
        if np.array_equal(_at(probe, s)[0] and s.of(_at(probe, s)[0]), z[0])
    )
    dv = far[id(ops[0].site)][0].result - ops[0].result
    dz = source.of(far[id(source.site)][0]) - z[0]
    return bool(np.allclose(dv, own * dz, 1e-6, 1e-9))


def _gates(own: Array) -> bool:
    """Whether slopes are all 0 or 1."""
    return bool(np.all((np.abs(own) < 1e-9) | (np.abs(own - 1) < 1e-6)))


def _others_of(
    probe: Probe, ops: list[Operation], z: list[Array], own: Array | None, softmax: str
) -> Candidates:
    """The same, of slopes at other points, of other functions, with a factor more or less."""
    if softmax:
        return
    v = [o.result for o in ops]
    name = "mask" if own is not None and _gates(own) else "activation-derivative-misplaced"
    if own is not None and np.allclose(own, 1 - v[0] ** 2):
        yield name, "v", "the slope is the value itself", v
    for key, points in {"its argument": z, "its value": v}.items():
        slopes = [_forms(p) for p in points]
        for form in slopes[0]:
            words = f"the slope is {form.replace('{}', key)}"
            yield name, f"{key} {form}", words, [s[form] for s in slopes]
    for f, key, form, found in _points(probe, len(v), v[0].shape):
        if any(np.array_equal(found[0], s[form]) for s in (_forms(z[0]), _forms(v[0]))):
            continue
        kind = "wrong-operand" if f is not None and f is ops[0].f else name  # its sibling's slope
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
        for other in _grouped(probe):
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


def _grouped(probe: Probe) -> list[list[Operation]]:
    found: dict[int, list[Operation]] = {}
    for o in probe.sample.tape:
        found.setdefault(id(o.site), []).append(o)
    return list(found.values())


def turned(probe: Probe) -> Iterator[Explanation]:
    """In a product a b, the gradient of one factor is taken with the other one turned round."""
    yield from _products(probe, _turned)
    yield from _crossed(probe)


def partners(probe: Probe) -> Iterator[Explanation]:
    """In a product a b, the gradient of one factor is taken with something else for the other."""
    yield from _products(probe, _others)


def _crossed(probe: Probe) -> Iterator[Explanation]:
    """The gradient of one factor of a b is taken with that of the product transposed."""
    for ops in probe.moving.values():
        numbers, shape = _numbers(ops), np.shape(ops[0].result)
        if not any(ops[0].f is b for b in BILINEAR) or len(numbers) != 2:
            continue
        for j, axes in itertools.product(numbers, itertools.combinations(range(len(shape)), 2)):
            if shape[axes[0]] != shape[axes[1]]:
                continue

            def rule(k: int, now: Operation, _: Any, j=j, axes=axes) -> Any:
                alone = [*ops[k].given]
                alone[j] = now.given[j]
                part = again(now, tuple(alone)) - ops[k].result
                return now.result - part + np.swapaxes(part, *axes)

            if probe.holds(ops, rule):
                words = f"the gradient of {line(ops)} is transposed for operand {j + 1}"
                yield Explanation("transposed", (id(ops[0].site), j, axes), words)


def _products(probe: Probe, candidates: Callable) -> Iterator[Explanation]:
    for ops in probe.moving.values():
        f, numbers = ops[0].f, _numbers(ops)
        if not any(f is b for b in BILINEAR) or len(numbers) != 2:
            continue
        for j, other in (numbers, numbers[::-1]):  # a moves, b is replaced
            for kind, key, words, values in candidates(probe, ops, j, other):

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


def _turned(probe: Probe, ops: list[Operation], i: int, j: int) -> Candidates:
    """What may stand for operand j: itself transposed, or flipped."""
    own = [np.asarray(o.given[j]) for o in ops]
    shape = own[0].shape
    word = f"operand {j + 1}"
    for axes in itertools.combinations(range(len(shape)), 2):
        if shape[axes[0]] == shape[axes[1]]:
            swapped = [np.swapaxes(a, *axes) for a in own]
            yield "transposed", f"transposed {axes}", f"{word} is transposed", swapped
    for count in (1, 2):
        for axes in itertools.combinations(range(len(shape)), count):
            if all(shape[a] > 1 for a in axes):
                flipped = [np.flip(a, axes) for a in own]
                yield "flipped-kernel", f"flipped {axes}", f"{word} is flipped", flipped


def _others(probe: Probe, ops: list[Operation], i: int, j: int) -> Candidates:
    """What may stand for operand j: another value of its shape, or its own of another pass."""
    own = [np.asarray(o.given[j]) for o in ops]
    shape, seen = own[0].shape, {b"".join(a.tobytes() for a in own)}
    for other in _grouped(probe):
        for n, g in ((None, other[0].result), *enumerate(other[0].given)):
            if not is_number(g) or np.shape(g) != shape or len(other) not in (1, len(ops)):
                continue
            values = [np.asarray(Source(other[0].site, n).of(o)) for o in other]
            values = values * len(ops) if len(other) == 1 else values
            mark = b"".join(a.tobytes() for a in values)
            if mark in seen or any(a.shape != shape for a in values):
                continue
            seen.add(mark)
            at = f"the {'result' if n is None else f'operand {n + 1}'} of line {other[0].site.line}"
            for kind in _kinds_of_other(probe, ops, i, own, values):
                yield kind, f"{id(other[0].site)} {n}", f"operand {j + 1} is {at}", values
    given = zip(probe.sample.subject.names, probe.sample.subject.arrays, strict=True)
    for name, a in given:
        if is_number(a) and np.shape(a) == shape and a.tobytes() not in seen:
            for kind in _kinds_of_other(probe, ops, i, own, [a] * len(ops)):
                yield kind, name, f"operand {j + 1} is {name}", [a] * len(ops)


def _kinds_of_other(
    probe: Probe, ops: list[Operation], i: int, own: list[Array], values: list[Array]
) -> tuple[str, ...]:
    """What it may be called to take `values` for `own`, in products with operand i."""

    def alike(a: list[Array], b: list[Array]) -> bool:
        return all(np.array_equal(p, q) for p, q in zip(a, b, strict=True))

    if len(ops) > 1 and (alike(values[1:], own[:-1]) or alike(values[:-1], own[1:])):
        one = all(np.array_equal(o.given[i], ops[0].given[i]) for o in ops)
        return ("time-shift",) if one else ("misaligned",)  # one weight for all passes is time
    if len(ops) > 1 and all(any(np.array_equal(a, b) for b in own) for a in values):
        return ("misaligned",)
    for o in probe.sample.tape if len(ops) == 1 else ():
        lost = any(is_number(g) and np.array_equal(g, values[0]) for g in o.given)
        if lost and len(o.given) == 2 and np.array_equal(o.result, own[0]):
            return ("missing-term",) if o.f in (operator.add, operator.sub) else FACTOR
    return ("wrong-operand",)


def choices(probe: Probe) -> Iterator[Explanation]:
    """Where the forward chooses between two values, the backward takes the other one, or one."""
    for ops in probe.moving.values():
        if ops[0].f is not np.where or len(ops[0].given) != 3:
            continue
        for key, turn in CHOICES.items():

            def rule(k: int, now: Operation, _: Any, turn=turn) -> Any:
                chosen = turn(np.asarray(ops[k].given[0]))
                return (
                    ops[k].result
                    + np.where(chosen, *now.given[1:])
                    - np.where(chosen, *ops[k].given[1:])
                )

            if probe.holds(ops, rule):
                words = f"{line(ops)} chooses {key} in the gradient"
                yield Explanation("mask", (id(ops[0].site), key), words)


CHOICES: dict[str, Callable[[Array], Array]] = {
    "the other one": np.logical_not,
    "the first one everywhere": np.ones_like,
    "the second one everywhere": np.zeros_like,
}


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
