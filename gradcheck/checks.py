"""The check of one pair at one point: contract, value law, gradient law.

A gradient is compared entry by entry with `jax.vjp` of the twin, where there is one, against the
bound that rounding jitter gives; and along random directions with certified differences of its own
forward. Nothing is tuned: both bounds are measured on the code at hand.
"""

import contextlib
import io
import math
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from gradcheck import autodiff, contract, differences, laws, precision, second_order, unfinished
from gradcheck.blindspots import blind_spots
from gradcheck.report import Argument, Finding, Report, Value, worst
from gradcheck.rounding import UNIT, UNITS, Decisions, spread
from gradcheck.subjects import ContractError, Forward, Subject, copied, in_single, pair

Array = np.ndarray
# two right implementations differ by a few times the jitter; 2.9 is the most that was seen
MULTIPLE = 8
# what is smaller, or computed from what is smaller, has lost its digits to underflow
FAINT = 2.0**-1000
WHY = {
    "flat": "flat: neither {} nor differences of the forward can be told from zero here",
    "noise": "the forward is too noisy here to judge {} by differences",
    "truncation": "no step is short enough to see the slope of the forward: {} is undecided",
    "domain edge": "every step leaves the domain of the forward: {} cannot be judged here",
    "non-finite": "the forward is not finite here: {} cannot be judged",
}


def check(
    f: Callable,
    f_backward: Callable,
    *arrays: Any,
    config: dict[str, Any] | None = None,
    reference: Callable | None = None,
    seed: int = 0,
    order: int = 1,
    diagnose: bool | None = None,
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
        order: 2 checks the derivative of the gradients too, and the adjoint against `jax.jvp`;
            it takes a reference.
        diagnose: whether a wrong gradient is placed, named and, if its source can be had, mended,
            which takes a second or several. By default yes, but not within a Hypothesis test, which
            fails many times before it is done.

    Returns:
        A `Report`: `report.verdict` is pass, fail, unresolved, kink or error.

    Raises:
        ValueError: there is nothing to differentiate, an input is empty or not finite, or order 2
            is asked for without a reference.

    >>> def square(x):
    ...     return x * x, x
    >>> def square_backward(dy, x):
    ...     return dy * x  # the factor 2 is missing
    >>> report = check(square, square_backward, np.array([1.0, 2.0, -3.0]))
    >>> report.verdict, report.findings[0].kind
    ('fail', 'constant-factor')
    """
    if order not in (1, 2) or (order == 2 and reference is None):
        raise ValueError(
            f"order is {order}{', without a reference' * (reference is None)}; wanted 1, or 2 with "
            "reference=, the same function in JAX"
        )
    subject = pair(f, f_backward, arrays, config, reference)
    report = check_subject(subject, seed, order=order)
    if report.verdict == "fail" and (_may_wait() if diagnose is None else diagnose):
        from gradcheck.doctor import diagnosed

        return diagnosed(report, [subject], seed)
    return report


def _may_wait() -> bool:
    """Whether a diagnosis may take its time: Hypothesis is not running this test over and over."""
    hypothesis = sys.modules.get("hypothesis")
    return hypothesis is None or not hypothesis.currently_in_test_context()


def assert_gradients(f: Callable, f_backward: Callable, *arrays: Any, **options: Any) -> None:
    """`check`, for a test: raises AssertionError with the report unless the gradients are right.

    >>> assert_gradients(lambda x: (3 * x, None), lambda dy, cache: 3 * dy, np.ones(2))
    """
    report = check(f, f_backward, *arrays, **options)
    if report.verdict not in ("pass", "kink"):
        raise AssertionError(str(report))


def check_subject(subject: Subject, seed: int = 0, twin: bool = True, order: int = 1) -> Report:
    """Check one subject; `twin=False` leaves JAX out."""
    start = time.perf_counter()
    if not twin:
        subject = replace(subject, twin=None)
    try:
        with np.errstate(all="ignore"):
            subject, first = _first_run(subject)
            # what the code prints is worth reading once, not at every step of every difference
            with contextlib.redirect_stdout(io.StringIO()):
                report = _examine(subject, first, seed, order)
    except ContractError as error:
        own = subject.watch[-1] if subject.adapt else subject.backward
        line = error.line or _line_of(own)
        finding = Finding(error.kind, str(error), None, subject.file, line, subject.case())
        report = _failed(subject, finding)
        if error.kind == "not-implemented":
            report = replace(report, verdict="error")
    except Exception as error:
        if not _is_theirs(subject, error):
            raise
        where = _where(subject)
        finding = contract.raised(subject, error, where)
        if missing := unfinished.part(subject):
            finding = replace(
                finding,
                kind="not-implemented",
                message=f"{subject.name} waits for {missing.__name__}, which is not implemented",
                file=missing.__code__.co_filename,
                line=missing.__code__.co_firstlineno,
            )
        # a forward that cannot run leaves its backward unchecked; a backward that raises is wrong
        unchecked = where == "the forward" or finding.kind == "not-implemented"
        report = replace(_failed(subject, finding), verdict="error" if unchecked else "fail")
    return replace(report, seconds=time.perf_counter() - start, seed=seed)


def _first_run(subject: Subject) -> tuple[Subject, Forward]:
    """The forward at the point; in float32 where that was given and float64 is not taken."""
    try:
        return subject, subject.run()
    except Exception:
        if subject.given != "float32":
            raise
    single = in_single(subject)
    return single, single.run()


def _is_theirs(subject: Subject, error: BaseException) -> bool:
    """Whether the checked code was running when the error was raised."""
    functions = (subject.forward, subject.backward, *(f for f, _, _ in subject.functions.swaps))
    files = {f.__code__.co_filename for f in functions if hasattr(f, "__code__")}
    return any(frame.filename in files for frame in traceback.extract_tb(error.__traceback__))


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


def _examine(subject: Subject, ran: Forward, seed: int, order: int) -> Report:
    # a stream of its own: with that of `default_rng(seed)` dy would often be x, number by number
    rng = np.random.default_rng([seed, 101])
    dy = tuple(cotangent(v, rng) for v in ran.y)
    grads = copied(subject.gradients(dy, ran))
    findings = contract.shapes(subject, grads, ran.y)
    if findings:
        return _conclude(subject, None, {}, findings)
    findings = contract.purity(subject, dy)
    if any(f.kind == "not-repeatable" for f in findings):  # nothing to compare that stays
        return _conclude(subject, None, {}, findings)

    def both() -> list[Array]:
        again = subject.run()
        return [np.asarray(a) for a in (*again.y, *subject.gradients(dy, again))]

    decisions = Decisions()
    spreads = spread(both, subject.functions, seed, decisions=decisions)
    unit, coarse = decisions.unit, None
    if unit > UNIT and subject.arrays[subject.floats[0]].dtype == np.float64:
        exact = spread(both, subject.functions, seed, alike=True)
        if _keeps_digits(ran.y, spreads, exact):  # so that only the backward loses some
            unit, coarse, spreads = UNIT, spreads, exact
    jitter = [MULTIPLE * float(np.max(s, initial=0.0)) + FAINT for s in spreads]
    noise = math.hypot(  # of <dy, y>: the spreads of y stand first
        *(differences.length(v * s) for v, s in zip(dy, spreads, strict=False))
    )
    slack = jitter[len(ran.y) :]
    findings += contract.linearity(subject, dy, ran, slack, unit)
    laid, notes = contract.layouts(subject, dy, grads, slack, unit)
    findings += laid

    value, reference = None, [None] * len(grads)
    if subject.twin is not None and autodiff.available():
        y, pulled = autodiff.value_and_pullback(
            subject.twin, subject.config, subject.arrays, dy[0] if ran.single else dy
        )
        reference = [pulled[i] for i in subject.floats]
        value, differ = laws.value(subject, ran, y if isinstance(y, tuple) else (y,), jitter, unit)
        findings += differ
    errors, lost, more = _in_fewer_digits(subject, dy, ran, grads, jitter, seed)
    findings += lost
    notes += more
    arguments: dict[str, Argument] = {}
    together = differences.measure_all(subject, [*grads], slack, dy, [seed])
    measures: list = together or [None] * len(grads)
    for i, g, G, s, low, measured in zip(
        subject.floats, grads, reference, slack, errors[len(ran.y) :], measures, strict=True
    ):
        law = laws.GradientLaw(subject, i, np.asarray(g), G, s, dy, seed, unit, noise)
        argument, wrong = law.judge(measured, value is None or value.verdict == "pass")
        arguments[argument.name] = replace(argument, single=low)
        findings += wrong
    if coarse:
        names = [subject.names[i] for i in subject.floats]
        lost_by = {
            n: MULTIPLE * float(np.max(s)) / (float(np.max(np.abs(g))) or 1.0)
            for n, s, g in zip(names, coarse[len(ran.y) :], grads, strict=True)
        }
        findings = [_by_rounding(f, arguments, lost_by, decisions.unit) for f in findings]
    if order == 2 and not findings:
        findings += second_order.adjoint(subject, dy, grads, slack, unit, seed)
        findings += second_order.bends_wrong(subject, dy, seed)
    if all(not np.any(g) for g in grads) and not findings and _stands_still(subject, ran, seed):
        arguments = {n: replace(a, verdict="unresolved", why="flat") for n, a in arguments.items()}
        message = "y does not move with any argument here: every gradient is zero, none could fail"
        findings = [Finding("vacuous", message, None, subject.file, None, subject.case())]
    notes += [*blind_spots(subject, grads), *subject.notes]
    return replace(_conclude(subject, value, arguments, findings), notes=tuple(notes))


def _keeps_digits(y: tuple, spreads: list[Array], exact: list[Array]) -> bool:
    """Whether y is as exact as if nothing in it were computed in fewer digits."""
    return all(
        np.max(s, initial=0.0) <= 2.0**10 * (np.max(e, initial=0.0) + UNIT * np.max(np.abs(v)))
        for v, s, e in zip(y, spreads, exact, strict=False)
    )


def _by_rounding(
    f: Finding, arguments: dict[str, Argument], lost: dict[str, float], unit: float
) -> Finding:
    """The finding, told as precision where what fewer digits lose is all that is wrong."""
    a = arguments.get(f.argument or "")
    if a is None or a.error is None or a.error > lost[a.name]:
        return f
    dtype = next(d for d, u in UNITS.items() if u == unit)
    message = f"d{a.name} is right to {a.error:.0e} only: it goes through {dtype}"
    return replace(f, kind="precision", message=f"{message}, where float64 was given")


def _stands_still(subject: Subject, ran: Forward, seed: int) -> bool:
    """Whether y is the same to the last bit at the points around."""
    return all(
        np.array_equal(a, b)
        for power in (-3, -8)
        for a, b in zip(ran.y, differences.beside(subject, seed, power).run().y, strict=True)
    )


def _in_fewer_digits(
    subject: Subject, dy: tuple, ran: Forward, grads: tuple, jitter: list[float], seed: int
) -> tuple[list[float | None], list[Finding], list[str]]:
    """Errors in the precision that was given or promised, findings and notes."""
    dtype = subject.given if subject.given in UNITS else "float64"
    if dtype == "float64" and subject.keeps_dtype:
        dtype = "float32"
    results = [np.asarray(a) for a in (*ran.y, *grads)]
    if dtype == "float64" or subject.arrays[subject.floats[0]].dtype != np.float64:
        return [None] * len(results), [], []
    slack = [UNITS[dtype] / UNIT * s for s in jitter]
    if dtype != "float32":  # so coarse that its jitter is not to first order that of float64
        rounded = precision.cast(precision.cast(subject.arrays, dtype), "float64")
        subject = replace(subject, arrays=rounded)
        dy = precision.cast(precision.cast(dy, dtype), "float64")

        def both() -> list[Array]:
            again = subject.run()
            return [np.asarray(a) for a in (*again.y, *subject.gradients(dy, again))]

        results = both()
        spreads = spread(both, subject.functions, seed, UNITS[dtype])
        slack = [MULTIPLE * float(np.max(s)) for s in spreads]
    try:
        errors, findings = precision.lower(subject, dy, results, slack, dtype)
        lost = [f for f in findings if f.kind == "precision"]
        if not lost or not precision.decides_otherwise(subject, dtype):
            return errors, findings, []
        note = f"takes other branches in {dtype} than in float64: its precision was not compared"
        return errors, [f for f in findings if f not in lost], [note]
    except Exception as error:
        if subject.keeps_dtype:
            raise
        words = next(iter(str(error).splitlines()), type(error).__name__)
        return [None] * len(results), [], [f"does not run in {dtype}: {words}"]


def cotangent(y: Any, rng: np.random.Generator) -> Any:
    """A random signed dy for one output; zeros where it is no float or not finite."""
    if np.asarray(y).dtype.kind != "f":
        return np.zeros(np.shape(y))
    v = rng.standard_normal(np.shape(y)).astype(np.float32).astype(np.asarray(y).dtype)
    return v if isinstance(y, np.ndarray) else v[()]


def _conclude(
    subject: Subject, value: Value | None, arguments: dict[str, Argument], findings: list[Finding]
) -> Report:
    verdicts = [a.verdict for a in arguments.values()] + ([value.verdict] if value else [])
    verdict = worst(
        verdicts + ["fail"] * any(f.kind not in ("kink-convention", "vacuous") for f in findings)
    )
    message = findings[0].message if findings else ""
    if verdict == "unresolved" and not findings:
        undecided = [a for a in arguments.values() if a.verdict == "unresolved"]
        first = next((a for a in undecided if a.why != "flat"), undecided[0])
        alike = [a.name for a in arguments.values() if a.why == first.why]
        message = WHY[first.why].format(", ".join(f"d{name}" for name in alike))
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
