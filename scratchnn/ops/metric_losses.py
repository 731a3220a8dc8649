"""Metric losses: vectors that should be near or far, one number out, the mean over the batch."""

import numpy as np
from jaxtyping import Float

from scratchnn.shapes import expect

Array = np.ndarray


def cosine(
    x: Float[Array, "*batch D"], target: Float[Array, "*batch D"], *, eps: float = 1e-8
) -> tuple[Float[Array, ""], tuple]:
    """Mean cosine distance, 1 - cos of the angle between x and target.

    With n over all leading axes, N vectors in all,

        u_n = x_n / max(|x_n|, eps)        v_n = target_n / max(|target_n|, eps)
        y = 1/N sum_n (1 - sum_d u_nd v_nd)

    so du_n = -dy/N v_n. As d|x|/dx = u, the unit vector moves only across its own direction:

        dx_n = (du_n - u_n sum_d u_nd du_nd) / |x_n|        where |x_n| > eps
        dx_n = du_n / eps                                   elsewhere

    and dtarget likewise from dv_n = -dy/N u_n. A vector not longer than eps is divided by the
    constant eps: a zero vector has cosine 0, and a gradient that is large but finite.

    Args:
        x: predicted vectors.
        target: vectors whose direction they should have.
        eps: the least length to divide by, in units of x.

    Returns:
        y, from 0 to 2, and the cache of `cosine_backward`.

    Raises:
        ValueError: shapes do not fit, or eps is not positive.
        TypeError: an array is not floating.

    Source: Manning, Raghavan and Schuetze, Introduction to Information Retrieval (2008), section
    6.3.1.

    >>> y, cache = cosine(np.array([[2.0, 0.0]]), np.array([[0.0, 4.0]]))
    >>> float(y), [g.tolist() for g in cosine_backward(1.0, cache)]
    (1.0, [[[-0.0, -0.5]], [[-0.25, -0.0]]])
    """
    expect(cosine, x, target)
    if not eps > 0:
        raise ValueError(f"cosine: eps is {eps!r}; wanted a positive number; 1e-8 is usual")
    u, x_cache = _unit(x, eps)
    v, target_cache = _unit(target, eps)
    y = (1 - (u * v).sum(-1)).mean()
    return y, (u, v, x_cache, target_cache)


def cosine_backward(dy: Array | float, cache: tuple) -> tuple[Array, Array]:
    """du = -dy/N v and dv = -dy/N u, each through the division by the length."""
    u, v, x_cache, target_cache = cache
    N = u[..., 0].size
    dx = _unit_backward((-dy / N) * v, x_cache)
    dtarget = _unit_backward((-dy / N) * u, target_cache)
    return dx, dtarget


def triplet(
    anchor: Float[Array, "*batch D"],
    positive: Float[Array, "*batch D"],
    negative: Float[Array, "*batch D"],
    *,
    margin: float = 1.0,
) -> tuple[Float[Array, ""], tuple]:
    """Mean triplet loss: the positive should be nearer to the anchor than the negative by a margin.

    With Euclidean distances, and n over all leading axes, N triplets in all,

        r_n = anchor_n - positive_n        s_n = anchor_n - negative_n
        m_n = |r_n| - |s_n| + margin
        y = 1/N sum_n max(m_n, 0)

    The gradient of a length is its unit vector:

        dr_n = dy/N [m_n > 0] r_n / |r_n|        ds_n = -dy/N [m_n > 0] s_n / |s_n|
        danchor = dr + ds        dpositive = -dr        dnegative = -ds

    At the kink m = 0 the subgradient is fixed to 0, and so is that of a length at length 0, where
    the unit vector would be 0/0.

    Args:
        anchor: vectors.
        positive: vectors that belong to them.
        negative: vectors that do not.
        margin: in units of the distance.

    Returns:
        y, in units of the distance, and the cache of `triplet_backward`.

    Raises:
        ValueError: shapes differ, or are empty.
        TypeError: an array is not floating.

    Source: Hermans, Beyer and Leibe, In Defense of the Triplet Loss for Person Re-Identification,
    arXiv:1703.07737.

    >>> y, cache = triplet(np.array([[0.0, 0.0]]), np.array([[0.0, 2.0]]), np.array([[1.0, 0.0]]))
    >>> float(y), [g.tolist() for g in triplet_backward(1.0, cache)]
    (2.0, [[[1.0, -1.0]], [[-0.0, 1.0]], [[-1.0, 0.0]]])
    """
    expect(triplet, anchor, positive, negative)
    r, s = anchor - positive, anchor - negative
    r_length, s_length = _length(r), _length(s)
    m = r_length - s_length + margin
    y = np.maximum(m, 0).mean()
    return y, (r, s, r_length, s_length, (m > 0).astype(r.dtype))


def triplet_backward(dy: Array | float, cache: tuple) -> tuple[Array, Array, Array]:
    """dr = dy/N [m > 0] r/|r|;  ds = -dy/N [m > 0] s/|s|;  r and s both hold the anchor."""
    r, s, r_length, s_length, violated = cache
    dm = (dy / violated.size) * violated
    dr = dm * r / np.where(r_length == 0, 1, r_length)
    ds = -dm * s / np.where(s_length == 0, 1, s_length)
    return dr + ds, -dr, -ds


def _length(x: Array) -> Array:
    """|x| over the last axis, which is kept."""
    return np.sqrt((x * x).sum(-1, keepdims=True))


def _unit(x: Array, eps: float) -> tuple[Array, tuple]:
    """u = x / max(|x|, eps)."""
    length = _length(x)
    u = x / np.maximum(length, eps)
    return u, (u, length, eps)


def _unit_backward(du: Array, cache: tuple) -> Array:
    """dx = (du - u (u . du)) / |x| where |x| > eps, du / eps elsewhere."""
    u, length, eps = cache
    along = (u * du).sum(-1, keepdims=True)
    return (du - (length > eps) * u * along) / np.maximum(length, eps)
