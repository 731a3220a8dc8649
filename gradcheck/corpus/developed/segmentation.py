"""U-Net training utilities: soft Dice, soft Tversky, softmax over the channel axis, crop-and-concat."""
import numpy as np


def channel_softmax(z):
    # z: (N, K, H, W)
    z = z - z.max(axis=1, keepdims=True)
    e = np.exp(z)
    p = e / e.sum(axis=1, keepdims=True)
    return p, p


def channel_softmax_backward(dp, p):
    inner = np.sum(dp * p, axis=1, keepdims=True)
    return p * (dp - inner)


def dice_loss(logits, labels, smooth=1.0):
    """binary soft dice, one dice per image; logits (N, H, W)"""
    p = 1.0 / (1.0 + np.exp(-logits))
    inter = (p * labels).sum(axis=(1, 2))
    total = p.sum(axis=(1, 2)) + labels.sum(axis=(1, 2))
    dice = (2 * inter + smooth) / (total + smooth)
    return np.mean(1 - dice), dict(p=p, y=labels, inter=inter, total=total, smooth=smooth)


def dice_loss_backward(dloss, cache):
    p, y, smooth = cache["p"], cache["y"], cache["smooth"]
    num = (2 * cache["inter"] + smooth)[:, None, None]
    den = (cache["total"] + smooth)[:, None, None]
    ddice = -dloss / len(p)
    dp = ddice * (2 * y / den - num / den ** 2)
    return dp * p * (1 - p)


def tversky(p, target, alpha=0.3, beta=0.7):
    """on probabilities, float targets, whole batch in one index"""
    tp = np.vdot(p, target)
    fp = np.vdot(p, 1 - target)
    fn = np.vdot(1 - p, target)
    den = tp + alpha * fp + beta * fn
    return 1 - tp / den, (p, target, tp, den, alpha, beta)


def tversky_backward(dloss, cache):
    p, t, tp, den, alpha, beta = cache
    dtp = -dloss * (1 / den - tp / den ** 2)
    dfp = dloss * alpha * tp / den ** 2
    dfn = dloss * beta * tp / den ** 2
    dp = dtp * t + dfp * (1 - t) - dfn * t
    dt = dtp * p - dfp * p + dfn * (1 - p)
    return dp, dt


def crop_concat(skip, up):
    """centre-crops skip to the size of up, concatenates on channels"""
    h, w = up.shape[2:]
    oy, ox = (skip.shape[2] - h) // 2, (skip.shape[3] - w) // 2
    y = np.concatenate((skip[:, :, oy:oy + h, ox:ox + w], up), axis=1)
    return y, (skip.shape, oy, ox)


def crop_concat_backward(dy, cache):
    shape, oy, ox = cache
    h, w = dy.shape[2:]
    dskip = np.zeros(shape)
    dskip[:, :, oy:oy + h, ox:ox + w] = dy[:, :shape[1]]
    return dskip, dy[:, shape[1]:].copy()


CASES = {
    "channel_softmax": lambda rng: (rng.standard_normal((2, 4, 3, 5)),),
    "dice_loss": lambda rng: (rng.standard_normal((3, 4, 5)), rng.integers(0, 2, (3, 4, 5))),
    "tversky": lambda rng: (rng.uniform(.1, .9, (2, 3)), rng.uniform(0, 1, (2, 3))),
    "crop_concat": lambda rng: (rng.standard_normal((2, 3, 6, 7)), rng.standard_normal((2, 2, 3, 5))),
}
