"""Attention, its heads and its positions: closed forms, invariants, forms that must agree.

Forms that agree in exact arithmetic are compared to 64 roundings of the largest entry, where they
add the same numbers in another order; the laws themselves use measured bounds.
"""

import tracemalloc

import jax
import numpy as np
import pytest

import jaxnn
import scratchnn as nn
from gradcheck import autodiff


def close(a, b, roundings=64):
    eps = np.finfo(np.asarray(b).dtype).eps
    assert np.shape(a) == np.shape(b)
    assert np.max(np.abs(a - b)) <= roundings * eps * max(np.max(np.abs(b)), 1e-300)


def normal(rng, *shapes):
    return [rng.standard_normal(s) for s in shapes]


def qkv(rng, T=3, S=5, D=7, M=2, batch=(2,)):
    return normal(rng, (*batch, T, D), (*batch, S, D), (*batch, S, M))


def both(op, dy, *arrays, **config):
    """y and the gradients of a hand op."""
    y, cache = getattr(nn, op)(*arrays, **config)
    return y, getattr(nn, f"{op}_backward")(dy, cache)


# attention


def test_zero_scores_take_the_mean_of_the_values(rng):
    q, k, v = qkv(rng)
    dy = rng.standard_normal((2, 3, 2))
    y, (_, _, dv, _) = both("attention", dy, 0 * q, k, v)
    close(y, np.broadcast_to(v.mean(-2, keepdims=True), y.shape))
    close(dv, np.broadcast_to(dy.sum(-2, keepdims=True) / 5, dv.shape))


@pytest.mark.parametrize("op", ["attention", "blockwise_attention"])
@pytest.mark.parametrize(("T", "S"), [(4, 4), (3, 5), (5, 3)])
def test_causal_is_a_lower_triangular_mask(op, T, S, rng):
    q, k, v = qkv(rng, T, S)
    dy = rng.standard_normal((2, T, 2))
    lower = np.broadcast_to(np.tril(np.ones((T, S), bool)), (2, T, S))
    y, grads = both(op, dy, q, k, v, causal=True)
    y_mask, grads_mask = both(op, dy, q, k, v, lower)
    for a, b in zip((y, *grads[:3]), (y_mask, *grads_mask[:3]), strict=True):
        assert np.array_equal(a, b)
    k[:, -1], v[:, -1] = 10, -10
    y_later, _ = getattr(nn, op)(q, k, v, causal=True)
    assert np.array_equal(y_later[:, : S - 1], y[:, : S - 1])


def test_permuting_keys_changes_nothing_and_queries_permutes(rng):
    q, k, v = qkv(rng)
    dy = rng.standard_normal((2, 3, 2))
    y, (dq, dk, dv, _) = both("attention", dy, q, k, v)
    p, r = np.array([2, 0, 1]), np.array([4, 2, 0, 1, 3])
    y_p, (dq_p, dk_p, dv_p, _) = both("attention", dy[:, p], q[:, p], k[:, r], v[:, r])
    close(y_p, y[:, p])
    close(dq_p, dq[:, p])
    close(dk_p, dk[:, r])
    close(dv_p, dv[:, r])


@pytest.mark.parametrize("block", [1, 2, 3, 5, 100])
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("masked", [False, True])
def test_blockwise_is_plain(block, causal, masked, rng):
    q, k, v = qkv(rng, T=6, S=5)
    mask = rng.random((2, 6, 5)) < 0.4 if masked else None
    dy = rng.standard_normal((2, 6, 2))
    y, grads = both("blockwise_attention", dy, q, k, v, mask, causal=causal, block=block)
    y_plain, grads_plain = both("attention", dy, q, k, v, mask, causal=causal)
    close(y, y_plain)
    for a, b in zip(grads[:3], grads_plain[:3], strict=True):
        close(a, b)
    assert grads[3] is None


def test_blockwise_never_holds_all_scores(rng):
    q, k, v = qkv(rng, T=1024, S=1024, D=4, M=4, batch=())
    dy = rng.standard_normal(v.shape)
    table = 1024 * 1024 * 8

    def peak(op, **config):
        tracemalloc.start()
        both(op, dy, q, k, v, causal=True, **config)
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    assert peak("blockwise_attention", block=32) < table / 2 < 2 * table < peak("attention")


@pytest.mark.parametrize("op", ["attention", "blockwise_attention"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_row_that_is_all_masked_gives_zeros(op, dtype, rng, x64):
    q, k, v = (a.astype(dtype) for a in qkv(rng))
    mask = np.ones((2, 3, 5), bool)
    mask[0, 1] = mask[1] = False
    mask[:, :, 4] = False
    dy = rng.standard_normal((2, 3, 2)).astype(dtype)
    y, (dq, dk, dv, _) = both(op, dy, q, k, v, mask)
    for zero in (y[0, 1], y[1], dq[0, 1], dq[1], dk[1], dv[1], dk[:, 4], dv[:, 4]):
        assert not zero.any()
    assert all(np.isfinite(a).all() and a.dtype == dtype for a in (y, dq, dk, dv))
    assert all(abs(a[0, 0]).min() > 0 for a in (y, dq, dk, dv))
    y_twin, grads = autodiff.value_and_pullback(getattr(jaxnn, op), {}, (q, k, v, mask), dy)
    for a, b in zip((y, dq, dk, dv), (y_twin, *grads[:3]), strict=True):
        close(a, b)


@pytest.mark.parametrize("op", ["attention", "blockwise_attention"])
def test_one_query_and_one_key(op, rng):
    q, k, v = qkv(rng, T=1, S=1, batch=(1,))
    dy = rng.standard_normal((1, 1, 2))
    y, (dq, dk, dv, _) = both(op, dy, q, k, v, causal=True)
    close(y, v)
    close(dv, dy)
    # the only weight is 1 whatever q and k are: zero, but for the rounding of dy v - dy y
    assert max(abs(dq).max(), abs(dk).max()) <= 8 * 2.0**-52 * abs(dy * v).max() * abs(k).max()


@pytest.mark.parametrize("op", ["attention", "blockwise_attention"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("size", [1e4, -1e4])
def test_huge_scores(op, dtype, size, rng):
    q, k, v = (a.astype(dtype) for a in qkv(rng))
    q, k = np.ones_like(q), k * 0 + np.arange(5, dtype=dtype)[:, None]
    dy = rng.standard_normal((2, 3, 2)).astype(dtype)
    y, grads = both(op, dy, size * q, k, v)
    assert all(np.isfinite(a).all() for a in (y, *grads[:3]))
    winner = 4 if size > 0 else 0
    close(y, np.broadcast_to(v[:, winner : winner + 1], y.shape))
    assert not grads[0].any() or abs(grads[0]).max() < 1e-3


def test_the_scale_of_scores(rng):
    q, k, v = qkv(rng, D=4)
    y, _ = nn.attention(q, k, v)
    close(nn.attention(q, k, v, scale=0.5)[0], y)
    close(nn.attention(q / 2, k, v, scale=1.0)[0], y)


# heads


def weights(rng, D=6, heads=4, kv_heads=4, H=3, G=2, M=5):
    shapes = ((D, heads * H), (D, kv_heads * H), (D, kv_heads * G), (heads * G, M))
    return normal(rng, *shapes, heads * H, kv_heads * G, M)


def test_no_groups_is_the_standard_form(rng):
    x, dy = normal(rng, (2, 3, 6), (2, 3, 5))
    w = weights(rng)
    y, grads = both("multi_head_attention", dy, x, x, x, *w, heads=4)
    y_same, grads_same = both("multi_head_attention", dy, x, x, x, *w, heads=4, kv_heads=4)
    assert np.array_equal(y, y_same)
    assert all(np.array_equal(a, b) for a, b in zip(grads[:10], grads_same[:10], strict=True))
    w_q, w_k, w_v, w_o, b_q, b_v, b_o = w
    heads = []
    for n in range(4):  # head by head, from its own columns
        h, g = slice(3 * n, 3 * n + 3), slice(2 * n, 2 * n + 2)
        q, k, v = x @ w_q[:, h] + b_q[h], x @ w_k[:, h], x @ w_v[:, g] + b_v[g]
        heads.append(nn.attention(q, k, v)[0])
    close(y, np.concatenate(heads, -1) @ w_o + b_o)


@pytest.mark.parametrize("kv_heads", [1, 2])
def test_sharing_keys_is_repeating_their_weights(kv_heads, rng):
    x, memory, dy = normal(rng, (2, 3, 6), (2, 7, 6), (2, 3, 5))
    mask = rng.random((2, 3, 7)) < 0.7
    w_q, w_k, w_v, w_o, b_q, b_v, b_o = weights(rng, kv_heads=kv_heads)
    times = 4 // kv_heads

    def repeat(w, size):
        return w.reshape(*w.shape[:-1], kv_heads, size).repeat(times, -2).reshape(*w.shape[:-1], -1)

    def total(dw, size):
        return dw.reshape(*dw.shape[:-1], kv_heads, times, size).sum(-2).reshape(*dw.shape[:-1], -1)

    few = (w_q, w_k, w_v, w_o, b_q, b_v, b_o, mask)
    all_ = (w_q, repeat(w_k, 3), repeat(w_v, 2), w_o, b_q, repeat(b_v, 2), b_o, mask)
    op = "multi_head_attention"
    y, grads = both(op, dy, x, memory, memory, *few, heads=4, kv_heads=kv_heads)
    y_all, grads_all = both(op, dy, x, memory, memory, *all_, heads=4)
    close(y, y_all)
    sizes = {4: 3, 5: 2, 8: 2}  # w_k, w_v, b_v
    for i, (a, b) in enumerate(zip(grads[:10], grads_all[:10], strict=True)):
        close(a, total(b, sizes[i]) if i in sizes else b)


def test_a_bias_of_the_keys_would_change_nothing(rng):
    q, k, v = qkv(rng)
    y, _ = nn.attention(q, k, v)
    close(nn.attention(q, k + rng.standard_normal(7), v)[0], y)


# positions


def test_rotary_keeps_norms_and_is_undone_by_its_backward(rng):
    x, positions = rng.standard_normal((2, 3, 5, 8)), np.array([0, 1, 7, 100, 5000])
    y, cache = nn.rotary(x, positions)
    close((y * y).sum(-1), (x * x).sum(-1))
    pairs = y.reshape(2, 3, 5, 2, 4)
    close((pairs**2).sum(-2), (x.reshape(pairs.shape) ** 2).sum(-2))
    assert np.array_equal(y[..., 0, :], x[..., 0, :])  # position 0
    close(nn.rotary_backward(y, cache)[0], x)
    assert abs(y - x)[..., 1:, :].max() > 0.1


def test_rotary_products_depend_on_the_distance_only(rng):
    q, k = rng.standard_normal((2, 8))
    t = np.array([0, 3, 40, 500])

    def product(shift):
        far, near = (np.broadcast_to(a, (4, 8)) for a in (q, k))
        return (nn.rotary(far, t + shift)[0] * nn.rotary(near, t)[0]).sum(-1)

    near, far = product(2), product(5)
    scale = abs(q).max() * abs(k).max() * 8
    # an angle of 500 is rounded to 500 units of roundoff
    assert np.ptp(near) <= 4 * 500 * 2.0**-52 * scale
    assert abs(near - far).max() > 1e-3
    by_hand = sum(
        np.real((q[i] + 1j * q[i + 4]) * (k[i] - 1j * k[i + 4]) * np.exp(2j * 10000.0 ** (-i / 4)))
        for i in range(4)
    )
    assert abs(near[0] - by_hand) <= 64 * 2.0**-52 * scale


def test_sinusoidal_is_the_formula_and_its_twin(x64):
    t = np.array([[0, 1, 2], [10, 100, 1000]])
    y = nn.sinusoidal(t, features=6)
    assert y.shape == (2, 3, 6)
    for i in range(3):
        angle = t / 10000.0 ** (2 * i / 6)
        # an angle of 1000 is rounded to 1000 units of roundoff
        assert abs(y[..., 2 * i] - np.sin(angle)).max() <= 4000 * 2.0**-53
        assert abs(y[..., 2 * i + 1] - np.cos(angle)).max() <= 4000 * 2.0**-53
    twin = jax.jit(lambda t: jaxnn.sinusoidal(t, features=6))(t)
    assert abs(y - twin).max() <= 4000 * 2.0**-53


MESSAGES = [
    (
        lambda m, a: m.blockwise_attention(a((2, 3)), a((2, 3)), a((2, 3)), block=0),
        "blockwise_attention: block is 0; wanted at least 1 key at a time; 128 is usual",
    ),
    (
        lambda m, a: m.multi_head_attention(
            a((2, 6)), a((2, 6)), a((2, 6)), *[a((6, 6))] * 4, heads=2, kv_heads=3
        ),
        "multi_head_attention: 2 heads do not divide into 3 kv_heads; wanted a multiple; equal "
        "numbers share nothing",
    ),
    (
        lambda m, a: m.rotary(a((2, 3)), a(2).astype(int)),
        "rotary: x has shape (2, 3), but its axis 2*H must be a multiple of 2, got 3; "
        "wanted (*batch, T, 2*H)",
    ),
    (
        lambda m, a: m.sinusoidal(a(2).astype(int), features=3),
        "sinusoidal: features is 3; wanted an even number, as every wave is a sine and a cosine; "
        "add one",
    ),
]


@pytest.mark.parametrize("package", [nn, jaxnn], ids=lambda p: p.__name__)
@pytest.mark.parametrize(("call", "message"), MESSAGES, ids=[m.split(":")[0] for _, m in MESSAGES])
def test_message(call, message, package):
    zeros = np.zeros if package is nn else jax.numpy.zeros
    with pytest.raises(ValueError) as error:
        call(package, zeros)
    assert str(error.value) == message
