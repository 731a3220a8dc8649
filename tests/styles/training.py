#!/usr/bin/env python
"""Trains a small classifier on spirals: data, layers, optimizers, a loop and a report in one file.

    python training.py --epochs 200 --hidden 32
"""

import argparse
import sys
import time

import numpy as np

# ----------------------------------------------------------------------------
# data
# ----------------------------------------------------------------------------


def make_spirals(points=100, classes=3, noise=0.2, seed=0):
    """Spirals in the plane, one arm for each class."""
    rng = np.random.default_rng(seed)
    X = np.zeros((points * classes, 2))
    y = np.zeros(points * classes, dtype=int)
    for j in range(classes):
        rows = slice(points * j, points * (j + 1))
        radius = np.linspace(0.0, 1.0, points)
        theta = np.linspace(4.0 * j, 4.0 * (j + 1), points) + rng.normal(size=points) * noise
        X[rows] = np.c_[radius * np.sin(theta), radius * np.cos(theta)]
        y[rows] = j
    return X, y


def split(X, y, fraction=0.8, seed=0):
    order = np.random.default_rng(seed).permutation(len(X))
    cut = int(fraction * len(X))
    train, test = order[:cut], order[cut:]
    return X[train], y[train], X[test], y[test]


def batches(X, y, size, rng):
    order = rng.permutation(len(X))
    for start in range(0, len(X), size):
        rows = order[start : start + size]
        yield X[rows], y[rows]


# ----------------------------------------------------------------------------
# layers: each forward returns its result and a cache, each backward takes (dout, cache)
# ----------------------------------------------------------------------------


def dense_forward(x, w, b):
    """
    - x: inputs, of shape (N, D)
    - w: weights, of shape (D, M)
    - b: biases, of shape (M,)
    """
    out = x.dot(w) + b
    return out, (x, w)


def dense_backward(dout, cache):
    x, w = cache
    dx = dout.dot(w.T)
    dw = x.T.dot(dout)
    db = dout.sum(axis=0)
    return dx, dw, db


def leaky_forward(x, slope=0.1):
    """
    - x: inputs, of shape (N, D)
    """
    out = np.where(x > 0, x, slope * x)
    return out, (x, slope)


def leaky_backward(dout, cache):
    x, slope = cache
    dx = np.where(x > 0, dout, slope * dout)
    return dx


def standardize_forward(x, gain, shift):
    """
    Standardizes each feature over the batch.

    - x: inputs, of shape (N, D)
    - gain: of shape (D,)
    - shift: of shape (D,)
    """
    mu = x.mean(axis=0)
    xc = x - mu
    var = (xc**2).mean(axis=0)
    inv = 1.0 / np.sqrt(var + 1e-3)
    xhat = xc * inv
    out = gain * xhat + shift
    return out, (xhat, inv, gain)


def standardize_backward(dout, cache):
    xhat, inv, gain = cache
    dshift = dout.sum(axis=0)
    dgain = (dout * xhat).sum(axis=0)
    dxhat = dout * gain
    dx = inv * (dxhat - dxhat.mean(axis=0) - xhat * (dxhat * xhat).mean(axis=0))
    return dx, dgain, dshift


def cross_entropy_loss(scores, y):
    """
    - scores: of shape (N, C)
    - y: labels, of shape (N,), 0 <= y[i] < C

    Returns the loss and its gradient with respect to the scores.
    """
    n = len(y)
    shifted = scores - scores.max(axis=1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    loss = -log_p[np.arange(n), y].mean()
    dscores = np.exp(log_p)
    dscores[np.arange(n), y] -= 1
    dscores /= n
    return loss, dscores


# ----------------------------------------------------------------------------
# the model
# ----------------------------------------------------------------------------


class Classifier:
    """dense, standardize, leaky, dense; an L2 penalty on the weights."""

    def __init__(self, n_in=2, n_hidden=32, n_classes=3, reg=1e-3, seed=0):
        rng = np.random.default_rng(seed)
        self.reg = reg
        self.params = {
            "w1": rng.normal(size=(n_in, n_hidden)) * np.sqrt(2.0 / n_in),
            "b1": np.zeros(n_hidden),
            "gain": np.ones(n_hidden),
            "shift": np.zeros(n_hidden),
            "w2": rng.normal(size=(n_hidden, n_classes)) * np.sqrt(2.0 / n_hidden),
            "b2": np.zeros(n_classes),
        }

    def scores(self, X):
        p = self.params
        h, cache1 = dense_forward(X, p["w1"], p["b1"])
        s, cache2 = standardize_forward(h, p["gain"], p["shift"])
        a, cache3 = leaky_forward(s)
        out, cache4 = dense_forward(a, p["w2"], p["b2"])
        return out, (cache1, cache2, cache3, cache4)

    def loss(self, X, y):
        """
        - X: inputs, of shape (N, n_in)
        - y: labels, of shape (N,)
        """
        p = self.params
        out, (cache1, cache2, cache3, cache4) = self.scores(X)
        loss, dout = cross_entropy_loss(out, y)
        loss += 0.5 * self.reg * (np.sum(p["w1"] ** 2) + np.sum(p["w2"] ** 2))

        grads = {}
        da, grads["w2"], grads["b2"] = dense_backward(dout, cache4)
        ds = leaky_backward(da, cache3)
        dh, grads["gain"], grads["shift"] = standardize_backward(ds, cache2)
        _, grads["w1"], grads["b1"] = dense_backward(dh, cache1)
        grads["w1"] += self.reg * p["w1"]
        grads["w2"] += self.reg * p["w2"]
        return loss, grads

    def accuracy(self, X, y):
        out, _ = self.scores(X)
        return float((out.argmax(axis=1) == y).mean())


# ----------------------------------------------------------------------------
# optimizers
# ----------------------------------------------------------------------------


class SGD:
    def __init__(self, lr=0.1, momentum=0.9):
        self.lr, self.momentum = lr, momentum
        self.velocity = {}

    def step(self, params, grads):
        for name, g in grads.items():
            v = self.velocity.setdefault(name, np.zeros_like(g))
            v *= self.momentum
            v -= self.lr * g
            params[name] += v


class Adam:
    def __init__(self, lr=1e-2, beta1=0.9, beta2=0.999, eps=1e-8):
        self.lr, self.beta1, self.beta2, self.eps = lr, beta1, beta2, eps
        self.m, self.v, self.t = {}, {}, 0

    def step(self, params, grads):
        self.t += 1
        for name, g in grads.items():
            m = self.m.setdefault(name, np.zeros_like(g))
            v = self.v.setdefault(name, np.zeros_like(g))
            m += (1 - self.beta1) * (g - m)
            v += (1 - self.beta2) * (g * g - v)
            m_hat = m / (1 - self.beta1**self.t)
            v_hat = v / (1 - self.beta2**self.t)
            params[name] -= self.lr * m_hat / (np.sqrt(v_hat) + self.eps)


OPTIMIZERS = {"sgd": SGD, "adam": Adam}


# ----------------------------------------------------------------------------
# the loop
# ----------------------------------------------------------------------------


def train(model, optimizer, data, epochs, batch_size, log, seed=0):
    """Returns the loss of every step."""
    X, y, X_test, y_test = data
    rng = np.random.default_rng(seed)
    losses = []
    start = time.perf_counter()
    for epoch in range(epochs):
        for xb, yb in batches(X, y, batch_size, rng):
            loss, grads = model.loss(xb, yb)
            if not np.isfinite(loss):
                raise FloatingPointError(f"the loss is {loss} in epoch {epoch}")
            optimizer.step(model.params, grads)
            losses.append(loss)
        if epoch % 20 == 0 or epoch == epochs - 1:
            seconds = time.perf_counter() - start
            log(
                f"epoch {epoch:4d}  loss {losses[-1]:.4f}  train {model.accuracy(X, y):.3f}  "
                f"test {model.accuracy(X_test, y_test):.3f}  {seconds:.1f} s"
            )
    return losses


def sparkline(values, width=60):
    """The values as one line of text."""
    marks = " .:-=+*#%@"
    values = np.asarray(values, dtype=float)
    parts = np.array_split(values, min(width, len(values)))
    means = np.array([p.mean() for p in parts])
    spread = float(np.ptp(means)) or 1.0
    places = ((means - means.min()) / spread * (len(marks) - 1)).astype(int)
    return "".join(marks[k] for k in places)


def confusion(model, X, y, classes):
    out, _ = model.scores(X)
    table = np.zeros((classes, classes), dtype=int)
    for truth, guess in zip(y, out.argmax(axis=1)):
        table[truth, guess] += 1
    return table


def parse(argv):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=200)
    parser.add_argument("--hidden", type=int, default=32)
    parser.add_argument("--classes", type=int, default=3)
    parser.add_argument("--batch-size", type=int, default=50)
    parser.add_argument("--optimizer", choices=sorted(OPTIMIZERS), default="adam")
    parser.add_argument("--quiet", action="store_true")
    return parser.parse_args(argv)


def main(argv=None):
    options = parse(argv)
    X, y = make_spirals(classes=options.classes)
    data = split(X, y)
    model = Classifier(n_hidden=options.hidden, n_classes=options.classes)
    optimizer = OPTIMIZERS[options.optimizer]()
    log = (lambda line: None) if options.quiet else print
    losses = train(model, optimizer, data, options.epochs, options.batch_size, log)
    print("loss", sparkline(losses))
    print(confusion(model, data[2], data[3], options.classes))
    return 0 if model.accuracy(data[2], data[3]) > 0.8 else 1


if __name__ == "__main__":
    sys.exit(main())
