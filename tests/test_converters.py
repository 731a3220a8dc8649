"""PyTorch state dicts as our parameters: shapes, messages, and what PyTorch computes with them."""

import numpy as np
import pytest

import jaxnn
import scratchnn
from scratchnn import trees

BACKENDS = pytest.mark.parametrize("nn", [scratchnn, jaxnn], ids=lambda nn: nn.__name__)


def entries(rng, shapes, prefix="m."):
    return {prefix + k: rng.standard_normal(shape) for k, shape in shapes.items()}


RECURRENT = {"weight_ih": ("G", 3), "weight_hh": ("G", 2), "bias_ih": ("G",), "bias_hh": ("G",)}


def recurrent(gates, of="l0"):
    sizes = {k: tuple(2 * gates if n == "G" else n for n in s) for k, s in RECURRENT.items()}
    return {f"{k}_{of}": shape for k, shape in sizes.items()}


ATTENTION = {
    "in_proj_weight": (18, 6),
    "in_proj_bias": (18,),
    "out_proj.weight": (6, 6),
    "out_proj.bias": (6,),
}
BATCH_NORM = {"running_mean": (3,), "running_var": (3,), "num_batches_tracked": ()}
PLAIN = {  # converter, the module's entries, our layer
    "linear": ({"weight": (2, 3), "bias": (2,)}, lambda nn: nn.Linear(3, 2)),
    "conv1d": ({"weight": (6, 2, 5), "bias": (6,)}, lambda nn: nn.Conv1d(4, 6, 5, groups=2)),
    "conv2d": ({"weight": (3, 2, 5, 4), "bias": (3,)}, lambda nn: nn.Conv2d(2, 3, (5, 4))),
    "conv3d": (
        {"weight": (3, 2, 1, 5, 4), "bias": (3,)},
        lambda nn: nn.Conv3d(2, 3, (1, 5, 4)),
    ),
    "batch_norm": (
        {"weight": (3,), "bias": (3,), **BATCH_NORM},
        lambda nn: nn.BatchNorm(3),
    ),
    "layer_norm": ({"weight": (3,), "bias": (3,)}, lambda nn: nn.LayerNorm(3)),
    "embedding": ({"weight": (5, 3)}, lambda nn: nn.Embedding(5, 3)),
    "lstm": (recurrent(4), lambda nn: nn.LSTM(3, 2)),
    "gru": (recurrent(3), lambda nn: nn.GRU(3, 2)),
    "multi_head_attention": (ATTENTION, lambda nn: nn.MultiHeadAttention(6, 2)),
}
BIASED = sorted(PLAIN.keys() - {"batch_norm", "embedding"})


def converter(nn, name):
    name = "conv" if name.startswith("conv") else name
    return getattr(nn.converters, f"{name}_from_torch")


def trees_of(converted):
    params, state = converted if isinstance(converted, tuple) else (converted, {})
    return {"params": params, "state": state}


@BACKENDS
@pytest.mark.parametrize("prefix", ["", "net.0"])
@pytest.mark.parametrize("name", PLAIN)
def test_the_trees_are_those_of_init(nn, name, prefix, rng):
    shapes, build = PLAIN[name]
    given = entries(rng, shapes, f"{prefix}." if prefix else "")
    given |= {"weight.other": np.ones(1), "net.00.bias": np.ones(1)}
    got = trees.flatten(trees_of(converter(nn, name)(given, prefix)))
    want = trees.flatten(trees_of(build(nn).init(rng)))
    assert {k: v.shape for k, v in got.items()} == {k: v.shape for k, v in want.items()}


@BACKENDS
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("name", BIASED)
def test_without_bias_and_in_its_dtype(nn, name, bias, dtype, rng):
    shapes, build = PLAIN[name]
    given = {k: v.astype(dtype) for k, v in entries(rng, shapes).items() if bias or "bias" not in k}
    got = converter(nn, name)(given, "m", bias=bias)
    assert {v.dtype for v in got.values()} == {np.dtype(dtype)}
    layer, zeros = build(nn), name in ("layer_norm", "lstm", "gru")  # whose ops have a bias always
    if bias or zeros:
        assert got.keys() == layer.init(rng)[0].keys()
    else:
        assert got.keys() == {k for k in layer.init(rng)[0] if k[0] == "w"}
    if zeros and not bias:
        assert not any(got[k].any() for k in got if k[0] == "b")


def message(call, *args, **kwargs):
    with pytest.raises(ValueError) as error:
        call(*args, **kwargs)
    text = str(error.value)
    assert "\n" not in text
    return text


MISSING = [(n, k) for n in PLAIN for k in PLAIN[n][0] if k != "num_batches_tracked"]


@BACKENDS
@pytest.mark.parametrize(("name", "key"), MISSING)
def test_a_missing_or_misshapen_entry_is_named(nn, name, key, rng):
    given = entries(rng, PLAIN[name][0])
    right = given.pop(f"m.{key}")
    text = message(converter(nn, name), given, "m")
    assert text.startswith(f"no entry m.{key}; wanted one of shape (")
    assert ("pass bias=False" in text) == (name in BIASED and "bias" in key)
    # an axis too many is never right; an axis too long only if the entry sets that size itself
    wrong = [np.ones((2, *right.shape)) if right.ndim < 5 else right[0, 0, 0]]
    wrong += [np.ones(right.shape[0] + 1)] if right.ndim == 1 and key != "weight" else []
    if "conv" in name and key == "weight":
        wrong = [right[0, 0, 0], np.ones((2, 2, 2, 2, 2, 2))]
    for array in wrong:
        shape = tuple(np.shape(array))
        text = message(converter(nn, name), {**given, f"m.{key}": array}, "m")
        assert text.startswith(f"entry m.{key} has shape {shape}; wanted (")


@BACKENDS
def test_messages(nn, rng):
    c = nn.converters
    given = {"fc1.weight": np.ones((2, 3)), "fc1.bias": np.ones(3)}
    assert message(c.linear_from_torch, given, "fc") == (
        "no entry fc.weight; wanted one of shape (n_out, n_in); there is fc1.weight"
    )
    assert message(c.linear_from_torch, {}) == (
        "no entry weight; wanted one of shape (n_out, n_in); there is none near it"
    )
    assert message(c.linear_from_torch, given, "fc1") == (
        "entry fc1.bias has shape (3,); wanted (2,); look whether fc1 is a module of this kind"
    )
    assert message(c.linear_from_torch, given, "fc1", bias=False) == (
        "entry fc1.bias of shape (3,) cannot be kept: bias=False would lose it; pass bias=True"
    )
    assert message(c.gru_from_torch, entries(rng, recurrent(4)), "m") == (
        "entry m.weight_hh_l0 has shape (8, 2); wanted (6, 2); "
        "look whether m is a module of this kind"
    )
    square = entries(rng, ATTENTION | {"out_proj.weight": (6, 5)})
    assert message(c.multi_head_attention_from_torch, square, "m") == (
        "entry m.out_proj.weight has shape (6, 5); wanted (embed_dim, embed_dim); "
        "look whether m is a module of this kind"
    )


@BACKENDS
@pytest.mark.parametrize(
    ("name", "key", "why"),
    [
        ("lstm", "weight_hr_l0", "proj_size=0"),
        ("multi_head_attention", "bias_k", "add_bias_kv=False"),
        ("multi_head_attention", "q_proj_weight", "kdim and vdim must equal embed_dim"),
    ],
)
def test_what_our_layers_do_not_have(nn, name, key, why, rng):
    given = entries(rng, PLAIN[name][0] | {key: (1, 2)})
    text = message(converter(nn, name), given, "m")
    assert text.startswith(f"entry m.{key} of shape (1, 2) cannot be kept: ") and why in text


@BACKENDS
def test_read(nn, tmp_path):
    path = tmp_path / "a.safetensors"
    assert "no file" in message(nn.converters.read, path)
    path.write_bytes(b"{}")
    assert "is not a safetensors file" in message(nn.converters.read, path)
    given = {"net.0.weight": np.ones((2, 3), np.float32), "od/d.name": np.zeros(1, np.float32)}
    scratchnn.checkpoints.save(path, given)
    back = nn.converters.read(path)
    assert back.keys() == given.keys()
    assert all(np.array_equal(back[k], given[k]) for k in given)
    header = b'{"w":{"dtype":"BF16","shape":[1],"data_offsets":[0,2]}}'
    path.write_bytes(len(header).to_bytes(8, "little") + header + b"\x80\x3f")
    assert message(nn.converters.read, path) == (
        f"read: {path} has entries of type 'BF16'; wanted floats of 16, 32 or 64 bits; save "
        "module.float()"
    )


# PyTorch's module, shape of its input, our layer, options of the converter
MODULES = {
    "linear": (lambda t: t.Linear(3, 2), (5, 3), lambda nn: nn.Linear(3, 2), {}),
    "linear-unbiased": (
        lambda t: t.Linear(3, 2, bias=False),
        (5, 3),
        lambda nn: nn.Linear(3, 2, bias=False),
        {"bias": False},
    ),
    "conv1d": (
        lambda t: t.Conv1d(4, 6, 3, stride=2, padding=1),
        (2, 4, 11),
        lambda nn: nn.Conv1d(4, 6, 3, stride=2, padding=1),
        {},
    ),
    "conv2d": (
        lambda t: t.Conv2d(4, 6, (3, 2), dilation=(1, 2), groups=2),
        (2, 4, 7, 5),
        lambda nn: nn.Conv2d(4, 6, (3, 2), dilation=(1, 2), groups=2),
        {},
    ),
    "conv3d": (
        lambda t: t.Conv3d(2, 3, (1, 3, 2), bias=False),
        (2, 2, 3, 7, 5),
        lambda nn: nn.Conv3d(2, 3, (1, 3, 2), bias=False),
        {"bias": False},
    ),
    "batch_norm": (lambda t: t.BatchNorm2d(3), (2, 3, 5, 7), lambda nn: nn.BatchNorm(3), {}),
    "layer_norm": (lambda t: t.LayerNorm(3), (2, 5, 3), lambda nn: nn.LayerNorm(3), {}),
    "layer_norm-unbiased": (
        lambda t: t.LayerNorm(3, bias=False),
        (2, 5, 3),
        lambda nn: nn.LayerNorm(3),
        {"bias": False},
    ),
    "embedding": (lambda t: t.Embedding(5, 3), None, lambda nn: nn.Embedding(5, 3), {}),
    "lstm": (lambda t: t.LSTM(3, 5), (7, 2, 3), lambda nn: nn.LSTM(3, 5), {}),
    "lstm-unbiased": (
        lambda t: t.LSTM(3, 5, bias=False),
        (7, 2, 3),
        lambda nn: nn.LSTM(3, 5),
        {"bias": False},
    ),
    "gru": (lambda t: t.GRU(3, 5), (7, 2, 3), lambda nn: nn.GRU(3, 5), {}),
    "multi_head_attention": (
        lambda t: t.MultiheadAttention(6, 2, batch_first=True),
        (2, 5, 6),
        lambda nn: nn.MultiHeadAttention(6, 2),
        {},
    ),
    "multi_head_attention-unbiased": (
        lambda t: t.MultiheadAttention(6, 3, bias=False, batch_first=True),
        (2, 5, 6),
        lambda nn: nn.MultiHeadAttention(6, 3, bias=False),
        {"bias": False},
    ),
}
DTYPES = pytest.mark.parametrize(("dtype", "bound"), [("float32", 1e-5), ("float64", 1e-10)])


@pytest.fixture
def torch():
    return pytest.importorskip("torch")


def prepare(torch, module, dtype):
    """No entry left at its start: biases are zero there, and running statistics 0 and 1."""
    torch.manual_seed(0)
    with torch.no_grad():
        for name, entry in module.state_dict().items():
            if entry.is_floating_point():
                entry.uniform_(0.5, 1.5) if "var" in name else entry.uniform_(-0.5, 0.5)
    return module.to(getattr(torch, dtype)).eval()


def saved(nn, torch, module, path):
    """What `read` gives of a file with the module as `net`."""
    from safetensors.torch import save_file

    save_file(torch.nn.ModuleDict({"net": module}).state_dict(), path)
    return nn.converters.read(path)


def run(nn, layer, params, state, x):
    out = layer.forward(params, state, x)
    (y, _) = out[0] if nn is scratchnn else out
    return np.asarray(y)


def close(y, want, bound):
    want = want.detach().numpy()
    assert y.shape == want.shape and y.dtype == want.dtype
    assert np.max(np.abs(y - want)) <= bound


@DTYPES
@BACKENDS
@pytest.mark.parametrize("name", MODULES)
def test_the_output_is_that_of_torch(nn, name, dtype, bound, torch, rng, tmp_path, x64):
    make, shape, build, options = MODULES[name]
    kind = name.removesuffix("-unbiased")
    module = prepare(torch, make(torch.nn), dtype)
    x = rng.integers(0, 5, (2, 7)) if shape is None else rng.standard_normal(shape).astype(dtype)
    tx = torch.tensor(x)
    want = module(tx, tx, tx) if "attention" in name else module(tx)
    want = want[0] if isinstance(want, tuple) else want
    channels_second = kind.startswith("conv") or kind == "batch_norm"
    if channels_second:
        x, want = np.moveaxis(x, 1, -1), want.movedim(1, -1)
    arrays = saved(nn, torch, module, tmp_path / "a.safetensors")
    converted = trees_of(converter(nn, kind)(arrays, "net", **options))
    close(run(nn, build(nn), **converted, x=x), want, bound)


@DTYPES
@BACKENDS
@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
def test_a_bidirectional_stack(nn, kind, dtype, bound, torch, rng, tmp_path, x64):
    module = prepare(torch, getattr(torch.nn, kind)(3, 5, num_layers=2, bidirectional=True), dtype)
    arrays = saved(nn, torch, module, tmp_path / "a.safetensors")
    x = rng.standard_normal((7, 2, 3)).astype(dtype)
    want, _ = module(torch.tensor(x))
    body, convert = getattr(nn, kind), converter(nn, kind.lower())
    for layer, n_in in enumerate((3, 10)):
        params = {
            "forward": convert(arrays, "net", layer=layer),
            "backward": convert(arrays, "net", layer=layer, reverse=True),
        }
        x = run(nn, nn.Bidirectional(body(n_in, 5), body(n_in, 5)), params, {}, x)
    close(x, want, bound)


@DTYPES
@BACKENDS
def test_masked_cross_attention_does_not_miss_the_bias_of_keys(
    nn, dtype, bound, torch, rng, tmp_path, x64
):
    module = prepare(torch, torch.nn.MultiheadAttention(6, 2, batch_first=True), dtype)
    assert module.in_proj_bias[6:12].abs().min() > 0.01
    arrays = saved(nn, torch, module, tmp_path / "a.safetensors")
    x, memory = (rng.standard_normal((2, T, 6)).astype(dtype) for T in (3, 5))
    mask = rng.random((3, 5)) < 0.6
    mask[:, 0] = True  # PyTorch's answer for a row of no keys depends on its version
    q, k = torch.tensor(x), torch.tensor(memory)
    want, _ = module(q, k, k, attn_mask=torch.tensor(~mask))
    params = nn.converters.multi_head_attention_from_torch(arrays, "net")
    mask = np.broadcast_to(mask, (2, 3, 5))
    y = nn.multi_head_attention(x, memory, memory, **params, mask=mask, heads=2)
    close(np.asarray(y[0] if nn is scratchnn else y), want, bound)
