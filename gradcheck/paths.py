"""Hypothesis: the gradients count a path from an argument to y not once, but c times.

c is 0 where a path is lost, -1 where its sign is wrong, N or 1/N where a mean stands for a sum.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from gradcheck.factors import Explanation, factors
from gradcheck.instrument import watching
from gradcheck.probes import Probe
from gradcheck.rules import Bent, Rule, again, line, numbers
from gradcheck.samples import TOLERANCE, Operation, is_number


def results(probe: Probe) -> Iterator[Explanation]:
    """g counts what goes through one operation c times.

    The derivative is affine in c, and known for c = 0, where the path is held still, and for 1.
    """
    found = [e for ops in probe.moving.values() for e in _path(probe, ops, None)]
    yield from _whole(found)


def operand_paths(probe: Probe) -> Iterator[Explanation]:
    """g counts what goes through one operand of an operation c times."""
    several = [ops for ops in probe.moving.values() if len(numbers(ops)) > 1]
    yield from _whole([e for ops in several for j in numbers(ops) for e in _path(probe, ops, j)])


def _whole(found: list[tuple[float, Explanation]]) -> list[Explanation]:
    """The explanations by the largest share: half of w w lost is all of it minus another half."""
    most = max((share for share, _ in found), default=0.0)
    return [e for share, e in found if share > 0.999 * most]


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
    """Whether what an operation gives comes back as an operand at a later occurrence."""
    if len(ops) < 2:
        return False
    seen: list[tuple] = []

    def rule(k: int, now: Operation, _: Any) -> Any:
        seen.append(tuple(np.array(g) if is_number(g) else None for g in now.given))
        return now.result + 0.125 if k == 0 else now.result

    with watching(probe.sample.subject.functions, Bent(ops[0].site, rule)):
        probe.sample.subject.run()
    return any(
        is_number(b) and not np.array_equal(a, b)
        for now, op in zip(seen[1:], ops[1:], strict=False)
        for i, (a, b) in enumerate(zip(now, op.given, strict=True))
        if j in (None, i)
    )
