"""Gates: an input times a number between 0 and 1 that an input decides."""

import jax
from jaxtyping import Float

from jaxnn.shapes import expect

Array = jax.Array


def silu(x: Float[Array, "*batch"]) -> Float[Array, "*batch"]:
    """Sigmoid-weighted linear unit, or swish, y = x s with s = sigmoid(x).

    >>> silu(jax.numpy.array([0.0, 1000.0])).tolist()
    [0.0, 1000.0]
    """
    expect(silu, x)
    return jax.nn.silu(x)


def gelu(x: Float[Array, "*batch"], *, approximate: bool = False) -> Float[Array, "*batch"]:
    """Gaussian error linear unit, y = x p with p = P(Z <= x) for a standard normal Z.

    `jax.nn.gelu` takes the approximate form unless told otherwise; here the exact one is default.

    >>> [round(float(gelu(jax.numpy.array(1.0), approximate=a)), 4) for a in (False, True)]
    [0.8413, 0.8412]
    """
    expect(gelu, x)
    return jax.nn.gelu(x, approximate=approximate)


def hardswish(x: Float[Array, "*batch"]) -> Float[Array, "*batch"]:
    """Piecewise quadratic silu, y = x g with g = min(max(x + 3, 0), 6) / 6.

    `jax.nn.relu6`, of which this is made, has derivative 0 at both kinks, as fixed here.

    >>> hardswish(jax.numpy.array([-3.0, 0.0, 3.0])).tolist()
    [-0.0, 0.0, 3.0]
    """
    expect(hardswish, x)
    return jax.nn.hard_swish(x)


def glu(x: Float[Array, "*batch 2*D"]) -> Float[Array, "*batch D"]:
    """Gated linear unit, y = a s with s = sigmoid(b), where a and b are the halves of x.

    >>> glu(jax.numpy.array([[3.0, 5.0, 0.0, 1000.0]])).tolist()
    [[1.5, 5.0]]
    """
    expect(glu, x)
    return jax.nn.glu(x, axis=-1)


def swiglu(
    x: Float[Array, "*batch D"], w: Float[Array, "D M"], v: Float[Array, "D M"]
) -> Float[Array, "*batch M"]:
    """Gated linear unit with silu for the gate, y = silu(x w) * (x v).

    >>> x, w, v = (jax.numpy.array([[number]]) for number in (100.0, 1.0, 2.0))
    >>> swiglu(x, w, v).tolist()
    [[20000.0]]
    """
    expect(swiglu, x, w, v)
    return jax.nn.silu(x @ w) * (x @ v)
