"""The same pair in float32, against itself in float64: dtypes kept, and no more than rounding lost.

The mathematics is judged in float64; here only the precision is. The inputs hold float32 values, so
both runs start from the same numbers, and the rounding jitter measured in float64, scaled by the
ratio of the unit roundoffs, is what float32 may lose.
"""

import numpy as np

from gradcheck.report import Finding
from gradcheck.subjects import Subject, is_float

Array = np.ndarray
RATIO = 2.0**29  # unit roundoff of float32 over that of float64


def single(
    subject: Subject, dy: tuple, exact: list[Array], slack: list[float]
) -> tuple[list[float], list[Finding]]:
    """The relative errors in float32 of the outputs and then the gradients, and what is wrong.

    Args:
        subject: a pair that promises to keep dtypes.
        dy: cotangents.
        exact: outputs and gradients in float64.
        slack: the rounding to be expected of each, absolute, in float64.
    """
    ran = subject.run(_float32(subject.arrays))
    results = [*ran.y, *subject.gradients(_float32(dy), ran)]
    names = ["y"] * len(ran.y) + [f"d{subject.names[i]}" for i in subject.floats]
    errors, findings = [], []
    for name, got, want, s in zip(names, map(np.asarray, results), exact, slack, strict=True):
        case = {**subject.case(), "dtype": "float32"}
        argument = name[1:] if name[0] == "d" else None
        scale = float(np.max(np.abs(want))) or 1.0
        gap = float(np.max(np.abs(got - want)))
        errors.append(gap / scale)
        if want.dtype.kind != "f":
            continue
        if got.dtype != np.float32:
            kind, message = "dtype", f"{name} is {got.dtype} for float32 inputs; wanted float32"
        elif not gap <= RATIO * s + 2.0**-22 * scale:
            kind = "precision"
            message = f"{name} in float32 is off by {gap / scale:.1e}, more than rounding explains"
        else:
            continue
        findings.append(Finding(kind, message, argument, subject.file, None, case))
    return errors, findings


def _float32(arrays: tuple) -> tuple:
    return tuple(
        a.astype(np.float32) if is_float(a) or isinstance(a, np.float64) else a for a in arrays
    )
