"""The two laws, over the catalogue: every shipped op, layer and model."""

import inspect

import numpy as np
import pytest

import scratchnn
from gradcheck import catalogue, shipped
from gradcheck.checks import check_subject, cotangent
from gradcheck.rounding import spread
from gradcheck.subjects import copied

CASES = [
    pytest.param(subject, id=f"{entry.name}-{k}")
    for entry in (*catalogue.OPS, *catalogue.LAYERS)
    for k, subject in enumerate(shipped.subjects(entry, seed=1, twin=True))
]


@pytest.mark.parametrize("subject", CASES)
def test_laws(subject):
    report = check_subject(subject, seed=1)
    assert report.verdict == "pass", str(report)
    # differences know the tiny gradient of a saturated unit no better than to their resolution
    assert all(a.error <= max(1e-10, a.resolution or 0) for a in report.arguments.values())


@pytest.mark.parametrize("entry", catalogue.OPS, ids=lambda e: e.name)
def test_one_gradient_per_argument(entry):
    subject = next(shipped.subjects(entry, seed=2, twin=False))
    ran = subject.run()
    dy = tuple(cotangent(v, np.random.default_rng(2)) for v in ran.y)
    grads = subject.backward(dy[0] if ran.single else dy, ran.cache)
    if len(subject.arrays) == 1:
        assert isinstance(grads, np.ndarray)
        return
    assert isinstance(grads, tuple) and len(grads) == len(subject.arrays)
    for x, dx in zip(subject.arrays, grads, strict=True):
        assert (dx is None) == (x is None or x.dtype.kind != "f")


@pytest.mark.parametrize("entry", catalogue.OPS, ids=lambda e: e.name)
def test_float32_stays_float32_and_is_as_precise_as_rounding_allows(entry):
    subject = next(shipped.subjects(entry, seed=3, twin=False))
    ran = subject.run()
    dy = tuple(cotangent(v, np.random.default_rng(3)) for v in ran.y)

    def both():
        again = subject.run()
        return [np.asarray(a) for a in (*again.y, *subject.gradients(dy, again))]

    jitter = spread(both, subject.functions, seed=3)
    ran32 = subject.run(single(subject.arrays))
    results = (*ran32.y, *subject.gradients(single(dy), ran32))
    for exact, s, got in zip(both(), jitter, results, strict=True):
        assert got.dtype == np.float32
        # float32 has 2^29 times the unit roundoff of float64; its inputs here are exact
        scale = np.max(np.abs(exact))
        assert np.max(np.abs(got - exact)) <= 8 * 2.0**29 * np.max(s) + 2.0**-23 * scale


def single(arrays):
    return tuple(
        a.astype(np.float32) if hasattr(a, "dtype") and a.dtype.kind == "f" else a
        for a in copied(arrays)
    )


def test_the_catalogue_is_complete():
    shipped = {
        name.removesuffix("_backward") for name in vars(scratchnn) if name.endswith("_backward")
    }
    shipped |= {
        name
        for name, thing in vars(scratchnn).items()
        if (inspect.isclass(thing) and hasattr(thing, "backward"))
        or (inspect.isfunction(thing) and thing.__module__.startswith("scratchnn.models"))
    }
    listed = catalogue.names()
    assert sorted(shipped) == sorted(listed), "add what is missing to gradcheck/catalogue.py"


def test_labels_out_of_range():
    logits = np.zeros((2, 3))
    for labels in ([0, 3], [-1, 0]):
        with pytest.raises(ValueError, match=r"wanted 0 to 2 for the 3 classes"):
            scratchnn.cross_entropy(logits, np.array(labels))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: scratchnn.conv2d(np.ones((1, 2, 2, 1)), np.ones((3, 3, 1, 1)), None),
            "conv2d: kernel 3 x 3 exceeds the padded image 2 x 2; wanted it to fit at least "
            "once; pad more or take a smaller kernel",
        ),
        (
            lambda: scratchnn.conv2d(np.ones((1, 4, 4, 1)), np.ones((3, 3, 1, 1)), stride=0),
            "conv2d: stride is 0; wanted an integer >= 1, or a pair of them, (rows, columns)",
        ),
        (
            lambda: scratchnn.max_pool2d(np.ones((1, 2, 2, 1)), size=3),
            "max_pool2d: window 3 x 3 exceeds the image 2 x 2; wanted it to fit at least once; "
            "take a smaller size",
        ),
    ],
)
def test_messages(call, message):
    with pytest.raises(ValueError) as error:
        call()
    assert str(error.value) == message
