"""Embeddings: integers in, rows of a table out."""

import jax
import jax.numpy as jnp
from jaxtyping import Float, Integer

from jaxnn.shapes import expect

Array = jax.Array


def embedding(
    ids: Integer[Array, "*batch"], table: Float[Array, "V D"]
) -> Float[Array, "*batch D"]:
    """Row ids_n of a table for every n, y_n = table[ids_n].

    Ids are checked where their values are known; an id out of range under `jax.jit` reads a row of
    NaN, where `table[ids]` would silently read the nearest row.

    >>> embedding(jnp.array([2, 0, 2]), jnp.array([[1.0], [3.0], [5.0]])).tolist()
    [[5.0], [1.0], [5.0]]
    """
    expect(embedding, ids, table)
    V = table.shape[0]
    if not isinstance(ids, jax.core.Tracer) and (ids.min() < 0 or ids.max() >= V):
        raise ValueError(
            f"embedding: ids run from {ids.min()} to {ids.max()}; wanted 0 to {V - 1} for the {V} "
            "rows of table; renumber the ids or widen the table"
        )
    rows = jnp.asarray(table).at[ids]
    return rows.get(mode="fill", fill_value=jnp.nan, wrap_negative_indices=False)
