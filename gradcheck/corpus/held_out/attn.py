import numpy as np
E = np.einsum

def softmax(s):
    s = np.exp(s - s.max(-1, keepdims=True)); return s / s.sum(-1, keepdims=True)

def causal_mha(x, wqkv, wo, heads):
    # x (B,T,C) wqkv (C,3C) wo (C,C)
    B, T, C = x.shape; d = C // heads
    qkv = (x @ wqkv).reshape(B, T, 3, heads, d)
    q, k, v = qkv.transpose(2, 0, 3, 1, 4)
    s = E('bhid,bhjd->bhij', q, k) / np.sqrt(d)
    s = np.where(np.tril(np.ones((T, T), bool)), s, -np.inf)
    p = softmax(s)
    o = E('bhij,bhjd->bihd', p, v).reshape(B, T, C)
    return o @ wo, (x, wqkv, wo, q, k, v, p, o)

def causal_mha_backward(dy, cache):
    x, wqkv, wo, q, k, v, p, o = cache
    B, H, T, d = q.shape
    dwo = E('btc,btk->ck', o, dy)
    do = (dy @ wo.T).reshape(B, T, H, d).transpose(0, 2, 1, 3)
    dv = E('bhij,bhid->bhjd', p, do)
    dp = E('bhid,bhjd->bhij', do, v)
    ds = p * (dp - (dp * p).sum(-1, keepdims=True)) / np.sqrt(d)
    dq = E('bhij,bhjd->bhid', ds, k)
    dk = E('bhij,bhid->bhjd', ds, q)
    dqkv = np.stack([dq, dk, dv]).transpose(1, 3, 0, 2, 4).reshape(B, T, 3 * H * d)
    return dqkv @ wqkv.T, E('btc,btk->ck', x, dqkv), dwo

def mqa(q, k, v):
    # multi-query: q (H,T,d), one k (S,d) and one v (S,e) for all heads
    p = softmax(E('htd,sd->hts', q, k) * q.shape[-1] ** -.5)
    return p @ v, (q, k, v, p)

def mqa_backward(g, cache):
    q, k, v, p = cache
    scale = q.shape[-1] ** -.5
    dv = E('hts,hte->se', p, g)
    dp = g @ v.T
    ds = p * (dp - E('hts,hts->ht', p, dp)[..., None])
    ds *= scale
    return ds @ k, E('hts,htd->sd', ds, q), dv

CASES = {
    'causal_mha': lambda r: (r.standard_normal((2, 5, 6)), r.standard_normal((6, 18)) * .5, r.standard_normal((6, 6)), 3),
    'mqa': lambda r: (r.standard_normal((2, 3, 4)), r.standard_normal((5, 4)), r.standard_normal((5, 6))),
}
