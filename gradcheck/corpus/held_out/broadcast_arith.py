"""Arithmetic with shapes that differ, and where each gradient has to be summed back."""
import numpy as np
from jaxtyping import Float


def _sum_to(g, shape):
    """g summed over what broadcasting added or stretched."""
    g = g.sum(axis=tuple(range(g.ndim - len(shape))))
    for ax, n in enumerate(shape):
        if n == 1:
            g = g.sum(axis=ax, keepdims=True)
    return g


def divide(num: Float[np.ndarray, "B I J"], den: Float[np.ndarray, "I 1"]):
    den = 2 + den**2
    return num / den, (num, den)


def divide_backward(dy, cache):
    num, den = cache
    d_num = dy / den
    d_den = -dy * num / den**2
    # den was 2 + raw^2
    raw_slope = 2 * np.sqrt(den - 2)
    return d_num, _sum_to(d_den, den.shape) * raw_slope


def film(feat: Float[np.ndarray, "N C P"], scale: Float[np.ndarray, "N C"],
         shift: Float[np.ndarray, "N C"]):
    return feat * (1 + scale)[..., None] + shift[..., None], (feat, scale)


def film_backward(delta, cache):
    feat, scale = cache
    d_feat = delta * (1 + scale)[..., None]
    d_scale = np.sum(delta * feat, axis=-1)
    d_shift = np.sum(delta, axis=-1)
    return d_feat, d_scale, d_shift


def outer_sum(col: Float[np.ndarray, " M"], row: Float[np.ndarray, " N"],
              both: Float[np.ndarray, "M N"]):
    y = np.tanh(col[:, None] + row + both)
    return y, y


def outer_sum_backward(dy, y):
    dz = dy * (1 - y**2)
    return dz.sum(1), dz.sum(0), dz


def power(base: Float[np.ndarray, "N D"], expo: Float[np.ndarray, " D"]):
    """(1 + base^2) ** expo, the exponent per column."""
    b = 1 + base * base
    return b**expo, (base, b, expo)


def power_backward(g, cache):
    base, b, expo = cache
    y = b**expo
    g_base = g * expo * b ** (expo - 1) * 2 * base
    g_expo = (g * y * np.log(b)).sum(axis=0)
    return g_base, g_expo


def standard_score(x: Float[np.ndarray, "N D"]):
    """Columns less their mean, over their sample deviation (N - 1)."""
    n = len(x)
    c = x - x.sum(0) / n
    s = np.sqrt((c * c).sum(0) / (n - 1))
    return c / s, (c, s)


def standard_score_backward(dout, cache):
    c, s = cache
    n = len(c)
    z = c / s
    dc = dout / s - z * (dout * z).sum(0) / (s * (n - 1))
    return dc - dc.mean(0)


def signed_ratio(a: Float[np.ndarray, "A B C"], b: Float[np.ndarray, "B C"],
                 c: Float[np.ndarray, " C"]):
    """(a - b) / (a^2 + exp(c))."""
    top, bottom = a - b, a**2 + np.exp(c)
    return top / bottom, (a, top, bottom, c)


def signed_ratio_backward(g, cache):
    a, top, bottom, c = cache
    g_top = g / bottom
    g_bottom = -g * top / bottom / bottom
    ga = g_top + 2 * a * g_bottom
    gb = -_sum_to(g_top, top.shape[1:])
    gc = _sum_to(g_bottom, c.shape) * np.exp(c)
    return ga, gb, gc


def _divide(rng):
    B, I, J = rng.permutation([2, 3, 5])
    return rng.normal(size=(B, I, J)), rng.uniform(0.2, 1.5, (I, 1))


CASES = {
    "divide": _divide,
    "standard_score": lambda rng: (rng.normal(size=(rng.integers(4, 8), rng.integers(2, 4))),),
}
