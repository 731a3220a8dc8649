import numpy as np


def triplet(anchor, pos, neg, margin=0.5):
    """mean hinge of squared distances"""
    dp = anchor - pos
    dn = anchor - neg
    h = margin + np.sum(dp ** 2, 1) - np.sum(dn ** 2, 1)
    active = h > 0
    loss = np.where(active, h, 0.0).mean()
    return loss, (dp, dn, active)


def triplet_backward(dloss, cache):
    dp, dn, active = cache
    n = len(active)
    s = (2.0 * dloss / n) * active[:, None]
    return s * (dp - dn), -s * dp, s * dn


def contrastive(a, b, same, margin=2.5):
    """Hadsell, Chopra & LeCun: same * d^2 + (1 - same) * max(0, m - d)^2, halved, summed"""
    delta = a - b
    d = np.sqrt((delta ** 2).sum(axis=1) + 1e-9)
    gap = np.maximum(margin - d, 0)
    loss = 0.5 * np.sum(same * d ** 2 + (1 - same) * gap ** 2)
    return loss, (delta, d, gap, same)


def contrastive_backward(dloss, cache):
    delta, d, gap, same = cache
    pull = same[:, None] * delta
    push = ((1 - same) * gap / d)[:, None] * delta
    g = dloss * (pull - push)
    return g, -g, None


def infonce(q, k, tau):
    """rows of q match rows of k; cosine-free version with a learnt temperature"""
    n = q.shape[0]
    S = q @ k.T
    z = S / tau
    z = z - z.max(axis=1, keepdims=True)
    P = np.exp(z)
    P /= P.sum(axis=1, keepdims=True)
    return -np.mean(np.log(np.diag(P))), (q, k, tau, S, P)


def infonce_backward(dloss, cache):
    q, k, tau, S, P = cache
    n = len(P)
    dz = dloss * (P - np.eye(n)) / n
    dS = dz / tau
    dq = dS @ k
    dk = dS.T @ q
    dtau = -(dz * S).sum() / tau ** 2
    return dq, dk, np.array(dtau)


CASES = {
    "triplet": lambda r: tuple(r.standard_normal((7, 3)) for _ in range(3)),
    "contrastive": lambda r: (r.standard_normal((6, 4)), r.standard_normal((6, 4)), np.array([1, 0, 0, 1, 0, 1])),
    "infonce": lambda r: (r.standard_normal((5, 3)), r.standard_normal((5, 3)), np.array(0.7)),
}
