"""The two laws at one point: the value law of a forward, the gradient law of one argument.

A gradient is compared entry by entry with autodiff of the twin, where there is one, against the
bound that rounding jitter gives; and along random directions with certified differences of its own
forward. An accusation is spoken once a second direction has confirmed it.
"""

from dataclasses import dataclass, replace

import numpy as np

from gradcheck import differences, naming, vote
from gradcheck.report import Argument, Finding, Value
from gradcheck.rounding import UNIT
from gradcheck.subjects import Forward, Subject

Array = np.ndarray
# a directional derivative known to less than this cannot decide, in double and in lower precision
DECISIVE, DECISIVE_SINGLE = 1e-6, 1e-2


def value(
    subject: Subject, ran: Forward, twin: tuple, jitter: list[float], unit: float
) -> tuple[Value, list[Finding]]:
    """The outputs against the twin's, within the rounding jitter of each; and what differs."""
    errors, bounds, findings = [0.0], [0.0], []
    for k, (a, b) in enumerate(zip(map(np.asarray, ran.y), twin, strict=True)):
        name = "y" if ran.single else f"output {k}"
        if a.shape != b.shape:
            message = f"{name} has shape {a.shape}, the twin's {b.shape}"
        elif not np.isfinite(a).all():
            message = f"{name} has {np.count_nonzero(~np.isfinite(a))} entries that are not finite"
        else:
            scale = float(np.max(np.abs(b))) or 1.0
            at = np.unravel_index(np.argmax(np.abs(a - b)), a.shape)
            errors.append(float(abs(a[at] - b[at])) / scale)
            bounds.append(jitter[k] / scale + 4 * unit)
            if errors[-1] <= bounds[-1]:
                continue
            message = f"the forwards differ: {name} is {a[at]:.6g}, the twin's {b[at]:.6g} at {at}"
        findings.append(
            Finding("forward-differs", message, None, subject.file, None, subject.case())
        )
    return Value("fail" if findings else "pass", max(errors), max(bounds)), findings


@dataclass(frozen=True)
class GradientLaw:
    """The gradient law for argument i: g by hand, G by autodiff where there is a twin."""

    subject: Subject
    i: int
    g: Array
    G: Array | None
    slack: float
    dy: tuple
    seed: int
    unit: float
    noise: float  # of <dy, y>, by jitter

    def judge(
        self, measured: differences.Measured | None, forwards: bool
    ) -> tuple[Argument, list[Finding]]:
        """The verdict on one gradient, from autodiff (entry by entry) and from differences.

        `forwards` says whether hand forward and twin agree.
        """
        subject, i, g, G, slack, dy = self.subject, self.i, self.g, self.G, self.slack, self.dy
        seed = [self.seed, i]
        name = subject.names[i]
        measured = measured or differences.measure(subject, i, g, slack, dy, seed)
        if not measured.agrees:
            measured = differences.confirm(subject, i, g, slack, dy, seed, measured, self.noise)
        decisive = DECISIVE if self.unit == UNIT else DECISIVE_SINGLE
        sharp = measured.resolution is not None and measured.resolution <= decisive
        if G is None:
            error, bound, resolution = measured.error, measured.resolution, measured.resolution
            # zero as far as rounding tells, and measured to be
            zero = measured.agrees and float(np.max(np.abs(g))) <= slack
            decided, right = zero or sharp, measured.agrees and (zero or sharp)
            if zero:
                error, measured = 0.0, replace(measured, low=measured.hand, high=measured.hand)
        else:
            scale = float(np.max(np.abs(G)))
            scale = scale if scale > slack else 1.0  # zero as far as rounding tells
            error = float(np.max(np.abs(g - G))) / scale
            bound = resolution = slack / scale + 4 * self.unit
            right = error <= bound
            # a gap below what differences resolve, and near the bound, is nobody's for certain
            decided = right or not measured.agrees or error > 1e3 * bound
        why = ""
        if measured.trouble == "kink" and measured.agrees:
            # a jump, or too noisy, if not sharp
            verdict = "pass" if right and G is not None else "kink" if sharp else "unresolved"
        elif not measured.agrees or (decided and not right):
            verdict = "fail"
        else:
            verdict = "pass" if decided else "unresolved"
        if verdict == "unresolved":
            trouble = measured.trouble.replace("kink", "truncation")
            measured = replace(measured, floor=max(measured.floor, self.noise))
            why = "flat" if measured.flat else trouble or measured.limit
        exact = None if G is None else error
        argument = Argument(name, verdict, error, bound, resolution, exact, measured.error, why=why)
        if verdict == "kink":
            words = f"d{name} is another valid subgradient at a kink"
            words += " than JAX's" if G is not None else ""
            return argument, [self.finding("kink-convention", words)]
        if verdict != "fail":
            return argument, []
        return argument, [self.finding(*self.describe(measured, right, forwards))]

    def describe(
        self, measured: differences.Measured, right: bool, forwards: bool
    ) -> tuple[str, str]:
        """(kind, message) of a wrong gradient."""
        name, truth, tolerance = self.subject.names[self.i], self.G, 1e-9
        if truth is None or (right and not measured.agrees):
            truth = differences.entries(self.subject, self.i, self.dy)
            tolerance = 1e-6 if self.unit == UNIT else DECISIVE_SINGLE
        if truth is None:
            at, wanted = differences.worst_entry(self.subject, self.i, self.g, self.dy)
            kind, message = (
                "unnamed",
                (
                    f"d{name} is wrong: along a random direction it gives {measured.hand:.6g}, "
                    f"differences of the forward {measured.low:.6g}; so it is at "
                    f"d{name}[{', '.join(map(str, at))}]: got {self.g[at]:.6g}, wanted {wanted:.6g}"
                ),
            )
        else:
            kind, message = naming.describe(name, self.g, truth, tolerance)
        if self.G is not None:
            agrees = {"forwards": forwards, "gradients": right, "differences": measured.agrees}
            message += "; " + vote.verdict(
                self.subject, self.i, self.G, agrees, self.slack, self.dy, [self.seed, self.i]
            )
        return kind, message

    def finding(self, kind: str, message: str) -> Finding:
        name = self.subject.names[self.i]
        return Finding(kind, message, name, self.subject.file, None, self.subject.case())
