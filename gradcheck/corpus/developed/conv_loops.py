import numpy as np


def conv(x, w, b, stride=2, pad=1):
    """
    x: (N, C, H, W)   w: (F, C, HH, WW)   b: (F,)
    """
    N, C, H, W = x.shape
    F, _, HH, WW = w.shape
    Ho = 1 + (H + 2 * pad - HH) // stride
    Wo = 1 + (W + 2 * pad - WW) // stride
    xpad = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)), mode="constant")
    out = np.zeros((N, F, Ho, Wo))
    for n in range(N):
        for f in range(F):
            for i in range(Ho):
                for j in range(Wo):
                    hs = i * stride
                    ws = j * stride
                    out[n, f, i, j] = np.sum(xpad[n, :, hs:hs + HH, ws:ws + WW] * w[f]) + b[f]
    return out, (x, w, b, stride, pad)


def conv_backward(dout, cache):
    x, w, b, stride, pad = cache
    N, C, H, W = x.shape
    F, _, HH, WW = w.shape
    _, _, Ho, Wo = dout.shape

    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)), mode="constant")
    dxp = np.zeros_like(xp)
    dw = np.zeros_like(w)
    db = np.zeros_like(b)

    for n in range(N):
        for f in range(F):
            db[f] += dout[n, f].sum()
            for i in range(Ho):
                for j in range(Wo):
                    r0, c0 = i * stride, j * stride
                    r1, c1 = r0 + HH, c0 + WW
                    dw[f] += xp[n, :, r0:r1, c0:c1] * dout[n, f, i, j]
                    dxp[n, :, r0:r1, c0:c1] += w[f] * dout[n, f, i, j]

    dx = dxp[:, :, pad:pad + H, pad:pad + W]
    return dx, dw, db


CASES = {
    "conv": [
        lambda r: (r.standard_normal((2, 3, 5, 6)), r.standard_normal((4, 3, 3, 2)), r.standard_normal(4)),
        lambda r: (r.standard_normal((1, 2, 4, 7)), r.standard_normal((3, 2, 2, 3)), r.standard_normal(3)),
    ],
}
