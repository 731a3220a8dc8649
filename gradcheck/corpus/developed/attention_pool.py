"""Multiple-instance learning heads: attention pooling over patches, NetVLAD-like soft assignment, gated mixture."""
import numpy as np


def softmax(a, axis=-1):
    a = np.exp(a - a.max(axis=axis, keepdims=True))
    return a / a.sum(axis=axis, keepdims=True)


def attn_pool(x, V, w):
    """x (B, P, D), V (D, L), w (L,): weights = softmax_P(tanh(x V) w), y = sum_p weights_p x_p"""
    t = np.tanh(x @ V)
    alpha = softmax(t @ w, axis=1)
    y = np.einsum("bp,bpd->bd", alpha, x)
    return y, (x, V, w, t, alpha)


def attn_pool_backward(dy, cache):
    x, V, w, t, alpha = cache
    dalpha = np.einsum("bd,bpd->bp", dy, x)
    dx = np.einsum("bp,bd->bpd", alpha, dy)
    dscore = alpha * (dalpha - (alpha * dalpha).sum(axis=1, keepdims=True))
    dw = np.einsum("bp,bpl->l", dscore, t)
    dt = dscore[:, :, None] * w
    dpre = dt * (1 - t * t)
    dV = np.tensordot(x, dpre, axes=((0, 1), (0, 1)))
    dx += dpre @ V.T
    return dx, dV, dw


def masked_mean(x, lengths):
    """x (B, T, D) padded, lengths (B,) integers"""
    valid = np.arange(x.shape[1])[None, :] < lengths[:, None]
    y = (x * valid[..., None]).sum(1) / lengths[:, None]
    return y, (valid, lengths)


def masked_mean_backward(dy, cache):
    valid, lengths = cache
    return valid[..., None] * (dy / lengths[:, None])[:, None, :]


def vlad(x, centers, temp):
    """x (B, P, D), centers (K, D), temp (1,) learned: soft assignment by distance, residuals summed"""
    diff = x[:, :, None, :] - centers
    d2 = np.square(diff).sum(-1)
    a = softmax(-temp * d2)
    return np.einsum("bpk,bpkd->bkd", a, diff), (diff, d2, a, temp)


def vlad_backward(dy, cache):
    diff, d2, a, temp = cache
    da = np.einsum("bkd,bpkd->bpk", dy, diff)
    dlogit = a * (da - np.sum(a * da, axis=-1, keepdims=True))
    dtemp = -np.sum(dlogit * d2, keepdims=True).reshape(1)
    dd2 = -temp * dlogit
    ddiff = a[..., None] * dy[:, None] + 2 * diff * dd2[..., None]
    return ddiff.sum(axis=2), -ddiff.sum(axis=(0, 1)), dtemp


CASES = {
    "attn_pool": lambda r: (r.standard_normal((2, 5, 3)), r.standard_normal((3, 4)), r.standard_normal(4)),
    "masked_mean": lambda r: (r.standard_normal((3, 5, 2)), np.array([2, 5, 3])),
    "vlad": lambda r: (r.standard_normal((2, 5, 3)), r.standard_normal((4, 3)), r.uniform(.3, .8, 1)),
}
