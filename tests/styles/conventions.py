"""Functions and their backwards in other conventions: arguments, order and closures."""

import numpy as np

CASES = {
    "affine": lambda rng: (rng.normal(size=(5, 3)), rng.normal(size=(3, 2)), rng.normal(size=2)),
    "multiply": lambda rng: (rng.normal(size=(2, 3)), rng.normal(size=(2, 3))),
}


def affine_fwd(x, w, b):
    return x @ w + b, (x, w)


def affine_bwd(res, g):
    x, w = res
    return g @ w.T, x.T @ g, g.sum(axis=0)


def sigmoid(x):
    """
    Inputs:
    - x: Input data, of shape (N, D)
    """
    return 1.0 / (1.0 + np.exp(-x))


def sigmoid_backward(dout, x):
    s = sigmoid(x)
    return dout * s * (1 - s)


def tanh(x):
    """x: array of shape (N, D)"""
    return np.tanh(x)


def tanh_prime(x):
    return 1 - np.tanh(x) ** 2


def mean_squared_error(y_pred, y_true):
    """
    Parameters
    ----------
    y_pred : ndarray, shape (N, D)
        What the network says.
    y_true : ndarray, shape (N, D)
        What it should say.
    """
    return np.mean((y_pred - y_true) ** 2)


def mean_squared_error_grad(y_pred, y_true):
    return 2 * (y_pred - y_true) / y_pred.size


def multiply(a, b):
    y = a * b

    def pullback(dy):
        da = dy * b
        db = dy * a
        return da, db

    return y, pullback


def softmax(z):
    """z: scores of shape (N, C)"""
    e = np.exp(z - z.max(axis=1, keepdims=True))
    p = e / e.sum(axis=1, keepdims=True)
    return p, lambda dp: p * (dp - (dp * p).sum(axis=1, keepdims=True))


def lstm_cell_forward(z, c):
    """
    z: gates before their activations, of shape (N, 4*H)
    c: the cell, of shape (N, H)
    """
    H = c.shape[1]
    i, f, o = (1 / (1 + np.exp(-z[:, k * H : (k + 1) * H])) for k in range(3))
    g = np.tanh(z[:, 3 * H :])
    next_c = f * c + i * g
    tanh_c = np.tanh(next_c)
    return o * tanh_c, next_c, (i, f, o, g, c, tanh_c)


def lstm_cell_backward(dnext_h, dnext_c, cache):
    i, f, o, g, c, tanh_c = cache
    do = dnext_h * tanh_c
    dc = dnext_c + dnext_h * o * (1 - tanh_c**2)
    di, df, dg = dc * g, dc * c, dc * i
    dz = np.hstack((di * i * (1 - i), df * f * (1 - f), do * o * (1 - o), dg * (1 - g**2)))
    return dz, dc * f
