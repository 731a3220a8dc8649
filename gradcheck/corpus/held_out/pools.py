import numpy as np


def max_pool(x, size=3, stride=2):
    N, C, H, W = x.shape
    Ho = (H - size) // stride + 1
    Wo = (W - size) // stride + 1
    out = np.empty((N, C, Ho, Wo))
    arg = np.empty((N, C, Ho, Wo), dtype=int)
    for i in range(Ho):
        for j in range(Wo):
            win = x[:, :, i * stride:i * stride + size, j * stride:j * stride + size]
            flat = win.reshape(N, C, -1)
            arg[:, :, i, j] = flat.argmax(axis=2)
            out[:, :, i, j] = flat.max(axis=2)
    return out, (x.shape, arg, size, stride)


def max_pool_backward(dout, cache):
    xshape, arg, size, stride = cache
    N, C, Ho, Wo = dout.shape
    dx = np.zeros(xshape)
    for n in range(N):
        for c in range(C):
            for i in range(Ho):
                for j in range(Wo):
                    r, s = divmod(arg[n, c, i, j], size)
                    # windows overlap, hence +=
                    dx[n, c, i * stride + r, j * stride + s] += dout[n, c, i, j]
    return dx


def avg_pool(x, k=(2, 3)):
    """non-overlapping average pooling by reshaping"""
    kh, kw = k
    N, C, H, W = x.shape
    y = x.reshape(N, C, H // kh, kh, W // kw, kw).mean(axis=(3, 5))
    return y, k


def avg_pool_backward(dy, k):
    kh, kw = k
    g = dy / (kh * kw)
    g = np.repeat(g, kh, axis=2)
    g = np.repeat(g, kw, axis=3)
    return g


def max_pool_fast(x, p=2):
    N, C, H, W = x.shape
    xr = x.reshape(N, C, H // p, p, W // p, p)
    out = xr.max(axis=3).max(axis=4)
    return out, {"x": x, "xr": xr, "out": out}


def max_pool_fast_backward(dout, cache):
    x, xr, out = cache["x"], cache["xr"], cache["out"]
    mask = xr == out[:, :, :, None, :, None]
    dxr = np.zeros_like(xr)
    dbc = np.broadcast_to(dout[:, :, :, None, :, None], dxr.shape)
    dxr[mask] = dbc[mask]
    dxr /= np.sum(mask, axis=(3, 5), keepdims=True)
    return dxr.reshape(x.shape)


CASES = {
    "max_pool": [lambda r: (r.standard_normal((2, 3, 7, 5)),), lambda r: (r.standard_normal((1, 2, 4, 6)), 2, 1)],
    "avg_pool": lambda r: (r.standard_normal((2, 3, 4, 6)),),
    "max_pool_fast": lambda r: (r.standard_normal((3, 2, 4, 8)),),
}
