"""Gates: an input times a number between 0 and 1 that an input decides."""

import math

import numpy as np
from jaxtyping import Float
from scipy.special import erfc, expit

from scratchnn.ops.affine import linear, linear_backward
from scratchnn.shapes import expect

Array = np.ndarray


def silu(x: Float[Array, "*batch"]) -> tuple[Float[Array, "*batch"], tuple]:
    """Sigmoid-weighted linear unit, or swish, y = x s with s = sigmoid(x).

        ds/dx = s (1 - s)
        dx = dy (s + x s (1 - s)) = dy s (1 + x (1 - s))

    Where x is large and negative s is 0, not 1/inf: `expit` does not overflow.

    Args:
        x: any shape.

    Returns:
        y and the cache of `silu_backward`.

    Raises:
        TypeError: x is not a floating array.
        ValueError: x is empty.

    Source: Elfwing, Uchibe and Doya, Sigmoid-Weighted Linear Units for Neural Network Function
    Approximation in Reinforcement Learning, arXiv:1702.03118; Ramachandran, Zoph and Le, Searching
    for Activation Functions, arXiv:1710.05941.

    >>> y, cache = silu(np.array([0.0, 1000.0]))
    >>> y.tolist(), silu_backward(np.ones(2), cache).tolist()
    ([0.0, 1000.0], [0.5, 1.0])
    """
    expect(silu, x)
    s = expit(x)
    return x * s, (x, s)


def silu_backward(dy: Array, cache: tuple) -> Array:
    """dx = dy s (1 + x (1 - s))."""
    x, s = cache
    return dy * s * (1 + x * (1 - s))


def gelu(
    x: Float[Array, "*batch"], *, approximate: bool = False
) -> tuple[Float[Array, "*batch"], tuple]:
    """Gaussian error linear unit, y = x p with p = P(Z <= x) for a standard normal Z.

        dx = dy (p + x dp/dx)

    exactly, by the error function, or with approximate=True by a tanh near to it:

        p = 1/2 (1 + erf(x / sqrt(2)))        dp/dx = exp(-x^2 / 2) / sqrt(2 pi)

        p = 1/2 (1 + tanh(u))                 dp/dx = 1/2 (1 - tanh(u)^2) du/dx
        u = sqrt(2 / pi) (x + 0.044715 x^3)         = 2 p (1 - p) du/dx

    The forms differ by up to 5e-4, so that the backward of one is no backward of the other.
    1 + erf(z) is taken as erfc(-z), which keeps its digits where erf(z) is near -1.

    Args:
        x: any shape.
        approximate: whether to take the form with tanh.

    Returns:
        y and the cache of `gelu_backward`.

    Raises:
        TypeError: x is not a floating array.
        ValueError: x is empty.

    Source: Hendrycks and Gimpel, Gaussian Error Linear Units (GELUs), arXiv:1606.08415.

    >>> y, cache = gelu(np.array([0.0, 1.0, 1000.0]))
    >>> y.round(4).tolist(), gelu_backward(np.ones(3), cache).round(4).tolist()
    ([0.0, 0.8413, 1000.0], [0.5, 1.0833, 1.0])
    """
    expect(gelu, x)
    if approximate:
        u = math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x)
        p = 0.5 * (1 + np.tanh(u))
    else:
        p = 0.5 * erfc(-x * math.sqrt(0.5))
    return x * p, (x, p, approximate)


def gelu_backward(dy: Array, cache: tuple) -> Array:
    """dx = dy (p + x dp/dx)."""
    x, p, approximate = cache
    if approximate:
        du_dx = math.sqrt(2 / math.pi) * (1 + 3 * 0.044715 * x * x)
        dp_dx = 2 * p * (1 - p) * du_dx
    else:
        dp_dx = np.exp(-0.5 * x * x) / math.sqrt(2 * math.pi)
    return dy * (p + x * dp_dx)


def hardswish(x: Float[Array, "*batch"]) -> tuple[Float[Array, "*batch"], tuple]:
    """Piecewise quadratic silu, y = x g with g = min(max(x + 3, 0), 6) / 6.

        dg/dx = 1/6 where -3 < x < 3, else 0
        dx = dy (g + x dg/dx)

    At the kinks x = -3 and x = 3 the gate's subgradient is fixed to 0, hence that of y to 0 and 1.

    Args:
        x: any shape.

    Returns:
        y and the cache of `hardswish_backward`.

    Raises:
        TypeError: x is not a floating array.
        ValueError: x is empty.

    Source: Howard et al., Searching for MobileNetV3, arXiv:1905.02244.

    >>> y, cache = hardswish(np.array([-3.0, 0.0, 3.0]))
    >>> y.tolist(), hardswish_backward(np.ones(3), cache).tolist()
    ([-0.0, 0.0, 3.0], [0.0, 0.5, 1.0])
    """
    expect(hardswish, x)
    z = x + 3
    g = np.clip(z, 0, 6) / 6
    return x * g, (x, g, (z > 0) & (z < 6))


def hardswish_backward(dy: Array, cache: tuple) -> Array:
    """dx = dy (g + x dg/dx), dg/dx = 1/6 inside."""
    x, g, inside = cache
    return dy * (g + x * inside / 6)


def glu(x: Float[Array, "*batch 2*D"]) -> tuple[Float[Array, "*batch D"], tuple]:
    """Gated linear unit, y = a s with s = sigmoid(b), where a and b are the halves of x.

        da = dy s
        db = dy a s (1 - s)

    and dx holds da, then db.

    Args:
        x: values and gates, one after the other along the last axis.

    Returns:
        y, half as wide as x, and the cache of `glu_backward`.

    Raises:
        TypeError: x is not a floating array.
        ValueError: x is empty, has no axis or an odd last one.

    Source: Dauphin, Fan, Auli and Grangier, Language Modeling with Gated Convolutional Networks,
    arXiv:1612.08083.

    >>> y, cache = glu(np.array([[3.0, 5.0, 0.0, 1000.0]]))
    >>> y.tolist(), glu_backward(np.ones((1, 2)), cache).tolist()
    ([[1.5, 5.0]], [[0.5, 1.0, 0.75, 0.0]])
    """
    expect(glu, x)
    a, b = np.split(x, 2, axis=-1)
    s = expit(b)
    return a * s, (a, s)


def glu_backward(dy: Array, cache: tuple) -> Array:
    """da = dy s,  db = dy a s (1 - s)."""
    a, s = cache
    da = dy * s
    db = dy * a * s * (1 - s)
    return np.concatenate((da, db), axis=-1)


def swiglu(
    x: Float[Array, "*batch D"], w: Float[Array, "D M"], v: Float[Array, "D M"]
) -> tuple[Float[Array, "*batch M"], tuple]:
    """Gated linear unit with silu for the gate, y = silu(x w) * (x v).

        g = x w        s = silu(g)        h = x v        y = s * h
        ds = dy * h                       dh = dy * s

    dg follows from ds as in `silu`, and the rest from dg and dh as in `linear`; x is used twice,

        dx = dg w^T + dh v^T

    There are no biases, as in the feed-forward layers of the source.

    Args:
        x: inputs.
        w: weights of the gate.
        v: weights of the values.

    Returns:
        y and the cache of `swiglu_backward`.

    Raises:
        ValueError: shapes do not fit, or an axis is empty.
        TypeError: an array is not floating.

    Source: Shazeer, GLU Variants Improve Transformer, arXiv:2002.05202.

    >>> y, cache = swiglu(np.array([[100.0]]), np.array([[1.0]]), np.array([[2.0]]))
    >>> y.tolist(), [g.tolist() for g in swiglu_backward(np.array([[1.0]]), cache)]
    ([[20000.0]], [[[400.0]], [[20000.0]], [[10000.0]]])
    """
    expect(swiglu, x, w, v)
    g, w_cache = linear(x, w)
    s, silu_cache = silu(g)
    h, v_cache = linear(x, v)
    return s * h, (s, h, w_cache, silu_cache, v_cache)


def swiglu_backward(dy: Array, cache: tuple) -> tuple[Array, Array, Array]:
    """ds = dy * h,  dh = dy * s;  dx = dg w^T + dh v^T."""
    s, h, w_cache, silu_cache, v_cache = cache
    ds, dh = dy * h, dy * s
    dg = silu_backward(ds, silu_cache)
    dx_w, dw, _ = linear_backward(dg, w_cache)
    dx_v, dv, _ = linear_backward(dh, v_cache)
    return dx_w + dx_v, dw, dv
