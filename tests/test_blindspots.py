"""What an input could not have shown is said; the inputs drawn by default can show everything."""

import numpy as np
import pytest

from gradcheck import catalogue, check, shipped
from gradcheck.blindspots import blind_spots
from gradcheck.checks import cotangent
from gradcheck.report import Report, merge


def scale(x, w):
    return x * w, (x, w)


def scale_backward(dy, cache):
    x, w = cache
    return dy * w, dy * x


def rows(rng_seed=0, shape=(4, 3)):
    return np.random.default_rng(rng_seed).standard_normal(shape)


@pytest.mark.parametrize(
    ("x", "w", "note"),
    [
        (rows(), np.ones((4, 3)), "w is 1 everywhere: a factor w too many or few would not show"),
        (
            rows(),
            np.zeros((4, 3)),
            "w is 0 everywhere: a term with a factor w too many or few would not show",
        ),
        (
            rows(),
            np.full((4, 3), 2.5),
            "w is 2.5 everywhere: entries of it mixed up would not show",
        ),
        (
            rows(shape=(1, 3)),
            rows(1, (1, 3)),
            "axis 0 of x has size 1: a mean for a sum over it, or no sum, would not show",
        ),
        (
            rows(shape=(3, 3)),
            rows(1, (3, 3)),
            "x has equal sides (3, 3): code that is right for equal sizes only would pass",
        ),
        (
            np.array([[1.0, 2.0], [2.0, 5.0]]),
            rows(1, (2, 2)),
            "x is symmetric: a transpose of it would not show",
        ),
    ],
)
def test_an_input_that_hides_errors_says_which(x, w, note):
    report = check(scale, scale_backward, x, w)
    assert report.verdict == "pass"
    assert note in report.notes
    assert note in str(report) and note in report.to_dict()["message"]
    assert not check(scale, scale_backward, rows(), rows(1)).notes


def test_the_blind_spot_is_one():
    """A forgotten factor passes where that factor is 1, which is what the note says."""
    forgotten = check(scale, lambda dy, c: (dy, dy * c[0]), rows(), np.ones((4, 3)))
    assert forgotten.verdict == "pass"
    assert check(scale, lambda dy, c: (dy, dy * c[0]), rows(), rows(1)).verdict == "fail"


def test_ids_that_do_not_repeat():
    def look_up(ids, table):
        return table[ids], (ids, table.shape)

    def overwrites(dy, cache):
        ids, shape = cache
        dtable = np.zeros(shape)
        dtable[ids] = dy
        return None, dtable

    once = check(look_up, overwrites, np.array([2, 0, 1]), rows())
    assert once.verdict == "pass"
    assert once.notes == ("ids repeats nothing: overwriting instead of adding would not show",)
    twice = check(look_up, overwrites, np.array([2, 0, 2]), rows())
    assert twice.verdict == "fail" and not twice.notes


def test_a_gradient_of_zero_hides_its_factors():
    def relu(x, w):
        return np.maximum(x, 0) + w, x

    report = check(relu, lambda dy, x: (dy * (x > 0), dy), -np.abs(rows()), rows(1))
    assert report.notes == ("dx is zero here: its sign and factors would not show",)


def test_where_nothing_can_fail_nothing_passes():
    report = check(lambda x: (np.ones(3), x.shape), lambda dy, s: np.zeros(s), rows())
    assert report.verdict == "unresolved"
    assert [f.kind for f in report.findings] == ["vacuous"]
    assert "y does not move with any argument here" in report.message


def test_a_note_of_one_case_is_none_of_all():
    a, b = Report("f", notes=("one", "both")), Report("f", notes=("both",))
    assert merge([a, b]).notes == ("both",)


@pytest.mark.parametrize("entry", catalogue.OPS, ids=lambda e: e.name)
def test_the_default_inputs_hide_nothing(entry):
    seen = []
    for subject in shipped.subjects(entry, seed=0, twin=False):
        ran = subject.run()
        rng = np.random.default_rng(0)
        dy = tuple(cotangent(v, rng) for v in ran.y)
        seen.append(set(blind_spots(subject, subject.gradients(dy, ran))))
    assert not set.intersection(*seen)


def test_a_gradient_that_is_zero_though_y_moves_is_confirmed():
    def unit_length(x):  # rounding moves it
        return np.sqrt(((x / np.sqrt((x * x).sum())) ** 2).sum()), x

    assert check(unit_length, lambda dy, x: 0 * x, rows()).verdict == "pass"
    assert check(unit_length, lambda dy, x: 1e-6 * x, rows()).verdict == "fail"
