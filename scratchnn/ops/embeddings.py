"""Embeddings: integers in, rows of a table out."""

import numpy as np
from jaxtyping import Float, Integer
from scipy.sparse import csr_array

from scratchnn.shapes import expect

Array = np.ndarray


def embedding(
    ids: Integer[Array, "*batch"], table: Float[Array, "V D"]
) -> tuple[Float[Array, "*batch D"], tuple]:
    """Row ids_n of a table for every n, y_n = table[ids_n].

    It is the linear map y = s table of the one-hot rows s_nv = [v = ids_n], so

        dtable = s^T dy        dtable_v = sum of dy_n over all n with ids_n = v

    An id that occurs twice collects twice; a row that is never read has gradient 0. Integers have
    none.

    s is sparse, one entry per row; its product adds row by row, some twenty times faster than
    `np.add.at`. (`dtable[ids] += dy` would keep one of the rows of a repeated id.)

    Args:
        ids: rows to read, 0 to V - 1.
        table: one row of D features per id.

    Returns:
        y and the cache of `embedding_backward`.

    Raises:
        ValueError: shapes do not fit, an axis is empty, or an id is out of range; negative ids do
            not count from the end.
        TypeError: ids are not integers, or table is not floating.

    Source: Bengio et al., A Neural Probabilistic Language Model, JMLR 3 (2003).

    >>> y, cache = embedding(np.array([2, 0, 2]), np.array([[1.0], [3.0], [5.0]]))
    >>> y.tolist(), embedding_backward(np.array([[1.0], [10.0], [100.0]]), cache)[1].tolist()
    ([[5.0], [1.0], [5.0]], [[10.0], [0.0], [101.0]])
    """
    expect(embedding, ids, table)
    V = table.shape[0]
    if ids.min() < 0 or ids.max() >= V:
        raise ValueError(
            f"embedding: ids run from {ids.min()} to {ids.max()}; wanted 0 to {V - 1} for the {V} "
            "rows of table; renumber the ids or widen the table"
        )
    return table[ids], (ids, V)


def embedding_backward(dy: Array, cache: tuple) -> tuple[None, Array]:
    """dtable_v = sum of dy_n over all n with ids_n = v."""
    ids, V = cache
    rows = dy.reshape(-1, dy.shape[-1])
    N = ids.size
    s = csr_array((np.ones(N, dy.dtype), ids.reshape(-1), np.arange(N + 1)), shape=(N, V))
    return None, s.T @ rows
