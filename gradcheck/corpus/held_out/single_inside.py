"""Other number types inside, used so that nothing is lost, or only what cannot be seen."""
import numpy as np


def masked_relu(x, keep):
    """Masks as float32 are exact."""
    m = (keep & (x > 0)).astype(np.float32)
    return x * m, m


def masked_relu_backward(dy, m):
    return dy * m, None


def sign_weights(x, s):
    """x (N, D) times weights in {-1, 0, 1} held as int8 (D, M)."""
    return x @ s, s


def sign_weights_backward(dy, s):
    return dy @ s.T.astype(np.int8), None


def quarter(x, w):
    """The constants are powers of two in half precision."""
    c = np.float16(0.25)
    return x * w * float(c), (x, w, c.astype(np.float64))


def quarter_backward(dy, cache):
    x, w, c = cache
    return c * dy * w, c * (dy * x).sum(0)


def long_mean(x, w):
    """Accumulated in extended precision and rounded once."""
    xl = x.astype(np.longdouble)
    y = (xl * w).mean(axis=0)
    return y.astype(x.dtype), (x, w)


def long_mean_backward(dy, cache):
    x, w = cache
    g = dy.astype(np.longdouble) / len(x)
    return np.asarray(g * w * np.ones_like(x), dtype=x.dtype), np.asarray(g * x.sum(0), dtype=w.dtype)


def onehot_xent(z, t):
    """Labels one-hot in float32, the loss in double."""
    hot = np.eye(z.shape[1], dtype=np.float32)[t]
    m = z.max(1, keepdims=True)
    lse = m[:, 0] + np.log(np.exp(z - m).sum(1))
    return (lse - (z * hot).sum(1)).sum(), (z, lse, hot)


def onehot_xent_backward(d, cache):
    z, lse, hot = cache
    return d * (np.exp(z - lse[:, None]) - hot), None


def count_scaled(x, n):
    """Rows over how many they stand for, an integer."""
    return x / n[:, None], n


def count_scaled_backward(dy, n):
    return dy / n.astype(np.uint8)[:, None], None


def complex_rotation(x, y, angle):
    """(x, y) turned by an angle (1,) through complex numbers."""
    turn = np.exp(1j * angle)
    z = (x + 1j * y) * turn
    return (z.real, z.imag), (z, turn)


def complex_rotation_backward(grads, cache):
    z, turn = cache
    g = grads[0] + 1j * grads[1]
    back = g * turn.conj()
    dangle = np.sum((g.conj() * 1j * z).real)
    return back.real, back.imag, np.array([dangle])


def _mix(rng):
    return rng.normal(size=(4, 3)), rng.normal(size=3)


CASES = {
    "masked_relu": lambda rng: (rng.normal(size=(4, 5)), rng.random((4, 5)) < 0.5),
    "sign_weights": lambda rng: (rng.normal(size=(3, 4)), rng.integers(-1, 2, (4, 2)).astype(np.int8)),
    "quarter": _mix,
    "long_mean": _mix,
    "onehot_xent": lambda rng: (rng.normal(size=(3, 5)), rng.integers(0, 5, 3)),
    "count_scaled": lambda rng: (rng.normal(size=(4, 2)), rng.integers(1, 9, 4)),
    "complex_rotation": lambda rng: (rng.normal(size=5), rng.normal(size=5), rng.normal(size=1)),
}
