"""The same pair in fewer digits, against itself in float64: no more than rounding may be lost.

The mathematics is judged in float64; here only the precision is. The inputs hold float32 values, so
both runs start from the same numbers (in half precision, from their nearest), and what the rounding
jitter of that precision moves is what may be lost.
"""

from typing import Any

import numpy as np

from gradcheck.instrument import watching
from gradcheck.kinks import Fingerprint
from gradcheck.report import Finding
from gradcheck.rounding import UNITS
from gradcheck.subjects import Subject, is_float

Array = np.ndarray


def lower(
    subject: Subject, dy: tuple, exact: list[Array], slack: list[float], dtype: str
) -> tuple[list[float | None], list[Finding]]:
    """The relative errors in `dtype` of the outputs and then the gradients, and what is wrong.

    Args:
        subject: a pair.
        dy: cotangents.
        exact: outputs and gradients in float64, from the inputs that `dtype` can hold.
        slack: the rounding to be expected of each in `dtype`, absolute.
        dtype: float32, float16 or bfloat16.
    """
    ran = subject.run(cast(subject.arrays, dtype))
    # what underflows inside is lost, and may be multiplied by arguments after
    floats = [a for a in (*subject.arrays, *dy) if is_float(a) or isinstance(a, np.float64)]
    largest = max(float(np.max(np.abs(a))) for a in floats)
    faint = UNDERFLOW[dtype] * max(largest, 1.0) ** 2
    results = [*ran.y, *subject.gradients(cast(dy, dtype), ran)]
    names = ["y"] * len(ran.y) + [f"d{subject.names[i]}" for i in subject.floats]
    errors: list[float | None] = []
    findings = []
    for name, got, want, s in zip(names, map(np.asarray, results), exact, slack, strict=True):
        case = {**subject.case(), "dtype": dtype}
        argument = name[1:] if name[0] == "d" else None
        scale = float(np.max(np.abs(want))) or 1.0
        gap = float(np.max(np.abs(got.astype(np.float64) - want)))
        errors.append(gap / scale)
        if want.dtype.kind != "f":
            continue
        if got.dtype.name != dtype and subject.keeps_dtype:
            kind, message = "dtype", f"{name} is {got.dtype} for {dtype} inputs; wanted {dtype}"
        elif scale >= LARGEST[dtype]:
            continue
        elif not np.isfinite(gap):
            kind = "precision"
            message = f"{name} overflows in {dtype}, though no entry of it is above {scale:.1e}"
        elif gap > s + 4 * UNITS[dtype] * scale + faint:
            kind = "precision"
            message = f"{name} in {dtype} is off by {gap / scale:.1e}, more than rounding explains"
        else:
            continue
        findings.append(Finding(kind, message, argument, subject.file, None, case))
    return errors, findings


def decides_otherwise(subject: Subject, dtype: str) -> bool:
    """Whether the forward takes other branches in `dtype`: it is another function there."""
    pieces = []
    for arrays in (subject.arrays, cast(subject.arrays, dtype)):
        hook = Fingerprint()
        with watching(subject.functions, hook):
            subject.run(arrays)
        pieces.append(hook.digest())
    return pieces[0] != pieces[1]


LARGEST = {"float32": 3.4e38, "float16": 65504.0, "bfloat16": 3.3e38}
UNDERFLOW = {"float32": 2.0**-126, "float16": 2.0**-25, "bfloat16": 2.0**-126}


def cast(arrays: tuple, dtype: str) -> tuple:
    """The arrays in another floating dtype; integers and the rest as they are."""
    kind: Any = dtype
    if dtype == "bfloat16":
        import ml_dtypes

        kind = ml_dtypes.bfloat16
    return tuple(a.astype(kind) if is_float(a) or isinstance(a, np.float64) else a for a in arrays)
