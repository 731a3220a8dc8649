# three layers with tanh and leaky relu, plus a residual block
import numpy as np


def lrelu(a, k=0.1):
    return np.where(a > 0, a, k * a)


def dlrelu(a, k=0.1):
    return np.where(a > 0, 1.0, k)


def net(x, w1, w2, w3, t, lam=0.05):
    a1 = x @ w1
    h1 = np.tanh(a1)
    a2 = h1 @ w2
    h2 = lrelu(a2)
    out = h2 @ w3
    err = out - t
    mse = np.mean(err ** 2)
    l1 = lam * (np.abs(w1).sum() + np.abs(w2).sum())
    l2 = lam * (w3 ** 2).sum()
    return mse + l1 + l2, dict(x=x, w1=w1, w2=w2, w3=w3, h1=h1, a2=a2, h2=h2, err=err, lam=lam)


def net_backward(dL, c):
    dout = dL * 2 * c["err"] / c["err"].size
    gw3 = c["h2"].T @ dout + dL * 2 * c["lam"] * c["w3"]
    dh2 = dout @ c["w3"].T
    da2 = dh2 * dlrelu(c["a2"])
    gw2 = c["h1"].T @ da2 + dL * c["lam"] * np.sign(c["w2"])
    dh1 = da2 @ c["w2"].T
    da1 = dh1 * (1 - c["h1"] ** 2)
    gw1 = c["x"].T @ da1 + dL * c["lam"] * np.sign(c["w1"])
    gx = da1 @ c["w1"].T
    gt = -dout
    return gx, gw1, gw2, gw3, gt


def resblock(x, W, b):
    pre = x @ W + b
    act = np.maximum(pre, 0)
    return x + act, (x, W, pre)


def resblock_backward(dout, cache):
    x, W, pre = cache
    dpre = dout.copy()
    dpre[pre < 0] = 0
    dW = x.T @ dpre
    db = dpre.sum(axis=0)
    dx = dpre @ W.T + dout
    return dx, dW, db


CASES = {
    "net": lambda r: (r.standard_normal((6, 3)), r.standard_normal((3, 5)), r.standard_normal((5, 4)),
                      r.standard_normal((4, 2)), r.standard_normal((6, 2))),
    "resblock": lambda r: (r.standard_normal((5, 3)), r.standard_normal((3, 3)), r.standard_normal(3)),
}
