"""The laws for drawn shapes, configurations, dtypes and memory layouts.

Hypothesis draws sizes and a seed; arrays are filled from the seed. Shapes are free on the numeric
side and come from a pool on the JAX side, where each costs a compilation: of two per op, or of six
in the long campaign, which `python -m pytest -m slow` runs.
"""

from functools import partial

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import scratchnn
from gradcheck import catalogue, inputs, shipped
from gradcheck.checks import check_subject, cotangent
from gradcheck.subjects import is_float, pair

OPS = pytest.mark.parametrize("op", catalogue.OPS, ids=lambda op: op.name)
SEEDS = st.integers(0, 2**32 - 1)
LAYOUTS = {
    "contiguous": partial(np.array, order="C"),  # ascontiguousarray makes one axis of none
    "fortran": partial(np.array, order="F"),
    "reversed": lambda a: np.ascontiguousarray(a[..., ::-1])[..., ::-1] if a.ndim else a,
    "strided": lambda a: np.repeat(a, 2, axis=-1)[..., ::2] if a.ndim else a,
}


@st.composite
def points(draw, op):
    """(arrays, config, sizes) of an op: any sizes from 1 to 6, equal ones and ones too."""
    f = getattr(scratchnn, op.name)
    config = {k: draw(st.sampled_from(values), label=k) for k, values in op.config.items()}
    size = st.integers(1, 6)
    sizes = {
        name: tuple(draw(st.lists(size, max_size=2), label=name))
        if star
        else draw(size, label=name)
        for name, star in inputs.axes(f).items()
    }
    assume(op.where(sizes, config))
    rng = np.random.default_rng(draw(SEEDS, label="seed"))
    absent = draw(st.booleans(), label="optional arguments absent")
    return inputs.fill(f, sizes, config, rng, op.samplers, absent), config, sizes


@OPS
@settings(max_examples=8)
@given(data=st.data())
def test_gradients_against_differences(op, data):
    against_differences(op, data)


@pytest.mark.slow
@OPS
@settings(max_examples=200)
@given(data=st.data())
def test_gradients_against_differences_at_length(op, data):
    against_differences(op, data)


def against_differences(op, data):
    arrays, config, sizes = data.draw(points(op))
    f, f_backward = getattr(scratchnn, op.name), getattr(scratchnn, f"{op.name}_backward")
    report = check_subject(pair(f, f_backward, arrays, config, axes=sizes))
    # a forward that is flat or saturated here may leave differences undecided, never contradicted
    assert report.verdict in ("pass", "kink", "unresolved"), str(report)


@OPS
@settings(max_examples=4)
@given(k=st.integers(0, 1), seed=SEEDS)
def test_laws_against_autodiff(op, k, seed):
    against_autodiff(op, k, seed)


@pytest.mark.slow
@OPS
@settings(max_examples=60)
@given(k=st.integers(0, 5), seed=SEEDS)
def test_laws_against_autodiff_at_length(op, k, seed):
    against_autodiff(op, k, seed)


def against_autodiff(op, k, seed):
    configs = list(shipped.configurations(op))
    config = configs[k % len(configs)]
    f = getattr(scratchnn, op.name)
    sizes = inputs.free_sizes(f, op.where, config, np.random.default_rng(k))
    subject = shipped.op_subject(op, config, [seed], sizes=sizes)
    report = check_subject(subject, seed)
    # flat: nothing moves at this point, which is right, and no proof of anything
    assert report.verdict == "pass" or report.flat, str(report)


@OPS
@settings(max_examples=10)
@given(data=st.data())
def test_dtype_and_layout(op, data):
    arrays, config, _ = data.draw(points(op))
    layout = LAYOUTS[data.draw(st.sampled_from(sorted(LAYOUTS)), label="layout")]
    dtype = data.draw(st.sampled_from((np.float32, np.float64)), label="dtype")
    f, f_backward = getattr(scratchnn, op.name), getattr(scratchnn, f"{op.name}_backward")

    def run(change):
        given = tuple(change(a.astype(dtype)) if is_float(a) else a for a in arrays)
        for a in given:
            if a is not None:
                a.flags.writeable = False
        y, cache = f(*given, **config)
        ys = y if isinstance(y, tuple) else (y,)
        dy = tuple(change(np.asarray(cotangent(v, np.random.default_rng(0)), dtype)) for v in ys)
        grads = f_backward(dy if isinstance(y, tuple) else dy[0], cache)
        return ys, grads if isinstance(grads, tuple) else (grads,), given

    ys, grads, given_arrays = run(layout)
    plain_ys, plain_grads, _ = run(LAYOUTS["contiguous"])
    eps = np.finfo(dtype).eps
    for a, b in zip((*ys, *grads), (*plain_ys, *plain_grads), strict=True):
        if a is not None:
            assert a.dtype == dtype
            # memory order changes the order of additions and nothing else
            assert np.max(np.abs(a - b)) <= 64 * eps * max(1.0, float(np.max(np.abs(b))))
    for x, g in zip(given_arrays, grads, strict=True):
        assert g is None if x is None or not is_float(x) else g.shape == x.shape
