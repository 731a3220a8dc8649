"""Forward values against the reference cases of the ONNX operators, within their own tolerances.

Every case of an operator that has a counterpart here runs, or stands in a table with the reason
(tests/onnx_cases.py). Runs where onnx is installed, as the extra `referees` does. A summary:
`python -m tests.test_onnx`.
"""

import importlib
import pkgutil
import warnings
from collections import Counter
from unittest import mock

import numpy as np
import pytest

from tests.onnx_cases import CANNOT, RUNS, why_not

onnx = pytest.importorskip("onnx")


def collect() -> dict:
    """The cases by name; importing a module of the package makes those of its operator."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the package warns of itself
        node = importlib.import_module("onnx.backend.test.case.node")
        common = importlib.import_module("onnx.reference.ops.op_pool_common")
        modules = {m.name.replace("_", ""): m.name for m in pkgutil.iter_modules(node.__path__)}
        with (
            # the same values once more, for the expansion of an operator into others
            mock.patch.object(node, "function_testcase_helper", lambda *a, **k: ([], 0)),
            # a loop over every window, ten seconds long, for cases that do not run
            mock.patch.object(common, "pool", flat_pools(common.pool)),
        ):
            for operator in RUNS:
                importlib.import_module(f"{node.__name__}.{modules[operator.lower()]}")
    return {case.name: case for case in node._NodeTestCases if operator_of(case) in RUNS}


def flat_pools(pool):
    def run(padded, x_shape, kernel, strides, out_shape, *rest, **config):
        if len(kernel) > 2:
            return np.full((*x_shape[:2], *out_shape), np.nan, np.float32)
        return pool(padded, x_shape, kernel, strides, out_shape, *rest, **config)

    return run


def operator_of(case) -> str:
    return case.model.graph.node[0].op_type


def attributes(node) -> dict:
    values = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
    return {name: v.decode() if isinstance(v, bytes) else v for name, v in values.items()}


CASES = collect()
RUN = [name for name, case in CASES.items() if why_not(operator_of(case), name) is None]


@pytest.mark.parametrize("name", RUN)
def test_forward_has_the_values_of_the_case(name):
    compare(CASES[name])


def compare(case):
    node, (inputs, outputs) = case.model.graph.node[0], case.data_sets[0]
    given = iter(inputs)
    got = RUNS[node.op_type](attributes(node), *[next(given) if n else None for n in node.input])
    got = got if isinstance(got, tuple) else (got,)
    named = [y for y, n in zip(got, node.output, strict=False) if n]
    assert len(named) == len(outputs)
    for y, wanted in zip(named, outputs, strict=True):
        assert (y.shape, y.dtype) == (np.shape(wanted), wanted.dtype)
        np.testing.assert_allclose(y, wanted, rtol=case.rtol, atol=case.atol)


def test_every_reason_is_that_of_a_case():
    used = {why_not(operator_of(case), name) for name, case in CASES.items()}
    assert [row for row in CANNOT if row not in used] == []


def test_no_case_with_a_reason_would_run():
    def runs(case):
        try:
            compare(case)
        except Exception:
            return False
        return True

    assert [name for name, case in CASES.items() if name not in RUN and runs(case)] == []


def test_every_operator_has_cases():
    assert {operator_of(case) for case in CASES.values()} == set(RUNS)


def summary() -> str:
    run, cannot, reasons = Counter(), Counter(), {}
    for name, case in CASES.items():
        operator, row = operator_of(case), why_not(operator_of(case), name)
        (run if row is None else cannot)[operator] += 1
        if row is not None:
            reasons.setdefault(operator, Counter())[row[2]] += 1
    lines = [f"onnx {onnx.__version__}", f"{'operator':<26} {'run':>4} {'cannot':>6}  why not"]
    for operator in sorted(RUNS, key=str.lower):
        why = ", ".join(f"{reason} {n}" for reason, n in reasons.get(operator, {}).items())
        lines.append(f"{operator:<26} {run[operator]:>4} {cannot[operator]:>6}  {why}".rstrip())
    lines.append(f"{'all':<26} {run.total():>4} {cannot.total():>6}")
    return "\n".join(lines)


if __name__ == "__main__":
    print(summary())
