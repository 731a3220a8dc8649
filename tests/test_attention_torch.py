"""Attention against PyTorch's, values and gradients, in double precision."""

import numpy as np
import pytest

import scratchnn as nn

torch = pytest.importorskip("torch")


def tensors(*arrays):
    return [torch.tensor(a, requires_grad=a.dtype.kind == "f") for a in arrays]


def close(ours, theirs):
    """The same products, added in another order."""
    theirs = theirs.detach().numpy()
    assert ours.shape == theirs.shape
    assert np.max(np.abs(ours - theirs)) <= 64 * 2.0**-52 * max(1.0, np.max(np.abs(theirs)))


@pytest.mark.parametrize("op", ["attention", "blockwise_attention"])
@pytest.mark.parametrize("case", ["plain", "masked", "causal", "scaled"])
def test_scaled_dot_product_attention(op, case, rng):
    q, k, v, dy = (
        rng.standard_normal(s) for s in ((2, 3, 5, 8), (2, 3, 7, 8), (2, 3, 7, 4), (2, 3, 5, 4))
    )
    mask = rng.random((2, 3, 5, 7)) < 0.7
    mask[..., 0] = True  # PyTorch's answer for a row of no keys depends on its version
    mask = mask if case == "masked" else None
    config = {"causal": case == "causal", "scale": 0.7 if case == "scaled" else None}
    y, cache = getattr(nn, op)(q, k, v, mask, **config)
    dq, dk, dv, _ = getattr(nn, f"{op}_backward")(dy, cache)
    qt, kt, vt = tensors(q, k, v)
    theirs = torch.nn.functional.scaled_dot_product_attention(
        qt,
        kt,
        vt,
        attn_mask=None if mask is None else torch.tensor(mask),
        is_causal=config["causal"],
        scale=config["scale"],
    )
    theirs.backward(torch.tensor(dy))
    for ours, other in ((y, theirs), (dq, qt.grad), (dk, kt.grad), (dv, vt.grad)):
        close(ours, other)


def test_grouped_heads(rng):
    q, k, v, dy = (
        rng.standard_normal(s) for s in ((2, 6, 5, 8), (2, 3, 7, 8), (2, 3, 7, 4), (2, 6, 5, 4))
    )
    y, cache = nn.grouped_attention(q, k, v, groups=2, causal=True)
    dq, dk, dv, _ = nn.grouped_attention_backward(dy, cache)
    qt, kt, vt = tensors(q, k, v)
    theirs = torch.nn.functional.scaled_dot_product_attention(
        qt, kt, vt, is_causal=True, enable_gqa=True
    )
    theirs.backward(torch.tensor(dy))
    for ours, other in ((y, theirs), (dq, qt.grad), (dk, kt.grad), (dv, vt.grad)):
        close(ours, other)


@pytest.mark.parametrize("masked", [False, True])
def test_multi_head_attention(masked, rng):
    """Its weights are ours transposed, its mask ours negated; its bias of the keys has no effect
    and no gradient."""
    D, heads = 6, 2
    layer = torch.nn.MultiheadAttention(D, heads, batch_first=True, dtype=torch.float64)
    with torch.no_grad():
        for p in layer.parameters():
            p.copy_(torch.tensor(rng.standard_normal(p.shape)))
    w_q, w_k, w_v = (w.T.copy() for w in np.split(layer.in_proj_weight.detach().numpy(), 3))
    b_q, _, b_v = np.split(layer.in_proj_bias.detach().numpy(), 3)
    w_o, b_o = layer.out_proj.weight.detach().numpy().T, layer.out_proj.bias.detach().numpy()
    q, k, v, dy = (rng.standard_normal((2, n, D)) for n in (5, 7, 7, 5))
    mask = rng.random((5, 7)) < 0.7
    mask[:, 0] = True
    qt, kt, vt = tensors(q, k, v)
    theirs, _ = layer(qt, kt, vt, attn_mask=torch.tensor(~mask) if masked else None)
    theirs.backward(torch.tensor(dy))
    ours = np.broadcast_to(mask, (2, 5, 7)) if masked else None
    y, cache = nn.multi_head_attention(
        q, k, v, w_q, w_k, w_v, w_o, b_q, b_v, b_o, ours, heads=heads
    )
    dq, dk, dv, dw_q, dw_k, dw_v, dw_o, db_q, db_v, db_o, _ = nn.multi_head_attention_backward(
        dy, cache
    )
    dw = layer.in_proj_weight.grad
    db = layer.in_proj_bias.grad
    pairs = [(y, theirs), (dq, qt.grad), (dk, kt.grad), (dv, vt.grad)]
    pairs += [(d.T, part) for d, part in zip((dw_q, dw_k, dw_v), dw.split(D), strict=True)]
    pairs += [(dw_o.T, layer.out_proj.weight.grad), (db_o, layer.out_proj.bias.grad)]
    pairs += [(db_q, db[:D]), (db_v, db[2 * D :])]
    for a, b in pairs:
        close(a, b)
    # what PyTorch gives for the bias of the keys is the rounding of a sum that is zero
    assert abs(db[D : 2 * D]).max() <= 64 * 2.0**-52 * abs(dw).max()


@pytest.mark.parametrize("norm_first", [False, True])
def test_transformer_block(norm_first, rng):
    D, n_hidden = 6, 5
    layer = torch.nn.TransformerEncoderLayer(
        D, 2, n_hidden, 0.0, "gelu", norm_first=norm_first, batch_first=True, dtype=torch.float64
    )
    with torch.no_grad():
        for p in layer.parameters():
            p.copy_(torch.tensor(rng.standard_normal(p.shape)))
    own = {k: p.detach().numpy() for k, p in layer.named_parameters()}
    w = np.split(own["self_attn.in_proj_weight"], 3)
    b = np.split(own["self_attn.in_proj_bias"], 3)
    params = {
        "attention": {
            **{name: part.T for name, part in zip(("w_q", "w_k", "w_v"), w, strict=True)},
            "w_o": own["self_attn.out_proj.weight"].T,
            "b_q": b[0],
            "b_v": b[2],
            "b_o": own["self_attn.out_proj.bias"],
        }
    }
    for k in (1, 2):
        params[f"norm{k}"] = {"gamma": own[f"norm{k}.weight"], "beta": own[f"norm{k}.bias"]}
        params[f"fc{k}"] = {"w": own[f"linear{k}.weight"].T, "b": own[f"linear{k}.bias"]}
    block = nn.TransformerBlock(D, 2, n_hidden, norm="pre" if norm_first else "post")
    x, dy = rng.standard_normal((2, 2, 5, D))
    (y, _), cache = block.forward(params, {}, x)
    dparams, dx = block.backward(dy, cache)
    (xt,) = tensors(x)
    theirs = layer(xt)
    theirs.backward(torch.tensor(dy))
    grads = {k: p.grad for k, p in layer.named_parameters()}
    pairs = [(y, theirs), (dx, xt.grad)]
    pairs += [(dparams["attention"]["w_o"].T, grads["self_attn.out_proj.weight"])]
    for k in (1, 2):
        pairs += [(dparams[f"norm{k}"]["gamma"], grads[f"norm{k}.weight"])]
        pairs += [(dparams[f"fc{k}"]["w"].T, grads[f"linear{k}.weight"])]
    for a, other in pairs:
        close(a, other)
