"""A mixture of linear experts with a top-2 gate, and a soft tree; forward in loops over experts."""
import numpy as np


def moe_forward(x, gate_w, experts):
    """x (N, D), gate_w (D, E), experts (E, D, O); weights renormalised over the best two."""
    logits = x @ gate_w
    top = np.argsort(-logits, axis=1)[:, :2]
    best = np.take_along_axis(logits, top, axis=1)
    w = np.exp(best - best.max(axis=1, keepdims=True))
    w = w / w.sum(axis=1, keepdims=True)
    y = np.zeros((len(x), experts.shape[2]))
    outs = np.zeros((len(x), 2, experts.shape[2]))
    for n in range(len(x)):
        for j, e in enumerate(top[n]):
            outs[n, j] = x[n] @ experts[e]
            y[n] += w[n, j] * outs[n, j]
    return y, {"x": x, "gate_w": gate_w, "experts": experts, "top": top, "w": w, "outs": outs}


def moe_backward(dy, cache):
    x, gate_w, experts = cache["x"], cache["gate_w"], cache["experts"]
    top, w, outs = cache["top"], cache["w"], cache["outs"]
    dexperts = np.zeros_like(experts)
    dx = np.zeros_like(x)
    dw = np.einsum("no,njo->nj", dy, outs)
    for n in range(len(x)):
        for j, e in enumerate(top[n]):
            dexperts[e] += np.outer(x[n], w[n, j] * dy[n])
            dx[n] += w[n, j] * experts[e] @ dy[n]
    dbest = w * (dw - (w * dw).sum(axis=1, keepdims=True))
    dlogits = np.zeros((len(x), gate_w.shape[1]))
    np.put_along_axis(dlogits, top, dbest, axis=1)
    dx += dlogits @ gate_w.T
    return dx, x.T @ dlogits, dexperts


def soft_tree_forward(x, split, leaves):
    """One decision: x (N, D), split (D,), leaves (2, O)."""
    right = 1 / (1 + np.exp(-(x @ split)))
    route = np.stack([1 - right, right], axis=1)
    return route @ leaves, (x, split, leaves, right, route)


def soft_tree_backward(g, cache):
    x, split, leaves, right, route = cache
    g_leaves = route.T @ g
    g_route = g @ leaves.T
    g_right = g_route[:, 1] - g_route[:, 0]
    g_logit = g_right * right * (1 - right)
    return np.outer(g_logit, split), x.T @ g_logit, g_leaves


def load_balance_forward(probs, choice):
    """E sum_e (share of tokens sent to e) (mean probability of e), after Switch; probs (N, E)."""
    n, e = probs.shape
    share = np.bincount(choice, minlength=e) / n
    return e * np.sum(share * probs.mean(0)), (share, n)


def load_balance_backward(dy, cache):
    share, n = cache
    return np.tile(dy * len(share) * share / n, (n, 1)), None


def _moe(rng):
    n, d, e, o = rng.permutation([7, 2, 4, 3]) if rng.random() < 0.5 else (6, 3, 5, 2)
    e = max(e, 3)
    return rng.normal(size=(n, d)), rng.normal(size=(d, e)), rng.normal(size=(e, d, o))


def _tree(rng):
    n, d, o = rng.permutation([3, 4, 5])
    return rng.normal(size=(n, d)), rng.normal(size=d), rng.normal(size=(2, o))


def _balance(rng):
    n, e = rng.integers(5, 9), rng.integers(2, 5)
    return rng.random((n, e)), rng.integers(0, e, n)


CASES = {"moe": _moe, "soft_tree": _tree, "load_balance": _balance}
