"""Energies for the particle demo. An energy returns a float, its backward the gradients times dE."""
import numpy as np


def lj_energy(r, eps, sigma):
    """Lennard-Jones over all pairs: r (N, 3), eps (1,), sigma (1,)."""
    n = len(r)
    E = 0.0
    for i in range(n):
        for j in range(i + 1, n):
            d2 = np.sum((r[i] - r[j]) ** 2)
            s6 = (sigma[0] ** 2 / d2) ** 3
            E += 4 * eps[0] * (s6 * s6 - s6)
    return E, (r, eps, sigma, E)


def lj_energy_backward(dE, cache):
    r, eps, sigma, E = cache
    n = len(r)
    dr = np.zeros_like(r)
    dsig = 0.0
    for i in range(n):
        for j in range(i + 1, n):
            d = r[i] - r[j]
            d2 = d @ d
            s6 = (sigma[0] ** 2 / d2) ** 3
            dds6 = 4 * eps[0] * (2 * s6 - 1)
            f = dds6 * s6 * (-6 / d2) * d
            dr[i] += f
            dr[j] -= f
            dsig += dds6 * 6 * s6 / sigma[0]
    return dE * dr, dE * np.array([E / eps[0]]), dE * np.array([dsig])


def springs(x, k, rest, edges):
    """0.5 sum_e k_e (|x_a - x_b| - rest_e)^2; x (N, D), edges (M, 2)"""
    d = x[edges[:, 0]] - x[edges[:, 1]]
    length = np.sqrt((d * d).sum(axis=1))
    stretch = length - rest
    return 0.5 * float(k @ stretch ** 2), (x.shape, k, d, length, stretch, edges)


def springs_backward(dE, cache):
    shape, k, d, length, stretch, edges = cache
    dk = 0.5 * stretch ** 2
    dlen = k * stretch
    f = (dlen / length)[:, None] * d
    dx = np.zeros(shape)
    np.add.at(dx, edges[:, 0], f)
    np.subtract.at(dx, edges[:, 1], f)
    return dE * dx, dE * dk, -dE * dlen


def _quat_matrix(q):
    w, x, y, z = q
    return np.array([
        [w * w + x * x - y * y - z * z, 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), w * w - x * x + y * y - z * z, 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), w * w - x * x - y * y + z * z],
    ])


def quat_rotate(q, v):
    """Rotate the rows of v (N, 3) by the quaternion q (4,) = (w, x, y, z), normalised here."""
    nrm = np.sqrt(q @ q)
    u = q / nrm
    R = _quat_matrix(u)
    return v @ R.T, (u, nrm, R, v)


def quat_rotate_backward(dy, cache):
    u, nrm, R, v = cache
    dv = dy @ R
    dR = dy.T @ v
    w, x, y, z = u
    dw = 2 * (w * np.trace(dR) + x * (dR[2, 1] - dR[1, 2]) + y * (dR[0, 2] - dR[2, 0]) + z * (dR[1, 0] - dR[0, 1]))
    dx = 2 * (x * (dR[0, 0] - dR[1, 1] - dR[2, 2]) + y * (dR[0, 1] + dR[1, 0])
              + z * (dR[0, 2] + dR[2, 0]) + w * (dR[2, 1] - dR[1, 2]))
    dyq = 2 * (y * (dR[1, 1] - dR[0, 0] - dR[2, 2]) + x * (dR[0, 1] + dR[1, 0])
               + z * (dR[1, 2] + dR[2, 1]) + w * (dR[0, 2] - dR[2, 0]))
    dz = 2 * (z * (dR[2, 2] - dR[0, 0] - dR[1, 1]) + x * (dR[0, 2] + dR[2, 0])
              + y * (dR[1, 2] + dR[2, 1]) + w * (dR[1, 0] - dR[0, 1]))
    du = np.array([dw, dx, dyq, dz])
    dq = (du - u * (u @ du)) / nrm
    return dq, dv


def coulomb(r, q, soft=0.1):
    """sum_{i<j} q_i q_j / sqrt(|r_ij|^2 + soft), all pairs at once"""
    diff = r[:, None] - r[None]
    inv = 1 / np.sqrt((diff ** 2).sum(-1) + soft)
    np.fill_diagonal(inv, 0)
    return 0.5 * float(q @ inv @ q), (diff, inv, q)


def coulomb_backward(dE, cache):
    diff, inv, q = cache
    dq = dE * (inv @ q)
    dr = -dE * np.einsum("i,j,ij,ijd->id", q, q, inv ** 3, diff)
    return dr, dq


CASES = {
    "lj_energy": lambda rng: (np.array([[0, 0, 0], [1.1, 0, .2], [0, 1.3, -.1], [.2, .3, 1.2]]) + rng.normal(0, .05, (4, 3)),
                              np.array([0.7]), np.array([1.0])),
    "springs": lambda rng: (rng.standard_normal((5, 2)), rng.uniform(.5, 2, 6), rng.uniform(.3, 1, 6),
                            np.array([[0, 1], [1, 2], [2, 3], [3, 4], [4, 0], [0, 2]])),
    "quat_rotate": lambda rng: (rng.standard_normal(4), rng.standard_normal((5, 3))),
    "coulomb": lambda rng: (rng.standard_normal((5, 3)), rng.standard_normal(5)),
}
