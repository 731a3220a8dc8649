import numpy as np
from jaxtyping import Float

A = np.ndarray


def sort_rows(x: Float[A, "N D"]):
    order = np.argsort(x, axis=1)
    return np.take_along_axis(x, order, axis=1), order


def sort_rows_backward(dy, order):
    return np.take_along_axis(dy, np.argsort(order, axis=1), axis=1)  # the inverse permutation


def median(x: Float[A, "N D"]):
    """Down the columns; the mean of the middle two where N is even."""
    return np.median(x, axis=0), x


def median_backward(dy, x):
    n = len(x)
    rank = x.argsort(axis=0).argsort(axis=0)
    middle = {(n - 1) // 2, n // 2}
    return dy * np.isin(rank, list(middle)) / len(middle)


def top_two(x: Float[A, "N D"]):
    """Sum of the largest two of each row."""
    where = np.argpartition(x, -2, axis=1)[:, -2:]
    return np.take_along_axis(x, where, 1).sum(1), (where, x.shape)


def top_two_backward(g, cache):
    where, shape = cache
    dx = np.zeros(shape)
    np.put_along_axis(dx, where, np.stack([g, g], axis=1), axis=1)
    return dx


def quantile(x: Float[A, " N"]):
    """The 0.3 quantile, interpolated."""
    pos = 0.3 * (len(x) - 1)
    order = np.argsort(x)
    lo = int(pos)
    hi, f = min(lo + 1, len(x) - 1), pos - lo
    y = (1 - f) * x[order[lo]] + f * x[order[hi]]
    return y, (order[lo], order[hi], f, len(x))


def quantile_backward(dy, cache):
    i, j, f, n = cache
    unit = np.eye(n)
    return dy * ((1 - f) * unit[i] + f * unit[j])


def running_max(x: Float[A, "T D"]):
    return np.maximum.accumulate(x, axis=0), x


def running_max_backward(dy, x):
    dx = np.zeros_like(x)
    for d in range(x.shape[1]):
        best = 0
        for t in range(len(x)):
            if x[t, d] > x[best, d]:
                best = t
            dx[best, d] += dy[t, d]
    return dx


def trimmed_mean(x: Float[A, "N D"]):
    """Row means without the smallest and the largest; all of it where D is 2."""
    if x.shape[1] <= 2:
        return x.mean(1), (np.ones_like(x) / x.shape[1],)
    w = np.ones_like(x)
    for row, lo, hi in zip(w, x.argmin(1), x.argmax(1)):
        row[[lo, hi]] = 0
    w /= x.shape[1] - 2
    return (w * x).sum(1), (w,)


def trimmed_mean_backward(dy, cache):
    return dy[:, None] * cache[0]


def k_max_pool(x: Float[A, "C T"]):
    """The largest two of each channel in the order of time."""
    keep = np.sort(np.argsort(-x, axis=1)[:, :2], axis=1)
    return np.take_along_axis(x, keep, 1), (keep, x)


def k_max_pool_backward(dy, cache):
    keep, x = cache
    dx = np.zeros_like(x)
    dx[np.arange(len(x))[:, None], keep] = dy
    return dx
