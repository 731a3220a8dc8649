"""Naive convolution and pooling for images (N, C, H, W): plain loops, easy to check by eye."""
import numpy as np


def conv2d_forward(x, w, b, *, stride=2, pad=1):
    N, C, H, W = x.shape
    F, _, HH, WW = w.shape
    Ho = 1 + (H + 2 * pad - HH) // stride
    Wo = 1 + (W + 2 * pad - WW) // stride
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    out = np.zeros((N, F, Ho, Wo))
    for n in range(N):
        for f in range(F):
            for i in range(Ho):
                for j in range(Wo):
                    r, c = i * stride, j * stride
                    out[n, f, i, j] = np.sum(xp[n, :, r : r + HH, c : c + WW] * w[f]) + b[f]
    return out, (x, w, stride, pad)


def conv2d_backward(dout, cache):
    x, w, stride, pad = cache
    N, C, H, W = x.shape
    F, _, HH, WW = w.shape
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    dxp = np.zeros_like(xp)
    dw = np.zeros_like(w)
    db = np.sum(dout, axis=(0, 2, 3))
    for n in range(N):
        for f in range(F):
            for i in range(dout.shape[2]):
                for j in range(dout.shape[3]):
                    top, left = i * stride, j * stride
                    window = xp[n, :, top : top + HH, left : left + WW]
                    dw[f] += window * dout[n, f, i, j]
                    dxp[n, :, top : top + HH, left : left + WW] += w[f] * dout[n, f, i, j]
    dx = dxp[:, :, pad : pad + H, pad : pad + W]
    return dx, dw, db


def maxpool_forward(img, *, k=3, s=2):
    """Overlapping windows; img (C, H, W)."""
    C, H, W = img.shape
    rows, cols = (H - k) // s + 1, (W - k) // s + 1
    out = np.zeros((C, rows, cols))
    for ch in range(C):
        for i in range(rows):
            for j in range(cols):
                out[ch, i, j] = np.max(img[ch, i * s : i * s + k, j * s : j * s + k])
    return out, (img, k, s)


def maxpool_backward(grad, cache):
    img, k, s = cache
    grad_img = np.zeros(img.shape)
    for ch in range(grad.shape[0]):
        for i in range(grad.shape[1]):
            for j in range(grad.shape[2]):
                patch = img[ch, i * s : i * s + k, j * s : j * s + k]
                a, b = np.unravel_index(np.argmax(patch), patch.shape)
                grad_img[ch, i * s + a, j * s + b] += grad[ch, i, j]
    return grad_img


def avgpool_forward(x, *, size=2):
    B, H, W = x.shape
    h, w = H // size, W // size
    y = x[:, : h * size, : w * size].reshape(B, h, size, w, size).mean(axis=(2, 4))
    return y, (x.shape, size)


def avgpool_backward(dy, cache):
    shape, size = cache
    dx = np.zeros(shape)
    spread = np.repeat(np.repeat(dy, size, axis=1), size, axis=2) / size**2
    dx[:, : spread.shape[1], : spread.shape[2]] = spread
    return dx


def _image(rng):
    N, C, F = rng.choice([1, 2, 3, 4], 3, replace=False)
    H, W = rng.choice([5, 6, 7], 2, replace=False)
    return rng.normal(size=(N, C, H, W)), rng.normal(size=(F, C, 3, 2)), rng.normal(size=F)


def _valid(rng):
    x, w, b = _image(rng)
    return {"x": x[:2], "w": w, "b": b, "stride": 1, "pad": 0}


CASES = {
    "conv2d": [_image, _valid],
    "maxpool": lambda rng: (rng.normal(size=(rng.integers(2, 4), *rng.permutation([5, 7, 8])[:2])),),
    "avgpool": lambda rng: (rng.normal(size=(rng.integers(2, 4), *rng.permutation([4, 5, 7])[:2])),),
}
