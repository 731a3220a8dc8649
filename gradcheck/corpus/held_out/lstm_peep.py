import numpy as np

# LSTM with peephole connections (Gers & Schmidhuber). Gate blocks in W: i, f, g, o.


def sigm(v):
    return 1 / (1 + np.exp(-v))


def lstm_peep(x, W, b, p):
    """x (T, N, D), W (D + H, 4H), b (4H,), p (3, H): peephole weights of i, f, o."""
    T, N, D = x.shape
    H = p.shape[1]
    h = np.zeros((N, H))
    c = np.zeros((N, H))
    out = np.zeros((T, N, H))
    steps = []
    for t in range(T):
        z = np.concatenate([x[t], h], axis=1)
        a = z @ W + b
        i = sigm(a[:, :H] + p[0] * c)
        f = sigm(a[:, H:2 * H] + p[1] * c)
        g = np.tanh(a[:, 2 * H:3 * H])
        c_new = f * c + i * g
        o = sigm(a[:, 3 * H:] + p[2] * c_new)
        tc = np.tanh(c_new)
        h = o * tc
        steps.append(dict(z=z, i=i, f=f, g=g, o=o, c_old=c, c_new=c_new, tc=tc))
        c = c_new
        out[t] = h
    return out, {"steps": steps, "W": W, "p": p, "D": D}


def lstm_peep_backward(dout, cache):
    W, p, D = cache["W"], cache["p"], cache["D"]
    T, N, H = dout.shape
    dx = np.zeros((T, N, D))
    dW = np.zeros_like(W)
    db = np.zeros(4 * H)
    dp = np.zeros_like(p)
    dh_next = np.zeros((N, H))
    dc_next = np.zeros((N, H))
    for t in reversed(range(T)):
        s = cache["steps"][t]
        i, f, g, o, tc = s["i"], s["f"], s["g"], s["o"], s["tc"]
        dh = dout[t] + dh_next
        # output gate first: it looks at the new cell
        dao = dh * tc * o * (1 - o)
        dc = dc_next + dh * o * (1 - tc ** 2)
        dc += dao * p[2]
        dp[2] += (dao * s["c_new"]).sum(axis=0)

        dai = dc * g * i * (1 - i)
        daf = dc * s["c_old"] * f * (1 - f)
        dag = dc * i * (1 - g ** 2)
        dp[0] += (dai * s["c_old"]).sum(axis=0)
        dp[1] += (daf * s["c_old"]).sum(axis=0)

        da = np.hstack((dai, daf, dag, dao))
        dW += s["z"].T @ da
        db += da.sum(axis=0)
        dz = da @ W.T
        dx[t] = dz[:, :D]
        dh_next = dz[:, D:]
        dc_next = dc * f + dai * p[0] + daf * p[1]
    return dx, dW, db, dp


CASES = {
    "lstm_peep": lambda rng: (
        rng.standard_normal((4, 2, 3)),
        rng.standard_normal((8, 20)) * 0.6,
        rng.standard_normal(20) * 0.4,
        rng.standard_normal((3, 5)) * 0.7,
    )
}
