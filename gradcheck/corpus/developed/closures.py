"""Caches that are no data: closures, objects, generators; and backwards that compute all again."""

import functools
from dataclasses import dataclass

import numpy as np


def softsign(x):
    d = 1 + np.abs(x)

    def back(dy):
        return dy / d**2

    return x / d, back


def softsign_backward(dy, back):
    return back(dy)


def dense(x, w, b):
    return np.tanh(x @ w + b), (x, w, b)


def dense_backward(dy, cache):
    """Nothing kept but the inputs."""
    x, w, b = cache
    y, _ = dense(x, w, b)
    dz = dy * (1 - y) * (1 + y)
    return dz @ w.T, x.T @ dz, np.add.reduce(dz)


def chain(x, w):
    """Sines after products, on a tape of functions that is played backwards."""
    tape = []

    def times(v, k):
        tape.append(lambda g, v=v, k=k: (g * w[k], k, np.sum(g * v)))
        return v * w[k]

    def sine(v):
        tape.append(lambda g, v=v: (g * np.cos(v), None, 0))
        return np.sin(v)

    for k in range(len(w)):
        x = sine(times(x, k))
    return x, (tuple(tape), len(w))


def chain_backward(g, cache):
    tape, n = cache
    dw = np.zeros(n)
    for step in tape[::-1]:
        g, k, share = step(g)
        if k is not None:
            dw[k] += share
    return g, dw


@dataclass(frozen=True)
class Context:
    saved: dict

    def __getattr__(self, name):
        try:
            return self.__dict__["saved"][name]
        except KeyError:
            raise AttributeError(name) from None


def scale_shift(x, a, b):
    return a * x + b, Context({"x": x, "a": a})


def scale_shift_backward(dy, ctx):
    return dy * ctx.a, (dy * ctx.x).sum(0), dy.sum(0)


def checkpointed(x, w):
    """Four tanh layers with one matrix; only every other activation is kept."""
    kept, h = [x], x
    for k in range(4):
        h = np.tanh(h @ w)
        if k == 1:
            kept.append(h)
    return h, (kept, w)


def checkpointed_backward(dy, cache):
    kept, w = cache
    dw = np.zeros(w.shape)
    for start in reversed(kept):
        a = np.tanh(start @ w)
        b = np.tanh(a @ w)
        for below, above in ((a, b), (start, a)):
            dy = dy * (1 - above**2)
            dw += below.T @ dy
            dy = dy @ w.T
    return dy, dw


def polynomial(x, c):
    """c[0] + c[1] x + ... by a fold."""
    return functools.reduce(lambda acc, k: acc * x + k, c[::-1], 0 * x), [x, c]


def polynomial_backward(dy, cache):
    x, c = cache
    dx = dy * sum(k * c[k] * x ** (k - 1) for k in range(1, len(c)))
    return dx, np.array([np.vdot(dy, x**k) for k in range(len(c))])


def steps(h, w):
    while True:
        h = np.tanh(w * h)
        yield h


def generated(h0, w, n):
    hs = [h0, *(h for _, h in zip(range(n), steps(h0, w)))]
    return np.stack(hs[1:]), (hs, w)


def generated_backward(dhs, cache):
    hs, w = cache
    dw = g = np.zeros_like(w)
    for h, before, d in zip(hs[:0:-1], hs[-2::-1], dhs[::-1], strict=True):
        g = (g + d) * (1 - h**2)
        dw = dw + g * before
        g = g * w
    return g, dw


def rows(rng):
    n, d, h = rng.permutation([2, 3, 4, 5])[:3]
    return rng.normal(size=(n, d)), rng.normal(size=(d, h)), rng.normal(size=h)


CASES = {
    "softsign": lambda rng: rows(rng)[:1],
    "dense": rows,
    "chain": lambda rng: (rng.normal(size=4), rng.normal(size=3)),
    "scale_shift": lambda rng: (rng.normal(size=(3, 5)), rng.normal(size=5), rng.normal(size=5)),
    "checkpointed": lambda rng: (rng.normal(size=(3, 4)), rng.normal(size=(4, 4)) / 2),
    "polynomial": lambda rng: (rng.normal(size=(2, 3)), rng.normal(size=5)),
    "generated": lambda rng: (rng.normal(size=4), rng.normal(size=4), 3),
}
