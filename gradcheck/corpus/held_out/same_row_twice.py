"""Gathers and scatters with repeated ids, each summed by other means."""
import numpy as np


def take(table, ids):
    return np.take(table, ids, axis=0), (ids, table.shape)


def take_backward(dy, cache):
    ids, (rows, cols) = cache
    onehot = ids.reshape(-1, 1) == np.arange(rows)
    return onehot.T.astype(dy.dtype) @ dy.reshape(-1, cols), None


def lookup(weights, ids):
    """Scalars by id."""
    return weights[ids], (ids, len(weights))


def lookup_backward(g, cache):
    ids, n = cache
    return np.bincount(ids, weights=g, minlength=n), None


def segment_sum(x, segment):
    """Rows of x added up by segment; segments may be empty."""
    out = np.zeros((6, x.shape[1]))
    np.add.at(out, segment, x)
    return out, segment


def segment_sum_backward(dy, segment):
    return dy[segment], None


def segment_mean(x, segment):
    count = np.bincount(segment, minlength=6)
    out = np.stack([x[segment == s].mean(0) if c else 0 * x[0] for s, c in enumerate(count)])
    return out, (segment, count)


def segment_mean_backward(dy, cache):
    segment, count = cache
    return (dy / np.maximum(count, 1)[:, None])[segment], None


def edges(nodes, src, dst):
    """Messages of a graph: the difference along every edge, edges twice and loops among them."""
    return nodes[src] - nodes[dst], (len(nodes), src, dst)


def edges_backward(dm, cache):
    n, src, dst = cache
    out = np.zeros((n, dm.shape[1]))
    for s, d, row in zip(src, dst, dm):
        out[s] += row
        out[d] -= row
    return out, None, None


def overwrite(base, ids, rows):
    """A copy of base with rows written at ids; where an id is repeated the last one stays."""
    out = base.copy()
    for i, r in zip(ids, rows):
        out[i] = r
    return out, (ids, rows.shape)


def overwrite_backward(dy, cache):
    ids, shape = cache
    dbase, drows = dy.copy(), np.zeros(shape)
    last = {int(i): k for k, i in enumerate(ids)}
    for i, k in last.items():
        drows[k] = dy[i]
        dbase[i] = 0
    return dbase, None, drows


def _table(rng):
    return rng.normal(size=(4, rng.integers(2, 5))), rng.integers(0, 3, (2, 5))


def _segments(rng):
    n = rng.integers(7, 12)
    return rng.normal(size=(n, 3)), rng.integers(0, 5, n)


CASES = {
    "take": _table,
    "lookup": lambda rng: (rng.normal(size=5), rng.integers(0, 4, 11)),
    "segment_sum": _segments,
    "segment_mean": _segments,
    "edges": lambda rng: (rng.normal(size=(4, 2)), rng.integers(0, 4, 9), rng.integers(0, 4, 9)),
    "overwrite": lambda rng: (rng.normal(size=(4, 3)), rng.integers(0, 4, 6), rng.normal(size=(6, 3))),
}
