# probe on frozen features: normalise rows, then one linear layer
import numpy as np


def l2_normalise(x, eps=0.0):
    """rows; a zero row (blank patch) stays zero"""
    n = np.sqrt((x * x).sum(-1, keepdims=True) + eps)
    with np.errstate(divide="ignore", invalid="ignore"):
        y = np.where(n > 0, x / n, 0.0)
    return y, (y, n)


def l2_normalise_backward(dy, cache):
    y, n = cache
    inv = np.divide(1.0, n, out=np.zeros_like(n), where=n > 0)
    return (dy - y * (dy * y).sum(-1, keepdims=True)) * inv


def head(x, w, b):
    """running-statistics-free classifier with a shared scalar bias: y = x w + b, b of shape (1,)"""
    return x @ w + b, (x, w)


def head_backward(dy, cache):
    x, w = cache
    grads = {}
    grads["x"] = dy @ w.T
    grads["w"] = x.T @ dy
    grads["b"] = dy.sum().reshape(1)
    return tuple(grads[k] for k in ("x", "w", "b"))


CASES = {
    "l2_normalise": lambda r: (r.standard_normal((4, 3)) + 0.1,),
    "head": lambda r: (r.standard_normal((5, 4)), r.standard_normal((4, 3)), r.standard_normal(1)),
}
