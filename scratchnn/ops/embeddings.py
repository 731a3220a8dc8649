"""Embeddings: integers in, vectors out."""

import numpy as np
from jaxtyping import Float, Integer

from scratchnn.shapes import expect

Array = np.ndarray


def embedding(
    ids: Integer[Array, "*batch"], table: Float[Array, "V D"]
) -> tuple[Float[Array, "*batch D"], tuple]:
    """Rows of a table, y_n = table_ids_n.

        dtable_v = sum of dy_n over the n with ids_n = v

    An id that occurs twice collects twice; ids are integers and have no gradient.

    Args:
        ids: which row, 0 to V - 1.
        table: one vector per id.

    Returns:
        y and the cache of `embedding_backward`.

    Raises:
        ValueError: shapes do not fit, an axis is empty, or an id is out of range.
        TypeError: ids are not integers, or the table is not floating.

    Source: Bengio et al., A Neural Probabilistic Language Model, JMLR 3 (2003).

    >>> y, cache = embedding(np.array([1, 1]), np.array([[1.0, 2.0], [3.0, 4.0]]))
    >>> y.tolist(), embedding_backward(np.ones((2, 2)), cache)[1].tolist()
    ([[3.0, 4.0], [3.0, 4.0]], [[0.0, 0.0], [2.0, 2.0]])
    """
    expect(embedding, ids, table)
    V = table.shape[0]
    if ids.min() < 0 or ids.max() >= V:
        raise ValueError(
            f"embedding: ids run from {ids.min()} to {ids.max()}; wanted 0 to {V - 1} for the {V} "
            "rows of table; renumber the ids or widen the table"
        )
    return table[ids], (ids, table.shape)


def embedding_backward(dy: Array, cache: tuple) -> tuple[None, Array]:
    """dtable_v = sum of dy_n over the n with ids_n = v."""
    ids, shape = cache
    dtable = np.zeros(shape, dy.dtype)
    np.add.at(dtable, ids, dy)
    return None, dtable
