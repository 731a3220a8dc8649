"""Initial weights: their variance, and that it keeps a signal at its scale."""

import numpy as np
import pytest

from jaxnn import initializers as twins
from scratchnn.initializers import (
    fans,
    glorot_normal,
    glorot_uniform,
    he_normal,
    he_uniform,
    lecun_normal,
    lecun_uniform,
)
from scratchnn.ops.activations import relu
from scratchnn.ops.affine import linear
from scratchnn.ops.convolution import conv2d

VARIANCE = {  # of weights with these fans
    lecun_normal: lambda n, m: 1 / n,
    lecun_uniform: lambda n, m: 1 / n,
    glorot_normal: lambda n, m: 2 / (n + m),
    glorot_uniform: lambda n, m: 2 / (n + m),
    he_normal: lambda n, m: 2 / n,
    he_uniform: lambda n, m: 2 / n,
}
# the fourth moment over the squared variance, which sets the spread of a sample variance
KURTOSIS = {"normal": 3, "uniform": 9 / 5}
DENSE, KERNEL = (300, 200), (5, 3, 40, 100)


@pytest.mark.parametrize(
    ("shape", "n", "m"), [(DENSE, 300, 200), (KERNEL, 600, 1500), ((7, 2, 3), 14, 21)]
)
def test_fans(shape, n, m):
    assert fans(shape) == (n, m)


@pytest.mark.parametrize("shape", [(), (3,)])
def test_fans_of_a_vector(shape):
    with pytest.raises(ValueError) as error:
        fans(shape)
    assert str(error.value) == (
        f"fans: shape {shape} has no inputs and outputs; wanted (D, M) or more axes"
    )


@pytest.mark.parametrize("shape", [DENSE, KERNEL])
@pytest.mark.parametrize("init", VARIANCE)
def test_moments(init, shape, rng):
    w, v = init(rng, shape), VARIANCE[init](*fans(shape))
    kind = init.__name__.split("_")[1]
    assert w.shape == shape
    # six standard errors of a sample mean and of a sample variance
    assert abs(w.mean()) < 6 * np.sqrt(v / w.size)
    assert abs(w.var() / v - 1) < 6 * np.sqrt((KURTOSIS[kind] - 1) / w.size)
    # the largest of so many normal draws passes 4 sigma, a uniform one never passes sqrt(3)
    assert (abs(w).max() > 4 * np.sqrt(v)) == (kind == "normal")
    assert kind == "normal" or abs(w).max() <= np.sqrt(3 * v)


@pytest.mark.parametrize("init", VARIANCE)
def test_twins_draw_the_same(init, x64):
    twin = getattr(twins, init.__name__)
    for shape in (DENSE, KERNEL):
        a, b = (f(np.random.default_rng(3), shape) for f in (init, twin))
        assert a.dtype == b.dtype == np.float64
        assert np.array_equal(a, b)


@pytest.mark.parametrize(
    ("init", "keeps"), [(he_normal, True), (he_uniform, True), (lecun_normal, False)]
)
def test_he_keeps_the_second_moment_through_relu(init, keeps, rng):
    x = rng.standard_normal((64, 512))
    before = (x * x).mean()
    for _ in range(20):
        x, _ = relu(linear(x, init(rng, (512, 512)))[0])
    # half of a symmetric signal survives relu: E[relu(z)^2] = Var[z] / 2 = E[x^2]
    assert (0.5 < (x * x).mean() / before < 2) == keeps


@pytest.mark.parametrize("init", [lecun_normal, lecun_uniform])
def test_lecun_keeps_the_variance_of_a_convolution(init, rng):
    x = rng.standard_normal((4, 12, 12, 16))
    y, _ = conv2d(x, init(rng, (3, 3, 16, 64)))
    assert 0.8 < y.var() / x.var() < 1.25
