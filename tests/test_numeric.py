"""The ladder of differences: its value lies within its own bound, and the bound is small."""

import math

import numpy as np
import pytest
from scipy import special

from gradcheck import check, numeric
from gradcheck.numeric import direction, directional, one_sided


def smooth(t):
    return b""


# name: (f, f'), both of arrays entry by entry
ANALYTIC = {
    "sin": (np.sin, np.cos),
    "cos": (np.cos, lambda x: -np.sin(x)),
    "exp": (np.exp, np.exp),
    "expm1": (np.expm1, np.exp),
    "tanh": (np.tanh, lambda x: 1 / np.cosh(x) ** 2),
    "sinh": (np.sinh, np.cosh),
    "cosh": (np.cosh, np.sinh),
    "arctan": (np.arctan, lambda x: 1 / (1 + x * x)),
    "arcsinh": (np.arcsinh, lambda x: 1 / np.sqrt(1 + x * x)),
    "sigmoid": (special.expit, lambda x: special.expit(x) * special.expit(-x)),
    "log-sigmoid": (special.log_expit, lambda x: special.expit(-x)),
    "softplus": (lambda x: np.logaddexp(0, x), special.expit),
    "erf": (special.erf, lambda x: 2 / math.sqrt(math.pi) * np.exp(-x * x)),
    "normal": (special.ndtr, lambda x: np.exp(-x * x / 2) / math.sqrt(2 * math.pi)),
    "bell": (lambda x: np.exp(-x * x), lambda x: -2 * x * np.exp(-x * x)),
    "runge": (lambda x: 1 / (1 + x * x), lambda x: -2 * x / (1 + x * x) ** 2),
    "root": (lambda x: np.sqrt(1 + x * x), lambda x: x / np.sqrt(1 + x * x)),
    "log": (lambda x: np.log(1 + x * x), lambda x: 2 * x / (1 + x * x)),
    "softsign": (lambda x: x / np.sqrt(1 + x * x), lambda x: (1 + x * x) ** -1.5),
    "swish": (
        lambda x: x * special.expit(x),
        lambda x: special.expit(x) * (1 + x * special.expit(-x)),
    ),
    "cubic": (lambda x: x**3 - 2 * x, lambda x: 3 * x * x - 2),
    "septic": (lambda x: x**7, lambda x: 7 * x**6),
    "linear": (lambda x: 3 * x, lambda x: np.full_like(x, 3.0)),
    "constant": (lambda x: np.full_like(x, 2.0), np.zeros_like),
    "wave": (lambda x: np.sin(5 * x) * x, lambda x: np.sin(5 * x) + 5 * x * np.cos(5 * x)),
}
SCALES, SEEDS = (1e-6, 1e-4, 1e-2, 1.0, 4.0), range(8)


def measured(f, derivative, scale, seed):
    """The ladder along one direction of sum(v f(x)), and the truth."""
    rng = np.random.default_rng([seed, round(1e6 * scale)])
    x = (rng.standard_normal(5) * scale).astype(np.float32).astype(np.float64)
    v, d = rng.standard_normal(5), direction(x, rng)
    y0 = f(x)
    floor = 2 * numeric.UNIT * float(np.sum(np.abs(v * y0)))
    found = directional(lambda t: float(v @ (f(x + t * d) - y0)), smooth, floor)
    terms = v * derivative(x) * d
    return found, float(math.fsum(terms)), float(np.sum(np.abs(terms)))


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("name", ANALYTIC)
def test_the_value_is_within_its_bound(name, scale):
    for seed in SEEDS:
        found, truth, size = measured(*ANALYTIC[name], scale, seed)
        assert found.trouble == ""
        # the truth itself is computed in float64
        assert abs(found.value - truth) <= found.bound + 8 * numeric.UNIT * size


@pytest.mark.parametrize("name", sorted(set(ANALYTIC) - {"constant"}))
def test_the_bound_of_a_smooth_function_is_small(name):
    resolutions = []
    for seed in SEEDS:
        found, _, size = measured(*ANALYTIC[name], 1.0, seed)
        resolutions.append(found.bound / size)
    assert max(resolutions) < 1e-8
    assert np.median(resolutions) < 1e-9


def test_a_derivative_off_by_a_millionth_is_outside_the_bound():
    for f, derivative in ANALYTIC.values():
        found, truth, size = measured(f, derivative, 1.0, 3)
        assert abs(found.value - (truth + 1e-6 * size)) > found.bound or size == 0


@pytest.mark.parametrize("amplitude", [1e-12, 1e-9, 1e-6, 1e-3])
def test_the_bound_grows_with_the_noise(amplitude):
    for seed in range(25):
        rng = np.random.default_rng(seed)
        found = directional(
            lambda t, rng=rng: math.sin(t) + amplitude * rng.uniform(-1, 1), smooth, 1e-16
        )
        assert abs(found.value - 1) <= found.bound
        assert 10 * amplitude < found.bound < 1e4 * amplitude


@pytest.mark.parametrize("top", [-3, -10])
def test_steps_of_single_precision_inside_a_function_count_as_noise(top):
    for seed in range(25):
        rng = np.random.default_rng(seed)
        x = rng.standard_normal(7).astype(np.float32).astype(np.float64)
        d = direction(x, rng)

        def phi(t, x=x, d=d):
            return float(np.sum(np.sin((x + t * d).astype(np.float32)) - np.sin(x)))

        found = directional(phi, smooth, 1e-16, top)
        assert abs(found.value - np.cos(x) @ d) <= found.bound < 0.1


@pytest.mark.parametrize("offset", [2.0**-4, 2.0**-9, 2.0**-20])
def test_steps_stay_on_the_smooth_piece_of_the_point(offset):
    def phi(t):
        return math.sin(t) + 100 * abs(t - offset) - 100 * offset

    found = directional(phi, lambda t: bytes([t > offset]), 1e-16)
    assert found.trouble == ""
    assert abs(found.value - -99) <= found.bound
    assert found.bound < 1e-12 / offset
    blind = directional(phi, smooth, 1e-16)  # to the kink
    if offset > 2.0**-10:  # the wide rungs are fooled, and the fine ones find it out
        assert abs(blind.value - -99) <= blind.bound < 1e-8
    else:
        assert blind.bound > 1e3 * found.bound


def test_a_kink_at_the_point_is_told_and_measured_from_both_sides():
    def phi(t):
        return math.expm1(t) + 3 * max(t, 0.0)

    def side(t):
        return bytes([(t > 0) - (t < 0) + 1])

    assert directional(phi, side, 1e-16).trouble == "kink"
    for sign, slope in ((-1.0, 1.0), (1.0, 4.0)):
        found = one_sided(phi, side, sign, 1e-16)
        assert abs(found.value - slope) <= found.bound < 1e-8


@pytest.mark.parametrize("name", ["sin", "exp", "runge", "cubic", "swish", "softplus"])
def test_one_sided_values_are_within_their_bounds(name):
    f, derivative = ANALYTIC[name]
    for seed in range(20):
        rng = np.random.default_rng(seed)
        x, side = rng.standard_normal(), rng.choice((-1.0, 1.0))
        y0 = f(x)
        found = one_sided(lambda t, x=x, y0=y0: float(f(x + t) - y0), smooth, side, 2e-16)
        assert abs(found.value - derivative(np.array(x))) <= found.bound < 1e-6


def test_no_side_of_a_point_among_kinks_at_every_scale_is_smooth():
    def everywhere(t):
        return np.float64(t).tobytes()

    assert directional(abs, everywhere, 1e-16).trouble == "kink"
    found = one_sided(abs, everywhere, 1.0, 1e-16)
    assert (found.trouble, found.bound) == ("kink", math.inf)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_function_that_is_not_finite_has_no_derivative(value):
    found = directional(lambda t: value, smooth, 1e-16)
    assert (found.trouble, found.bound) == ("non-finite", math.inf)
    half = directional(lambda t: value if t > 0 else t, smooth, 1e-16)
    assert (half.trouble, half.bound) == ("non-finite", math.inf)


def test_a_function_finite_only_near_the_point_is_measured_there():
    found = directional(lambda t: math.inf if abs(t) > 0.01 else math.sin(t), smooth, 1e-16)
    assert abs(found.value - 1) <= found.bound < 1e-9


def test_an_unseen_jump_gives_a_bound_that_decides_nothing():
    found = directional(lambda t: float(t > 0), smooth, 1e-16)
    assert found.bound > 1
    found = one_sided(lambda t: float(t > 0), smooth, 1.0, 1e-16)
    assert found.bound > 1


def test_an_unseen_kink_at_the_point_is_within_the_bound():
    found = directional(lambda t: abs(t) + 2 * t, smooth, 1e-16)
    assert 1 <= found.value <= 3


@pytest.mark.parametrize("scale", [1e-30, 1e-6, 1.0, 1e6, 1e30])
def test_steps_along_a_direction_are_exact(scale):
    rng = np.random.default_rng(0)
    x = (rng.uniform(0.1, 3, 50) * rng.choice((-1, 1), 50) * scale).astype(np.float32)
    x = x.astype(np.float64)
    d = direction(x, rng)
    assert (d > 0).any() and (d < 0).any()
    assert (np.abs(d) > 0.1 * scale).all() and (np.abs(d) < 3 * scale).all()
    for k in range(3, 24):
        h = 2.0**-k
        assert ((x + h * d) - x == h * d).all() and ((x - h * d) - x == -h * d).all()


def test_the_direction_of_zeros_is_not_zero():
    assert direction(np.zeros(4), np.random.default_rng(0)).all()


def test_noise_and_size_of_values_whose_squares_underflow():
    def phi(t):
        return 1e-250 * (math.sin(t) + 1e-9 * math.sin(1e12 * t))

    found = directional(phi, smooth, 0.0)
    assert abs(found.value - 1e-250) <= found.bound < 1e-254


def test_a_gradient_whose_squares_underflow_is_judged():
    def density(x):
        return np.exp(-x * x / 2), x

    def backward(dy, x):
        return -dy * x * np.exp(-x * x / 2)

    x = np.array([-33.0, 34.0, 35.0])
    right = check(density, backward, x)
    assert right.verdict == "pass", str(right)
    assert check(density, lambda dy, x: 1.01 * backward(dy, x), x).verdict == "fail"
