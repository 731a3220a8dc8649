"""Recurrent ops, layers and models: closed forms, masks, carries, gates, attention."""

from functools import partial

import jax
import numpy as np
import pytest

import jaxnn
import scratchnn as nn
from gradcheck.autodiff import value_and_pullback
from scratchnn import trees

T, N, D, H = 7, 3, 2, 5


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def weights(rng, op):
    """(states, weights) of a sequence op, random."""
    h = rng.standard_normal((N, H))
    w = lambda *shape: rng.standard_normal(shape)  # noqa: E731
    if op is nn.rnn:
        return (h,), (w(D, H), w(H, H), w(H))
    if op is nn.gru:
        return (h,), (w(D, 3 * H), w(H, 3 * H), w(3 * H), w(3 * H))
    return (h, w(N, H)), (w(D, 4 * H), w(H, 4 * H), w(4 * H), w(3, H))


OPS = {
    "rnn": (nn.rnn, nn.rnn_backward, {}),
    "gru, reset after": (nn.gru, nn.gru_backward, {"linear_before_reset": True}),
    "gru, reset before": (nn.gru, nn.gru_backward, {"linear_before_reset": False}),
    "lstm": (nn.lstm, nn.lstm_backward, {}),
}
each = pytest.mark.parametrize("name", OPS)


def pulled(name, x, states, ws, mask, dy=None, seed=1):
    """(outputs, gradients) for a random cotangent of every output, or the one given."""
    f, f_backward, config = OPS[name]
    y, cache = f(x, *states, *ws, mask, **config)
    if dy is None:
        draw = np.random.default_rng(seed).standard_normal
        dy = tuple(draw(v.shape) for v in y)
    return y, f_backward(dy, cache)


def same(a, b):
    """Equal bit by bit, None where None."""
    return all((u is None and v is None) or np.array_equal(u, v) for u, v in zip(a, b, strict=True))


# values


def loop(name, x, states, ws):
    """Each sequence and step on its own, in the words of the papers and of the ONNX operators."""
    out = np.zeros((T, N, H))
    for n in range(N):
        h, c = states[0][n], states[-1][n]
        for t in range(T):
            if name == "rnn":
                w_x, w_h, b = ws
                h = np.tanh(w_x.T @ x[t, n] + w_h.T @ h + b)
            elif name == "lstm":
                w_x, w_h, b, p = ws
                wi, wf, wg, wo = (w_x.T @ x[t, n] + w_h.T @ h + b).reshape(4, H)
                i, f, g = sigmoid(wi + p[0] * c), sigmoid(wf + p[1] * c), np.tanh(wg)
                c = f * c + i * g
                h = sigmoid(wo + p[2] * c) * np.tanh(c)
            else:
                w_x, w_h, b_x, b_h = ws
                xr, xz, xn = (w_x.T @ x[t, n] + b_x).reshape(3, H)
                ur, uz, un = w_h.T.reshape(3, H, H)
                br, bz, bn = b_h.reshape(3, H)
                r, z = sigmoid(xr + ur @ h + br), sigmoid(xz + uz @ h + bz)
                if name == "gru, reset after":
                    candidate = np.tanh(xn + r * (un @ h + bn))
                else:
                    candidate = np.tanh(xn + un @ (r * h) + bn)
                h = (1 - z) * candidate + z * h
            out[t, n] = h
    return out


@each
def test_a_loop_over_sequences_and_steps(name, rng):
    x, (states, ws) = rng.standard_normal((T, N, D)), weights(rng, OPS[name][0])
    (y, h, *_), _ = pulled(name, x, states, ws, None)
    # T steps, each a few additions of O(10) terms and functions of slope at most 1
    assert np.max(np.abs(y - loop(name, x, states, ws))) <= 1e-13
    assert np.array_equal(y[-1], h)


def test_both_resets_agree_where_the_gate_is_open(rng):
    x, (h, w) = rng.standard_normal((T, N, D)), weights(rng, nn.gru)
    w_x, w_h, b_x, b_h = w
    forms = [nn.gru(x, *h, w_x, w_h, b_x, b_h, linear_before_reset=k)[0][0] for k in (True, False)]
    assert np.max(np.abs(forms[0] - forms[1])) > 1e-2
    b_x = b_x + np.repeat((1e4, 0.0, 0.0), H)  # r = 1
    forms = [nn.gru(x, *h, w_x, w_h, b_x, b_h, linear_before_reset=k)[0][0] for k in (True, False)]
    assert np.array_equal(*forms)


def test_a_closed_update_gate_keeps_the_state_and_its_gradient(rng):
    x, (states, ws) = rng.standard_normal((T, N, D)), weights(rng, nn.gru)
    ws = (ws[0], ws[1], ws[2] + np.repeat((0.0, 1e4, 0.0), H), ws[3])  # z = 1
    (y, h), cache = nn.gru(x, *states, *ws)
    assert np.array_equal(y, np.broadcast_to(states[0], y.shape))
    dh = rng.standard_normal(h.shape)
    dx, dh0, *_ = nn.gru_backward((np.zeros_like(y), dh), cache)
    assert np.array_equal(dh0, dh) and not dx.any()


def test_an_open_forget_gate_carries_the_cell_and_its_gradient(rng):
    x, (states, ws) = rng.standard_normal((T, N, D)), weights(rng, nn.lstm)
    w_x, w_h, b, _ = ws
    b = b + np.repeat((-1e4, 1e4, 0.0, 0.0), H)  # i = 0, f = 1
    (y, h, c), cache = nn.lstm(x, *states, w_x, w_h, b)
    assert np.array_equal(c, states[1])
    dc = rng.standard_normal(c.shape)
    assert np.array_equal(nn.lstm_backward((0 * y, 0 * h, dc), cache)[2], dc)


def test_peepholes_of_zero_are_none(rng):
    x, (states, ws) = rng.standard_normal((T, N, D)), weights(rng, nn.lstm)
    mask = rng.random((T, N)) < 0.5
    y, grads = pulled("lstm", x, states, (*ws[:3], 0 * ws[3]), mask)
    y_none, grads_none = pulled("lstm", x, states, (*ws[:3], None), mask)
    assert same(y, y_none) and same(grads[:6], grads_none[:6])
    assert grads[6].shape == (3, H) and grads_none[6:] == (None, None)
    assert np.all(np.abs(grads[6]).max(-1) > 0)  # each gate's would still learn


# masks


@each
def test_a_full_mask_is_none(name, rng):
    x, (states, ws) = rng.standard_normal((T, N, D)), weights(rng, OPS[name][0])
    y, grads = pulled(name, x, states, ws, np.ones((T, N), bool))
    y_none, grads_none = pulled(name, x, states, ws, None)
    assert same(y, y_none) and same(grads, grads_none)


@each
def test_padding_does_not_matter(name, rng):
    x, (states, ws) = rng.standard_normal((T, N, D)), weights(rng, OPS[name][0])
    lengths = np.array([T, 4, 1])
    mask = np.arange(T)[:, None] < lengths
    y, grads = pulled(name, x, states, ws, mask)
    for padding in (0.0, -1e300, np.inf, np.nan):
        padded = np.where(mask[..., None], x, padding)
        y_padded, grads_padded = pulled(name, padded, states, ws, mask)
        assert same(y, y_padded) and same(grads, grads_padded)
    dx = grads[0]
    assert not y[0][~mask].any() and not dx[~mask].any()
    assert (np.abs(dx[mask]).max(-1) > 0).all()


@each
def test_a_masked_batch_is_its_sequences_one_by_one(name, rng):
    x, (states, ws) = rng.standard_normal((T, N, D)), weights(rng, OPS[name][0])
    lengths = (T, 4, 1)  # a sequence of one step too
    mask = np.arange(T)[:, None] < np.array(lengths)
    (y, *last), grads = pulled(name, x, states, ws, mask)
    draw = np.random.default_rng(1).standard_normal
    dy, *dlast = (draw(v.shape) for v in (y, *last))
    total = 0
    for n, k in enumerate(lengths):
        column = slice(n, n + 1)  # a batch of one
        own, own_grads = pulled(
            name,
            x[:k, column],
            [s[column] for s in states],
            ws,
            None,
            dy=(dy[:k, column], *(d[column] for d in dlast)),
        )
        for a, b in zip((y[:k], *last), own, strict=True):
            assert np.allclose(a[..., column, :], b, rtol=0, atol=1e-14)
        assert np.allclose(grads[0][:k, column], own_grads[0], rtol=0, atol=1e-13)
        assert np.allclose(grads[1][column], own_grads[1], rtol=0, atol=1e-13)
        total = total + own_grads[1 + len(states)]
    dw_x = grads[1 + len(states)]
    assert np.max(np.abs(dw_x - total)) <= 1e-13 * np.max(np.abs(dw_x))


@each
def test_an_empty_mask_passes_everything_through(name, rng):
    x, (states, ws) = rng.standard_normal((T, N, D)), weights(rng, OPS[name][0])
    (y, *last), grads = pulled(name, x, states, ws, np.zeros((T, N), bool))
    assert not y.any() and same(last, states)
    draw = np.random.default_rng(1).standard_normal
    _, *dlast = (draw(v.shape) for v in (y, *last))
    assert same(grads[1 : 1 + len(states)], dlast)
    assert not any(g.any() for g in (grads[0], *grads[1 + len(states) : -1]))


# chunks and extremes


@each
@pytest.mark.parametrize("cut", [1, 4])
def test_two_chunks_are_one_sequence(name, cut, rng):
    f, f_backward, config = OPS[name]
    x, (states, ws) = rng.standard_normal((T, N, D)), weights(rng, f)
    mask = rng.random((T, N)) < 0.7
    (y, *last), grads = pulled(name, x, states, ws, mask)
    (y1, *middle), cache1 = f(x[:cut], *states, *ws, mask[:cut], **config)
    (y2, *end), cache2 = f(x[cut:], *middle, *ws, mask[cut:], **config)
    assert same((np.concatenate((y1, y2)), *end), (y, *last))
    # and backwards: the cotangent of the state between them is the gradient of the second's start
    draw = np.random.default_rng(1).standard_normal
    dy, *dlast = (draw(v.shape) for v in (y, *last))
    dx2, *rest = f_backward((dy[cut:], *dlast), cache2)
    dx1, *rest1 = f_backward((dy[:cut], *rest[: len(states)]), cache1)
    assert same((np.concatenate((dx1, dx2)), *rest1[: len(states)]), grads[: 1 + len(states)])
    both = [a + b for a, b in zip(rest1, rest, strict=True) if a is not None][len(states) :]
    for a, b in zip(both, grads[1 + len(states) : -1], strict=True):
        assert np.max(np.abs(a - b)) <= 1e-13 * np.max(np.abs(b))


@each
@pytest.mark.parametrize("scale", [1e4, 1e150])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_saturated_gates_are_finite(name, scale, dtype, rng):
    scale = min(scale, 1e30) if dtype == "float32" else scale
    x, (states, ws) = rng.standard_normal((T, N, D)), weights(rng, OPS[name][0])
    cast = lambda arrays: tuple(a.astype(dtype) for a in arrays)  # noqa: E731
    y, grads = pulled(name, (scale * x).astype(dtype), cast(states), cast(ws), None)
    assert all(np.isfinite(v).all() for v in (*y, *(g for g in grads if g is not None)))


def test_messages():
    x, h = np.ones((T, N, D)), np.zeros((N, H))
    with pytest.raises(TypeError) as error:
        nn.rnn(x, h, np.ones((D, H)), np.ones((H, H)), np.zeros(H), np.ones((T, N)))
    assert str(error.value) == (
        "rnn: mask has dtype float64; wanted a boolean dtype; compare, or convert it with "
        ".astype(bool)"
    )
    with pytest.raises(ValueError, match=r"gru: mask has shape \(3, 7\), but its axis T must be 7"):
        bias = np.zeros(3 * H)
        nn.gru(x, h, np.ones((D, 3 * H)), np.ones((H, 3 * H)), bias, bias, np.ones((N, T), bool))
    with pytest.raises(ValueError, match=r"lstm: p has shape \(4, 5\), but its axis 3 must be 3"):
        bias = np.zeros(4 * H)
        nn.lstm(x, h, h, np.ones((D, 4 * H)), np.ones((H, 4 * H)), bias, np.zeros((4, H)))


# gate orders


def test_onnx_weights_give_onnx_results(rng):
    """The equations of the ONNX operator LSTM with peepholes, in its own order i, o, f, c."""
    w, r = rng.standard_normal((4, H, D)), rng.standard_normal((4, H, H))
    (wb, rb), p = rng.standard_normal((2, 4, H)), rng.standard_normal((3, H))
    x, (h0, c0) = rng.standard_normal((T, N, D)), rng.standard_normal((2, N, H))
    h, c, want = h0, c0, []
    for x_t in x:
        i, o, f, g = (x_t @ w[k].T + h @ r[k].T + wb[k] + rb[k] for k in range(4))
        i, f, g = sigmoid(i + p[0] * c), sigmoid(f + p[2] * c), np.tanh(g)
        c = f * c + i * g
        h = sigmoid(o + p[1] * c) * np.tanh(c)
        want.append(h)
    order = partial(nn.reorder_gates, given="iofc", wanted="ifco")
    (y, *_), _ = nn.lstm(
        x,
        h0,
        c0,
        order(w.reshape(4 * H, D).T),
        order(r.reshape(4 * H, H).T),
        order((wb + rb).ravel()),
        nn.reorder_gates(p.ravel(), "iof", "ifo").reshape(3, H),
    )
    assert np.max(np.abs(y - np.stack(want))) <= 1e-13


def test_gates_are_reordered_there_and_back(rng):
    w = rng.standard_normal((D, 4 * H))
    there = nn.reorder_gates(w, "iofc", "ifco")
    assert np.array_equal(there[:, H : 2 * H], w[:, 2 * H : 3 * H])
    assert np.array_equal(nn.reorder_gates(there, "ifco", "iofc"), w)
    with jax.enable_x64(True):
        assert np.array_equal(jaxnn.reorder_gates(jax.numpy.asarray(w), "iofc", "ifco"), there)


@pytest.mark.parametrize("package", [nn, jaxnn])
def test_gates_that_do_not_fit(package):
    with pytest.raises(ValueError) as error:
        package.reorder_gates(np.ones((2, 8)), "iofc", "ifgo")
    assert str(error.value) == (
        "reorder_gates: cannot order 'iofc' as 'ifgo'; wanted the same letters in both, each once"
    )
    with pytest.raises(ValueError) as error:
        package.reorder_gates(np.ones((8, 3)), "iofc", "ifco")
    assert str(error.value) == (
        "reorder_gates: the last axis of shape (8, 3) holds no 4 equal blocks; wanted the gates "
        "side by side there; transpose it, as ONNX and PyTorch stack rows"
    )


# attention


def attention_arrays(rng, N=3, S=7, dtype="float64"):
    shapes = [(N, 2), (N, S, 5), (N, S, 11), (2, 13), (5, 13), (13,)]
    return [rng.standard_normal(s).astype(dtype) for s in shapes]


def test_attention_by_its_definition(rng):
    query, keys, values, w_q, w_k, v = arrays = attention_arrays(rng)
    mask = rng.random((3, 7)) < 0.6
    (y, a), _ = nn.additive_attention(*arrays, mask)
    for n in range(3):
        scores = [v @ np.tanh(w_q.T @ query[n] + w_k.T @ k) for k in keys[n]]
        e = np.exp(scores) * mask[n]
        assert np.allclose(a[n], e / e.sum(), rtol=1e-13, atol=0)
        assert np.allclose(y[n], sum(a[n, s] * values[n, s] for s in range(7)), atol=1e-14)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_row_masked_throughout_attends_to_nothing(dtype, rng):
    arrays = attention_arrays(rng, dtype=dtype)
    mask = rng.random((3, 7)) < 0.6
    mask[1] = False
    arrays[1][~mask], arrays[2][~mask] = np.nan, np.inf  # padding of the keys and values
    (y, a), cache = nn.additive_attention(*arrays, mask)
    assert not y[1].any() and not a[1].any() and np.allclose(a.sum(-1), [1, 0, 1])
    dy = tuple(rng.standard_normal(u.shape).astype(dtype) for u in (y, a))
    grads = nn.additive_attention_backward(dy, cache)
    assert all(np.isfinite(g).all() for g in grads[:-1]) and grads[-1] is None
    assert not grads[0][1].any() and not grads[1][~mask].any() and not grads[2][~mask].any()
    # the masked row adds nothing to the shared weights
    kept = nn.additive_attention(*(u[[0, 2]] for u in arrays[:3]), *arrays[3:], mask[[0, 2]])
    rest = nn.additive_attention_backward(tuple(u[[0, 2]] for u in dy), kept[1])
    eps = np.finfo(dtype).eps
    for g, h in zip(grads[3:6], rest[3:6], strict=True):
        assert np.max(np.abs(g - h)) <= 64 * eps * np.max(np.abs(h))
    twin, pulled_back = value_and_pullback(jaxnn.additive_attention, {}, (*arrays, mask), dy)
    for g, h in zip((y, a, *grads[:-1]), (*twin, *pulled_back[:-1]), strict=True):
        assert np.max(np.abs(g - h)) <= 64 * eps * np.max(np.abs(h))


def test_attention_with_a_full_mask_and_over_one_place(rng):
    arrays = attention_arrays(rng)
    ones = np.ones((3, 7), bool)
    assert same(nn.additive_attention(*arrays)[0], nn.additive_attention(*arrays, ones)[0])
    arrays = attention_arrays(rng, S=1)
    (y, a), cache = nn.additive_attention(*arrays)
    assert np.array_equal(y, arrays[2][:, 0]) and (a == 1).all()
    dquery, _, _, _, _, dv, _ = nn.additive_attention_backward((y, a), cache)
    assert not dquery.any() and not dv.any()  # softmax of one place is 1 whatever the score


def test_scores_of_any_size(rng):
    arrays = attention_arrays(rng)
    for scale in (1e4, -1e4, 1e300):
        given = (*arrays[:5], scale * arrays[5])
        (y, a), cache = nn.additive_attention(*given, np.arange(7) < np.array([[7], [4], [1]]))
        grads = nn.additive_attention_backward((np.ones_like(y), 0 * a), cache)
        assert all(np.isfinite(g).all() for g in (y, a, *grads[:-1]))
        assert np.allclose(a.sum(-1), 1)


# layers


def test_bidirectional_is_two_layers(rng):
    first, second = nn.GRU(D, 3), nn.LSTM(D, H)
    layer = nn.Bidirectional(first, second)
    params, state = layer.init(rng)
    assert state == {} and sorted(params) == ["backward", "forward"]
    x, dy = rng.standard_normal((T, N, D)), rng.standard_normal((T, N, 3 + H))
    (y, _), cache = layer.forward(params, state, x)
    dparams, dx = layer.backward(dy, cache)
    (y_f, _), cache_f = first.forward(params["forward"], {}, x)
    (y_b, _), cache_b = second.forward(params["backward"], {}, x[::-1])
    assert np.array_equal(y[..., :3], y_f) and np.array_equal(y[..., 3:], y_b[::-1])
    d_f, dx_f = first.backward(dy[..., :3], cache_f)
    d_b, dx_b = second.backward(dy[::-1, :, 3:], cache_b)
    assert np.array_equal(dx, dx_f + dx_b[::-1])
    want = trees.flatten({"forward": d_f, "backward": d_b})
    assert all(np.array_equal(g, want[k]) for k, g in trees.flatten(dparams).items())


def test_bidirectional_layers_stack(rng):
    layers = (
        ("one", nn.Bidirectional(nn.RNN(D, 3), nn.RNN(D, 2))),
        ("two", nn.Bidirectional(nn.GRU(5, 3), nn.GRU(5, H))),
    )
    model = nn.Sequential(layers)
    params, state = model.init(rng)
    x = rng.standard_normal((T, N, D))
    (y, _), cache = model.forward(params, state, x)
    dparams, dx = model.backward(np.ones_like(y), cache)
    assert y.shape == (T, N, 3 + H) and dx.shape == x.shape
    assert trees.map(np.shape, dparams) == trees.map(np.shape, params)
    # every output has seen every input
    x[-1] += 1
    (z, _), _ = model.forward(params, state, x)
    assert (np.abs(z - y).max((1, 2)) > 0).all()


RECURRENT = {
    "RNN": lambda nn: nn.RNN(D, H),
    "GRU": lambda nn: nn.GRU(D, H),
    "LSTM": lambda nn: nn.LSTM(D, H, peepholes=True),
}


@pytest.mark.parametrize("name", RECURRENT)
def test_back_propagation_is_truncated_at_the_carry(name, rng):
    """Two chunks in a row against jax.grad, which must stop at the carry too."""
    layer, twin = RECURRENT[name](nn), RECURRENT[name](jaxnn)
    params, _ = layer.init(rng)
    params = trees.map(lambda p: p + rng.standard_normal(p.shape), params)
    x, dy = rng.standard_normal((2, T, N, D)), rng.standard_normal((2, T, N, H))
    state, total, want_y = layer.carry(N), 0, []
    for x_k, dy_k in zip(x, dy, strict=True):
        (y, state), cache = layer.forward(params, state, x_k)
        dparams, _ = layer.backward(dy_k, cache)
        total = dparams if total == 0 else trees.add(total, dparams)
        want_y.append(y)

    def both(*leaves):
        state, ys = twin.carry(N), []
        for x_k in x:
            given = jaxnn.trees.unflatten(dict(zip(names, leaves, strict=True)))
            y, state = twin.forward(given, state, x_k)
            ys.append(y)
        return jax.numpy.stack(ys), *jaxnn.trees.flatten(state).values()

    names = list(trees.flatten(params))
    end = trees.flatten(state).values()
    zeros = [np.zeros_like(v) for v in end]
    leaves = tuple(trees.flatten(params).values())
    (ys, *twin_end), grads = value_and_pullback(both, {}, leaves, (dy, *zeros))
    for a, b in zip((np.stack(want_y), *end), (ys, *twin_end), strict=True):
        assert np.max(np.abs(a - b)) <= 1e-13
    for g, h in zip(trees.flatten(total).values(), grads, strict=True):
        assert np.max(np.abs(g - h)) <= 1e-12 * np.max(np.abs(h))


# models


@pytest.mark.parametrize("cell", ["RNN", "GRU", "LSTM"])
def test_char_rnn_reads_pieces_as_one_text(cell, rng):
    model = nn.CharRNN(getattr(nn, cell), n_chars=11, n_hidden=3, n_layers=2)
    params, _ = model.init(rng)
    ids = rng.integers(0, 11, (T, N))
    (whole, end), _ = model.forward(params, model.carry(N), ids)
    (first, state), _ = model.forward(params, model.carry(N), ids[:4])
    (second, last), cache = model.forward(params, state, ids[4:])
    assert np.array_equal(np.concatenate((first, second)), whole)
    assert same(trees.flatten(last).values(), trees.flatten(end).values())
    assert trees.map(np.shape, state) == trees.map(np.shape, model.carry(N))
    (fresh, none), _ = model.forward(params, {}, ids)
    assert none == {} and np.array_equal(fresh, whole)
    dparams, dx = model.backward(np.ones_like(second), cache)
    assert dx is None and trees.map(np.shape, dparams) == trees.map(np.shape, params)
    seen = np.abs(dparams["rnn1"]["w_x"]).max(-1) > 0  # only the characters of this piece learn
    assert set(np.flatnonzero(seen)) == set(np.unique(ids[4:]))


def test_models_keep_float32(rng):
    single = lambda tree: trees.map(lambda p: p.astype("float32"), tree)  # noqa: E731
    ids = rng.integers(0, 5, (T, N))
    for model, x in (
        (nn.CharRNN(nn.GRU, 5, 3), ids),
        (nn.Seq2Seq(5, 5, 2, 3), (ids, ids[:4])),
    ):
        params = single(model.init(rng)[0])
        (y, _), cache = model.forward(params, {}, x)
        dparams, _ = model.backward(np.ones_like(y), cache)
        assert {y.dtype.name, *(g.dtype.name for g in trees.flatten(dparams).values())} == {
            "float32"
        }


@pytest.mark.parametrize("package", [nn, jaxnn])
def test_ids_out_of_range(package):
    ids = np.array([[0, 1], [5, 2]])
    model = package.CharRNN(package.RNN, 5, 3)
    params, _ = model.init(np.random.default_rng(0))
    with pytest.raises(ValueError) as error:
        model.forward(params, {}, ids)
    assert str(error.value) == (
        "CharRNN: ids run from 0 to 5; wanted 0 to 4 for the 5 characters; renumber the "
        "characters or widen the model"
    )
    model = package.Seq2Seq(7, 5, 3, 2)
    params, _ = model.init(np.random.default_rng(0))
    with pytest.raises(ValueError) as error:
        model.forward(params, {}, (ids, ids))
    assert str(error.value) == (
        "Seq2Seq: target ids run from 0 to 5; wanted 0 to 4; renumber the words or widen the model"
    )
    with pytest.raises(ValueError) as error:
        model.forward(params, {}, (ids, ids[:, :1]))
    assert str(error.value) == (
        "Seq2Seq: source has 2 columns, target 1; wanted one pair per column; put time first"
    )


def test_padding_a_source_changes_nothing(rng):
    model = nn.Seq2Seq(13, 11, 5, 3)
    params, _ = model.init(rng)
    source, target = rng.integers(1, 13, (4, 2)), rng.integers(0, 11, (6, 2))
    (logits, _), cache = model.forward(params, {}, (source, target))
    dy = rng.standard_normal(logits.shape)
    dparams = trees.flatten(model.backward(dy, cache)[0])
    padded = np.concatenate((source, np.zeros((3, 2), int)))
    (again, _), cache = model.forward(params, {}, (padded, target))
    # more zeros in the sums, which round in another order
    assert np.max(np.abs(again - logits)) <= 1e-14
    for k, g in trees.flatten(model.backward(dy, cache)[0]).items():
        assert np.max(np.abs(g - dparams[k])) <= 1e-13
    assert not dparams["source/table"][0].any()


def test_the_decoder_does_not_see_what_comes_later(rng):
    model = nn.Seq2Seq(13, 11, 5, 3)
    params, _ = model.init(rng)
    source, target = rng.integers(1, 13, (4, 2)), rng.integers(0, 11, (6, 2))
    (logits, _), _ = model.forward(params, {}, (source, target))
    target[3:] = (target[3:] + 1) % 11
    (again, _), _ = model.forward(params, {}, (source, target))
    changed = np.abs(again - logits).max((1, 2)) > 0
    assert changed.tolist() == [False] * 3 + [True] * 3


def test_one_word_to_one_word_and_a_source_of_padding_alone(rng):
    model = nn.Seq2Seq(13, 11, 5, 3)
    params, _ = model.init(rng)
    for source in (np.array([[4]]), np.array([[0]])):
        (logits, _), cache = model.forward(params, {}, (source, np.array([[2]])))
        dparams, _ = model.backward(np.ones_like(logits), cache)
        assert logits.shape == (1, 1, 11)
        assert all(np.isfinite(g).all() for g in (logits, *trees.flatten(dparams).values()))
