"""Who is wrong: hand backward, hand forward or twin, told by three witnesses."""

import pytest

from gradcheck import check

jax = pytest.importorskip("jax")
jnp = jax.numpy


def tanh(x):
    import numpy as np

    y = np.tanh(x)
    return y, y


def right(dy, y):
    return dy * (1 - y * y)


def wrong(dy, y):
    return dy * (1 - y)


@jax.custom_vjp
def with_wrong_rule(x):
    return jnp.tanh(x)


with_wrong_rule.defvjp(lambda x: (jnp.tanh(x), jnp.tanh(x)), lambda y, dy: (dy * y,))

CASES = {
    "hand backward": (wrong, jnp.tanh, "the hand backward is at fault"),
    "rule of the twin": (right, with_wrong_rule, "the twin's derivative is at fault"),
    "stopped twin": (
        right,
        lambda x: jnp.tanh(jax.lax.stop_gradient(x)) + 0 * x,
        "the twin's derivative is at fault",
    ),
    "other forwards": (
        right,
        lambda x: jnp.tanh(2 * x),
        "each gradient is right for its own forward",
    ),
    "nothing fits": (wrong, lambda x: jnp.tanh(2 * x), "the hand backward fits neither forward"),
    "both derivatives": (wrong, with_wrong_rule, "neither gradient agrees"),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("seed", range(2))
def test_the_one_at_fault_is_named(name, seed, rng):
    backward, twin, sentence = CASES[name]
    report = check(tanh, backward, rng.standard_normal((2, 3)), reference=twin, seed=seed)
    assert report.verdict == "fail"
    assert sentence in str(report)
    differ = [f for f in report.findings if f.kind == "forward-differs"]
    assert bool(differ) == (name in ("other forwards", "nothing fits"))


def test_a_backward_of_another_forward(rng):
    """The backward is that of the twin; the hand forward computes something else."""

    def forward(x):
        y, cache = tanh(x)
        return 2 * y, cache

    report = check(forward, right, rng.standard_normal((2, 3)), reference=jnp.tanh)
    assert "the hand forward is at fault" in str(report)
