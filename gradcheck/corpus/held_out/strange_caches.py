"""What a cache can be: a class, a named tuple, bytes, a nested list, nothing, the output."""
import pickle
from collections import OrderedDict, namedtuple
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float

A = np.ndarray
Saved = namedtuple("Saved", "x w")


@dataclass
class Memo:
    x: np.ndarray
    parts: list = field(default_factory=list)


def named(x: Float[A, "N I"], w: Float[A, "I O"]):
    return np.cos(x @ w), Saved(x=x, w=w)


def named_backward(dy, saved):
    dz = -dy * np.sin(saved.x @ saved.w)
    return dz @ saved.w.T, saved.x.T @ dz


def memo(x: Float[A, "N D"]):
    m = Memo(x)
    y = 0
    for p in (1, 2, 3):
        m.parts.append(x**p)
        y = y + m.parts[-1] / p
    return y, m


def memo_backward(dy, m):
    return dy * sum([np.ones_like(m.x), *m.parts[:-1]])


def frozen(x: Float[A, "N D"]):
    return np.arctan(x), pickle.dumps(x)


def frozen_backward(dy, blob):
    return dy / (1 + pickle.loads(blob) ** 2)


def from_output(x: Float[A, "N D"]):
    y = np.exp(x / 2)
    return y, y


def from_output_backward(dy, y):
    return dy * y / 2


def no_cache(x: Float[A, "T D"]):
    d = x[1:] - x[:-1]
    return d, None


def no_cache_backward(dd, cache):
    return np.pad(dd, ((1, 0), (0, 0))) - np.pad(dd, ((0, 1), (0, 0)))


def nested(x: Float[A, "N I"], w: Float[A, "I H"], v: Float[A, "H O"]):
    layers = OrderedDict()
    h = x
    for key, m in (("first", w), ("second", v)):
        z = h @ m
        layers[key] = [h, [m, {"z": z}]]
        h = z / (1 + np.abs(z))
    return h, layers


def nested_backward(g, layers):
    grads = {}
    for key in reversed(layers):
        h, [m, extra] = layers[key]
        g = g / (1 + np.abs(extra["z"])) ** 2
        grads[key] = h.T @ g
        g = g @ m.T
    return g, grads["first"], grads["second"]


def only_signs(x: Float[A, "N D"]):
    """Packed bits are enough for the gradient of a rectifier."""
    on = x > 0
    return np.where(on, 2 * x, 0.5 * x), (np.packbits(on), on.shape)


def only_signs_backward(dy, cache):
    bits, shape = cache
    on = np.unpackbits(bits, count=dy.size).reshape(shape).astype(bool)
    return np.where(on, 2 * dy, dy / 2)


def mean_and_len(x: Float[A, "N D"]):
    return x.mean(axis=0), len(x)


def mean_and_len_backward(dy, n):
    return np.repeat(dy[None] / n, n, axis=0)
