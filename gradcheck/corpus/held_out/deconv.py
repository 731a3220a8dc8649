import numpy as np

# transposed convolution and nearest-neighbour upsampling


def conv_transpose2d(x, w, b, stride=2, padding=1):
    """
    x : (N, Cin, H, W)
    w : (Cin, Cout, KH, KW)
    b : (Cout,)
    """
    N, Cin, H, W = x.shape
    _, Cout, KH, KW = w.shape
    full = np.zeros((N, Cout, (H - 1) * stride + KH, (W - 1) * stride + KW))
    for i in range(H):
        for j in range(W):
            patch = np.tensordot(x[:, :, i, j], w, axes=([1], [0]))
            full[:, :, i * stride:i * stride + KH, j * stride:j * stride + KW] += patch
    hh, ww = full.shape[2:]
    out = full[:, :, padding:hh - padding, padding:ww - padding]
    out = out + b[None, :, None, None]
    cache = {"x": x, "w": w, "stride": stride, "padding": padding}
    return out, cache


def conv_transpose2d_backward(dout, cache):
    x, w = cache["x"], cache["w"]
    st, pd = cache["stride"], cache["padding"]
    N, Cin, H, W = x.shape
    _, Cout, KH, KW = w.shape

    # undo the cropping
    dfull = np.pad(dout, ((0, 0), (0, 0), (pd, pd), (pd, pd)))

    dx = np.zeros_like(x)
    dw = np.zeros_like(w)
    for i in range(H):
        for j in range(W):
            win = dfull[:, :, i * st:i * st + KH, j * st:j * st + KW]
            dx[:, :, i, j] = np.tensordot(win, w, axes=([1, 2, 3], [1, 2, 3]))
            dw += np.tensordot(x[:, :, i, j], win, axes=([0], [0]))
    db = dout.sum(axis=(0, 2, 3))
    return dx, dw, db


def upsample(x, k=3):
    y = x.repeat(k, axis=2).repeat(k, axis=3)
    return y, (x.shape, k)


def upsample_backward(dy, cache):
    (N, C, H, W), k = cache
    return dy.reshape(N, C, H, k, W, k).sum(axis=(3, 5))


CASES = {
    "conv_transpose2d": [
        lambda r: (r.standard_normal((2, 3, 3, 4)), r.standard_normal((3, 5, 4, 3)), r.standard_normal(5)),
        lambda r: (r.standard_normal((3, 2, 2, 3)), r.standard_normal((2, 4, 3, 5)), r.standard_normal(4), 1, 0),
    ],
    "upsample": lambda r: (r.standard_normal((2, 1, 4, 5)),),
}
