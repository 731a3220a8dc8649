"""Whole small nets: residual, tied autoencoder, a classifier with weight decay."""

import numpy as np


def residual_mlp(x, w1, b1, w2, b2):
    """x + w2' relu(w1' x + b1) + b2, rows are samples."""
    z1 = x @ w1 + b1
    a1 = np.maximum(z1, 0)
    z2 = a1 @ w2 + b2
    return x + z2, [(x, w1, z1), (a1, w2)]


def residual_mlp_backward(delta, cache):
    (x, w1, z1), (a1, w2) = cache
    grads = {}
    grads["b2"] = delta.sum(axis=0)
    grads["w2"] = a1.T @ delta
    delta1 = delta @ w2.T
    delta1 = delta1 * (z1 > 0)
    grads["b1"] = delta1.sum(axis=0)
    grads["w1"] = x.T @ delta1
    grads["x"] = delta + delta1 @ w1.T
    return [grads[k] for k in ("x", "w1", "b1", "w2", "b2")]


def autoencoder(x, W, b, c):
    """Tied weights: sigmoid(x W + b) W' + c."""
    h = 1 / (1 + np.exp(-(x @ W + b)))
    return h @ W.T + c, (x, W, h)


def autoencoder_backward(g, cache):
    x, W, h = cache
    dc = g.sum(axis=0)
    gW = g.T @ h
    gh = g @ W
    ga = gh * h * (1 - h)
    db = ga.sum(axis=0)
    gW += x.T @ ga
    return ga @ W.T, gW, db, dc


def classifier(X, y, W1, b1, W2, *, decay=0.1):
    """Mean cross-entropy of a tanh net, plus decay/2 times the squares of both matrices."""
    n = len(X)
    a = np.tanh(X.dot(W1) + b1)
    s = a.dot(W2)
    s = s - s.max(axis=1, keepdims=True)
    p = np.exp(s) / np.exp(s).sum(axis=1, keepdims=True)
    data = -np.log(p[range(n), y]).mean()
    loss = data + 0.5 * decay * ((W1**2).sum() + (W2**2).sum())
    return loss, {"X": X, "y": y, "W1": W1, "W2": W2, "a": a, "p": p, "decay": decay}


def classifier_backward(dloss, k):
    X, y, a, W1, W2 = k["X"], k["y"], k["a"], k["W1"], k["W2"]
    n = len(X)
    delta3 = k["p"].copy()
    delta3[range(n), y] -= 1
    delta3 *= dloss / n
    dW2 = a.T.dot(delta3)
    delta2 = delta3.dot(W2.T) * (1 - a**2)
    dW1 = X.T.dot(delta2)
    db1 = delta2.sum(axis=0)
    dX = delta2.dot(W1.T)
    dW1 += dloss * k["decay"] * W1
    dW2 += dloss * k["decay"] * W2
    return dX, None, dW1, db1, dW2


def deep(x, ws):
    """tanh layers, their square weights stacked in ws (L, D, D)."""
    acts = [x]
    for w in ws:
        acts.append(np.tanh(acts[-1] @ w))
    return acts[-1], (acts, ws)


def deep_backward(dy, cache):
    acts, ws = cache
    dws = np.zeros_like(ws)
    delta = dy
    for l in range(len(ws) - 1, -1, -1):
        delta = delta * (1 - acts[l + 1] ** 2)
        dws[l] = acts[l].T @ delta
        delta = delta @ ws[l].T
    return delta, dws


def net(rng):
    n, d, h = rng.permutation([2, 3, 5, 7])[:3]
    shapes = (n, d), (d, h), (h,), (h, d), (d,)
    return tuple(rng.normal(size=s) for s in shapes)


def codes(rng):
    n, d, h = rng.permutation([2, 3, 5, 7])[:3]
    return tuple(rng.normal(size=s) for s in ((n, d), (d, h), (h,), (d,)))


def labelled(rng):
    n, d, h, c = rng.permutation([3, 4, 5, 7])
    W1, b1, W2 = rng.normal(size=(d, h)), rng.normal(size=h), rng.normal(size=(h, c))
    return rng.normal(size=(n, d)), rng.integers(0, c, n), W1, b1, W2


def stack(rng):
    n, d = rng.permutation([3, 4, 5])[:2]
    return rng.normal(size=(n, d)), rng.normal(size=(3, d, d)) / 2


CASES = {"residual_mlp": net, "autoencoder": codes, "classifier": labelled, "deep": stack}
