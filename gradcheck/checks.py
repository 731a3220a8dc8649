"""The check of one pair at one point: contract, value law, gradient law.

A gradient is compared entry by entry with `jax.vjp` of the twin, where there is one, against the
bound that rounding jitter gives; and along random directions with certified differences of its own
forward. Nothing is tuned: both bounds are measured on the code at hand.
"""

import contextlib
import io
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from gradcheck import autodiff, contract, differences, naming, precision
from gradcheck.report import Argument, Finding, Report, Value, worst
from gradcheck.rounding import UNIT, spread
from gradcheck.subjects import ContractError, Forward, Subject, pair

Array = np.ndarray
# two right implementations differ by a few times the jitter; 2.9 is the most that was seen
MULTIPLE = 8
# a directional derivative known to less than this cannot decide
DECISIVE = 1e-6


def check(
    f: Callable,
    f_backward: Callable,
    *arrays: Any,
    config: dict[str, Any] | None = None,
    reference: Callable | None = None,
    seed: int = 0,
) -> Report:
    """Check a hand-written backward at one point.

    Args:
        f: `f(*arrays, **config) -> (y, cache)`; y an array or a tuple of arrays.
        f_backward: `f_backward(dy, cache)` -> one gradient per array, in order.
        *arrays: the point; float arrays are differentiated.
        config: keyword arguments of f.
        reference: a twin of f in JAX, `reference(*arrays, **config) -> y`; without one the check
            is numeric.
        seed: of the cotangents, directions and jitter.

    Returns:
        A `Report`: `report.verdict` is pass, fail, unresolved, kink or error.

    Raises:
        ValueError: there is nothing to differentiate, or an input is empty or not finite.

    >>> def square(x):
    ...     return x * x, x
    >>> def square_backward(dy, x):
    ...     return dy * x  # the factor 2 is missing
    >>> report = check(square, square_backward, np.array([1.0, 2.0, -3.0]))
    >>> report.verdict, report.findings[0].kind
    ('fail', 'constant-factor')
    """
    return check_subject(pair(f, f_backward, arrays, config, reference), seed)


def assert_gradients(f: Callable, f_backward: Callable, *arrays: Any, **options: Any) -> None:
    """`check`, for a test: raises AssertionError with the report unless the gradients are right.

    >>> assert_gradients(lambda x: (3 * x, None), lambda dy, cache: 3 * dy, np.ones(2))
    """
    report = check(f, f_backward, *arrays, **options)
    if report.verdict not in ("pass", "kink"):
        raise AssertionError(str(report))


def check_subject(subject: Subject, seed: int = 0, twin: bool = True) -> Report:
    """Check one subject; `twin=False` leaves JAX out."""
    start = time.perf_counter()
    if not twin:
        subject = replace(subject, twin=None)
    try:
        with np.errstate(all="ignore"):
            first = subject.run()
            # what the code prints is worth reading once, not at every step of every difference
            with contextlib.redirect_stdout(io.StringIO()):
                report = _examine(subject, first, seed)
    except ContractError as error:
        line = _line_of(subject.backward)
        finding = Finding(error.kind, str(error), None, subject.file, line, subject.case())
        report = _failed(subject, finding)
    except Exception as error:
        where = _where(subject)
        finding = contract.raised(subject, error, where)
        # a forward that cannot run leaves its backward unchecked; a backward that raises is wrong
        unchecked = where == "the forward" or finding.kind == "not-implemented"
        report = replace(_failed(subject, finding), verdict="error" if unchecked else "fail")
    return replace(report, seconds=time.perf_counter() - start, seed=seed)


def _failed(subject: Subject, finding: Finding) -> Report:
    return Report(
        subject.name,
        "fail",
        finding.message,
        subject.file,
        case=subject.case(),
        findings=(finding,),
    )


def _line_of(f: Callable) -> int | None:
    code = getattr(f, "__code__", None)
    return code.co_firstlineno if code else None


def _where(subject: Subject) -> str:
    """Which half of a pair raises."""
    try:
        subject.run()
    except Exception:
        return "the forward"
    return "the backward"


def _examine(subject: Subject, ran: Forward, seed: int) -> Report:
    rng = np.random.default_rng(seed)
    dy = tuple(cotangent(v, rng) for v in ran.y)
    grads = subject.gradients(dy, ran)
    findings = contract.shapes(subject, grads)
    if findings:
        return _conclude(subject, None, {}, findings)
    findings = contract.purity(subject, dy)
    if any(f.kind == "not-repeatable" for f in findings):  # nothing to compare that stays
        return _conclude(subject, None, {}, findings)

    def both() -> list[Array]:
        again = subject.run()
        return [np.asarray(a) for a in (*again.y, *subject.gradients(dy, again))]

    jitter = [MULTIPLE * float(np.max(s)) for s in spread(both, subject.functions, seed)]
    slack = jitter[len(ran.y) :]
    findings += contract.linearity(subject, dy, ran, slack)

    value, reference = None, [None] * len(grads)
    if subject.twin is not None and autodiff.available():
        y, pulled = autodiff.value_and_pullback(
            subject.twin, subject.config, subject.arrays, dy[0] if ran.single else dy
        )
        reference = [pulled[i] for i in subject.floats]
        value, differ = _value_law(subject, ran, y if isinstance(y, tuple) else (y,), jitter)
        findings += differ
    singles: list[float | None] = [None] * len(grads)
    if subject.keeps_dtype:
        exact = [np.asarray(a) for a in (*ran.y, *grads)]
        errors, lost = precision.single(subject, dy, exact, jitter)
        singles, findings = [*errors[len(ran.y) :]], findings + lost
    arguments = {}
    together = differences.measure_all(subject, [*grads], slack, dy, [seed])
    measures: list = together or [None] * len(grads)
    for i, g, G, s, f32, measured in zip(
        subject.floats, grads, reference, slack, singles, measures, strict=True
    ):
        argument, wrong = _gradient_law(subject, i, np.asarray(g), G, s, dy, seed, measured)
        arguments[argument.name] = replace(argument, single=f32)
        findings += wrong
    return _conclude(subject, value, arguments, findings)


def cotangent(y: Any, rng: np.random.Generator) -> Any:
    """A random signed dy for one output; zeros where it is no float."""
    if np.asarray(y).dtype.kind != "f":
        return np.zeros(np.shape(y))
    v = rng.standard_normal(np.shape(y)).astype(np.float32).astype(np.float64)
    return v if isinstance(y, np.ndarray) else np.float64(v)


def _value_law(
    subject: Subject, ran: Forward, twin: tuple, jitter: list[float]
) -> tuple[Value, list[Finding]]:
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
            bounds.append(jitter[k] / scale + 4 * UNIT)
            if errors[-1] <= bounds[-1]:
                continue
            message = f"the forwards differ: {name} is {a[at]:.6g}, the twin's {b[at]:.6g} at {at}"
        findings.append(
            Finding("forward-differs", message, None, subject.file, None, subject.case())
        )
    return Value("fail" if findings else "pass", max(errors), max(bounds)), findings


def _gradient_law(
    subject: Subject,
    i: int,
    g: Array,
    G: Array | None,
    slack: float,
    dy: tuple,
    seed: int,
    measured: differences.Measured | None,
) -> tuple[Argument, list[Finding]]:
    """The verdict on one gradient, from autodiff (entry by entry) and from differences."""
    name = subject.names[i]
    measured = measured or differences.measure(subject, i, g, slack, dy, [seed, i])
    if not measured.agrees:  # confirm along another direction, with smaller steps, before accusing
        measured = differences.measure(subject, i, g, slack, dy, [seed, i, 1], top=-10)
    if G is None:
        error, bound, resolution = measured.error, measured.resolution, measured.resolution
        # zero as far as rounding tells, and measured to be
        flat = measured.agrees and float(np.max(np.abs(g))) <= slack
        decided = flat or (resolution is not None and resolution <= DECISIVE)
        right = measured.agrees and decided
        if flat:
            error, measured = 0.0, replace(measured, low=measured.hand, high=measured.hand)
    else:
        scale = float(np.max(np.abs(G)))
        scale = scale if scale > slack else 1.0  # zero as far as rounding tells
        error = float(np.max(np.abs(g - G))) / scale
        bound = resolution = slack / scale + 4 * UNIT
        right = error <= bound
        # a gap below what differences resolve, and near the bound, is nobody's fault for certain
        decided = right or not measured.agrees or error > 1e3 * bound
    if measured.trouble == "kink" and measured.agrees:
        sharp = resolution is not None and resolution <= DECISIVE  # else a jump, or too noisy
        verdict = "pass" if right and G is not None else "kink" if sharp else "unresolved"
    elif not measured.agrees or (decided and not right):
        verdict = "fail"
    else:
        verdict = "pass" if decided else "unresolved"
    exact = None if G is None else error
    argument = Argument(name, verdict, error, bound, resolution, exact, measured.error)
    if verdict not in ("fail", "kink"):
        return argument, []

    kind, message = "kink-convention", f"d{name} is another valid subgradient at a kink"
    if verdict == "fail":
        truth, tolerance = G, 1e-9
        if G is None or (right and not measured.agrees):
            truth, tolerance = differences.entries(subject, i, dy), 1e-6
        if truth is None:
            kind, message = (
                "unnamed",
                (
                    f"d{name} is wrong: along a random direction it gives {measured.hand:.6g}, "
                    f"differences of the forward {measured.low:.6g}"
                ),
            )
        else:
            kind, message = naming.describe(name, g, truth, tolerance)
        if G is not None and measured.agrees and measured.trouble == "":
            message += "; finite differences side with it, so look at the twin"
    return argument, [Finding(kind, message, name, subject.file, None, subject.case())]


def _conclude(
    subject: Subject, value: Value | None, arguments: dict[str, Argument], findings: list[Finding]
) -> Report:
    verdicts = [a.verdict for a in arguments.values()] + ([value.verdict] if value else [])
    verdict = worst(verdicts + ["fail"] * any(f.kind != "kink-convention" for f in findings))
    message = findings[0].message if findings else ""
    if verdict == "unresolved":
        names = ", ".join(f"d{a.name}" for a in arguments.values() if a.verdict == "unresolved")
        message = f"the forward is too noisy here to judge {names} by differences"
    return Report(
        subject.name,
        verdict,
        message,
        subject.file,
        case=subject.case(),
        value=value,
        arguments=arguments,
        findings=tuple(findings),
    )
