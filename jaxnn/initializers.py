"""Random initial weights, equal to those of scratchnn for equal seeds.

The draws are a NumPy generator's; under JAX's default of 32 bits they are rounded.
"""

import math

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import ndtri

Array = jax.Array


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


def truncated_normal(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Normal, variance 1/fan_in, with everything beyond two standard deviations redrawn."""
    low, high = _ndtr(-2.0), _ndtr(2.0)
    x = ndtri(jnp.asarray(low + (high - low) * rng.random(shape)))
    kept = 1 - 4 * math.exp(-2.0) / (math.sqrt(2 * math.pi) * (high - low))  # variance on [-2, 2]
    return x * math.sqrt(1 / fans(shape)[0] / kept)


def orthogonal(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """A random rotation: w^T w = I, or w w^T = I for fewer inputs than outputs."""
    n_in, n_out = math.prod(shape[:-1]), shape[-1]
    a = rng.standard_normal((max(n_in, n_out), min(n_in, n_out)))
    q, r = np.linalg.qr(a)
    q = q * np.sign(np.diag(r))
    return jnp.asarray((q if n_in >= n_out else q.T).reshape(shape))


def zeros(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """All zero, for the last layer of a residual branch: each block then starts as the identity."""
    return jnp.zeros(shape)


def _ndtr(x: float) -> float:
    """The cumulated standard normal distribution."""
    return (1 + math.erf(x / math.sqrt(2))) / 2


def standard_normal(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Normal, variance 1, for tables of which one row is read at a time.

    >>> w = standard_normal(np.random.default_rng(0), (400, 100))
    >>> bool(abs(w.var() - 1) < 0.02)
    True
    """
    return _normal(rng, shape, 1)


def _normal(rng, shape, variance):
    return jnp.asarray(np.sqrt(variance) * rng.standard_normal(shape))


def _uniform(rng, shape, variance):
    # uniform on [-a, a] has variance a^2 / 3
    return jnp.asarray(np.sqrt(3 * variance) * (2 * rng.random(shape) - 1))
