"""The two laws, over the catalogue: every shipped op, layer and model."""

import inspect
from dataclasses import replace

import numpy as np
import pytest

import scratchnn
from gradcheck import catalogue, shipped
from gradcheck.checks import check_subject, cotangent

CASES = [
    pytest.param(subject, id=f"{entry.name}-{k}")
    for entry in (*catalogue.OPS, *catalogue.LAYERS)
    for k, subject in enumerate(shipped.subjects(entry, seed=1, twin=True))
]


@pytest.mark.parametrize("subject", CASES)
def test_laws(subject):
    report = check_subject(subject, seed=1)
    # flat: nothing moves at this point, which is right, and no proof of anything
    assert report.verdict == "pass" or report.flat, str(report)
    assert all(a.error <= 1e-10 for a in report.arguments.values())


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


@pytest.mark.parametrize("break_it", ["dtype", "precision"])
def test_float32_is_judged(break_it):
    subject = next(shipped.subjects(catalogue.find("tanh"), seed=3, twin=False))

    def wrong(dy, cache):
        dx = scratchnn.tanh_backward(dy, cache)
        if dx.dtype == np.float64:
            return dx
        return dx.astype(np.float64) if break_it == "dtype" else np.float32(1.0001) * dx

    report = check_subject(replace(subject, backward=wrong))
    assert report.verdict == "fail" and report.findings[0].kind == break_it
    assert report.findings[0].case["dtype"] == "float32"


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
