"""Normalisations and embeddings against PyTorch: a third opinion, written by others."""

import numpy as np
import pytest

import scratchnn as nn

torch = pytest.importorskip("torch")
functional = pytest.importorskip("torch.nn.functional")

EPS = pytest.mark.parametrize("eps", [1e-5, 1.0])
NORM = pytest.mark.parametrize("shape", [(5, 3, 4, 12), (7, 12)], ids=["images", "rows"])


def agree(mine, theirs, arrays, dy):
    """Equal values and gradients of `mine(*arrays) -> (y, backward)` and of `theirs(*tensors)`.

    Sums of n terms, added in another order, differ by n roundings at most.
    """
    y, backward = mine(*arrays)
    tensors = [torch.tensor(a, requires_grad=a.dtype.kind == "f") for a in arrays]
    want = theirs(*tensors)
    want.backward(torch.tensor(dy))
    compared = 0
    for a, b in zip((y, *backward(dy)), (want.detach(), *(t.grad for t in tensors)), strict=True):
        assert (a is None) == (b is None)
        if a is not None:
            bound = max(v.size for v in arrays) * np.finfo(float).eps * max(1.0, b.abs().max())
            assert np.max(np.abs(a - b.numpy())) <= bound
            compared += 1
    assert compared >= 2


def op(name, **config):
    """A pair as a function of its arrays: one output, one tuple of gradients."""
    f, f_backward = getattr(nn, name), getattr(nn, f"{name}_backward")

    def mine(*arrays):
        y, cache = f(*arrays, **config)
        several = isinstance(y, tuple)

        def backward(dy):
            grads = f_backward((dy, 0.0, 0.0) if several else dy, cache)
            return grads if isinstance(grads, tuple) else (grads,)

        return y[0] if several else y, backward

    return mine


def channels_first(f):
    """f of images (N, C, H, W), as PyTorch has them, for images (N, H, W, C)."""
    return lambda x, *rest: f(x.movedim(-1, 1), *rest).movedim(1, -1)


def points(rng, shape):
    C = shape[-1]
    return (3 + 2 * rng.standard_normal(shape), *rng.standard_normal((2, C))), rng.standard_normal(
        shape
    )


@NORM
@EPS
def test_batch_norm(shape, eps, rng):
    def theirs(x, gamma, beta):
        return functional.batch_norm(x, None, None, gamma, beta, training=True, eps=eps)

    agree(op("batch_norm", eps=eps), channels_first(theirs), *points(rng, shape))


@NORM
@EPS
def test_batch_norm_inference(shape, eps, rng):
    arrays, dy = points(rng, shape)
    mean, var = rng.standard_normal(12), rng.uniform(0.5, 2, 12)

    def mine(x, gamma, beta):
        y, backward = op("batch_norm_inference", eps=eps)(x, mean, var, gamma, beta)
        return y, lambda dy: [backward(dy)[i] for i in (0, 3, 4)]

    def theirs(x, gamma, beta):
        statistics = torch.tensor(mean), torch.tensor(var)
        return functional.batch_norm(x, *statistics, gamma, beta, eps=eps)

    agree(mine, channels_first(theirs), arrays, dy)


@NORM
def test_running_statistics(shape, rng):
    """momentum is the weight of the old statistics here, and of the new ones in PyTorch."""
    layer, theirs = nn.BatchNorm(12, momentum=0.75), torch.nn.BatchNorm1d(12, momentum=0.25)
    params, state = layer.init(rng)
    for _ in range(3):
        x = points(rng, shape)[0][0].reshape(-1, 12)
        (_, state), _ = layer.forward(params, state, x, train=True)
        theirs.double()(torch.tensor(x))
    n = len(x)
    bound = 8 * x.size * np.finfo(float).eps
    assert np.max(np.abs(state["mean"] - theirs.running_mean.numpy())) <= bound
    # PyTorch blends in n / (n - 1) times the variance; the start, 1, has weight momentum^3 in both
    start = 0.75**3
    unbiased = start + (state["var"] - start) * n / (n - 1)
    assert np.max(np.abs(unbiased - theirs.running_var.numpy())) <= bound


@NORM
@EPS
def test_layer_norm(shape, eps, rng):
    def theirs(x, gamma, beta):
        return functional.layer_norm(x, (12,), gamma, beta, eps)

    agree(op("layer_norm", eps=eps), theirs, *points(rng, shape))


@NORM
@EPS
@pytest.mark.parametrize("groups", [1, 2, 3])
def test_group_norm(groups, shape, eps, rng):
    def theirs(x, gamma, beta):
        return functional.group_norm(x, groups, gamma, beta, eps)

    agree(op("group_norm", groups=groups, eps=eps), channels_first(theirs), *points(rng, shape))


@EPS
def test_instance_norm(eps, rng):
    def theirs(x, gamma, beta):
        return functional.instance_norm(x, weight=gamma, bias=beta, eps=eps)

    agree(op("instance_norm", eps=eps), channels_first(theirs), *points(rng, (5, 3, 4, 12)))


@NORM
@EPS
def test_rms_norm(shape, eps, rng):
    (x, gamma, _), dy = points(rng, shape)

    def theirs(x, gamma):
        return functional.rms_norm(x, (12,), gamma, eps)

    agree(op("rms_norm", eps=eps), theirs, (x, gamma), dy)


@NORM
def test_l2_normalize(shape, rng):
    # PyTorch divides by max(|x|, eps): the same where eps is negligible
    (x, *_), dy = points(rng, shape)
    agree(op("l2_normalize", eps=1e-30), lambda x: functional.normalize(x, dim=-1), (x,), dy)


@pytest.mark.parametrize("shape", [(3, 5), (3, 2, 4, 5)], ids=["linear", "conv2d"])
def test_weight_norm(shape, rng):
    v, g, dy = rng.standard_normal(shape), rng.standard_normal(5), rng.standard_normal(shape)

    def theirs(v, g):
        return torch._weight_norm(v, g.reshape(*[1] * (len(shape) - 1), 5), len(shape) - 1)

    agree(op("weight_norm", eps=1e-30), theirs, (v, g), dy)


def test_embedding(rng):
    ids, table = rng.integers(0, 5, (3, 4)), rng.standard_normal((5, 2))
    agree(op("embedding"), functional.embedding, (ids, table), rng.standard_normal((3, 4, 2)))
