"""Homework 3: a fully connected net with one hidden layer, and the losses that go on top."""

import numpy as np


def two_layer_forward(X, W1, b1, W2, b2):
    # input - fully connected layer - ReLU - fully connected layer
    h_pre = X.dot(W1) + b1
    h = np.maximum(0, h_pre)
    scores = h.dot(W2) + b2
    return scores, {"X": X, "h_pre": h_pre, "h": h, "W1": W1, "W2": W2}


def two_layer_backward(dscores, cache):
    X, h = cache["X"], cache["h"]
    grads = {}
    grads["W2"] = np.dot(h.T, dscores)
    grads["b2"] = np.sum(dscores, axis=0)
    # backprop into the hidden layer
    dhidden = np.dot(dscores, cache["W2"].T)
    dhidden[cache["h_pre"] <= 0] = 0
    grads["W1"] = X.T.dot(dhidden)
    grads["b1"] = np.sum(dhidden, axis=0)
    grads["X"] = dhidden.dot(cache["W1"].T)
    return grads["X"], grads["W1"], grads["b1"], grads["W2"], grads["b2"]


def softmax_loss_forward(scores, y):
    shifted = scores - scores.max(axis=1, keepdims=True)
    log_probs = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    N = scores.shape[0]
    loss = -np.sum(log_probs[np.arange(N), y]) / N
    return loss, (np.exp(log_probs), y)


def softmax_loss_backward(dloss, cache):
    probs, y = cache
    N = probs.shape[0]
    dscores = probs.copy()
    dscores[np.arange(N), y] -= 1
    dscores /= N
    return dscores * dloss, None


def hinge_loss_forward(s, y):
    """Multiclass SVM loss, margin 1."""
    n = s.shape[0]
    correct = s[np.arange(n), y][:, None]
    margins = np.maximum(0, s - correct + 1.0)
    margins[np.arange(n), y] = 0
    return margins.sum() / n, (margins, y)


def hinge_loss_backward(upstream, cache):
    margins, y = cache
    n = margins.shape[0]
    active = (margins > 0).astype(float)
    counts = np.sum(active, axis=1)
    active[np.arange(n), y] -= counts
    return upstream * active / n, None


LAM = 0.3


def ridge_loss_forward(A, w, t):
    """Mean squared error with an L2 penalty on the weights."""
    resid = A @ w - t
    return np.mean(resid**2) + 0.5 * LAM * np.sum(w * w), (A, w, resid)


def ridge_loss_backward(g, cache):
    A, w, resid = cache
    m = len(resid)
    dr = 2 * resid / m * g
    dA = np.outer(dr, w)
    dw = A.T @ dr + LAM * w * g
    dt = -dr
    return dA, dw, dt


def _net(rng):
    N, D, H, C = rng.choice([3, 4, 5, 7, 8], size=4, replace=False)
    return (
        rng.normal(size=(N, D)),
        rng.normal(size=(D, H)),
        rng.normal(size=H),
        rng.normal(size=(H, C)),
        rng.normal(size=C),
    )


def _scores(rng):
    N, C = rng.choice([3, 5, 6, 7], size=2, replace=False)
    return 2 * rng.normal(size=(N, C)), rng.integers(0, C, N)


def _rows(rng):
    m, d = rng.choice([4, 5, 7, 9], size=2, replace=False)
    return rng.normal(size=(m, d)), rng.normal(size=d), rng.normal(size=m)


CASES = {"two_layer": _net, "softmax_loss": _scores, "hinge_loss": _scores, "ridge_loss": _rows}
