# polynomials and splines
import numpy as np


def horner(c, x):
    """p(x) = c[0] + c[1] x + ... ; c: (deg + 1,), x: any shape. Partial sums are kept."""
    acc = np.full(x.shape, c[-1])
    partial = [acc]
    for a in c[-2::-1]:
        acc = acc * x + a
        partial.append(acc)
    return acc, (x, partial)


def horner_backward(dy, cache):
    x, partial = cache
    n = len(partial)
    dc = np.zeros(n)
    dx = np.zeros_like(x)
    g = dy
    for k in range(n - 1):
        dc[k] = g.sum()
        dx += g * partial[n - 2 - k]
        g = g * x
    dc[n - 1] = g.sum()
    return dc, dx


def hermite(y, t, h=0.5):
    """Catmull-Rom interpolation of uniformly spaced samples y (n,) at times t (m,), 1 <= t/h < n - 2"""
    i = np.floor(t / h).astype(int)
    s = t / h - i
    p0, p1, p2, p3 = (y[i + k] for k in (-1, 0, 1, 2))
    m1 = 0.5 * (p2 - p0)
    m2 = 0.5 * (p3 - p1)
    h00 = 2 * s ** 3 - 3 * s ** 2 + 1
    h10 = s ** 3 - 2 * s ** 2 + s
    h01 = -2 * s ** 3 + 3 * s ** 2
    h11 = s ** 3 - s ** 2
    out = h00 * p1 + h10 * m1 + h01 * p2 + h11 * m2
    return out, dict(i=i, s=s, h=h, n=len(y), p=(p1, p2), m=(m1, m2), basis=(h00, h10, h01, h11))


def hermite_backward(dout, c):
    i, s = c["i"], c["s"]
    h00, h10, h01, h11 = c["basis"]
    p1, p2 = c["p"]
    m1, m2 = c["m"]
    dp1, dm1, dp2, dm2 = dout * h00, dout * h10, dout * h01, dout * h11
    dy = np.zeros(c["n"])
    np.add.at(dy, i - 1, -0.5 * dm1)
    np.add.at(dy, i, dp1 - 0.5 * dm2)
    np.add.at(dy, i + 1, dp2 + 0.5 * dm1)
    np.add.at(dy, i + 2, 0.5 * dm2)
    slope = ((6 * s ** 2 - 6 * s) * (p1 - p2)
             + (3 * s ** 2 - 4 * s + 1) * m1
             + (3 * s ** 2 - 2 * s) * m2)
    dt = dout * slope / c["h"]
    return dy, dt


CASES = {
    "horner": lambda r: (r.standard_normal(5), r.standard_normal((2, 3))),
    "hermite": lambda r: (r.standard_normal(7), 0.5 * r.uniform(1.05, 4.95, 6)),
}
