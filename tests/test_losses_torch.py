"""Losses against torch.nn.functional: values, and gradients by its autograd, in float64."""

import numpy as np
import pytest

import scratchnn

torch = pytest.importorskip("torch")
F = torch.nn.functional

normal = np.random.default_rng(3).standard_normal
LABELS = np.array([4, 0, 3, 3, 1, 4, 2])
WEIGHTS = np.array([0.5, 2.0, 1.0, 3.0, 0.25])
TARGETS = np.random.default_rng(4).dirichlet(np.ones(5), 7)


def rows(z):
    """Classes on the second axis, where torch wants them."""
    return z.reshape(-1, z.shape[-1])


def cross_entropy(logits, labels, weights=None, *, label_smoothing=0.0, ignore_index=None):
    return F.cross_entropy(
        rows(logits),
        labels.ravel(),
        weights,
        label_smoothing=label_smoothing,
        ignore_index=-100 if ignore_index is None else ignore_index,
    )


def ctc(logits, labels, input_lengths, label_lengths, *, blank=0):
    log_p = F.log_softmax(logits, -1)
    lengths = input_lengths, label_lengths
    each = F.ctc_loss(log_p, labels, *lengths, blank=blank, reduction="none")
    return each.mean()


def hinge(scores, labels, *, margin=1.0):
    return scores.shape[-1] * F.multi_margin_loss(scores, labels, margin=margin)  # its own 1/K


THEIRS = {
    "cross_entropy": cross_entropy,
    "soft_cross_entropy": F.cross_entropy,
    "binary_cross_entropy": F.binary_cross_entropy_with_logits,
    "kl_divergence": lambda log_p, q: F.kl_div(log_p, q, reduction="batchmean"),
    "hinge": hinge,
    "mse": F.mse_loss,
    "l1": F.l1_loss,
    "huber": F.huber_loss,
    "cosine": lambda x, target, eps=1e-8: (1 - F.cosine_similarity(x, target, eps=eps)).mean(),
    "triplet": lambda *arrays, margin=1.0: F.triplet_margin_loss(*arrays, margin=margin, eps=0.0),
    "ctc": ctc,
}
SEQUENCES = (
    np.array([[1, 1, 2], [2, 4, -1], [-1, -1, -1], [3, 2, 3]]),
    np.array([11, 7, 4, 3]),
    np.array([3, 2, 0, 3]),
)
CASES = [
    ("cross_entropy", (normal((7, 5)), LABELS), {}),
    ("cross_entropy", (normal((7, 1, 5)), LABELS[:, None], WEIGHTS), {}),
    ("cross_entropy", (normal((7, 5)), LABELS), {"ignore_index": 3, "label_smoothing": 0.2}),
    ("cross_entropy", (normal((7, 5)), LABELS), {"ignore_index": -100}),
    ("cross_entropy", (normal((7, 5)), LABELS, WEIGHTS), {"ignore_index": 3}),
    ("cross_entropy", (normal((7, 5)), LABELS, WEIGHTS), {"label_smoothing": 1.0}),
    (
        "cross_entropy",
        (normal((7, 5)), LABELS, WEIGHTS),
        {"ignore_index": 0, "label_smoothing": 0.2},
    ),
    ("soft_cross_entropy", (normal((7, 5)), TARGETS), {}),
    ("soft_cross_entropy", (normal((7, 5)), normal((7, 5))), {}),
    ("binary_cross_entropy", (normal((7, 5)), TARGETS), {}),
    ("kl_divergence", (normal((7, 5)), TARGETS), {}),
    ("hinge", (normal((7, 5)), LABELS), {}),
    ("hinge", (normal((7, 5)), LABELS), {"margin": 0.3}),
    ("mse", (normal((7, 5)), normal((7, 5))), {}),
    ("l1", (normal((7, 5)), normal((7, 5))), {}),
    ("l1", (np.zeros((7, 5)), np.zeros((7, 5))), {}),
    ("huber", (normal((7, 5)), normal((7, 5))), {}),
    ("huber", (normal((7, 5)), normal((7, 5))), {"delta": 0.3}),
    ("cosine", (normal((7, 5)), normal((7, 5))), {}),
    # between lengths 0 and eps torch differentiates the length all the same, unlike its own value
    ("cosine", (np.zeros((7, 5)), normal((7, 5))), {}),
    ("triplet", (normal((7, 5)), normal((7, 5)), normal((7, 5))), {}),
    ("triplet", (normal((7, 5)), normal((7, 5)), normal((7, 5))), {"margin": 0.3}),
    ("ctc", (normal((11, 4, 5)), *SEQUENCES), {}),
    (
        "ctc",
        (normal((11, 4, 5)), np.maximum(SEQUENCES[0] - 1, 0), *SEQUENCES[1:]),
        {"blank": 4},
    ),
    ("ctc", (1e4 * normal((11, 4, 5)), *SEQUENCES), {}),
]
# torch has no derivative by these
UNDIFFERENTIATED = {("cross_entropy", 2)}


@pytest.mark.parametrize(("name", "arrays", "config"), CASES)
def test_value_and_gradients(name, arrays, config):
    y, cache = getattr(scratchnn, name)(*arrays, **config)
    grads = getattr(scratchnn, f"{name}_backward")(-1.7, cache)
    tensors = [torch.from_numpy(np.array(a)) for a in arrays]
    for i, t in enumerate(tensors):
        t.requires_grad_(t.is_floating_point() and (name, i) not in UNDIFFERENTIATED)
    theirs = THEIRS[name](*tensors, **config)
    theirs.backward(torch.tensor(-1.7, dtype=torch.float64))
    size = max(np.max(np.abs(a)) for a in arrays)
    same(y, theirs.detach().numpy(), size)
    for t, g in zip(tensors, grads, strict=False):
        assert (g is None) == (not t.is_floating_point())
        if t.requires_grad:
            same(g, t.grad.numpy(), size)


def same(mine, theirs, size):
    """Equal but for rounding; exp turns the absolute error of logits into a relative one."""
    scale = np.max(np.abs(theirs)) or 1.0
    assert np.max(np.abs(mine - theirs)) <= 256 * 2.0**-53 * max(size, 1.0) * scale
