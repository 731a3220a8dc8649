"""Embeddings: integers in, vectors out."""

import jax
import jax.numpy as jnp
from jaxtyping import Float, Integer

from jaxnn.shapes import expect

Array = jax.Array


def embedding(
    ids: Integer[Array, "*batch"], table: Float[Array, "V D"]
) -> Float[Array, "*batch D"]:
    """Rows of a table, y_n = table_ids_n.

    Ids are checked where their values are known; one out of range under `jax.jit` gives NaN.

    >>> embedding(jnp.array([1, 1]), jnp.array([[1.0, 2.0], [3.0, 4.0]])).tolist()
    [[3.0, 4.0], [3.0, 4.0]]
    """
    expect(embedding, ids, table)
    V = table.shape[0]
    if not isinstance(ids, jax.core.Tracer) and (ids.min() < 0 or ids.max() >= V):
        raise ValueError(
            f"embedding: ids run from {ids.min()} to {ids.max()}; wanted 0 to {V - 1} for the {V} "
            "rows of table; renumber the ids or widen the table"
        )
    ids = jnp.where(ids < 0, V, ids)  # out of range, so that it fills and does not wrap
    return jnp.take(table, ids, axis=0, mode="fill")
