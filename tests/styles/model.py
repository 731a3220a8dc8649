"""A whole network as two functions over a dict of parameters."""

import numpy as np

rng = np.random.default_rng(0)
params = {
    "W1": 0.1 * rng.normal(size=(6, 4)),
    "b1": np.zeros(4),
    "W2": 0.1 * rng.normal(size=(4, 3)),
    "b2": np.zeros(3),
}


def forward(params, x):
    z1 = x @ params["W1"] + params["b1"]
    a1 = np.maximum(z1, 0)
    y = a1 @ params["W2"] + params["b2"]
    return y, (params, x, z1, a1)


def backward(dy, cache):
    params, x, z1, a1 = cache
    grads = {}
    grads["W2"] = a1.T @ dy
    grads["b2"] = dy.sum(axis=0)
    da1 = dy @ params["W2"].T
    dz1 = da1 * (z1 > 0)
    grads["W1"] = x.T @ dz1
    grads["b1"] = dz1.sum(axis=0)
    return grads


def loss_and_grads(params, x, t):
    """t: integer labels of shape (N,)"""
    y, cache = forward(params, x)
    p = np.exp(y - y.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    n = len(t)
    loss = -np.log(p[np.arange(n), t]).mean()
    dy = p.copy()
    dy[np.arange(n), t] -= 1
    grads = backward(dy / n, cache)
    return loss, grads
