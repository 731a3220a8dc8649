import numpy as np


def sigmoid(z):
    return 0.5 + 0.5 * np.tanh(z / 2)


def mish(x):
    t = np.tanh(np.logaddexp(0, x))
    return x * t, (x, t)


def mish_backward(dy, cache):
    x, t = cache
    return dy * (t + x * (1 - t * t) * sigmoid(x))


def crelu(x):
    return np.concatenate([np.maximum(x, 0), np.maximum(-x, 0)], axis=1), x


def crelu_backward(dy, x):
    p, q = np.split(dy, 2, axis=1)
    return p * (x > 0) - q * (x < 0)


CASES = {
    "mish": lambda rng: (rng.standard_normal(8),),
    "crelu": lambda rng: (rng.standard_normal((3, 4)),),
}
