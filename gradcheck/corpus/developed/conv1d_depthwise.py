import numpy as np


def conv1d(x, w, b, dilation=2):
    """x (B, Cin, L), w (Cout, Cin, K), valid, dilated."""
    B, Cin, L = x.shape
    Cout, _, K = w.shape
    Lo = L - dilation * (K - 1)
    y = np.zeros((B, Cout, Lo))
    for k in range(K):
        xs = x[:, :, k * dilation:k * dilation + Lo]
        y += np.einsum("bcl,oc->bol", xs, w[:, :, k])
    y += b.reshape(1, -1, 1)
    return y, {"x": x, "w": w, "d": dilation}


def conv1d_backward(dy, cache):
    x, w, d = cache["x"], cache["w"], cache["d"]
    K = w.shape[2]
    Lo = dy.shape[2]
    dx, dw = np.zeros_like(x), np.zeros_like(w)
    for k in range(K):
        lo = k * d
        dw[:, :, k] = np.einsum("bol,bcl->oc", dy, x[:, :, lo:lo + Lo])
        dx[:, :, lo:lo + Lo] += np.einsum("bol,oc->bcl", dy, w[:, :, k])
    db = dy.sum(axis=(0, 2))
    return dx, dw, db


def depthwise(x, w, stride=1):
    """x (N, H, W, C), channels last; w (kh, kw, C); 'valid'."""
    N, H, W, C = x.shape
    kh, kw, _ = w.shape
    oh, ow = (H - kh) // stride + 1, (W - kw) // stride + 1
    y = np.zeros((N, oh, ow, C))
    for a in range(kh):
        for b in range(kw):
            y += x[:, a:a + stride * oh:stride, b:b + stride * ow:stride, :] * w[a, b]
    return y, (x, w, stride)


def depthwise_backward(dy, cache):
    x, w, s = cache
    kh, kw, C = w.shape
    _, oh, ow, _ = dy.shape
    gx = np.zeros_like(x)
    gw = np.zeros_like(w)
    for p in range(kh):
        for q in range(kw):
            rows, cols = slice(p, p + s * oh, s), slice(q, q + s * ow, s)
            gx[:, rows, cols, :] += dy * w[p, q]
            gw[p, q] = (dy * x[:, rows, cols, :]).sum(axis=(0, 1, 2))
    return gx, gw


CASES = {
    "conv1d": [lambda r: (r.standard_normal((2, 3, 9)), r.standard_normal((5, 3, 4)), r.standard_normal(5)),
               lambda r: (r.standard_normal((3, 2, 7)), r.standard_normal((4, 2, 3)), r.standard_normal(4), 1)],
    "depthwise": [lambda r: (r.standard_normal((2, 5, 6, 3)), r.standard_normal((3, 2, 3))),
                  lambda r: (r.standard_normal((1, 6, 5, 4)), r.standard_normal((2, 3, 4)), 2)],
}
