"""Random initial weights whose variance keeps signals, or gradients, at their scale.

Every function takes a generator and a shape, inputs before outputs: (D, M) for `linear`,
(KH, KW, C, K) for `conv2d`. A linear unit with n inputs of variance v and independent weights of
variance s has output variance n s v, so s = 1/n keeps it (LeCun); relu halves the second moment,
hence s = 2/n (He); s = 2/(fan_in + fan_out) compromises between the forward and
the backward pass (Glorot).
"""

import math

import numpy as np

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

    >>> w = he_normal(np.random.default_rng(0), (3, 3, 8, 500))
    >>> bool(abs(w.var() * 72 / 2 - 1) < 0.02)
    True
    """
    return _normal(rng, shape, 2 / fans(shape)[0])


def he_uniform(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Uniform, variance 2/fan_in, for layers read by relu. Source: He et al., arXiv:1502.01852.

    >>> w = he_uniform(np.random.default_rng(0), (3, 3, 8, 500))
    >>> bool(abs(w).max() <= np.sqrt(6 / 72))
    True
    """
    return _uniform(rng, shape, 2 / fans(shape)[0])


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
