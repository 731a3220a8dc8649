"""Whether a wrong rule explains a wrong gradient, measured along two random directions."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from gradcheck.instrument import Site, watching
from gradcheck.rules import Bent, Rule, Source, change, grouped
from gradcheck.samples import TOLERANCE, Operation, Sample, Tape

Array = np.ndarray
H = 2.0**-17
TRIES = 250  # hypotheses on operations that run many times, each of which takes runs of its own
MOST = 200  # entries of a result whose adjoint is measured


@dataclass(frozen=True)
class Probe:
    """A sample, and two random directions in which its wrong arguments move."""

    sample: Sample

    @cached_property
    def directions(self) -> list[dict[int, Array]]:
        rng = np.random.default_rng(0)
        names, wrong = self.sample.subject.names, self.sample.wrong
        arrays = {names.index(n): self.sample.array(n) for n in wrong}
        return [{i: rng.standard_normal(a.shape) for i, a in arrays.items()} for _ in range(2)]

    def moved(self, k: int, t: float) -> tuple:
        arrays = [*self.sample.subject.arrays]
        for i, d in self.directions[k].items():
            arrays[i] = arrays[i] + t * d
        return tuple(arrays)

    def along(self, gradients: dict[str, Any]) -> Array:
        """<gradients, d> for each direction d."""
        names = self.sample.subject.names
        return np.array(
            [sum(np.sum(gradients[names[i]] * d) for i, d in ds.items()) for ds in self.directions]
        )

    @cached_property
    def entries(self) -> int:
        """How many entries the wrong gradients have."""
        return sum(self.sample.truths[n].size for n in self.sample.wrong)

    @cached_property
    def hand(self) -> Array:
        return self.along(self.sample.gradients)

    @cached_property
    def true(self) -> Array:
        return self.along(self.sample.truths)

    @cached_property
    def scale(self) -> float:
        """What errors are relative to: the norm of the gradients."""
        wrong = self.sample.wrong
        g = sum(float(np.sum(np.asarray(self.sample.gradients[n]) ** 2)) for n in wrong)
        G = sum(float(np.sum(self.sample.truths[n] ** 2)) for n in wrong)
        return float(np.sqrt(max(g, G))) or 1.0

    def derivative(self, k: int, site: Site, rule: Rule, source: Source | None = None) -> float:
        """d<dy, y> along direction k where the rule is bent."""
        subject = self.sample.subject
        ends: list[tuple] = []
        for t in (H, -H):
            try:
                with watching(subject.functions, Bent(site, rule, source, self.neutral)):
                    ends.append(subject.run(self.moved(k, t)).y)
            except Exception:  # whatever the code raises, it takes no such value
                return np.nan
        return self.inner(*ends) / (2 * H)

    def inner(self, a: tuple, b: tuple) -> float:
        """<dy, a - b>"""
        return float(sum(np.sum(v * (p - q)) for v, p, q in zip(self.sample.dy, a, b, strict=True)))

    def tape(self, arrays: tuple) -> dict[int, list[Operation]]:
        """The operations at some point, by the identity of their site and by occurrence."""
        hook = Tape(still=self.neutral)
        with watching(self.sample.subject.functions, hook):
            self.sample.subject.run(arrays)
        return grouped(hook.operations)

    @cached_property
    def neutral(self) -> dict[int, Any]:
        """Results that y does not depend on though they move, as the maximum in a softmax.

        Held still they change nothing, and what goes through them hides no path that is lost.
        """
        found: dict[int, Any] = {}
        self.__dict__["neutral"] = found  # for the derivatives below
        for ops in self.all.values():
            if len(ops) == 1 and getattr(ops[0].f, "__name__", "") in ("max", "amax"):
                v = ops[0].result
                slopes = [self.derivative(k, ops[0].site, lambda *_, v=v: v) for k in range(2)]
                if np.max(np.abs(slopes - self.true)) <= TOLERANCE * self.scale:
                    found[id(ops[0].site)] = v
        return found

    @cached_property
    def ends(self) -> list[tuple[dict[int, list[Operation]], dict[int, list[Operation]]]]:
        """The operations at both ends of a short step along each direction."""
        return [(self.tape(self.moved(k, H)), self.tape(self.moved(k, -H))) for k in range(2)]

    @cached_property
    def all(self) -> dict[int, list[Operation]]:
        """The operations here."""
        return grouped(self.sample.tape)

    def occurrences(self, site: Site) -> list[Operation]:
        return self.all[id(site)]

    @cached_property
    def moving(self) -> dict[int, list[Operation]]:
        """The operations whose results move with the wrong arguments, here."""
        up, down = self.ends[0]
        return {
            s: ops
            for s, ops in self.all.items()
            if len(up.get(s, ())) == len(down.get(s, ())) == len(ops)
            and all(
                np.shape(o.result) == np.shape(p.result) for o, p in zip(ops, up[s], strict=True)
            )
            and any(
                not np.array_equal(p.result, q.result) for p, q in zip(up[s], down[s], strict=True)
            )
        }

    def tangent(self, k: int, source: Source) -> Array:
        """How a value that occurs once moves along direction k."""
        up, down = (end[id(source.site)][0] for end in self.ends[k])
        return change(source.of(up), source.of(down)) / (2 * H)

    def holds(self, ops: list[Operation], rule: Rule, source: Source | None = None) -> bool:
        """Whether g is the gradient of the forward with this rule."""
        site = ops[0].site
        if len(ops) > 1 and self.tried(None) > TRIES:
            return False
        # an adjoint answers all hypotheses on a value, at the price of many runs
        if len(ops) > 1 or (id(site) not in self._still and self.tried(site) <= ops[0].result.size):
            return all(
                abs(self.derivative(k, site, rule, source) - self.hand[k]) <= self.tolerance
                for k in range(2)
            )
        if ops[0].result.size > MOST:
            return False
        held, adjoint = self.still(ops)
        for k, ends in enumerate(self.ends):
            try:
                up, down = (
                    rule(0, end[id(site)][0], source and source.of(end[id(source.site)][0]))
                    for end in ends
                )
                found = held[k] + float(np.sum(adjoint * change(up, down))) / (2 * H)
            except (ValueError, TypeError):  # it takes no such operand
                return False
            if not abs(found - self.hand[k]) <= self.tolerance:
                return False
        return True

    def having(
        self, ops: list[Operation], source: Source, z: list[Array], slopes: list[tuple]
    ) -> list[tuple]:
        """Those (..., slope at every occurrence) that explain g, less the slope.

        The operation gives v0 + slope (z - z0).
        """
        if len(ops) == 1 and (ops[0].result.size > MOST or not slopes):
            return []
        if len(ops) == 1 and len(slopes) > 4:
            held, adjoint = self.still(ops)
            all_slopes = np.array([s[-1][0] for s in slopes])
            fits = np.ones(len(slopes), bool)
            for k in range(2):
                weight = adjoint * self.tangent(k, source)
                found = held[k] + (all_slopes * weight).reshape(len(slopes), -1).sum(1)
                fits &= np.abs(found - self.hand[k]) <= self.tolerance
            return [s[:-1] for s, fit in zip(slopes, fits, strict=True) if fit]

        def rule(values: list[Array]) -> Rule:
            return lambda k, now, value: ops[k].result + values[k] * change(value, z[k])

        return [s[:-1] for s in slopes if self.holds(ops, rule(s[-1]), source)]

    def tried(self, site: Site | None) -> int:
        """How many hypotheses were tried on a site, or on all that occur several times."""
        key = "tried", id(site)
        self.memory[key] = self.memory.get(key, 0) + 1
        return self.memory[key]

    @cached_property
    def memory(self) -> dict[Any, Any]:
        """What was computed before."""
        return {}

    @cached_property
    def tolerance(self) -> float:
        """Far below the error of g, and above that of differences."""
        off = float(np.min(np.abs(self.hand - self.true)))
        return min(TOLERANCE * self.scale, max(1e-3 * off, 1e-8 * self.scale))

    @cached_property
    def _still(self) -> dict[int, tuple[Array, Array]]:
        return {}

    def still(self, ops: list[Operation]) -> tuple[Array, Array]:
        """Derivatives where a result that occurs once is held; and the adjoint of that result."""
        site, v = ops[0].site, ops[0].result
        if id(site) not in self._still:
            held = np.array([self.derivative(k, site, lambda *_: v) for k in range(2)])
            subject, adjoint = self.sample.subject, np.zeros(v.shape)
            h = H * max(1.0, float(np.max(np.abs(v), initial=0.0)))
            for at in np.ndindex(v.shape):
                unit = np.zeros(v.shape)
                unit[at] = h
                ends = []
                for w in (v + unit, v - unit):
                    with watching(
                        subject.functions, Bent(site, lambda *_, w=w: w, None, self.neutral)
                    ):
                        ends.append(subject.run().y)
                adjoint[at] = self.inner(*ends) / (2 * h)
            self._still[id(site)] = held, adjoint
        return self._still[id(site)]
