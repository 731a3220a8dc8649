import numpy as np
from jaxtyping import Float

Arr = np.ndarray


def lora(x: Float[Arr, "N D"], W: Float[Arr, "D M"], A: Float[Arr, "D R"], B: Float[Arr, "R M"]):
    """x (W + 2 A B): a frozen-looking weight and a correction of low rank."""
    xa = x @ A
    return x @ W + 2.0 * (xa @ B), (x, W, A, B, xa)


def lora_backward(grad, cache):
    x, W, A, B, xa = cache
    grad_xa = 2.0 * grad @ B.T
    grad_x = grad @ W.T + grad_xa @ A.T
    return grad_x, x.T @ grad, x.T @ grad_xa, 2.0 * xa.T @ grad


def bilinear(u: Float[Arr, "N I"], v: Float[Arr, "N J"], T: Float[Arr, "K I J"], b: Float[Arr, " K"]):
    return np.einsum("ni,kij,nj->nk", u, T, v) + b, (u, v, T)


def bilinear_backward(dz, cache):
    u, v, T = cache
    du = np.einsum("nk,kij,nj->ni", dz, T, v)
    dv = np.einsum("nk,kij,ni->nj", dz, T, u)
    dT = np.einsum("nk,ni,nj->kij", dz, u, v)
    return du, dv, dT, dz.sum(0)


def fm_pairs(x: Float[Arr, "N F"], V: Float[Arr, "F K"]):
    """Factorisation machine: sum over i < j of <V_i, V_j> x_i x_j."""
    s = x @ V
    return 0.5 * ((s**2).sum(1) - (x**2 @ V**2).sum(1)), (x, V, s)


def fm_pairs_backward(dy, cache):
    x, V, s = cache
    d = dy[:, None]
    dx = d * (s @ V.T - x * (V**2).sum(1))
    dV = x.T @ (d * s) - V * ((x**2).T @ d)
    return dx, dV


def cp_tensor(a: Float[Arr, "I R"], b: Float[Arr, "J R"], c: Float[Arr, "K R"]):
    return np.einsum("ir,jr,kr->ijk", a, b, c), (a, b, c)


def cp_tensor_backward(g, cache):
    a, b, c = cache
    ga = np.einsum("ijk,jr,kr->ir", g, b, c)
    gb = np.einsum("ijk,ir,kr->jr", g, a, c)
    gc = np.einsum("ijk,ir,jr->kr", g, a, b)
    return ga, gb, gc


def gram_style(F: Float[Arr, "C P"]):
    """The Gram matrix of style transfer."""
    return F @ F.T / F.shape[1], F


def gram_style_backward(dG, F):
    return (dG + dG.T) @ F / F.shape[1]


def quadratic_form(x: Float[Arr, "N D"], Q: Float[Arr, "D D"], p: Float[Arr, " D"]):
    """x' Q x + p' x for the rows of x; Q need not be symmetric."""
    return ((x @ Q) * x).sum(-1) + x @ p, (x, Q, p)


def quadratic_form_backward(dy, cache):
    x, Q, p = cache
    w = dy[:, None] * x
    dx = w @ Q + w @ Q.T + np.outer(dy, p)
    dQ = x.T @ w
    dp = w.sum(0)
    return dx, dQ, dp
