"""Random initial weights whose variance keeps signals, or gradients, at their scale.

Every function takes a generator and a shape, inputs before outputs: (D, M) for `linear`,
(KH, KW, C, K) for `conv2d`. A linear unit with n inputs of variance v and independent weights of
variance s has output variance n s v, so s = 1/n keeps it (LeCun); relu halves the second moment,
hence s = 2/n (He); s = 2/(fan_in + fan_out) compromises between the forward and
the backward pass (Glorot).
"""

import math

import numpy as np
from scipy.special import ndtr, ndtri

Array = np.ndarray


def fans(shape: tuple[int, ...]) -> tuple[int, int]:
    """(fan_in, fan_out): how many inputs a unit reads, how many outputs an input feeds.

    A kernel position counts once for each: fan_in = KH KW C, fan_out = KH KW K.

    Raises:
        ValueError: fewer than two axes.

    >>> fans((784, 100)), fans((3, 3, 8, 16))
    ((784, 100), (72, 144))
    """
    if len(shape) < 2:
        raise ValueError(
            f"fans: shape {shape} has no inputs and outputs; wanted (D, M) or more axes"
        )
    receptive_field = math.prod(shape[:-2])
    return receptive_field * shape[-2], receptive_field * shape[-1]


def lecun_normal(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Normal, variance 1/fan_in. Source: LeCun et al., doi:10.1007/3-540-49430-8_2.

    >>> w = lecun_normal(np.random.default_rng(0), (400, 100))
    >>> bool(abs(w.var() * 400 - 1) < 0.02)
    True
    """
    return _normal(rng, shape, 1 / fans(shape)[0])


def lecun_uniform(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Uniform, variance 1/fan_in. Source: LeCun et al., doi:10.1007/3-540-49430-8_2.

    >>> w = lecun_uniform(np.random.default_rng(0), (400, 100))
    >>> bool(abs(w.var() * 400 - 1) < 0.02)
    True
    """
    return _uniform(rng, shape, 1 / fans(shape)[0])


def glorot_normal(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Normal, variance 2/(fan_in + fan_out). Source: Glorot and Bengio, AISTATS 2010.

    >>> w = glorot_normal(np.random.default_rng(0), (300, 100))
    >>> bool(abs(w.var() * 200 - 1) < 0.02)
    True
    """
    return _normal(rng, shape, 2 / sum(fans(shape)))


def glorot_uniform(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Uniform, variance 2/(fan_in + fan_out). Source: Glorot and Bengio, AISTATS 2010.

    >>> w = glorot_uniform(np.random.default_rng(0), (300, 100))
    >>> bool(abs(w).max() <= np.sqrt(6 / 400))
    True
    """
    return _uniform(rng, shape, 2 / sum(fans(shape)))


def he_normal(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Normal, variance 2/fan_in, for layers read by relu. Source: He et al., arXiv:1502.01852.

    A common slip divides by the fan without the root, w = 2/fan_in xi in place of
    sqrt(2/fan_in) xi. Through twenty layers of 100 units the right one keeps the size of the
    signal, the slip leaves nothing for the last layer to read:

    >>> rng, right, slip = np.random.default_rng(0), *2 * [np.ones((1, 100))]
    >>> for _ in range(20):
    ...     right = np.maximum(right @ he_normal(rng, (100, 100)), 0)
    ...     slip = np.maximum(slip @ (2 / 100 * rng.standard_normal((100, 100))), 0)
    >>> bool(0.1 < right.std() < 10), bool(slip.std() < 1e-10)
    (True, True)
    """
    return _normal(rng, shape, 2 / fans(shape)[0])


def he_uniform(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Uniform, variance 2/fan_in, for layers read by relu. Source: He et al., arXiv:1502.01852.

    >>> w = he_uniform(np.random.default_rng(0), (3, 3, 8, 500))
    >>> bool(abs(w).max() <= np.sqrt(6 / 72))
    True
    """
    return _uniform(rng, shape, 2 / fans(shape)[0])


def truncated_normal(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Normal, variance 1/fan_in, with everything beyond two standard deviations redrawn.

    Cutting at two standard deviations leaves 0.774 of the variance, which is made good. No unit
    starts saturated by one stray weight. Each draw is the inverse of the cumulated distribution
    at a uniform number, so that one seed gives one result in both packages.

    Source: the default of Flax and TensorFlow; Johnson and Kotz, Continuous Univariate
    Distributions 1 (1970), chapter 13.

    >>> w = truncated_normal(np.random.default_rng(0), (400, 100))
    >>> bool(abs(w.var() * 400 - 1) < 0.02), bool(abs(w).max() * 20 < 2 / 0.87)
    (True, True)
    """
    low, high = ndtr(-2.0), ndtr(2.0)
    x = ndtri(low + (high - low) * rng.random(shape))
    kept = 1 - 4 * np.exp(-2.0) / (np.sqrt(2 * np.pi) * (high - low))  # variance on [-2, 2]
    return x * np.sqrt(1 / fans(shape)[0] / kept)


def orthogonal(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """A random rotation: w^T w = I, or w w^T = I for fewer inputs than outputs.

    It keeps the length of every signal, so depth neither fades nor explodes it. Axes before the
    last count as inputs. The signs of R's diagonal make the QR factor uniformly distributed.

    Source: Saxe, McClelland and Ganguli, arXiv:1312.6120; Mezzadri, arXiv:math-ph/0609050.

    >>> w = orthogonal(np.random.default_rng(0), (5, 3))
    >>> np.allclose(w.T @ w, np.eye(3))
    True
    """
    n_in, n_out = math.prod(shape[:-1]), shape[-1]
    a = rng.standard_normal((max(n_in, n_out), min(n_in, n_out)))
    q, r = np.linalg.qr(a)
    q = q * np.sign(np.diag(r))
    return (q if n_in >= n_out else q.T).reshape(shape)


def zeros(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """All zero, for the last layer of a residual branch: each block then starts as the identity.

    Nowhere else: units that start equal stay equal.

    Source: Goyal et al., arXiv:1706.02677, section 5.1; Zhang, Dauphin and Ma, arXiv:1901.09321.

    >>> zeros(np.random.default_rng(0), (2, 3)).any()
    np.False_
    """
    return np.zeros(shape)


def standard_normal(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Normal, variance 1, for tables of which one row is read at a time.

    >>> w = standard_normal(np.random.default_rng(0), (400, 100))
    >>> bool(abs(w.var() - 1) < 0.02)
    True
    """
    return _normal(rng, shape, 1)


def _normal(rng, shape, variance):
    return np.sqrt(variance) * rng.standard_normal(shape)


def _uniform(rng, shape, variance):
    # uniform on [-a, a] has variance a^2 / 3
    return np.sqrt(3 * variance) * (2 * rng.random(shape) - 1)
