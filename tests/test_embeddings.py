"""Embeddings: repeated ids, their dtypes, and ids out of range."""

import numpy as np
import pytest

import jaxnn
import scratchnn as nn
from gradcheck.autodiff import value_and_pullback
from tests.test_normalization import BACKENDS, close


@pytest.mark.parametrize(
    "ids", [np.zeros(7, int), np.array([[4, 1, 4], [0, 4, 1]]), np.array(3)], ids=str
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_repeated_ids_accumulate(ids, dtype, rng):
    table = rng.standard_normal((5, 3)).astype(dtype)
    y, cache = nn.embedding(ids, table)
    dy = rng.standard_normal(y.shape).astype(dtype)
    none, dtable = nn.embedding_backward(dy, cache)
    want = np.zeros_like(table)
    for n in np.ndindex(ids.shape):
        assert np.array_equal(y[n], table[ids[n]])
        want[ids[n]] += dy[n]
    assert none is None and dtable.dtype == dtype
    assert np.array_equal(dtable, want)  # added in the same order


def test_embedding_is_a_product_with_one_hot_rows(rng):
    ids, table = rng.integers(0, 5, (2, 7)), rng.standard_normal((5, 3))
    y, cache = nn.embedding(ids, table)
    one_hot = np.eye(5)[ids]
    want, linear_cache = nn.linear(one_hot, table)
    dy = rng.standard_normal(y.shape)
    assert np.array_equal(y, want)
    close(nn.embedding_backward(dy, cache)[1], nn.linear_backward(dy, linear_cache)[1], 14)


@pytest.mark.parametrize("kind", ["int8", "uint8", "int32", "uint32", "int64", "uint64"])
def test_ids_of_every_integer_dtype(kind, rng, x64):
    # 300 rows are more than 8 bits can count
    ids, table = np.array([[0, 99, 99], [7, 127, 0]], kind), rng.standard_normal((300, 2))
    y, cache = nn.embedding(ids, table)
    twin, (_, dtable) = value_and_pullback(jaxnn.embedding, {}, (ids, table), y)
    assert np.array_equal(y, twin)
    assert np.array_equal(nn.embedding_backward(y, cache)[1], dtable)


def test_under_jit_an_id_out_of_range_is_nan():
    ids, table = np.array([4, 5, -1, -5, 10**6]), np.arange(10.0).reshape(5, 2)
    y, (_, dtable) = value_and_pullback(jaxnn.embedding, {}, (ids, table), np.ones((5, 2)))
    assert np.array_equal(y[0], table[4]) and np.isnan(y[1:]).all()
    assert dtable.tolist() == [[0, 0]] * 4 + [[1, 1]]


def test_an_embedding_layer_has_no_gradient_for_its_ids(rng):
    layer = nn.Embedding(5, 3)
    params, state = layer.init(rng)
    (y, state), cache = layer.forward(params, state, np.array([[1, 1], [4, 0]]))
    dparams, dx = layer.backward(np.ones_like(y), cache)
    assert y.shape == (2, 2, 3) and state == {} and dx is None
    assert dparams["table"][:, 0].tolist() == [1.0, 2.0, 0.0, 0.0, 1.0]


def test_a_table_has_rows_of_unit_variance(rng):
    table = nn.Embedding(4000, 30).init(rng)[0]["table"]
    # six standard errors of a sample variance of normal numbers
    assert abs(table.var() - 1) < 6 * np.sqrt(2 / table.size)


@BACKENDS
@pytest.mark.parametrize(("ids", "ends"), [((1, 5), "1 to 5"), ((-1, 3), "-1 to 3")])
def test_ids_out_of_range(ids, ends, package, x64):
    with pytest.raises(ValueError) as error:
        package.embedding(np.array(ids), np.ones((5, 2)))
    assert str(error.value) == (
        f"embedding: ids run from {ends}; wanted 0 to 4 for the 5 rows of table; renumber the ids "
        "or widen the table"
    )
