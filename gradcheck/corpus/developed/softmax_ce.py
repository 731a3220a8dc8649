import numpy as np


def softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    p = e / e.sum(axis=1, keepdims=True)
    return p, p


def softmax_backward(dp, p):
    inner = np.sum(dp * p, axis=1, keepdims=True)
    return p * (dp - inner)


def softmax_loss(x, y):
    """Mean cross entropy of a minibatch.  x: scores (N, C), y: labels (N,)."""
    shifted = x - np.max(x, axis=1, keepdims=True)
    logp = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    N = x.shape[0]
    loss = -np.mean(logp[np.arange(N), y])
    return loss, (np.exp(logp), y)


def softmax_loss_backward(dloss, cache):
    probs, y = cache
    N = probs.shape[0]
    dx = probs.copy()
    dx[np.arange(N), y] -= 1
    dx /= N
    return dloss * dx, None


def nll_per_sample(x, y, w):
    """No reduction: one loss per row, weighted by its class weight w[y]."""
    m = x.max(1, keepdims=True)
    lse = m[:, 0] + np.log(np.exp(x - m).sum(1))
    rows = np.arange(len(y))
    ce = lse - x[rows, y]
    return w[y] * ce, (x, y, w, lse, ce)


def nll_per_sample_backward(dl, cache):
    x, y, w, lse, ce = cache
    P = np.exp(x - lse[:, None])
    onehot = np.eye(x.shape[1])[y]
    gx = (dl * w[y])[:, None] * (P - onehot)
    gw = np.zeros_like(w)
    np.add.at(gw, y, dl * ce)
    return gx, None, gw


CASES = {
    "softmax": lambda r: (r.standard_normal((4, 5)),),
    "softmax_loss": [lambda r: (r.standard_normal((6, 4)), r.integers(0, 4, 6)),
                     lambda r: (3 * r.standard_normal((3, 7)), r.integers(0, 7, 3))],
    "nll_per_sample": lambda r: (r.standard_normal((7, 3)), r.integers(0, 3, 7), r.uniform(0.5, 2, 3)),
}
