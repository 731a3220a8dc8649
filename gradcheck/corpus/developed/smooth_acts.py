# activations.py -- every forward returns (output, whatever the backward wants)
import numpy as np

SELU_ALPHA, SELU_LAMBDA = 1.6732632423543772, 1.0507009873554805


def sigmoid(z):
    return np.where(z >= 0, 1 / (1 + np.exp(-np.abs(z))), np.exp(-np.abs(z)) / (1 + np.exp(-np.abs(z))))


def elu(x, alpha=1.5):
    y = np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))
    return y, (y, x, alpha)


def elu_backward(dy, cache):
    y, x, alpha = cache
    return dy * np.where(x > 0, 1, y + alpha)


def selu(x):
    neg = SELU_ALPHA * (np.exp(np.minimum(x, 0)) - 1)
    return SELU_LAMBDA * np.where(x > 0, x, neg), x


def selu_backward(dy, x):
    dx = np.empty_like(dy)
    pos = x > 0
    dx[pos] = SELU_LAMBDA * dy[pos]
    dx[~pos] = SELU_LAMBDA * SELU_ALPHA * np.exp(x[~pos]) * dy[~pos]
    return dx


def softplus(x, beta=2.0):
    return np.logaddexp(0, beta * x) / beta, (x, beta)


def softplus_backward(dy, cache):
    x, beta = cache
    return dy * sigmoid(beta * x)


def swish(x, beta):
    """beta is learned, one per channel (last axis)"""
    s = sigmoid(beta * x)
    return x * s, (x, beta, s)


def swish_backward(dy, cache):
    x, beta, s = cache
    ds = dy * x * s * (1 - s)
    dx = dy * s + ds * beta
    dbeta = (ds * x).sum(axis=tuple(range(x.ndim - 1)))
    return dx, dbeta


CASES = {
    "elu": lambda rng: (rng.standard_normal((4, 5)),),
    "selu": lambda rng: (rng.standard_normal((4, 5)),),
    "softplus": [lambda rng: (rng.standard_normal((4, 5)),), lambda rng: (600.0 * rng.standard_normal(7),)],
    "swish": lambda rng: (rng.standard_normal((2, 4, 3)), rng.uniform(0.5, 2, 3)),
}
