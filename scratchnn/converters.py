"""Weights of PyTorch modules as our parameters: the same numbers, their axes in our order.

Every function takes the entries of a state dict, as `read` gives them, and the name of the module
in it; the prefix "" is for the state dict of the module alone. What a state dict does not say
(strides, the number of heads, eps) is for the layer to say: eps is 1e-5 in both libraries.

An entry that is missing, misshapen or without a place in our layer is an error. A weight stands
here as (in, out), in PyTorch as (out, in); channels stand last.
"""

from difflib import get_close_matches
from pathlib import Path

import numpy as np

from scratchnn import checkpoints, trees
from scratchnn.trees import Tree

Array = np.ndarray


def read(path: str | Path) -> dict[str, Array]:
    """The entries of a safetensors file, by their names: a PyTorch state dict.

    Write one by `safetensors.torch.save_file(module.state_dict(), path)`.

    Raises:
        ValueError: no such file, not a safetensors file, or a type that NumPy does not have.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     checkpoints.save(f"{folder}/a.safetensors", {"fc.weight": np.ones((2, 3))})
    ...     read(f"{folder}/a.safetensors")["fc.weight"].shape
    (2, 3)
    """
    try:
        return trees.flatten(checkpoints.load(path))
    except KeyError as error:  # a type that safetensors does not know how to read
        raise ValueError(
            f"read: {path} has entries of type {error}; wanted floats of 16, 32 or 64 bits; save "
            "module.float()"
        ) from None


def linear_from_torch(arrays: dict[str, Array], prefix: str = "", *, bias: bool = True) -> Tree:
    """Params of `Linear` from a torch.nn.Linear.

    >>> arrays = {"fc.weight": np.ones((2, 3)), "fc.bias": np.ones(2)}
    >>> {k: p.shape for k, p in linear_from_torch(arrays, "fc").items()}
    {'w': (3, 2), 'b': (2,)}
    """
    weight = _entry(arrays, prefix, "weight", "n_out", "n_in")
    b = _bias(arrays, prefix, "bias", weight, bias)
    return {"w": weight.T, "b": b} if bias else {"w": weight.T}


def conv_from_torch(arrays: dict[str, Array], prefix: str = "", *, bias: bool = True) -> Tree:
    """Params of `Conv1d`, `Conv2d` or `Conv3d` from a torch.nn module of that name.

        (K, C/groups, KH, KW) -> (KH, KW, C/groups, K)

    >>> arrays = {"weight": np.ones((8, 4, 3, 2)), "bias": np.ones(8)}
    >>> {k: p.shape for k, p in conv_from_torch(arrays).items()}
    {'w': (3, 2, 4, 8), 'b': (8,)}
    """
    rank = np.ndim(arrays.get(_key(prefix, "weight"), 0))
    kernel = {3: ("KL",), 5: ("KD", "KH", "KW")}.get(rank, ("KH", "KW"))
    weight = _entry(arrays, prefix, "weight", "n_out", "n_in/groups", *kernel)
    w = weight.transpose(*range(2, weight.ndim), 1, 0)
    b = _bias(arrays, prefix, "bias", weight, bias)
    return {"w": w, "b": b} if bias else {"w": w}


def batch_norm_from_torch(arrays: dict[str, Array], prefix: str = "") -> tuple[Tree, Tree]:
    """Params and state of `BatchNorm` from a torch.nn.BatchNorm1d, 2d or 3d.

    Inference is the same. In training PyTorch's momentum is our 1 - momentum, and the variance it
    blends in is n/(n - 1) times ours, see `BatchNorm`.

    >>> names = ("weight", "bias", "running_mean", "running_var")
    >>> params, state = batch_norm_from_torch({f"bn.{k}": np.ones(3) for k in names}, "bn")
    >>> sorted(params), sorted(state)
    (['beta', 'gamma'], ['mean', 'var'])
    """
    gamma = _entry(arrays, prefix, "weight", "n_features")
    beta = _entry(arrays, prefix, "bias", len(gamma))
    mean = _entry(arrays, prefix, "running_mean", len(gamma))
    var = _entry(arrays, prefix, "running_var", len(gamma))
    return {"gamma": gamma, "beta": beta}, {"mean": mean, "var": var}


def layer_norm_from_torch(arrays: dict[str, Array], prefix: str = "", *, bias: bool = True) -> Tree:
    """Params of `LayerNorm` from a torch.nn.LayerNorm over the last axis.

    Without bias, beta is zero.

    >>> sorted(layer_norm_from_torch({"weight": np.ones(3), "bias": np.ones(3)}))
    ['beta', 'gamma']
    """
    gamma = _entry(arrays, prefix, "weight", "n_features")
    return {"gamma": gamma, "beta": _bias(arrays, prefix, "bias", gamma, bias)}


def embedding_from_torch(arrays: dict[str, Array], prefix: str = "") -> Tree:
    """Params of `Embedding` from a torch.nn.Embedding.

    >>> embedding_from_torch({"wte.weight": np.ones((5, 3))}, "wte")["table"].shape
    (5, 3)
    """
    return {"table": _entry(arrays, prefix, "weight", "n_ids", "n_features")}


def lstm_from_torch(
    arrays: dict[str, Array],
    prefix: str = "",
    *,
    layer: int = 0,
    reverse: bool = False,
    bias: bool = True,
) -> Tree:
    """Params of `LSTM` from one layer of a torch.nn.LSTM.

    Both have the gates in the order i, f, g, o. PyTorch adds two biases to the same sum, of which
    ours is the sum; without bias it is zero.

    Args:
        arrays: entries of the state dict.
        prefix: name of the module in it.
        layer: which of `num_layers`, from 0.
        reverse: whether the one backwards in time, the second of a `Bidirectional`.
        bias: whether the module has biases.

    >>> shapes = {"weight_ih_l0": (8, 3), "weight_hh_l0": (8, 2), "bias_ih_l0": 8, "bias_hh_l0": 8}
    >>> params = lstm_from_torch({k: np.ones(shape) for k, shape in shapes.items()})
    >>> {k: p.shape for k, p in params.items()}
    {'w_x': (3, 8), 'w_h': (2, 8), 'b': (8,)}
    """
    w_x, w_h, b_x, b_h = _recurrent(arrays, prefix, f"l{layer}" + "_reverse" * reverse, 4, bias)
    return {"w_x": w_x, "w_h": w_h, "b": b_x + b_h}


def gru_from_torch(
    arrays: dict[str, Array],
    prefix: str = "",
    *,
    layer: int = 0,
    reverse: bool = False,
    bias: bool = True,
) -> Tree:
    """Params of `GRU` from one layer of a torch.nn.GRU, for linear_before_reset=True.

    Both have the gates in the order r, z, n. The biases stay apart: the reset gate multiplies that
    of the recurrent product.

    Args:
        arrays: entries of the state dict.
        prefix: name of the module in it.
        layer: which of `num_layers`, from 0.
        reverse: whether the one backwards in time, the second of a `Bidirectional`.
        bias: whether the module has biases.

    >>> shapes = {"weight_ih_l0": (6, 3), "weight_hh_l0": (6, 2), "bias_ih_l0": 6, "bias_hh_l0": 6}
    >>> params = gru_from_torch({k: np.ones(shape) for k, shape in shapes.items()})
    >>> {k: p.shape for k, p in params.items()}
    {'w_x': (3, 6), 'w_h': (2, 6), 'b_x': (6,), 'b_h': (6,)}
    """
    w_x, w_h, b_x, b_h = _recurrent(arrays, prefix, f"l{layer}" + "_reverse" * reverse, 3, bias)
    return {"w_x": w_x, "w_h": w_h, "b_x": b_x, "b_h": b_h}


def multi_head_attention_from_torch(
    arrays: dict[str, Array], prefix: str = "", *, bias: bool = True
) -> Tree:
    """Params of `MultiHeadAttention` from a torch.nn.MultiheadAttention of as many heads.

    They fit the op `multi_head_attention` too. In both libraries head i has the i-th block of the
    projected features; the rows of in_proj_weight are those of queries, keys and values.

    The bias of keys is dropped, whatever its value. It adds the same number to all scores of a
    query q_t, which leaves their softmax as it is, with and without masks:

        q_t . (k_s + b_k) = q_t . k_s + q_t . b_k        softmax_s(z_s + c) = softmax_s(z_s)

    Only keys that do not come from the projection would lack it: those of add_bias_kv are refused;
    that of add_zero_attn, which no state dict shows, is not supported. Nor is `rotary_base`, which
    would turn b_k by the position of its key.

    Raises:
        ValueError: entries missing or misshapen, kdim or vdim other than embed_dim, add_bias_kv.

    >>> shapes = {"in_proj_weight": (18, 6), "in_proj_bias": 18}
    >>> shapes |= {"out_proj.weight": (6, 6), "out_proj.bias": 6}
    >>> params = multi_head_attention_from_torch({k: np.ones(s) for k, s in shapes.items()})
    >>> {k: p.shape for k, p in params.items() if k[0] == "b"}
    {'b_q': (6,), 'b_v': (6,), 'b_o': (6,)}
    """
    _refuse(arrays, prefix, "q_proj_weight", "kdim and vdim must equal embed_dim")
    _refuse(arrays, prefix, "bias_k", "our layer has no learned key; train with add_bias_kv=False")
    out = _entry(arrays, prefix, "out_proj.weight", "embed_dim", "embed_dim")
    D = len(out)
    weight = _entry(arrays, prefix, "in_proj_weight", 3 * D, D)
    w_q, w_k, w_v = (weight[i * D : (i + 1) * D].T for i in range(3))
    b_in = _bias(arrays, prefix, "in_proj_bias", weight, bias)
    b_o = _bias(arrays, prefix, "out_proj.bias", out, bias)
    params = {"w_q": w_q, "w_k": w_k, "w_v": w_v, "w_o": out.T}
    return params | ({"b_q": b_in[:D], "b_v": b_in[2 * D :], "b_o": b_o} if bias else {})


def _recurrent(arrays: dict, prefix: str, of: str, gates: int, bias: bool) -> tuple:
    """(w_x, w_h, b_x, b_h) of one layer and direction, such as l0_reverse."""
    _refuse(arrays, prefix, f"weight_hr_{of}", "our LSTM has no projection; train with proj_size=0")
    weight_hh = _entry(arrays, prefix, f"weight_hh_{of}", f"{gates} n_hidden", "n_hidden")
    H = weight_hh.shape[1]
    weight_hh = _entry(arrays, prefix, f"weight_hh_{of}", gates * H, H)  # now that H is known
    weight_ih = _entry(arrays, prefix, f"weight_ih_{of}", gates * H, "n_in")
    b_x = _bias(arrays, prefix, f"bias_ih_{of}", weight_ih, bias)
    b_h = _bias(arrays, prefix, f"bias_hh_{of}", weight_hh, bias)
    return weight_ih.T, weight_hh.T, b_x, b_h


def _key(prefix: str, name: str) -> str:
    return f"{prefix}.{name}" if prefix else name


def _entry(arrays: dict, prefix: str, name: str, *shape: int | str, hint: str = "") -> Array:
    """The entry of that name; a size may be a word, and then any number, the same each time."""
    key, wanted = _key(prefix, name), f"({', '.join(map(str, shape))}{',' * (len(shape) == 1)})"
    if key not in arrays:
        near = ", ".join(get_close_matches(key, arrays)) or "none near it"
        raise ValueError(f"no entry {key}; wanted one of shape {wanted}; there is {near}{hint}")
    array = np.asarray(arrays[key])
    sizes = dict(zip(shape, array.shape, strict=False))
    if array.shape != tuple(size if isinstance(size, int) else sizes.get(size) for size in shape):
        raise ValueError(
            f"entry {key} has shape {array.shape}; wanted {wanted}; look whether {prefix or name} "
            "is a module of this kind"
        )
    return array


def _bias(arrays: dict, prefix: str, name: str, weight: Array, bias: bool) -> Array:
    """The entry, as long as the weight; without bias zeros, as no entry is there to be lost."""
    if bias:
        hint = "; pass bias=False if the module has none"
        return _entry(arrays, prefix, name, len(weight), hint=hint)
    _refuse(arrays, prefix, name, "bias=False would lose it; pass bias=True")
    return np.zeros(len(weight), weight.dtype)


def _refuse(arrays: dict, prefix: str, name: str, why: str) -> None:
    key = _key(prefix, name)
    if key in arrays:
        raise ValueError(f"entry {key} of shape {np.shape(arrays[key])} cannot be kept: {why}")
