"""Activations: one array in, one array out."""

import math

import numpy as np
from jaxtyping import Float
from scipy.special import expit, ndtr

from scratchnn.shapes import expect

Array = np.ndarray


def relu(x: Float[Array, "*batch"]) -> tuple[Float[Array, "*batch"], tuple]:
    """Rectified linear unit, y = max(x, 0).

        dx = dy where x > 0, else 0

    At the kink x = 0 the subgradient is fixed to 0.

    Args:
        x: any shape.

    Returns:
        y and the cache of `relu_backward`.

    Raises:
        TypeError: x is not a floating array.
        ValueError: x is empty.

    Source: Nair and Hinton, Rectified Linear Units Improve Restricted Boltzmann Machines,
    ICML 2010; Glorot, Bordes and Bengio, Deep Sparse Rectifier Neural Networks, AISTATS 2011.

    >>> y, cache = relu(np.array([-1.0, 0.0, 2.0]))
    >>> y.tolist(), relu_backward(np.ones(3), cache).tolist()
    ([0.0, 0.0, 2.0], [0.0, 0.0, 1.0])
    """
    expect(relu, x)
    return np.maximum(x, 0), (x > 0,)


def relu_backward(dy: Array, cache: tuple) -> Array:
    """dx = dy where x > 0, else 0."""
    (positive,) = cache
    return dy * positive


def sigmoid(x: Float[Array, "*batch"]) -> tuple[Float[Array, "*batch"], tuple]:
    """Logistic function, y = 1 / (1 + exp(-x)).

        dy/dx = exp(-x) / (1 + exp(-x))^2 = y (1 - y)
        dx = dy y (1 - y)

    `scipy.special.expit` does not overflow where exp(-x) would.

    Args:
        x: any shape.

    Returns:
        y, in [0, 1], and the cache of `sigmoid_backward`.

    Raises:
        TypeError: x is not a floating array.
        ValueError: x is empty.

    Source: Rumelhart, Hinton and Williams, Learning representations by back-propagating
    errors (1986), doi:10.1038/323533a0.

    >>> y, cache = sigmoid(np.array([0.0, -1000.0]))
    >>> y.tolist(), sigmoid_backward(np.ones(2), cache).tolist()
    ([0.5, 0.0], [0.25, 0.0])
    """
    expect(sigmoid, x)
    y = expit(x)
    return y, (y,)


def sigmoid_backward(dy: Array, cache: tuple) -> Array:
    """dx = dy y (1 - y)."""
    (y,) = cache
    return dy * y * (1 - y)


def tanh(x: Float[Array, "*batch"]) -> tuple[Float[Array, "*batch"], tuple]:
    """Hyperbolic tangent, y = tanh(x).

        dy/dx = 1 - tanh(x)^2 = (1 - y) (1 + y)
        dx = dy (1 - y) (1 + y)

    The product keeps its digits where y is near 1 and y^2 would round to 1 first.

    Args:
        x: any shape.

    Returns:
        y, in [-1, 1], and the cache of `tanh_backward`.

    Raises:
        TypeError: x is not a floating array.
        ValueError: x is empty.

    Source: LeCun, Bottou, Orr and Mueller, Efficient BackProp (1998),
    doi:10.1007/3-540-49430-8_2.

    >>> y, cache = tanh(np.array([0.0]))
    >>> y.tolist(), tanh_backward(np.array([3.0]), cache).tolist()
    ([0.0], [3.0])
    """
    expect(tanh, x)
    y = np.tanh(x)
    return y, (y,)


def tanh_backward(dy: Array, cache: tuple) -> Array:
    """dx = dy (1 - y) (1 + y)."""
    (y,) = cache
    return dy * (1 - y) * (1 + y)


def softmax(x: Float[Array, "*batch K"]) -> tuple[Float[Array, "*batch K"], tuple]:
    """Softmax over the last axis, y_i = exp(x_i) / sum_j exp(x_j).

        dy_i/dx_j = y_i (delta_ij - y_j)
        dx_j = sum_i dy_i y_i (delta_ij - y_j) = y_j (dy_j - sum_i dy_i y_i)

    Subtracting the largest logit changes nothing and keeps exp from overflowing.

    Args:
        x: logits.

    Returns:
        y, probabilities over the last axis, and the cache of `softmax_backward`.

    Raises:
        TypeError: x is not a floating array.
        ValueError: x is empty or has no axis.

    Source: Bridle, Probabilistic Interpretation of Feedforward Classification Network Outputs
    (1990), doi:10.1007/978-3-642-76153-9_28.

    >>> y, cache = softmax(np.array([[0.0, 1000.0]]))
    >>> y.tolist(), softmax_backward(np.array([[1.0, 0.0]]), cache).tolist()
    ([[0.0, 1.0]], [[0.0, 0.0]])
    """
    expect(softmax, x)
    e = np.exp(x - x.max(-1, keepdims=True))
    y = e / e.sum(-1, keepdims=True)
    return y, (y,)


def softmax_backward(dy: Array, cache: tuple) -> Array:
    """dx_j = y_j (dy_j - sum_i dy_i y_i)."""
    (y,) = cache
    return y * (dy - (dy * y).sum(-1, keepdims=True))


def log_softmax(x: Float[Array, "*batch K"]) -> tuple[Float[Array, "*batch K"], tuple]:
    """Logarithm of the softmax over the last axis, y_i = x_i - log sum_j exp(x_j).

        dy_i/dx_j = delta_ij - softmax(x)_j
        dx_j = dy_j - softmax(x)_j sum_i dy_i

    The logarithm of a computed softmax is -inf where a probability underflows; this form is not.

    Args:
        x: logits.

    Returns:
        y, log-probabilities over the last axis, and the cache of `log_softmax_backward`.

    Raises:
        TypeError: x is not a floating array.
        ValueError: x is empty or has no axis.

    Source: Goodfellow, Bengio and Courville, Deep Learning (2016), section 6.2.2.3.

    >>> y, cache = log_softmax(np.array([[0.0, 1000.0]]))
    >>> y.tolist(), log_softmax_backward(np.array([[1.0, 0.0]]), cache).tolist()
    ([[-1000.0, 0.0]], [[1.0, -1.0]])
    """
    expect(log_softmax, x)
    s = x - x.max(-1, keepdims=True)
    y = s - np.log(np.exp(s).sum(-1, keepdims=True))
    return y, (y,)


def log_softmax_backward(dy: Array, cache: tuple) -> Array:
    """dx_j = dy_j - exp(y_j) sum_i dy_i, as softmax(x) = exp(y)."""
    (y,) = cache
    return dy - np.exp(y) * dy.sum(-1, keepdims=True)


def gelu(
    x: Float[Array, "*batch"], *, approximate: bool = False
) -> tuple[Float[Array, "*batch"], tuple]:
    """Gaussian error linear unit, y = x Phi(x).

        Phi(x) = (1 + erf(x / sqrt 2)) / 2        phi(x) = exp(-x^2 / 2) / sqrt(2 pi)
        dx = dy (Phi(x) + x phi(x))

    The approximation replaces Phi by (1 + t) / 2 with t = tanh(c (x + 0.044715 x^3)) and
    c = sqrt(2 / pi), whose slope is (1 - t^2) c (1 + 3 0.044715 x^2) / 2; forward and backward
    are of the same form.

    Args:
        x: any shape.
        approximate: whether to take the tanh form, as GPT-2 does.

    Returns:
        y and the cache of `gelu_backward`.

    Raises:
        TypeError: x is not a floating array.
        ValueError: x is empty.

    Source: Hendrycks and Gimpel, Gaussian Error Linear Units, arXiv:1606.08415.

    >>> y, cache = gelu(np.array([0.0]))
    >>> y.tolist(), gelu_backward(np.ones(1), cache).tolist()
    ([0.0], [0.5])
    """
    expect(gelu, x)
    if approximate:
        c = math.sqrt(2 / math.pi)
        t = np.tanh(c * (x + 0.044715 * x**3))
        cdf = (1 + t) / 2
        slope = (1 - t) * (1 + t) * c * (1 + 3 * 0.044715 * x**2) / 2
    else:
        cdf = ndtr(x)
        slope = np.exp(-x * x / 2) / math.sqrt(2 * math.pi)
    return x * cdf, (x, cdf, slope)


def gelu_backward(dy: Array, cache: tuple) -> Array:
    """dx = dy (Phi(x) + x Phi'(x))."""
    x, cdf, slope = cache
    return dy * (cdf + x * slope)
