"""Hypothesis: in a product or a choice of the forward, the gradient takes something else.

The other factor transposed, flipped, of another pass, or another value; the other branch; the
blocks of a value in another order.
"""

import itertools
import operator
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from gradcheck.factors import Explanation
from gradcheck.probes import Probe
from gradcheck.rules import Rule, Source, again, line, numbers
from gradcheck.samples import Operation, is_number
from gradcheck.slopes import FACTOR, Candidates

Array = np.ndarray
BILINEAR: tuple[Any, ...] = (operator.mul, operator.matmul, np.dot, np.outer, np.multiply)
BILINEAR += (np.matmul, np.einsum, np.convolve, np.correlate)
CHOICES: dict[str, Callable[[Array], Array]] = {
    "the other one": np.logical_not,
    "the first one everywhere": np.ones_like,
    "the second one everywhere": np.zeros_like,
}


def turned(probe: Probe) -> Iterator[Explanation]:
    """In a product a b, the gradient of one factor is taken with the other one turned round."""
    yield from _products(probe, _turned)
    yield from _crossed(probe)


def partners(probe: Probe) -> Iterator[Explanation]:
    """In a product a b, the gradient of one factor is taken with something else for the other."""
    yield from _products(probe, _others)


def _products(probe: Probe, candidates: Callable) -> Iterator[Explanation]:
    for ops in probe.moving.values():
        f, both = ops[0].f, numbers(ops)
        if not any(f is b for b in BILINEAR) or len(both) != 2:
            continue
        for j, other in (both, both[::-1]):  # a moves, b is replaced
            for kind, key, words, values in candidates(probe, ops, j, other):
                if probe.holds(ops, _with(ops, j, other, values)):
                    yield Explanation(kind, (id(ops[0].site), j, key), f"{words} at {line(ops)}")


def _with(ops: list[Operation], j: int, other: int, values: list[Array]) -> Rule:
    """The rule of a product in which operand j moves as if the other one were `values`."""

    def rule(k: int, now: Operation, _: Any) -> Any:
        first, second = [*ops[k].given], [*ops[k].given]
        first[j], first[other] = now.given[j] - ops[k].given[j], values[k]
        second[other] = now.given[other] - ops[k].given[other]
        return ops[k].result + again(now, tuple(first)) + again(now, tuple(second))

    return rule


def _crossed(probe: Probe) -> Iterator[Explanation]:
    """The gradient of one factor of a b is taken with that of the product transposed."""
    for ops in probe.moving.values():
        both, shape = numbers(ops), np.shape(ops[0].result)
        if not any(ops[0].f is b for b in BILINEAR) or len(both) != 2:
            continue
        for j, axes in itertools.product(both, itertools.combinations(range(len(shape)), 2)):
            if shape[axes[0]] != shape[axes[1]]:
                continue
            if probe.holds(ops, _across(ops, j, axes)):
                words = f"the gradient of {line(ops)} is transposed for operand {j + 1}"
                yield Explanation("transposed", (id(ops[0].site), j, axes), words)


def _across(ops: list[Operation], j: int, axes: tuple[int, ...]) -> Rule:
    """The rule of a product whose share by operand j is transposed."""

    def rule(k: int, now: Operation, _: Any) -> Any:
        alone = [*ops[k].given]
        alone[j] = now.given[j]
        part = again(now, tuple(alone)) - ops[k].result
        return now.result - part + np.swapaxes(part, *axes)

    return rule


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
        for turn in itertools.combinations(range(len(shape)), count):
            if all(shape[a] > 1 for a in turn):
                flipped = [np.flip(a, turn) for a in own]
                yield "flipped-kernel", f"flipped {turn}", f"{word} is flipped", flipped


def _others(probe: Probe, ops: list[Operation], i: int, j: int) -> Candidates:
    """What may stand for operand j: another value of its shape, or its own of another pass."""
    own = [np.asarray(o.given[j]) for o in ops]
    shape, seen = own[0].shape, {b"".join(a.tobytes() for a in own)}
    for other in probe.all.values():
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
            if probe.holds(ops, _choosing(ops, turn)):
                words = f"{line(ops)} chooses {key} in the gradient"
                yield Explanation("mask", (id(ops[0].site), key), words)


def _choosing(ops: list[Operation], turn: Callable[[Array], Array]) -> Rule:
    """The rule of a choice whose condition is another one for what moves."""

    def rule(k: int, now: Operation, _: Any) -> Any:
        chosen = turn(np.asarray(ops[k].given[0]))
        new, old = (np.where(chosen, *g[1:]) for g in (now.given, ops[k].given))
        return ops[k].result + new - old

    return rule


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
                if probe.holds(ops, _ordered(ops, order)):
                    words = f"the {count} blocks of {line(ops)} are in the order {order}"
                    yield Explanation("gate-order", (id(ops[0].site), order), words)


def _ordered(ops: list[Operation], order: tuple[int, ...]) -> Rule:
    """The rule of a value whose blocks move in another order."""

    def rule(k: int, now: Operation, _: Any) -> Any:
        parts = np.split(now.result - ops[k].result, len(order), -1)
        return ops[k].result + np.concatenate([parts[i] for i in order], -1)

    return rule
