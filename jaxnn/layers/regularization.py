"""Layers that act in training only."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from jaxnn.ops.regularization import dropout, fraction
from jaxnn.trees import Tree

Array = jax.Array


@dataclass(frozen=True)
class Dropout:
    """`dropout` with a mask drawn in training; the identity otherwise.

    Under `jax.jit` the numbers must come from a JAX key, for instance

    >>> class Keys:
    ...     def __init__(self, key):
    ...         self.key = key
    ...
    ...     def random(self, shape):
    ...         self.key, key = jax.random.split(self.key)
    ...         return jax.random.uniform(key, shape)
    >>> @jax.jit
    ... def forward(x, key):
    ...     return Dropout(0.5).forward({}, {}, x, rng=Keys(key), train=True)[0]
    >>> sorted(set(forward(jnp.ones(99), jax.random.key(0)).tolist()))
    [0.0, 2.0]
    """

    rate: float

    def __post_init__(self):
        fraction("Dropout: rate", self.rate)

    def init(self, rng) -> tuple[Tree, Tree]:
        return {}, {}

    def forward(self, params: Tree, state: Tree, x: Array, *, rng=None, train=False):
        if not train:
            return x, state
        if rng is None:
            raise ValueError(
                "Dropout: rng is None in training; wanted a source of random numbers with "
                "random(shape); pass rng=numpy.random.default_rng(seed), or train=False"
            )
        from_numpy = isinstance(rng, np.random.Generator | np.random.RandomState)
        # a sum is traced under jax.jit even where x is a constant
        if from_numpy and isinstance(jnp.add(x, 0), jax.core.Tracer):
            raise TypeError(
                "Dropout: rng is a NumPy generator under tracing, where it would be asked once and "
                "every call have the same mask; wanted random(shape) to draw from a JAX key; "
                "see help(jaxnn.Dropout)"
            )
        mask = jnp.asarray(rng.random(x.shape) >= self.rate)
        return dropout(x, mask, rate=self.rate), state
