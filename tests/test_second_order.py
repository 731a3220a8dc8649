"""Hessian-vector products of the twins against differences of the hand gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gradcheck import autodiff, catalogue, numeric, shipped
from gradcheck.checks import cotangent
from gradcheck.instrument import watching
from gradcheck.kinks import Fingerprint

# each of these compiles for five seconds and more
LONG = {"residual_cnn", "Seq2Seq", "CharRNN", "DecoderBlock", "GPT", "EncoderDecoder"}
ENTRIES = [
    pytest.param(e, id=e.name, marks=pytest.mark.slow if e.name in LONG else ())
    for e in catalogue.LAYERS
]


@pytest.mark.parametrize("entry", ENTRIES)
def test_hessian_vector_product(entry, rng, x64):
    """u . H d, with H of <dy, y> in the input and all parameters, d a direction in all of them."""
    subject = shipped.layer_subject(entry, seed=4)
    floats = subject.floats
    dy = tuple(cotangent(v, rng) for v in subject.run().y)
    d = {i: numeric.direction(subject.arrays[i], rng) for i in floats}
    u = {i: rng.standard_normal(subject.arrays[i].shape) for i in floats}

    def moved(t):
        return tuple(a + t * d[i] if i in d else a for i, a in enumerate(subject.arrays))

    def gradient(t):
        ran = subject.run(moved(t))
        return subject.gradients(dy, ran)

    start = gradient(0.0)

    def phi(t):
        pairs = zip(floats, gradient(t), start, strict=True)
        return float(sum(np.sum(u[i] * (g - g0)) for i, g, g0 in pairs))

    def piece(t):
        hook = Fingerprint()
        with watching(subject.functions, hook):
            gradient(t)
        return hook.digest()

    size = float(sum(np.sum(np.abs(u[i] * g)) for i, g in zip(floats, start, strict=True)))
    measured = numeric.directional(phi, piece, 4 * numeric.UNIT * size)

    def loss(*given):
        arrays = list(subject.arrays)
        for i, a in zip(floats, given, strict=True):
            arrays[i] = a
        y = subject.twin(*arrays)
        return sum(
            jnp.sum(v * a) for v, a in zip(dy, y if isinstance(y, tuple) else (y,), strict=True)
        )

    gradients = jax.grad(loss, argnums=tuple(range(len(floats))))
    point = tuple(subject.arrays[i] for i in floats)
    product = jax.jit(lambda x, v: jax.jvp(gradients, x, v)[1], compiler_options=autodiff.FAST)
    Hd = product(point, tuple(d[i] for i in floats))
    exact = float(sum(np.sum(u[i] * h) for i, h in zip(floats, Hd, strict=True)))
    scale = max(abs(exact), np.sqrt(sum(float(np.sum(h * h)) for h in Hd)), size * 1e-12)
    assert abs(exact - measured.value) <= measured.bound + 1e-12 * scale
    assert measured.bound <= 1e-6 * scale or exact == 0  # it could have seen an error
