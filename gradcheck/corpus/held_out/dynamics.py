"""Differentiable simulators: integrators and filters.

Convention of the lab: adjoint of v is called v_.
"""
import numpy as np


def _field(y, W):
    return np.tanh(y @ W)


def _field_adj(k_, y, W):
    s = np.tanh(y @ W)
    a_ = k_ * (1 - s * s)
    return a_ @ W.T, y.T @ a_


def rk4_step(y, W, h=0.3):
    """classical Runge-Kutta for y' = tanh(y W)"""
    k1 = _field(y, W)
    k2 = _field(y + h / 2 * k1, W)
    k3 = _field(y + h / 2 * k2, W)
    k4 = _field(y + h * k3, W)
    return y + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4), (y, W, h, k1, k2, k3)


def rk4_step_backward(out_, cache):
    y, W, h, k1, k2, k3 = cache
    y_ = out_.copy()
    k1_, k2_, k3_, k4_ = (h / 6 * c * out_ for c in (1, 2, 2, 1))
    g4, W4 = _field_adj(k4_, y + h * k3, W)
    k3_ = k3_ + h * g4
    g3, W3 = _field_adj(k3_, y + h / 2 * k2, W)
    k2_ = k2_ + h / 2 * g3
    g2, W2 = _field_adj(k2_, y + h / 2 * k1, W)
    k1_ = k1_ + h / 2 * g2
    g1, W1 = _field_adj(k1_, y, W)
    y_ = y_ + g1 + g2 + g3 + g4
    return y_, W1 + W2 + W3 + W4


def euler_roll(x0, A, u, dt=0.1):
    """x[n+1] = x[n] + dt (A x[n] + u[n]); returns all of x[1:]."""
    xs = [x0]
    for un in u:
        xs.append(xs[-1] + dt * (A @ xs[-1] + un))
    return np.array(xs[1:]), (np.array(xs), A, dt)


def euler_roll_backward(ys_, cache):
    xs, A, dt = cache
    A_ = np.zeros_like(A)
    u_ = np.zeros_like(ys_)
    lam = np.zeros(len(A))
    for n in reversed(range(len(ys_))):
        lam = lam + ys_[n]
        u_[n] = dt * lam
        A_ += dt * np.outer(lam, xs[n])
        lam = lam + dt * A.T @ lam
    return lam, A_, u_


def kalman_predict(m, P, F, Q):
    """m+ = F m, P+ = F P F' + Q"""
    return (F @ m, F @ P @ F.T + Q), (m, P, F)


def kalman_predict_backward(outs_, cache):
    m1_, P1_ = outs_
    m, P, F = cache
    F_ = np.outer(m1_, m)
    F_ += P1_ @ F @ P.T + P1_.T @ F @ P
    return F.T @ m1_, F.T @ P1_ @ F, F_, P1_


def kalman_update(m, P, z, H, R):
    """gain K = P H' S^-1 with S = H P H' + R; m+ = m + K (z - H m), P+ = P - K H P."""
    S = H @ P @ H.T + R
    Si = np.linalg.inv(S)
    K = P @ H.T @ Si
    e = z - H @ m
    return (m + K @ e, P - K @ H @ P), (P, H, m, Si, K, e)


def kalman_update_backward(outs_, cache):
    m1_, P1_ = outs_
    P, H, m, Si, K, e = cache
    HP = H @ P
    m_ = m1_.copy()
    P_ = P1_.copy()
    K_ = np.outer(m1_, e) - P1_ @ HP.T
    e_ = K.T @ m1_
    HP_ = -K.T @ P1_
    z_ = e_
    m_ -= H.T @ e_
    H_ = -np.outer(e_, m)
    # K = (P H') Si
    B = P @ H.T
    B_ = K_ @ Si.T
    Si_ = B.T @ K_
    S_ = -Si.T @ Si_ @ Si.T
    P_ += B_ @ H
    H_ += B_.T @ P
    H_ += HP_ @ P.T
    P_ += H.T @ HP_
    H_ += S_ @ H @ P.T + S_.T @ H @ P
    P_ += H.T @ S_ @ H
    return m_, P_, z_, H_, S_


def _cov(r, n):
    a = r.standard_normal((n, n))
    return a @ a.T / n + np.eye(n)


CASES = {
    "rk4_step": lambda r: (r.standard_normal((3, 4)), r.standard_normal((4, 4))),
    "euler_roll": lambda r: (r.standard_normal(3), r.standard_normal((3, 3)), r.standard_normal((5, 3))),
    "kalman_predict": lambda r: (r.standard_normal(3), _cov(r, 3), r.standard_normal((4, 3)), _cov(r, 4)),
    "kalman_update": lambda r: (r.standard_normal(4), _cov(r, 4), r.standard_normal(2), r.standard_normal((2, 4)), _cov(r, 2)),
}
