"""Functions with several results, of unlike shapes, some of them used and some passed on."""
import numpy as np
from jaxtyping import Float

A = np.ndarray


def moments(x: Float[A, "N D"]):
    mu, c = x.mean(0), x - x.mean(0)
    return (mu, (c**2).mean(0)), c


def moments_backward(dys, c):
    dmu, dvar = dys
    return (dmu + 2 * c * dvar) / len(c)


def split_heads(x: Float[A, "N D"]):
    """The first column, the others, and the sum of everything."""
    return (x[:, 0], x[:, 1:], x.sum()), None


def split_heads_backward(dys, _):
    first, rest, total = dys
    return np.hstack([first[:, None], rest]) + total


def polar(x: Float[A, " N"], y: Float[A, " N"]):
    return (np.hypot(x, y), np.arctan2(y, x)), (x, y)


def polar_backward(dys, cache):
    x, y = cache
    dr, dt = dys
    r = np.hypot(x, y)
    return (dr * x - dt * y / r) / r, (dr * y + dt * x / r) / r


def twins(x: Float[A, "N D"]):
    """The same array twice."""
    y = np.sin(x)
    return (y, y), x


def twins_backward(dys, x):
    return (dys[0] + dys[1]) * np.cos(x)


def single(x: Float[A, "N D"]):
    return (x**3,), (x,)


def single_backward(dys, cache):
    (dy,), (x,) = dys, cache
    return (3 * dy * x**2,)


def minimal_cell(x: Float[A, "B D"], h: Float[A, "B H"], w: Float[A, "D H"], u: Float[A, " H"]):
    """New state, gate, and the input passed on untouched."""
    g = 1 / (1 + np.exp(-(x @ w + h * u)))
    return (g * h + (1 - g), g, x), dict(locals())


def minimal_cell_backward(dys, saved):
    dnew, dg, dpass = dys
    x, h, w, u, g = (saved[k] for k in "x h w u g".split())
    dz = (dg + dnew * (h - 1)) * g * (1 - g)
    return dz @ w.T + dpass, dz * u + dnew * g, x.T @ dz, (dz * h).sum(0)


def gram_and_norms(x: Float[A, "N D"]):
    G = x @ x.T
    n = np.sqrt(np.diag(G))
    return [G, n][0], (x, n)


def gram_and_norms_backward(dG, cache):
    x, _ = cache
    return (dG + dG.T) @ x


def symmetric_parts(m: Float[A, "N N"]):
    return ((m + m.T) / 2, (m - m.T) / 2, np.trace(m)), len(m)


def symmetric_parts_backward(dys, n):
    s, a, t = dys
    return (s + s.T + a - a.T) / 2 + t * np.eye(n)
