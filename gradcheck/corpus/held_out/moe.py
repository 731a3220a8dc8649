"""Mixture of experts: dense softmax gate, and top-k routing with renormalised weights and a
load-balancing loss as second output."""
import numpy as np


def softmax(a):
    e = np.exp(a - np.max(a, axis=-1, keepdims=True))
    return e / np.sum(e, axis=-1, keepdims=True)


def dense_moe(x, Wg, bg, We, be, temperature=2.0):
    """x (N, D); gate Wg (D, E), bg (E,); experts We (E, D, O), be (E, O), tanh."""
    gate = softmax((x @ Wg + bg) / temperature)
    hidden = np.tanh(np.einsum("nd,edo->neo", x, We) + be)
    y = np.einsum("ne,neo->no", gate, hidden)
    return y, (x, Wg, We, gate, hidden, temperature)


def dense_moe_backward(dy, cache):
    x, Wg, We, gate, hidden, temperature = cache
    dgate = np.einsum("no,neo->ne", dy, hidden)
    dhidden = gate[:, :, None] * dy[:, None, :]
    # experts
    dz = dhidden * (1 - hidden ** 2)
    dWe = np.einsum("nd,neo->edo", x, dz)
    dbe = dz.sum(axis=0)
    dx = np.einsum("neo,edo->nd", dz, We)
    # gate
    dlogits = gate * (dgate - (gate * dgate).sum(axis=1, keepdims=True)) / temperature
    dWg = x.T @ dlogits
    dbg = dlogits.sum(axis=0)
    dx += dlogits @ Wg.T
    return dx, dWg, dbg, dWe, dbe


def topk_moe(x, Wr, We, k=2, coef=0.5):
    """Route each token to its k best experts (linear experts We (E, D, O)).
    Weights: softmax over all experts, the chosen ones divided by their sum.
    aux = coef * E * sum_e frac_e * mean_n p[n, e]   (frac counts tokens whose FIRST choice is e; constant)"""
    N, E = x.shape[0], Wr.shape[1]
    p = softmax(x @ Wr)
    idx = np.argsort(-p, axis=1)[:, :k]
    sel = np.take_along_axis(p, idx, axis=1)
    tot = sel.sum(axis=1, keepdims=True)
    w = sel / tot
    y = np.zeros((N, We.shape[2]))
    eo = np.zeros((N, k, We.shape[2]))
    for n in range(N):
        for j in range(k):
            eo[n, j] = x[n] @ We[idx[n, j]]
            y[n] += w[n, j] * eo[n, j]
    frac = np.bincount(idx[:, 0], minlength=E) / N
    aux = coef * E * np.sum(frac * p.mean(axis=0))
    return (y, aux), dict(x=x, Wr=Wr, We=We, p=p, idx=idx, w=w, tot=tot, eo=eo, frac=frac, coef=coef)


def topk_moe_backward(grad, c):
    dy, daux = grad
    x, We, p, idx, w = c["x"], c["We"], c["p"], c["idx"], c["w"]
    N, E = p.shape
    dx, dWe = np.zeros_like(x), np.zeros_like(We)
    dw = np.zeros(w.shape)
    for n in range(N):
        for j in range(idx.shape[1]):
            e = idx[n, j]
            dw[n, j] = dy[n] @ c["eo"][n, j]
            dx[n] += w[n, j] * (We[e] @ dy[n])
            dWe[e] += w[n, j] * np.outer(x[n], dy[n])
    dsel = (dw - np.sum(dw * w, axis=1, keepdims=True)) / c["tot"]
    dp = np.zeros_like(p)
    np.put_along_axis(dp, idx, dsel, axis=1)
    dp += daux * c["coef"] * E * c["frac"] / N
    dr = p * (dp - np.sum(p * dp, axis=1, keepdims=True))
    dWr = x.T @ dr
    dx += dr @ c["Wr"].T
    return dx, dWr, dWe


CASES = {
    "dense_moe": lambda r: (r.standard_normal((3, 4)), r.standard_normal((4, 5)), r.standard_normal(5),
                            .5 * r.standard_normal((5, 4, 6)), r.standard_normal((5, 6))),
    "topk_moe": lambda r: (r.standard_normal((5, 3)), 1.5 * r.standard_normal((3, 4)), r.standard_normal((4, 3, 6))),
}
