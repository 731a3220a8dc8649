"""Shapes only: what comes back is a view of what was given, or the same array twice."""
import numpy as np
from jaxtyping import Float

A = np.ndarray


def add(a: Float[A, "N D"], b: Float[A, "N D"]):
    return a + b, None


def add_backward(dy, _):
    return dy, dy


def flatten(x: Float[A, "N C L"]):
    return x.reshape(len(x), -1), x.shape


def flatten_backward(dy, shape):
    return dy.reshape(shape)


def swap(x: Float[A, "N C L"]):
    return x.transpose(2, 0, 1), ()


def swap_backward(dy, cache):
    return dy.transpose(1, 2, 0)


def identity(x: Float[A, "N D"]):
    return x, x


def identity_backward(g, x):
    return g[...]


def backwards(x: Float[A, "T D"]):
    return x[::-1, ::-1], None


def backwards_backward(dy, _):
    return dy[::-1, ::-1]


def total(x: Float[A, "N D"]):
    return x.sum(), x.shape


def total_backward(dy, shape):
    return np.broadcast_to(dy, shape)  # read-only, every entry the same memory


def spread(x: Float[A, " D"], like: Float[A, "N D"]):
    """x under itself as often as like has rows, plus like."""
    return np.broadcast_to(x, like.shape) + like, None


def spread_backward(dy, _):
    return np.add.reduce(dy), dy.view()


def stack_columns(a: Float[A, " N"], b: Float[A, " N"], c: Float[A, " N"]):
    return np.column_stack([a, b, c]), None


def stack_columns_backward(dy, _):
    return tuple(dy.T)


def diagonal(x: Float[A, "N N"]):
    return np.diagonal(x), len(x)


def diagonal_backward(dy, n):
    out = np.zeros((n, n))
    out.reshape(-1)[:: n + 1] = dy
    return out
