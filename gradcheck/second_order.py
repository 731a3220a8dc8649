"""Beyond the gradient itself, where there is a twin: its adjoint, and its own derivative.

`adjoint`: <u, J v> = <J'u, v>, with J v by `jax.jvp` and J'u by hand: no step, no difference.
`curvature`: w . H v, with H v by JAX's derivative of its gradient, against certified differences of
the hand gradients. A backward that is right at one point only fails it.

Source of the dot-product test: Claerbout, Earth Soundings Analysis (1992), chapter 5.
"""

from functools import partial
from typing import Any

import numpy as np

from gradcheck import autodiff, numeric
from gradcheck.instrument import watching
from gradcheck.kinks import Fingerprint
from gradcheck.report import Finding
from gradcheck.subjects import Subject

Array = np.ndarray


def adjoint(
    subject: Subject, dy: tuple, grads: tuple, slack: list[float], unit: float, seed: int
) -> list[Finding]:
    """<dy, J v> by forward mode against <g, v>, for a random v in all arguments at once."""
    import jax

    v = _directions(subject, seed)
    given = tuple(subject.arrays[i] for i in subject.floats)

    def pushed(arrays: tuple, tangents: tuple) -> Any:
        return jax.jvp(partial(_twin, subject), arrays, tangents)[1]

    with jax.enable_x64(True):
        Jv = jax.jit(pushed, compiler_options=autodiff.options())(given, tuple(v))
    Jv = Jv if isinstance(Jv, tuple) else (Jv,)
    forward = sum(float(np.sum(u * np.asarray(t))) for u, t in zip(dy, Jv, strict=True))
    by_hand = sum(float(np.sum(g * d)) for g, d in zip(grads, v, strict=True))
    size = sum(float(np.sum(np.abs(g * d))) for g, d in zip(grads, v, strict=True))
    bound = sum(s * float(np.linalg.norm(d)) for s, d in zip(slack, v, strict=True))
    if abs(forward - by_hand) <= bound + 16 * unit * size:
        return []
    message = f"<dy, J v> is {forward:.6g} by jax.jvp, <gradients, v> {by_hand:.6g}"
    return [Finding("unnamed", message, None, subject.file, None, subject.case())]


def curvature(subject: Subject, dy: tuple, seed: int) -> tuple[float, float, float]:
    """w . H v three times: by JAX, by differences of the hand gradients, and the latter's bound.

    H is the second derivative of <dy, y> by all float arguments; v and w are random.
    """
    import jax

    v = _directions(subject, seed)
    rng = np.random.default_rng([seed, 1])
    w = [rng.standard_normal(np.shape(d)) for d in v]

    def gradients(t: float) -> tuple:
        arrays = list(subject.arrays)
        for i, d in zip(subject.floats, v, strict=True):
            arrays[i] = arrays[i] + t * d
        return subject.gradients(dy, subject.run(tuple(arrays)))

    start = gradients(0.0)

    def phi(t: float) -> float:
        pairs = zip(w, gradients(t), start, strict=True)
        return float(sum(np.sum(u * (g - g0)) for u, g, g0 in pairs))

    def piece(t: float) -> bytes:
        hook = Fingerprint()
        with watching(subject.functions, hook):
            gradients(t)
        return hook.digest()

    size = float(sum(np.sum(np.abs(u * g)) for u, g in zip(w, start, strict=True)))
    measured = numeric.directional(phi, piece, 4 * numeric.UNIT * size)

    def loss(arrays: tuple) -> Any:
        y = _twin(subject, *arrays)
        ys = y if isinstance(y, tuple) else (y,)
        return sum((u * a).sum() for u, a in zip(dy, ys, strict=True))

    def product(arrays: tuple, tangents: tuple) -> Any:
        return jax.jvp(jax.grad(loss), (arrays,), (tangents,))[1]

    given = tuple(subject.arrays[i] for i in subject.floats)
    with jax.enable_x64(True):
        Hv = jax.jit(product, compiler_options=autodiff.options())(given, tuple(v))
    exact = float(sum(np.sum(u * np.asarray(h)) for u, h in zip(w, Hv, strict=True)))
    rounding = 1e-12 * float(np.sqrt(sum(np.sum(np.square(h)) for h in Hv))) + 1e-24 * size
    return exact, measured.value, measured.bound + rounding


def bends_wrong(subject: Subject, dy: tuple, seed: int) -> list[Finding]:
    """The finding of `curvature`, if there is one."""
    exact, measured, bound = curvature(subject, dy, seed)
    if not abs(exact - measured) > bound:
        return []
    message = f"the gradients bend wrongly: w.H v is {measured:.6g}, by JAX {exact:.6g}"
    return [Finding("unnamed", message, None, subject.file, None, subject.case())]


def _twin(subject: Subject, *floats: Any) -> Any:
    """The twin as a function of the float arrays alone."""
    arrays = list(subject.arrays)
    for i, a in zip(subject.floats, floats, strict=True):
        arrays[i] = a
    return subject.twin(*arrays, **subject.config)  # type: ignore[misc]


def _directions(subject: Subject, seed: int) -> list[Array]:
    rng = np.random.default_rng([seed, 2])
    return [numeric.direction(subject.arrays[i], rng) for i in subject.floats]
