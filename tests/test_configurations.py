"""Options that a signature declares are varied; what they leave undefined is left out."""

import pytest

from gradcheck import conditions
from gradcheck.checks import check_subject
from gradcheck.discovery import resolve
from gradcheck.report import merge

POOL = """
import numpy as np
from jaxtyping import Float


def avg_pool(x: Float[np.ndarray, "N L"], size=2, stride=2, verbose=False):
    n = (x.shape[1] - size) // stride + 1
    assert stride < 3, "such strides are not supported"
    windows = [x[:, i * stride : i * stride + size].mean(axis=1) for i in range(n)]
    return np.stack(windows, axis=1), (x, size, stride)


def avg_pool_backward(dy, cache):
    x, size, stride = cache
    dx = np.zeros_like(x)
    for i in range(dy.shape[1]):
        dx[:, i * stride : i * stride + size] {} dy[:, i : i + 1] / size
    return dx
"""
NORM = """
import numpy as np


def norm(x, g, train=True, affine=True, axis=0):
    xc = x - x.mean(axis=axis, keepdims=True) if train else x - 0.5
    return (xc * g if affine else xc), (xc, g, train, axis)


def norm_backward(dy, cache):
    xc, g, {}, axis = cache
    dg = (dy * xc).sum(axis=0)
    dy = dy * g
    return dy - dy.mean(axis=axis, keepdims=True), dg


CASES = {{"norm": lambda rng: (rng.normal(size=(3, 4)), rng.normal(size=4))}}
"""
LAYER = '''
import numpy as np


class AvgPool:
    def __init__(self, window=2, stride=2):
        self.window, self.stride = window, stride

    def forward(self, x):
        """x: array of shape (N, L)"""
        self.x, s = x, self.stride
        n = (x.shape[1] - self.window) // s + 1
        return np.stack([x[:, i * s : i * s + self.window].mean(axis=1) for i in range(n)], axis=1)

    def backward(self, dout):
        dx, s = np.zeros_like(self.x), self.stride
        for i in range(dout.shape[1]):
            dx[:, i * s : i * s + self.window] {} dout[:, i : i + 1] / self.window
        return dx
'''


def examined(tmp_path, text):
    """(subjects, the report of all of them) of a file with one pair."""
    (tmp_path / "pair.py").write_text(text)
    (check,) = resolve(str(tmp_path / "pair.py"))
    subjects = [*check.subjects(0, False)]
    reports = [check_subject(s, 0, twin=False) for s in subjects]
    return subjects, conditions.told(merge(reports), reports)


def test_options_are_varied_where_they_run(tmp_path):
    subjects, report = examined(tmp_path, POOL.format("+="))
    assert report.verdict == "pass"
    seen = {tuple(s.config.items()) for s in subjects}
    usual = {"size": 2, "stride": 2, "verbose": False}
    others = ({"size": 3}, {"stride": 1}, {"verbose": True})  # it refuses a stride of 3
    assert seen == {tuple({**usual, **other}.items()) for other in ({}, *others)}


def test_a_finding_names_the_option(tmp_path):
    _, report = examined(tmp_path, POOL.format("="))
    (finding,) = report.findings
    assert finding.why[0] == "wrong where windows overlap, right where windows do not overlap"


def test_options_beside_cases_are_varied(tmp_path):
    subjects, report = examined(tmp_path, NORM.format("train"))
    varied = [s.config for s in subjects if s.config["axis"] != 0]
    assert report.verdict == "fail"
    assert varied == [{"train": True, "affine": True, "axis": a} for a in (-1, 1, -2)]


def test_what_an_option_leaves_undefined_is_left_out(tmp_path):
    told, _ = examined(tmp_path, NORM.format("train"))
    untold, _ = examined(tmp_path, NORM.replace("g, train, axis)", "g, axis)").format("*_"))
    assert {s.config["train"] for s in told} == {True, False}  # wrong, and told
    assert {s.config["train"] for s in untold} == {True}  # of which nothing was said
    assert {s.config["affine"] for s in (*told, *untold)} == {True}  # g is not used


@pytest.mark.parametrize(("how", "verdict"), [("+=", "pass"), ("=", "fail")])
def test_options_of_a_constructor_are_varied(tmp_path, how, verdict):
    subjects, report = examined(tmp_path, LAYER.format(how))
    assert {s.axes.get("stride") for s in subjects} == {None, 1, 3}
    assert report.verdict == verdict
    if report.findings:
        assert report.findings[0].why[0] == "wrong at stride=1, right elsewhere"
