"""Connectionist temporal classification: a sequence of frames against a shorter one of labels."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Float, Integer

from jaxnn.ops.activations import log_softmax
from jaxnn.shapes import expect

Array = jax.Array
NEVER = -1e30  # for log 0: the derivative of logsumexp is NaN where all its terms are -inf


def ctc(
    logits: Float[Array, "T N K"],
    labels: Integer[Array, "N L"],
    input_lengths: Integer[Array, " N"],
    label_lengths: Integer[Array, " N"],
    *,
    blank: int = 0,
) -> Float[Array, ""]:
    """Mean negative log-probability of label sequences, summed over all their alignments.

    `lax.scan` runs the forward probabilities of all states; autodiff of it is the backward pass.
    Labels and lengths are checked where their values are known. Where they are traced, one out of
    range makes the loss NaN rather than wrong; a sequence with too few frames for its labels has
    probability 0, which makes the loss infinite, and adds nothing to the gradient.

    >>> labels, frames, one = jnp.array([[1]]), jnp.array([2]), jnp.array([1])
    >>> y = jax.jit(ctc)(jnp.zeros((2, 1, 2)), labels, frames, one)
    >>> round(float(jnp.exp(-y)), 6)
    0.75
    """
    expect(ctc, logits, labels, input_lengths, label_lengths)
    (T, N, K), L = logits.shape, labels.shape[1]
    integers = labels, input_lengths, label_lengths
    if not any(isinstance(a, jax.core.Tracer) for a in integers):
        known, frames, lengths = map(np.asarray, integers)
        _check_alignment(known, frames, lengths, blank, T, K)
    labels, input_lengths, label_lengths = map(jnp.asarray, integers)
    used = jnp.arange(L) < label_lengths[:, None]
    z = jnp.full((N, 2 * L + 1), blank).at[:, 1::2].set(jnp.where(used, labels, blank))
    e = jnp.take_along_axis(log_softmax(logits), z[None], -1, mode="clip")  # T N S
    s = jnp.arange(2 * L + 1)
    skip = (s % 2 == 1) & (z != jnp.roll(z, 2, axis=1)) & (s >= 2)

    def step(alpha, frame):
        t, e_t = frame
        padded = jnp.pad(alpha, ((0, 0), (2, 0)), constant_values=NEVER)
        stay, one, two = alpha, padded[:, 1:-1], jnp.where(skip, padded[:, :-2], NEVER)
        moved = e_t + jax.nn.logsumexp(jnp.stack((stay, one, two)), axis=0)
        return jnp.where((t < input_lengths)[:, None], moved, alpha), None

    start = jnp.where(s < 2, e[0], NEVER)
    alpha, _ = lax.scan(step, start, (jnp.arange(1, T), e[1:]))
    last = (s == 2 * label_lengths[:, None]) | (s == 2 * label_lengths[:, None] - 1)
    loss = -jax.nn.logsumexp(jnp.where(last, alpha, NEVER), axis=-1)

    repeats = ((labels[:, 1:] == labels[:, :-1]) & used[:, 1:]).sum(1)
    loss = jnp.where(input_lengths < label_lengths + repeats, jnp.inf, loss)
    good = ((labels >= 0) & (labels < K) & (labels != blank) | ~used).all(1)
    good &= (input_lengths >= 1) & (input_lengths <= T) & (label_lengths >= 0)
    return jnp.where(good & (label_lengths <= L), loss, jnp.nan).mean()


def _check_alignment(
    labels: np.ndarray,
    input_lengths: np.ndarray,
    label_lengths: np.ndarray,
    blank: int,
    T: int,
    K: int,
) -> None:
    """Whether every sequence has an alignment."""
    L = labels.shape[1]
    if not 0 <= blank < K:
        raise ValueError(f"ctc: blank is {blank}; wanted a class, 0 to {K - 1}; 0 is usual")
    for name, lengths, least, most, what in (
        ("input_lengths", input_lengths, 1, T, "the frames of logits"),
        ("label_lengths", label_lengths, 0, L, "the columns of labels"),
    ):
        if lengths.min() < least or lengths.max() > most:
            raise ValueError(
                f"ctc: {name} run from {lengths.min()} to {lengths.max()}; wanted {least} to "
                f"{most}, {what}; count them before padding"
            )
    used = np.arange(L) < label_lengths[:, None]
    if (used & ((labels < 0) | (labels >= K) | (labels == blank))).any():
        found = labels[used]
        raise ValueError(
            f"ctc: labels run from {found.min()} to {found.max()}; wanted 0 to {K - 1} without "
            f"{blank}, the blank; renumber the labels or check label_lengths"
        )
    repeats = ((labels[:, 1:] == labels[:, :-1]) & used[:, 1:]).sum(1)
    short = input_lengths < label_lengths + repeats
    if short.any():
        n = int(short.argmax())
        raise ValueError(
            f"ctc: sequence {n} has {input_lengths[n]} frames for {label_lengths[n]} labels of "
            f"which {repeats[n]} repeat the one before; wanted at least "
            f"{label_lengths[n] + repeats[n]} frames; drop it or shorten its labels"
        )
