"""Scaled dot-product attention, single head, batched.
causal: query i sees keys j <= i.      pad: boolean (B, S), True = real token."""
import numpy as np


def softmax(s):
    s = s - s.max(axis=-1, keepdims=True)
    e = np.exp(s)
    return e / e.sum(axis=-1, keepdims=True)


def attend(q, k, v, pad, causal=True):
    B, L, d = q.shape
    S = k.shape[1]
    scale = 1.0 / np.sqrt(d)
    scores = q @ k.transpose(0, 2, 1) * scale
    keep = np.broadcast_to(pad[:, None, :], (B, L, S))
    if causal:
        keep = keep & np.tril(np.ones((L, S), dtype=bool))
    scores = np.where(keep, scores, -1e9)
    w = softmax(scores)
    out = w @ v
    return out, (q, k, v, w, keep, scale)


def attend_backward(dout, cache):
    q, k, v, w, keep, scale = cache
    dv = w.transpose(0, 2, 1) @ dout
    dw = dout @ v.transpose(0, 2, 1)
    ds = w * (dw - (dw * w).sum(axis=-1, keepdims=True))
    ds = np.where(keep, ds, 0.0)
    ds = ds * scale
    dq = ds @ k
    dk = ds.transpose(0, 2, 1) @ q
    return dq, dk, dv, None


def attend_dropout(Q, K, V, bias, M, keep_prob=0.8):
    """Additive score bias (L, S) shared over the batch; dropout mask M (B, L, S) on the weights."""
    d = Q.shape[-1]
    A = np.einsum("bld,bsd->bls", Q, K) / d ** 0.5 + bias
    P = softmax(A)
    Pd = P * M / keep_prob
    return np.einsum("bls,bse->ble", Pd, V), dict(Q=Q, K=K, V=V, P=P, Pd=Pd, M=M, kp=keep_prob)


def attend_dropout_backward(dO, c):
    Q, K, V, P, M, kp = c["Q"], c["K"], c["V"], c["P"], c["M"], c["kp"]
    dV = np.einsum("bls,ble->bse", c["Pd"], dO)
    dPd = np.einsum("ble,bse->bls", dO, V)
    dP = dPd * M / kp
    delta = np.sum(dP * P, axis=2, keepdims=True)
    dA = P * (dP - delta)
    dbias = dA.sum(0)
    r = Q.shape[-1] ** -0.5
    dQ = r * np.einsum("bls,bsd->bld", dA, K)
    dK = r * np.einsum("bls,bld->bsd", dA, Q)
    return dQ, dK, dV, dbias, None


def _pad(B, S, lens):
    return np.arange(S) < np.array(lens)[:, None]


CASES = {
    "attend": [
        lambda r: (r.standard_normal((2, 5, 3)), r.standard_normal((2, 5, 3)), r.standard_normal((2, 5, 4)), _pad(2, 5, [5, 3])),
        lambda r: (r.standard_normal((3, 4, 2)), r.standard_normal((3, 6, 2)), r.standard_normal((3, 6, 5)), _pad(3, 6, [4, 2, 6])),
    ],
    "attend_dropout": lambda r: (r.standard_normal((2, 3, 5)), r.standard_normal((2, 4, 5)), r.standard_normal((2, 4, 6)),
                                 r.standard_normal((3, 4)), r.random((2, 3, 4)) < 0.8),
}
