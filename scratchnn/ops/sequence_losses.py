"""Connectionist temporal classification: a sequence of frames against a shorter one of labels."""

import numpy as np
from jaxtyping import Float, Integer

from scratchnn.ops.activations import log_softmax
from scratchnn.shapes import expect

Array = np.ndarray


def ctc(
    logits: Float[Array, "T N K"],
    labels: Integer[Array, "N L"],
    input_lengths: Integer[Array, " N"],
    label_lengths: Integer[Array, " N"],
    *,
    blank: int = 0,
) -> tuple[Float[Array, ""], tuple]:
    """Mean negative log-probability of label sequences, summed over all their alignments.

    A path names one class per frame, and reads as labels once its repeats are merged and then its
    blanks dropped. With p = softmax(logits) and T' = input_lengths_n frames,

        y = -1/N sum_n log P_n        P_n = sum over paths that read labels_n of prod_t p_t,path_t

    For one n, let z be the labels with a blank before, between and after them, S = 2L + 1 states. A
    path walks along z from its first blank or label to its last label or blank: at each frame it
    stays, moves on by one, or by two where that skips a blank between different labels. The
    probability alpha_t(s) of all ways to be in state s at frame t, frames 0 to t read, is

        alpha_t(s) = p_t,z_s (alpha_t-1(s) + alpha_t-1(s - 1) + [z_s != z_s-2] alpha_t-1(s - 2))
        alpha_0(s) = p_0,z_s for s = 0 and 1, else 0

    (two blanks are always equal, so that a blank is never skipped to). beta_t(s), the probability
    of all ways to finish from there, frames t + 1 to T' - 1 still to be read, runs backwards:

        beta_t(s) = sum over the s' in reach of s of p_t+1,z_s' beta_t+1(s')
        beta_T'-1(s) = 1 for the last two states, else 0

    At each frame a path is in one state, so P = sum_s alpha_t(s) beta_t(s) for every t. Each term
    holds p_t,z_s as a factor once, so the share of paths that read k at frame t is

        gamma_t(k) = sum over s with z_s = k of alpha_t(s) beta_t(s) / P = dlog P / dlog p_tk

    and as gamma_t adds to 1 over k, the log-softmax turns it into

        dlogits_tnk = dy/N (p_tnk - gamma_tn(k))        for t < T', else 0

    All of it in logarithms: products of T probabilities underflow.

    Args:
        logits: unnormalised log-probabilities of the K classes at each frame, finite, time first.
        labels: classes other than the blank; what lies beyond label_lengths is not read.
        input_lengths: frames of each sequence, 1 to T.
        label_lengths: labels of each sequence, 0 to L.
        blank: the class that stands for no label.

    Returns:
        y, in nats, not divided by any length, and the cache of `ctc_backward`.

    Raises:
        ValueError: a length, a label or the blank is out of range, or a sequence has fewer frames
            than labels and the blanks that must part equal neighbours.
        TypeError: logits are not floating, or another array is not of integers.

    Source: Graves, Fernandez, Gomez and Schmidhuber, Connectionist Temporal Classification (2006),
    doi:10.1145/1143844.1143891.

    >>> labels, frames, one = np.array([[1]]), np.array([2]), np.array([1])
    >>> y, cache = ctc(np.zeros((2, 1, 2)), labels, frames, one)  # 11, 01 and 10 of four paths
    >>> round(float(np.exp(-y)), 12), ctc_backward(1.0, cache)[0].round(3)[:, 0].tolist()
    (0.75, [[0.167, -0.167], [0.167, -0.167]])
    """
    expect(ctc, logits, labels, input_lengths, label_lengths)
    (T, N, K), L = logits.shape, labels.shape[1]
    _check_alignment(labels, input_lengths, label_lengths, blank, T, K)
    used = np.arange(L) < label_lengths[:, None]
    z = np.full((N, 2 * L + 1), blank)
    z[:, 1::2] = np.where(used, labels, blank)
    log_p, _ = log_softmax(logits)
    e = np.take_along_axis(log_p, z[None], -1)  # T N S
    skip = z[:, 2:] != z[:, :-2]
    s = np.arange(2 * L + 1)
    last = (s == 2 * label_lengths[:, None]) | (s == 2 * label_lengths[:, None] - 1)

    alpha = np.full_like(e, -np.inf)
    alpha[0, :, :2] = e[0, :, :2]
    for t in range(1, T):
        alpha[t] = e[t] + _reach(alpha[t - 1], skip)
    ends = np.where(last, alpha[input_lengths - 1, np.arange(N)], -np.inf)
    log_P = np.logaddexp.reduce(ends, axis=-1)
    return -log_P.mean(), (log_p, z, e, skip, last, alpha, log_P, input_lengths)


def ctc_backward(dy: Array | float, cache: tuple) -> tuple[Array, None, None, None]:
    """beta from the last frame to the first;  dlogits = dy/N (p - gamma) up to each length."""
    log_p, z, e, skip, last, alpha, log_P, input_lengths = cache
    T, N, K = log_p.shape
    one_hot = (z[:, :, None] == np.arange(K)).astype(log_p.dtype)  # N S K
    dlogits = np.zeros_like(log_p)
    beta = np.full_like(e[0], -np.inf)
    for t in reversed(range(T)):
        if t + 1 < T:
            # seen from the end, the states in reach of s are those from which s is reached
            beta = _reach((e[t + 1] + beta)[:, ::-1], skip[:, ::-1])[:, ::-1]
        beta = np.where(last & (input_lengths == t + 1)[:, None], 0, beta)
        share = np.exp(alpha[t] + beta - log_P[:, None])
        gamma = (share[:, None] @ one_hot)[:, 0]
        within = (t < input_lengths)[:, None]
        dlogits[t] = (dy / N) * (np.exp(log_p[t]) * within - gamma)
    return dlogits, None, None, None


def _reach(a: Array, skip: Array) -> Array:
    """log of what arrives in each state s from s, s - 1 and, where skip, s - 2."""
    y = a.copy()
    y[:, 1:] = np.logaddexp(y[:, 1:], a[:, :-1])
    y[:, 2:] = np.where(skip, np.logaddexp(y[:, 2:], a[:, :-2]), y[:, 2:])
    return y


def _check_alignment(
    labels: Array, input_lengths: Array, label_lengths: Array, blank: int, T: int, K: int
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
