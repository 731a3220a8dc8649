import math
import numpy as np

C = math.sqrt(2.0 / math.pi)


def gelu_ffn_fwd(x, w1, b1, w2, b2, mask):
    """x (N, D) -> gelu_tanh(x w1 + b1) * mask/keep -> w2 + b2, plus the residual."""
    keep = 0.7
    u = x @ w1 + b1
    inner = C * (u + 0.044715 * u ** 3)
    t = np.tanh(inner)
    a = 0.5 * u * (1 + t)
    ad = a * mask / keep
    y = x + ad @ w2 + b2
    return y, (x, w1, w2, u, t, ad, mask, keep)


def gelu_ffn_bwd(dy, cache):
    x, w1, w2, u, t, ad, mask, keep = cache
    db2 = np.sum(dy, axis=0)
    dw2 = ad.T @ dy
    dad = dy @ w2.T
    da = dad * mask / keep
    dinner = C * (1 + 3 * 0.044715 * u ** 2)
    du = da * (0.5 * (1 + t) + 0.5 * u * (1 - t ** 2) * dinner)
    db1 = np.sum(du, axis=0)
    dw1 = x.T @ du
    dx = dy + du @ w1.T
    return dx, dw1, db1, dw2, db2, None


def swiglu_fwd(x, Wg, Wu, Wd):
    """Llama feed-forward: (silu(x Wg) * (x Wu)) Wd, x (B, T, D)"""
    g = x @ Wg
    up = x @ Wu
    s = 1 / (1 + np.exp(-g))
    act = g * s
    hid = act * up
    return hid @ Wd, dict(x=x, Wg=Wg, Wu=Wu, Wd=Wd, g=g, up=up, s=s, act=act, hid=hid)


def swiglu_bwd(dout, cache):
    x, g, up, s, act = (cache[k] for k in "x g up s act".split())
    dWd = np.einsum("btf,btd->fd", cache["hid"], dout)
    dhid = dout @ cache["Wd"].T
    dact = dhid * up
    dup = dhid * act
    dg = dact * (s + g * s * (1 - s))
    dWg = np.einsum("btd,btf->df", x, dg)
    dWu = np.einsum("btd,btf->df", x, dup)
    dx = dg @ cache["Wg"].T + dup @ cache["Wu"].T
    return dx, dWg, dWu, dWd


def rms_scale_fwd(x, gain, skip, eps=1e-6):
    """RMSNorm with a per-feature gain and a learned scalar residual weight."""
    ms = np.mean(x * x, axis=-1, keepdims=True) + eps
    rinv = ms ** -0.5
    return x * rinv * gain + skip * x, (x, gain, skip, rinv)


def rms_scale_bwd(dy, cache):
    x, gain, skip, rinv = cache
    d = x.shape[-1]
    dskip = np.array([np.sum(dy * x)])
    dgain = np.sum((dy * x * rinv).reshape(-1, d), axis=0)
    dn = dy * gain
    dx = rinv * dn - x * rinv ** 3 * np.sum(dn * x, axis=-1, keepdims=True) / d + skip * dy
    return dx, dgain, dskip


CASES = {
    "gelu_ffn": lambda r: (r.standard_normal((3, 4)), r.standard_normal((4, 6)), r.standard_normal(6),
                           r.standard_normal((6, 4)), r.standard_normal(4), r.random((3, 6)) < 0.7),
    "swiglu": lambda r: (r.standard_normal((2, 3, 4)), r.standard_normal((4, 6)), r.standard_normal((4, 6)),
                         r.standard_normal((6, 5))),
    "rms_scale": [lambda r: (r.standard_normal((3, 5)), r.standard_normal(5), r.standard_normal(1)),
                  lambda r: (r.standard_normal((2, 3, 4)), r.standard_normal(4), r.standard_normal(1))],
}
