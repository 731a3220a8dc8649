"""Losses from papers on embeddings: triplet, InfoNCE, center, contrastive pairs, pairwise ranking."""
import numpy as np


def triplet_forward(anchor, positive, negative):
    margin = 1.5
    dp = np.sum((anchor - positive) ** 2, axis=1)
    dn = np.sum((anchor - negative) ** 2, axis=1)
    hinge = np.maximum(dp - dn + margin, 0)
    return hinge.mean(), (anchor, positive, negative, hinge)


def triplet_backward(dloss, cache):
    anchor, positive, negative, hinge = cache
    active = (hinge > 0)[:, None]
    scale = 2 * dloss / hinge.size * active
    d_anchor = scale * (negative - positive)
    d_positive = -scale * (anchor - positive)
    d_negative = scale * (anchor - negative)
    return d_anchor, d_positive, d_negative


def info_nce_forward(za, zb):
    """Rows of za and zb belong together in pairs; cosine similarity, temperature 0.5."""
    na = np.linalg.norm(za, axis=1, keepdims=True)
    nb = np.linalg.norm(zb, axis=1, keepdims=True)
    ua, ub = za / na, zb / nb
    sim = ua @ ub.T / 0.5
    p = np.exp(sim - sim.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    return -np.mean(np.log(np.diag(p))), (ua, ub, na, nb, p)


def info_nce_backward(dL, cache):
    ua, ub, na, nb, p = cache
    n = len(p)
    dsim = (p - np.eye(n)) / n * dL
    dua = dsim @ ub / 0.5
    dub = dsim.T @ ua / 0.5
    dza = (dua - ua * (dua * ua).sum(1, keepdims=True)) / na
    dzb = (dub - ub * (dub * ub).sum(1, keepdims=True)) / nb
    return dza, dzb


def center_loss_forward(features, centers, labels):
    """Half the squared distance to the center of one's class, averaged over the batch."""
    diff = features - centers[labels]
    return 0.5 * (diff**2).sum() / len(labels), (diff, centers.shape, labels)


def center_loss_backward(dloss, cache):
    diff, shape, labels = cache
    dfeatures = diff * dloss / len(labels)
    dcenters = np.zeros(shape)
    np.add.at(dcenters, labels, -dfeatures)
    return dfeatures, dcenters, None


def contrastive_forward(x1, x2, same):
    """Hadsell et al.; same (N,) is boolean, margin 2."""
    delta = x1 - x2
    dist = np.sqrt((delta**2).sum(1))
    far = np.maximum(2.0 - dist, 0)
    return np.mean(np.where(same, dist**2, far**2)), (delta, dist, far, same)


def contrastive_backward(dy, cache):
    delta, dist, far, same = cache
    per_row = np.where(same, 2 * dist, -2 * far) / len(dist)
    dx1 = dy * (per_row / dist)[:, None] * delta
    return dx1, -dx1, None


def listnet(scores, relevance):
    """Cross entropy of softmax(relevance) and softmax(scores) in every row."""
    def sm(z):
        e = np.exp(z - z.max(1)[:, None])
        return e / e.sum(1)[:, None]

    p, q = sm(relevance), sm(scores)
    rows = -(p * np.log(q)).sum(1)
    return rows, (p, q, rows)


def listnet_backward(d, cache):
    p, q, rows = cache
    d = d[:, None]
    dscores = d * (q - p)
    dp = -d * np.log(q)
    drelevance = p * (dp - (p * dp).sum(1, keepdims=True))
    return dscores, drelevance


def _three(rng):
    n, d = rng.permutation([4, 5, 6, 7])[:2]
    return tuple(0.35 * rng.normal(size=(n, d)) for _ in range(3))


def _two(rng):
    return _three(rng)[:2]


def _centers(rng):
    n, d, c = 8, *rng.permutation([2, 3, 4])[:2]
    return rng.normal(size=(n, d)), rng.normal(size=(c, d)), rng.integers(0, c, n)


def _pairs(rng):
    n, d = 6, rng.integers(2, 5)
    return rng.normal(size=(n, d)) * 0.7, rng.normal(size=(n, d)) * 0.7, np.arange(n) % 3 == 0


CASES = {
    "triplet": _three,
    "info_nce": _two,
    "center_loss": _centers,
    "contrastive": _pairs,
    "listnet": _two,
}
