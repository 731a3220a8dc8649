"""Losses of the siamese / metric-learning branch."""
import numpy as np


def contrastive(x1, x2, same, margin=2.0):
    """Hadsell et al.; same is an int array of 0/1"""
    diff = x1 - x2
    d = np.sqrt((diff ** 2).sum(axis=1))
    gap = np.maximum(margin - d, 0)
    loss = 0.5 * np.mean(same * d ** 2 + (1 - same) * gap ** 2)
    return loss, (diff, d, gap, same)


def contrastive_backward(g, cache):
    diff, d, gap, same = cache
    # dL/d(d) divided by d
    safe = np.where(d > 0, d, 1.0)
    c = same - (1 - same) * gap / safe
    dx1 = g / len(d) * c[:, None] * diff
    return dx1, -dx1


def cosine_loss(u, v):
    nu = np.linalg.norm(u, axis=1, keepdims=True)
    nv = np.linalg.norm(v, axis=1, keepdims=True)
    uh, vh = u / nu, v / nv
    cos = (uh * vh).sum(1, keepdims=True)
    return (1 - cos).mean(), (uh, vh, nu, nv, cos)


def cosine_loss_backward(g, cache):
    uh, vh, nu, nv, cos = cache
    dcos = -g / len(cos)
    du = dcos * (vh - cos * uh) / nu
    dv = dcos * (uh - cos * vh) / nv
    return du, dv


def _pairs_with_a_double(rng):
    # the second pair coincides (augmentation was the identity)
    x1 = rng.standard_normal((6, 3))
    x2 = x1 + 0.5 * rng.standard_normal((6, 3))
    x2[1] = x1[1]
    return x1, x2, np.array([1, 1, 0, 0, 1, 0])


CASES = {
    "contrastive": _pairs_with_a_double,
    "cosine_loss": lambda r: (r.standard_normal((4, 3)), r.standard_normal((4, 3))),
}
