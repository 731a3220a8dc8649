"""Losses on maps: focal, soft Dice, Tversky, smooth L1, total variation, Wasserstein along a line."""
import numpy as np


def focal(logits, target):
    """Binary focal loss with gamma = 2, summed; target in {0, 1} as booleans."""
    p = 1 / (1 + np.exp(-logits))
    pt = np.where(target, p, 1 - p)
    return -np.sum((1 - pt) ** 2 * np.log(pt)), (pt, target)


def focal_backward(dloss, cache):
    pt, target = cache
    dpt = 2 * (1 - pt) * np.log(pt) - (1 - pt) ** 2 / pt
    sign = np.where(target, 1, -1)
    return dloss * dpt * sign * pt * (1 - pt), None


def soft_dice_forward(prob, truth):
    """1 - 2|PT| / (|P| + |T|) for each class; maps are (K, H, W)."""
    inter = (prob * truth).sum((1, 2))
    total = prob.sum((1, 2)) + truth.sum((1, 2)) + 1.0
    return 1 - (2 * inter + 1.0) / total, (prob, truth, inter, total)


def soft_dice_backward(dy, cache):
    prob, truth, inter, total = cache
    d_inter = -2 * dy / total
    d_total = dy * (2 * inter + 1) / total**2
    d_prob = d_inter[:, None, None] * truth + d_total[:, None, None]
    d_truth = d_inter[:, None, None] * prob + d_total[:, None, None]
    return d_prob, d_truth


def smooth_l1_forward(pred, gt, weight):
    """Huber with beta = 0.5, weighted per coordinate; boxes (N, 4), weight (4,)."""
    diff = pred - gt
    small = np.abs(diff) < 0.5
    loss = np.where(small, diff**2, np.abs(diff) - 0.25)
    return (weight * loss).mean(), (diff, small, loss, weight)


def smooth_l1_backward(up, cache):
    diff, small, loss, weight = cache
    slope = np.where(small, 2 * diff, np.sign(diff))
    d_pred = up * weight * slope / diff.size
    d_gt = -d_pred
    d_weight = up * loss.sum(0) / diff.size
    return d_pred, d_gt, d_weight


def total_variation(img):
    """Charbonnier differences to the right and down; img (H, W)."""
    right, down = img[:, 1:] - img[:, :-1], img[1:] - img[:-1]
    a, b = np.sqrt(right**2 + 0.01), np.sqrt(down**2 + 0.01)
    return a.sum() + b.sum(), (right / a, down / b, img.shape)


def total_variation_backward(s, cache):
    right, down, shape = cache
    g = np.zeros(shape)
    g[:, 1:] += s * right
    g[:, :-1] -= s * right
    g[1:] += s * down
    g[:-1] -= s * down
    return g


def wasserstein_forward(u, v):
    """Mean squared distance of the sorted samples; u, v (N,)."""
    iu, iv = np.argsort(u), np.argsort(v)
    gap = u[iu] - v[iv]
    return np.mean(gap**2), (iu, iv, gap)


def wasserstein_backward(dy, cache):
    iu, iv, gap = cache
    d = 2 * gap / gap.size * dy
    du, dv = np.empty_like(d), np.empty_like(d)
    du[iu] = d
    dv[iv] = -d
    return du, dv


def _seg(rng):
    s = rng.permutation([2, 3, 4, 5])[:2]
    return rng.normal(size=s), rng.random(s) < 0.5


def _maps(rng):
    s = rng.permutation([2, 3, 4])
    return rng.uniform(0.1, 0.9, s), rng.uniform(0.1, 0.9, s)


def _boxes(rng):
    n = rng.integers(2, 6)
    return rng.normal(size=(n, 4)), rng.normal(size=(n, 4)), rng.uniform(0.5, 2, 4)


CASES = {
    "focal": _seg,
    "soft_dice": _maps,
    "smooth_l1": _boxes,
    "total_variation": lambda rng: (rng.normal(size=rng.permutation([3, 4, 5, 6])[:2]),),
    "wasserstein": lambda rng: tuple(rng.normal(size=(2, rng.integers(4, 9)))),
}
