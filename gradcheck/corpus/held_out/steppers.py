"""One or several steps of simple integrators, differentiated by hand."""
import numpy as np


def leapfrog(q, p, m, dt=0.3, steps=3):
    """Kick-drift-kick for H = sum p^2 / 2m + sum (1 - cos q). q, p: (n, d), m: (d,)"""
    tape = []
    for _ in range(steps):
        q0 = q
        ph = p - 0.5 * dt * np.sin(q0)
        q = q0 + dt * ph / m
        p = ph - 0.5 * dt * np.sin(q)
        tape.append((q0, ph, q))
    return (q, p), (tape, m, dt)


def leapfrog_backward(grads, cache):
    dq, dp = grads
    tape, m, dt = cache
    dm = np.zeros_like(m)
    for q0, ph, q1 in reversed(tape):
        # second kick
        dq = dq - 0.5 * dt * np.cos(q1) * dp
        # drift
        dph = dp + dt * dq / m
        dm -= (dq * dt * ph / m ** 2).sum(axis=0)
        # first kick
        dq = dq - 0.5 * dt * np.cos(q0) * dph
        dp = dph
    return dq, dp, dm


def rk4(y, A, h=0.4):
    """a single RK4 step of y' = tanh(y A^T)"""
    f = lambda u: np.tanh(u @ A.T)
    k1 = f(y)
    u2 = y + 0.5 * h * k1
    k2 = f(u2)
    u3 = y + 0.5 * h * k2
    k3 = f(u3)
    u4 = y + h * k3
    k4 = f(u4)
    out = y + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    return out, (A, h, (y, u2, u3, u4), (k1, k2, k3, k4))


def rk4_backward(dout, cache):
    A, h, us, ks = cache
    dA = np.zeros_like(A)

    def vjp(i, dk):
        """pull dk back through k_i = tanh(u_i A^T), adding to dA"""
        ds = dk * (1 - ks[i] ** 2)
        dA[...] += ds.T @ us[i]
        return ds @ A

    dk1 = dk4 = h / 6 * dout
    dk2 = dk3 = h / 3 * dout
    dy = dout.copy()
    du4 = vjp(3, dk4)
    dy += du4
    du3 = vjp(2, dk3 + h * du4)
    dy += du3
    du2 = vjp(1, dk2 + 0.5 * h * du3)
    dy += du2
    dy += vjp(0, dk1 + 0.5 * h * du2)
    return dy, dA


CASES = {
    "leapfrog": lambda r: (r.standard_normal((3, 2)), r.standard_normal((3, 2)), r.uniform(0.6, 2, 2)),
    "rk4": lambda r: (r.standard_normal((4, 3)), r.standard_normal((3, 3))),
}
