"""Relatives of relu: x where it is positive, something smaller where it is not."""

import numpy as np
from jaxtyping import Float
from scipy.special import expit

from scratchnn.shapes import expect

Array = np.ndarray

# the fixed point of mean 0 and variance 1 under selu
SELU_ALPHA = 1.6732632423543772
SELU_SCALE = 1.0507009873554805


def leaky_relu(
    x: Float[Array, "*batch"], *, slope: float = 0.01
) -> tuple[Float[Array, "*batch"], tuple]:
    """Leaky rectifier, y = x where x > 0, else slope x.

        dx = dy where x > 0, else slope dy

    At the kink x = 0 the subgradient is fixed to slope, so that slope = 0 is relu.

    Args:
        x: any shape.
        slope: of the negative side.

    Returns:
        y and the cache of `leaky_relu_backward`.

    Raises:
        TypeError: x is not a floating array.
        ValueError: x is empty.

    Source: Maas, Hannun and Ng, Rectifier Nonlinearities Improve Neural Network Acoustic Models,
    ICML 2013.

    >>> y, cache = leaky_relu(np.array([-2.0, 0.0, 2.0]), slope=0.5)
    >>> y.tolist(), leaky_relu_backward(np.ones(3), cache).tolist()
    ([-1.0, 0.0, 2.0], [0.5, 0.5, 1.0])
    """
    expect(leaky_relu, x)
    positive = x > 0
    return np.where(positive, x, slope * x), (positive, slope)


def leaky_relu_backward(dy: Array, cache: tuple) -> Array:
    """dx = dy where x > 0, else slope dy."""
    positive, slope = cache
    return np.where(positive, dy, slope * dy)


def prelu(
    x: Float[Array, "*batch C"], a: Float[Array, " C"]
) -> tuple[Float[Array, "*batch C"], tuple]:
    """Leaky rectifier with a learned slope per channel, y = x where x > 0, else a x.

        dx_nc = dy_nc where x_nc > 0, else a_c dy_nc
        da_c  = sum_n dy_nc x_nc over the n where x_nc <= 0

    where n runs over all leading axes. At the kink x = 0 the subgradient is fixed to a.

    Args:
        x: any shape, channels last.
        a: slopes of the negative side.

    Returns:
        y and the cache of `prelu_backward`.

    Raises:
        TypeError: an array is not floating.
        ValueError: shapes do not fit, or an axis is empty.

    Source: He, Zhang, Ren and Sun, Delving Deep into Rectifiers, arXiv:1502.01852.

    >>> y, cache = prelu(np.array([[-2.0, 0.0, 2.0]]), np.array([0.5, 0.25, 0.1]))
    >>> y.tolist(), [g.tolist() for g in prelu_backward(np.ones((1, 3)), cache)]
    ([[-1.0, 0.0, 2.0]], [[[0.5, 0.25, 1.0]], [-2.0, 0.0, 0.0]])
    """
    expect(prelu, x, a)
    positive = x > 0
    return np.where(positive, x, a * x), (x, a, positive)


def prelu_backward(dy: Array, cache: tuple) -> tuple[Array, Array]:
    """dx = dy where x > 0, else a dy;  da = sum of dy x where x <= 0."""
    x, a, positive = cache
    dx = np.where(positive, dy, a * dy)
    da = np.where(positive, 0, dy * x).reshape(-1, a.size).sum(0)
    return dx, da


def elu(x: Float[Array, "*batch"], *, alpha: float = 1.0) -> tuple[Float[Array, "*batch"], tuple]:
    """Exponential linear unit, y = x where x > 0, else alpha (exp(x) - 1).

        dx = dy where x > 0, else dy alpha exp(x)

    At x = 0, a kink unless alpha = 1, the subgradient is fixed to alpha.

    `expm1` keeps the digits that exp(x) - 1 loses near 0, and exp never sees a positive x, where
    it would overflow.

    Args:
        x: any shape.
        alpha: y tends to -alpha for large negative x.

    Returns:
        y and the cache of `elu_backward`.

    Raises:
        TypeError: x is not a floating array.
        ValueError: x is empty.

    Source: Clevert, Unterthiner and Hochreiter, Fast and Accurate Deep Network Learning by
    Exponential Linear Units (ELUs), arXiv:1511.07289.

    >>> y, cache = elu(np.array([-1000.0, 0.0, 2.0]))
    >>> y.tolist(), elu_backward(np.ones(3), cache).tolist()
    ([-1.0, 0.0, 2.0], [0.0, 1.0, 1.0])
    """
    expect(elu, x)
    y = np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))
    return y, (x, alpha)


def elu_backward(dy: Array, cache: tuple) -> Array:
    """dx = dy where x > 0, else dy alpha exp(x)."""
    x, alpha = cache
    return np.where(x > 0, dy, dy * alpha * np.exp(np.minimum(x, 0)))


def selu(x: Float[Array, "*batch"]) -> tuple[Float[Array, "*batch"], tuple]:
    """Scaled exponential linear unit, y = scale elu(x) with alpha = 1.6733, scale = 1.0507.

        z = elu(x)        y = scale z        dz = scale dy

    and dx follows from dz as in `elu`. These two numbers make mean 0 and variance 1 a stable fixed
    point of layers with LeCun's initial weights. At the kink x = 0 the subgradient is fixed to
    that of the negative side, scale alpha.

    Args:
        x: any shape.

    Returns:
        y and the cache of `selu_backward`.

    Raises:
        TypeError: x is not a floating array.
        ValueError: x is empty.

    Source: Klambauer, Unterthiner, Mayr and Hochreiter, Self-Normalizing Neural Networks,
    arXiv:1706.02515.

    >>> y, cache = selu(np.array([-1000.0, 1.0]))
    >>> y.round(4).tolist(), selu_backward(np.ones(2), cache).round(4).tolist()
    ([-1.7581, 1.0507], [0.0, 1.0507])
    """
    expect(selu, x)
    z, elu_cache = elu(x, alpha=SELU_ALPHA)
    return SELU_SCALE * z, (elu_cache,)


def selu_backward(dy: Array, cache: tuple) -> Array:
    """dz = scale dy, then as in `elu`."""
    (elu_cache,) = cache
    dz = SELU_SCALE * dy
    return elu_backward(dz, elu_cache)


def softplus(x: Float[Array, "*batch"]) -> tuple[Float[Array, "*batch"], tuple]:
    """Smooth rectifier, y = log(1 + exp(x)).

        dy/dx = exp(x) / (1 + exp(x)) = sigmoid(x)
        dx = dy sigmoid(x)

    `logaddexp` does not overflow where exp(x) would.

    Args:
        x: any shape.

    Returns:
        y, positive, and the cache of `softplus_backward`.

    Raises:
        TypeError: x is not a floating array.
        ValueError: x is empty.

    Source: Dugas, Bengio, Belisle, Nadeau and Garcia, Incorporating Second-Order Functional
    Knowledge for Better Option Pricing, NIPS 2000.

    >>> y, cache = softplus(np.array([0.0, 1000.0]))
    >>> (y - [np.log(2), 1000.0]).tolist(), softplus_backward(np.ones(2), cache).tolist()
    ([0.0, 0.0], [0.5, 1.0])
    """
    expect(softplus, x)
    return np.logaddexp(x, 0), (x,)


def softplus_backward(dy: Array, cache: tuple) -> Array:
    """dx = dy sigmoid(x)."""
    (x,) = cache
    return dy * expit(x)
