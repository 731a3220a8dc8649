import numpy as np
from math import sqrt, pi

C0 = sqrt(2.0 / pi)
C1 = 0.044715


def gelu_forward(x):
    inner = C0 * (x + C1 * x ** 3)
    t = np.tanh(inner)
    y = 0.5 * x * (1.0 + t)
    return y, {"x": x, "t": t}


def gelu_backward(dy, cache):
    x, t = cache["x"], cache["t"]
    dinner = C0 * (1.0 + 3.0 * C1 * x ** 2)
    left = 0.5 * (1.0 + t)
    right = 0.5 * x * (1.0 - t ** 2) * dinner
    return dy * (left + right)


def silu_forward(x, beta=1.5):
    sig = 1.0 / (1.0 + np.exp(-beta * x))
    y = x * sig
    return y, {"x": x, "sig": sig, "y": y, "beta": beta}


def silu_backward(dy, cache):
    x, s, beta = cache["x"], cache["sig"], cache["beta"]
    # swish'(x) = s + beta * x * s * (1 - s)
    grad = s + beta * x * s * (1.0 - s)
    return grad * dy


def softplus_forward(x, beta=2.0):
    z = beta * x
    y = (np.maximum(z, 0) + np.log1p(np.exp(-np.abs(z)))) / beta
    return y, {"z": z, "beta": beta}


def softplus_backward(dy, cache):
    z = cache["z"]
    return dy / (1.0 + np.exp(-z))


CASES = {
    "gelu_forward": lambda r: (r.standard_normal((5, 3)) * 1.5,),
    "silu_forward": lambda r: (r.standard_normal((4, 7)),),
    "softplus_forward": [lambda r: (r.standard_normal((3, 4)),), lambda r: (r.standard_normal(9) * 2,),
                         lambda r: (np.linspace(-450, 500, 6),)],
}
