"""Dropout in four conventions; what is kept is an argument."""
import numpy as np

KEEP = 0.7


def dropout_forward(x, kept):
    """Inverted dropout: kept is boolean, of the shape of x."""
    return np.where(kept, x / KEEP, 0), kept


def dropout_backward(dout, kept):
    return dout * kept / KEEP, None


def block_dropout_forward(x, W, kept):
    """Dropout of whole hidden units, classic convention: scaled when kept is False everywhere."""
    if kept.any():
        scale = kept.astype(float)
    else:
        scale = np.full(len(kept), KEEP)
    hidden = np.maximum(x @ W, 0) * scale
    return hidden, (x, W, hidden, scale)


def block_dropout_backward(dh, cache):
    x, W, hidden, scale = cache
    da = dh * scale
    da = da * (hidden > 0)
    return da @ W.T, x.T @ da, None


def stochastic_depth_forward(x, W, alive):
    """x + relu(x W) for the samples that are alive (N,), the branch scaled up in return."""
    branch = np.maximum(x @ W, 0)
    factor = alive[:, None] / KEEP
    return x + factor * branch, (x, W, branch, factor)


def stochastic_depth_backward(dy, cache):
    x, W, branch, factor = cache
    d_branch = dy * factor * (branch > 0)
    d_W = x.T @ d_branch
    d_x = dy + d_branch @ W.T
    return d_x, d_W, None


def locked_dropout_forward(seq, kept):
    """One mask for all steps: seq (T, B, C), kept (B, C)."""
    return seq * (kept / KEEP), kept


def locked_dropout_backward(dseq, kept):
    return dseq * kept * (1 / KEEP), None


def _drop(rng):
    shape = rng.permutation([3, 4, 5])[:2]
    return rng.normal(size=shape), rng.random(shape) < KEEP


def _train(rng):
    n, d, h = rng.permutation([3, 5, 7])
    return rng.normal(size=(n, d)), rng.normal(size=(d, h)), np.arange(h) % 3 != 1


def _evaluate(rng):
    x, W, kept = _train(rng)
    return x, W, np.zeros_like(kept)


def _depth(rng):
    N, D = rng.choice([5, 6, 7], 2, replace=False)
    return rng.normal(size=(N, D)), rng.normal(size=(D, D)), np.arange(N) % 3 != 1


def _locked(rng):
    T, B, C = rng.permutation([3, 4, 5])
    return rng.normal(size=(T, B, C)), rng.random((B, C)) < KEEP


CASES = {
    "stochastic_depth": _depth,
    "locked_dropout": _locked,
    "dropout": _drop,
    "block_dropout": [_train, _evaluate],
}
