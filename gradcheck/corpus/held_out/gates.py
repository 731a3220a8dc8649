import numpy as np


def sig(z):
    return 1 / (1 + np.exp(-z))


def swiglu_fwd(x, W, V, U):
    """(silu(x W) * (x V)) U"""
    a = x @ W
    b = x @ V
    s = sig(a)
    h = a * s * b
    return h @ U, (x, W, V, U, a, b, s, h)


def swiglu_bwd(dy, cache):
    x, W, V, U, a, b, s, h = cache
    dU = h.T @ dy
    dh = dy @ U.T
    da = dh * b * (s + a * s * (1 - s))
    db = dh * a * s
    dW = x.T @ da
    dV = x.T @ db
    dx = da @ W.T + db @ V.T
    return dx, dW, dV, dU


def glu_drop(z, bias, keep_mask, p=0.25):
    """z (B, T, 2 C): first half value, second half gate; inverted dropout on the product"""
    z = z + bias
    value, gate = np.split(z, 2, axis=-1)
    g = sig(gate)
    y = value * g * keep_mask / (1 - p)
    return y, {"value": value, "g": g, "mask": keep_mask, "q": 1 - p}


def glu_drop_backward(dy, ch):
    value, g = ch["value"], ch["g"]
    dy = dy * ch["mask"] / ch["q"]
    dvalue = dy * g
    dgate = dy * value * g * (1 - g)
    dz = np.concatenate([dvalue, dgate], axis=-1)
    return dz, dz.sum(axis=(0, 1)), None


def minimal_gru(x, h, Wf, Wc):
    """minimal gated unit, one step: f = sig([h, x] Wf); c = tanh([f h, x] Wc); h' = (1 - f) h + f c"""
    n = h.shape[1]
    hx = np.concatenate([h, x], 1)
    f = sig(hx @ Wf)
    gx = np.concatenate([f * h, x], 1)
    c = np.tanh(gx @ Wc)
    return (1 - f) * h + f * c, (n, h, hx, f, gx, c, Wf, Wc)


def minimal_gru_backward(dout, cache):
    n, h, hx, f, gx, c, Wf, Wc = cache
    df = dout * (c - h)
    dh = dout * (1 - f)
    dc = dout * f
    dcp = dc * (1 - c * c)
    dWc = gx.T @ dcp
    dgx = dcp @ Wc.T
    df += dgx[:, :n] * h
    dh += dgx[:, :n] * f
    dx = dgx[:, n:].copy()
    dfp = df * f * (1 - f)
    dWf = hx.T @ dfp
    dhx = dfp @ Wf.T
    dh += dhx[:, :n]
    dx += dhx[:, n:]
    return dx, dh, dWf, dWc


CASES = {
    "swiglu": lambda r: (r.standard_normal((5, 3)), r.standard_normal((3, 4)), r.standard_normal((3, 4)),
                         r.standard_normal((4, 2))),
    "glu_drop": lambda r: (r.standard_normal((2, 5, 6)), r.standard_normal(6), r.random((2, 5, 3)) < 0.75),
    "minimal_gru": lambda r: (r.standard_normal((5, 3)), r.standard_normal((5, 4)),
                              r.standard_normal((7, 4)), r.standard_normal((7, 4))),
}
