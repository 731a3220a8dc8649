"""Physical units: lengths of 1e-9, energies of 1e-19, distances of 1e16, side by side."""
import numpy as np


def coulomb(charge, r):
    """Energy of neighbouring charges (N,) in a row at the distances r (N - 1,)."""
    k = 8.99e9
    return k * charge[1:] * charge[:-1] / r, (charge, r, k)


def coulomb_backward(dE, cache):
    charge, r, k = cache
    dq = np.zeros_like(charge)
    dq[1:] += dE * k * charge[:-1] / r
    dq[:-1] += dE * k * charge[1:] / r
    return dq, -dE * k * charge[1:] * charge[:-1] / r**2


def boltzmann(energy, temperature):
    """Populations of levels (L,) in joules at a temperature (1,) in kelvins."""
    kT = 1.380649e-23 * temperature
    w = np.exp(-(energy - energy.min()) / kT)
    p = w / w.sum()
    return p, (energy, temperature, kT, p)


def boltzmann_backward(dp, cache):
    energy, temperature, kT, p = cache
    ds = p * (dp - dp @ p)  # s = -energy / kT
    return -ds / kT, np.array([ds @ energy]) / (kT * temperature)


def light_years(x, unit):
    return x * unit, (x, unit)


def light_years_backward(dy, cache):
    x, unit = cache
    return dy * unit, np.sum(dy * x, axis=0)


def far_products(a, b):
    """a of 1e120 times b of 1e-120, summed over the columns."""
    return np.einsum("nd,nd->n", a, b), (a, b)


def far_products_backward(g, cache):
    a, b = cache
    return g[:, None] * b, g[:, None] * a


def tiny_step(x, lr):
    """x - lr x^3 with steps of 1e-12."""
    return x - lr * x**3, (x, lr)


def tiny_step_backward(dy, cache):
    x, lr = cache
    return dy * (1 - 3 * lr * x * x), -np.sum(dy * x**3, keepdims=True).reshape(1)


CASES = {
    "coulomb": lambda rng: (rng.normal(size=6) * 1.6e-19, rng.uniform(1, 5, 5) * 1e-10),
    "boltzmann": lambda rng: (rng.uniform(0, 5, 4) * 1e-21, rng.uniform(100, 400, 1)),
    "light_years": lambda rng: (rng.normal(size=(4, 3)), rng.uniform(1, 9, 3) * 1e15),
    "far_products": lambda rng: (rng.normal(size=(3, 4)) * 1e120, rng.normal(size=(3, 4)) * 1e-120),
    "tiny_step": lambda rng: (rng.normal(size=5), rng.uniform(1, 9, 1) * 1e-12),
}
