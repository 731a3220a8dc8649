"""Hessian-vector products of the twins against differences of the hand gradients."""

import numpy as np
import pytest

from gradcheck import catalogue, check, second_order, shipped
from gradcheck.checks import cotangent
from gradcheck.subjects import pair

# each of these compiles for five seconds and more
LONG = {"residual_cnn", "Seq2Seq", "CharRNN", "DecoderBlock", "GPT", "EncoderDecoder"}
ENTRIES = [
    pytest.param(e, id=e.name, marks=pytest.mark.slow if e.name in LONG else ())
    for e in catalogue.LAYERS
]


@pytest.mark.parametrize("entry", ENTRIES)
def test_hessian_vector_product(entry, rng):
    """u . H d, with H of <dy, y> in the input and all parameters, d a direction in all of them."""
    subject = shipped.layer_subject(entry, seed=4)
    dy = tuple(cotangent(v, rng) for v in subject.run().y)
    exact, measured, bound = second_order.curvature(subject, dy, seed=4)
    assert abs(exact - measured) <= bound
    assert bound <= 1e-6 * abs(exact) or exact == 0  # it could have seen an error


def cube(x):
    return x**3, x


def test_second_order_on_request():
    x = np.array([0.5, -1.25, 2.0])
    right = check(cube, lambda dy, x: dy * 3 * x * x, x, reference=lambda x: x**3, order=2)
    assert right.verdict == "pass"

    def right_at_x_alone(dy, z):
        return dy * 3 * x * z

    assert check(cube, right_at_x_alone, x, reference=lambda x: x**3).verdict == "pass"
    wrong = check(cube, right_at_x_alone, x, reference=lambda x: x**3, order=2)
    assert wrong.verdict == "fail"
    assert "bend" in wrong.message


def test_the_adjoint_is_held_against_forward_mode():
    x = np.array([0.5, -1.25, 2.0])
    subject = pair(cube, None, (x,), twin=lambda x: x**3)
    dy = (np.array([1.0, 2.0, -1.0]),)
    assert second_order.adjoint(subject, dy, (dy[0] * 3 * x * x,), [1e-15], 2.0**-53, 0) == []
    (found,) = second_order.adjoint(subject, dy, (dy[0] * 3 * x,), [1e-15], 2.0**-53, 0)
    assert "jax.jvp" in found.message


def test_second_order_takes_a_reference():
    with pytest.raises(ValueError, match="order is 2, without a reference; wanted 1, or 2 with"):
        check(cube, lambda dy, x: dy * 3 * x * x, np.ones(2), order=2)
