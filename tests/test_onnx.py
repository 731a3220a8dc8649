"""Forward values against the reference cases of the ONNX operators, within their own tolerances.

Every case of an operator that has a counterpart here runs, or stands in CANNOT with the reason.
Runs where onnx is installed, as the extra `referees` does. A summary:
`python -m tests.test_onnx`.
"""

import importlib
import pkgutil
import warnings
from collections import Counter
from fnmatch import fnmatchcase
from unittest import mock

import numpy as np
import pytest

import scratchnn as nn
from tests.onnx_cases import RUNS

onnx = pytest.importorskip("onnx")


# operator, names of cases, why not; the first row that fits a case counts
CANNOT = [
    ("Attention", "*fp16*", "half precision"),
    ("Attention", "*float16*", "half precision"),
    ("Attention", "*softmax_precision", "half precision"),
    ("Attention", "*bf16*", "bfloat16"),
    ("Attention", "*softcap*", "softcap"),
    ("Attention", "*local_window_gqa_rank4_mask", "softcap"),
    ("Attention", "*qk_matmul*", "scores as a second output"),
    ("AveragePool", "*_3d_*", "three spatial axes"),
    ("AveragePool", "*_2d_ceil", "ceil_mode"),
    ("AveragePool", "*_2d_dilations", "dilated pooling"),
    ("Clip", "*int8*", "integer input"),
    ("Clip", "*min_greater_than_max", "low above high is refused"),
    ("ConvTranspose", "*_3d", "three spatial axes"),
    ("Gather", "*negative_indices", "negative index is refused"),
    ("Gemm", "*matrix_bias", "a bias for each row"),
    ("LpNormalization", "*_l1normalization_*", "p = 1"),
    ("MatMul", "test_matmul_3d", "a matrix for each row of the batch"),
    ("MatMul", "test_matmul_4d", "a matrix for each row of the batch"),
    ("MatMul", "*_bcast", "a matrix for each row of the batch"),
    ("Max", "*int*", "integer input"),
    ("Max", "*_one_input", "one input"),
    ("MaxPool", "*_3d_*", "three spatial axes"),
    ("MaxPool", "*uint8", "integer input"),
    ("MaxPool", "*_2d_ceil", "ceil_mode"),
    ("MaxPool", "*_2d_dilations", "dilated pooling"),
    ("MaxPool", "*_with_argmax_*", "indices as a second output"),
    ("Resize", "*cubic*", "cubic"),
    ("Resize", "*_downsample_*", "smaller images"),
    ("Resize", "*align_corners*", "align_corners"),
    ("Resize", "*_tf_crop_*", "cropping"),
    ("Resize", "*_asymmetric", "other pixel centres"),
    ("Resize", "*_ceil_half_pixel", "other rounding"),
    ("Resize", "*_sizes_nearest", "no whole factor"),
    ("Resize", "*_sizes_nearest_axes_*", "no whole factor"),
    ("Resize", "*_not_larger", "no whole factor"),
    ("Resize", "*_half_pixel_symmetric", "no whole factor"),
    ("RotaryEmbedding", "*", "random numbers for cosines and sines"),
    ("Selu", "test_selu_example", "other constants"),
    ("Selu", "test_selu", "other constants"),
    ("SwiGLU", "*_alpha", "a slope in the gate"),
    ("SwiGLU", "*float16", "half precision"),
]


def why_not(operator: str, name: str) -> tuple | None:
    """The row of CANNOT for a case."""
    fits = (row for row in CANNOT if row[0] == operator and fnmatchcase(name, row[1]))
    return next(fits, None)


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


# gates, channels and kernels that differ; those of the cases are mostly equal, or one
T, N, D, H = 3, 2, 5, 4
DRAWN = [
    ("RNN", {"hidden_size": H}, [(1, H, D), (1, H, H), (1, 2 * H)]),
    ("GRU", {"hidden_size": H}, [(1, 3 * H, D), (1, 3 * H, H), (1, 6 * H)]),
    (
        "GRU",
        {"hidden_size": H, "linear_before_reset": 1},
        [(1, 3 * H, D), (1, 3 * H, H), (1, 6 * H)],
    ),
    ("LSTM", {"hidden_size": H}, [(1, 4 * H, D), (1, 4 * H, H), (1, 8 * H)]),
    (
        "LSTM",
        {"hidden_size": H},
        [(1, 4 * H, D), (1, 4 * H, H), (1, 8 * H), None, (1, N, H), (1, N, H), (1, 3 * H)],
    ),
    ("Conv", {"group": 2, "strides": [2, 1], "pads": [1, 0, 2, 1]}, [(6, 2, 2, 3), (6,)]),
    ("Conv", {"dilations": [1, 2]}, [(3, 4, 2, 3), (3,)]),
    ("ConvTranspose", {"strides": [2, 3], "pads": [1, 0, 0, 1]}, [(4, 3, 2, 3)]),
]


@pytest.mark.parametrize(("operator", "config", "shapes"), DRAWN)
def test_forward_has_the_values_of_the_reference_evaluator(rng, operator, config, shapes):
    x = (2, 4, 7, 6) if operator.startswith("Conv") else (T, N, D)
    inputs = [None if s is None else rng.standard_normal(s, np.float32) for s in (x, *shapes)]
    names = ["" if a is None else f"x{n}" for n, a in enumerate(inputs)]
    outputs = ["y"] if operator.startswith("Conv") else ["y", "h"]
    node = onnx.helper.make_node(operator, names, outputs, **config)
    feeds = {name: a for name, a in zip(names, inputs, strict=True) if name}
    wanted = evaluate(node, feeds)
    got = RUNS[operator](config, *inputs)
    got = got if isinstance(got, tuple) else (got,)
    for y, value in zip(got[: len(outputs)], wanted, strict=True):
        assert y.shape == value.shape
        np.testing.assert_allclose(y, value, rtol=1e-5, atol=1e-5)


def test_rotary_has_the_values_of_the_reference_evaluator(rng):
    x = rng.standard_normal((2, 3, 4, 10), np.float32)
    positions = np.array([0, 7, 2, 5])
    angles = np.arange(8)[:, None] / 10000 ** (np.arange(0, 10, 2) / 10)
    feeds = {
        "x": x,
        "cos": np.cos(angles).astype(np.float32),
        "sin": np.sin(angles).astype(np.float32),
        "ids": np.stack((positions, positions)),
    }
    node = onnx.helper.make_node("RotaryEmbedding", list(feeds), ["y"])
    (wanted,) = evaluate(node, feeds)
    np.testing.assert_allclose(nn.rotary(x, positions)[0], wanted, rtol=1e-5, atol=1e-5)


def evaluate(node, feeds):
    kinds = {name: onnx.helper.np_dtype_to_tensor_dtype(a.dtype) for name, a in feeds.items()}
    graph = onnx.helper.make_graph(
        [node],
        "one",
        [
            onnx.helper.make_tensor_value_info(name, kinds[name], a.shape)
            for name, a in feeds.items()
        ],
        [
            onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None)
            for name in node.output
        ],
    )
    opset = onnx.helper.make_opsetid("", onnx.defs.onnx_opset_version())
    reference = importlib.import_module("onnx.reference")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = onnx.helper.make_model(graph, opset_imports=[opset])
        return reference.ReferenceEvaluator(model).run(None, feeds)


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
