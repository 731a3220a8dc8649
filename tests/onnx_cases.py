"""The operators of ONNX by the ops of scratchnn.

A function of RUNS takes the attributes and the inputs of a node, None for those left out, and
gives its outputs, one array or a tuple. Only layouts and conventions are converted here: ONNX has
channels first, takes no stride for 1, stacks weights by rows, and adds masks to scores.
"""

import math
from functools import reduce

import numpy as np

import scratchnn as nn


def last(x):
    """Channels last."""
    return np.moveaxis(x, 1, -1)


def first(x):
    return np.moveaxis(x, -1, 1)


def along(op, axis, x):
    """A row-wise op along another axis."""
    return np.moveaxis(op(np.moveaxis(x, axis, -1))[0], -1, axis)


def elementwise(op):
    return lambda attrs, x: op(x)[0]


def softmaxes(op):
    return lambda attrs, x: along(op, attrs.get("axis", -1), x)


# convolution, pooling, resampling


def convolve(attrs, x, w, b=None):
    kernel = w.shape[2:]
    return first(
        nn.conv2d(
            last(x),
            w.transpose(2, 3, 1, 0),
            b,
            stride=tuple(attrs.get("strides", (1, 1))),
            dilation=tuple(attrs.get("dilations", (1, 1))),
            groups=attrs.get("group", 1),
            padding=padding(attrs, x.shape[2:], kernel),
        )[0]
    )


def padding(attrs, image, window):
    """Pairs (before, after), or "same"; for windows without dilation."""
    auto, n = attrs.get("auto_pad", "NOTSET"), len(image)
    if auto == "SAME_UPPER":
        return "same"
    if auto == "SAME_LOWER":
        totals = [
            max((math.ceil(H / s) - 1) * s + K - H, 0)
            for H, K, s in zip(image, window, attrs.get("strides", [1] * n), strict=True)
        ]
        return tuple((total - total // 2, total // 2) for total in totals)
    pads = attrs.get("pads", [0] * 2 * n)
    return tuple(zip(pads[:n], pads[n:], strict=True))


def convolve_transposed(attrs, x, w):
    if x.ndim == 3:  # a sequence is an image of one row
        return convolve_transposed(attrs, x[:, :, None], w[:, :, None])[:, :, 0]
    image, kernel = x.shape[2:], w.shape[2:]
    strides = attrs.get("strides", [1, 1])
    dilations = attrs.get("dilations", [1, 1])
    more = attrs.get("output_padding", [0, 0])
    auto = attrs.get("auto_pad", "NOTSET")
    canvas = [
        (H - 1) * s + d * (K - 1) + 1 + m
        for H, s, d, K, m in zip(image, strides, dilations, kernel, more, strict=True)
    ]
    wanted = attrs.get("output_shape")
    if auto.startswith("SAME"):
        wanted = [H * s for H, s in zip(image, strides, strict=True)]
    if wanted is None:
        sides = padding(attrs, image, kernel)
    else:  # pads follow from the size of y
        cut = [q - H for q, H in zip(canvas, wanted, strict=True)]
        more = [m + max(-c, 0) for m, c in zip(more, cut, strict=True)]
        small = [max(c, 0) // 2 for c in cut]
        large = [max(c, 0) - s for c, s in zip(cut, small, strict=True)]
        before, after = (small, large) if auto == "SAME_UPPER" else (large, small)
        sides = tuple(zip(before, after, strict=True))
    return first(
        nn.conv_transpose2d(
            last(x),
            w.transpose(2, 3, 1, 0),
            stride=tuple(strides),
            dilation=tuple(dilations),
            output_padding=tuple(more),
            padding=sides,
            groups=attrs.get("group", 1),
        )[0]
    )


def pool(op, **config):
    def run(attrs, x):
        kernel = attrs["kernel_shape"]
        if x.ndim == 3:
            row = attrs | {"kernel_shape": [1, *kernel]}
            return run(row, x[:, :, None])[:, :, 0]
        counted = {k: bool(attrs.get(k, default)) for k, default in config.items()}
        stride = tuple(attrs.get("strides", (1, 1)))
        pads = padding(attrs, x.shape[2:], kernel)
        return first(op(last(x), size=tuple(kernel), stride=stride, padding=pads, **counted)[0])

    return run


def pool_all(attrs, x):
    return nn.global_avg_pool2d(last(x))[0][:, :, None, None]


def largest_of_all(attrs, x):
    return first(nn.max_pool2d(last(x), size=x.shape[2:])[0])


def resize(attrs, x, roi=None, scales=None, sizes=None):
    axes = attrs.get("axes", list(range(x.ndim)))
    if scales is None:
        scales = sizes / np.array(x.shape)[axes]
        if attrs.get("keep_aspect_ratio_policy") == "not_smaller":
            scales = np.full(len(axes), scales.max())
    by_axis = dict(zip(axes, map(float, scales), strict=True))
    assert all(value.is_integer() for value in by_axis.values())
    assert by_axis.get(0, 1) == by_axis.get(1, 1) == 1
    op = {"nearest": nn.upsample, "linear": nn.upsample_bilinear2d}[attrs["mode"]]
    return first(op(last(x), factor=(int(by_axis[2]), int(by_axis[3])))[0])


def upsample(attrs, x, scales):
    return resize(attrs, x, scales=scales)


def depth_to_space(attrs, x):
    r = attrs["blocksize"]
    if attrs.get("mode", "DCR") == "DCR":  # channels ir + j, c; ours are c, ir + j
        N, D, H, W = x.shape
        x = x.reshape(N, r * r, D // r**2, H, W).swapaxes(1, 2).reshape(x.shape)
    return first(nn.pixel_shuffle(last(x), factor=r)[0])


# normalisation


def batch_norm(attrs, x, scale, bias, mean, var):
    eps = attrs.get("epsilon", 1e-5)
    if not attrs.get("training_mode", 0):
        return first(nn.batch_norm_inference(last(x), mean, var, scale, bias, eps=eps)[0])
    keep = attrs.get("momentum", 0.9)
    (y, batch_mean, batch_var), _ = nn.batch_norm(last(x), scale, bias, eps=eps)
    return first(y), keep * mean + (1 - keep) * batch_mean, keep * var + (1 - keep) * batch_var


def group_norm(attrs, x, scale, bias):
    eps = attrs.get("epsilon", 1e-5)
    return first(nn.group_norm(last(x), scale, bias, groups=attrs["num_groups"], eps=eps)[0])


def instance_norm(attrs, x, scale, bias):
    return first(nn.instance_norm(last(x), scale, bias, eps=attrs.get("epsilon", 1e-5))[0])


def rows(attrs, x):
    """The normalised axes as one, and the shape of a statistic."""
    axis = attrs.get("axis", -1) % x.ndim
    return x.reshape(*x.shape[:axis], -1), (*x.shape[:axis], *[1] * (x.ndim - axis))


def layer_norm(attrs, x, scale, bias):
    eps, (flat, kept) = attrs.get("epsilon", 1e-5), rows(attrs, x)
    y, _ = nn.layer_norm(flat, scale.ravel(), bias.ravel(), eps=eps)
    (_, mean, var), _ = nn.standardize(flat, eps=eps)
    return y.reshape(x.shape), mean.reshape(kept), (1 / np.sqrt(var + eps)).reshape(kept)


def rms_norm(attrs, x, scale):
    flat, _ = rows(attrs, x)
    return nn.rms_norm(flat, scale.ravel(), eps=attrs.get("epsilon", 1e-5))[0].reshape(x.shape)


def mean_variance(attrs, x):
    axes = tuple(attrs.get("axes", (0, 2, 3)))
    return nn.standardize(x, axes=axes, eps=1e-9)[0][0]


def l2_normalize(attrs, x):
    assert attrs.get("p", 2) == 2
    return along(nn.l2_normalize, attrs.get("axis", -1), x)


# affine, shapes, lookups


def gemm(attrs, a, b, c=None):
    a = a.T if attrs.get("transA", 0) else a
    b = b.T if attrs.get("transB", 0) else b
    alpha, beta = np.float32(attrs.get("alpha", 1)), np.float32(attrs.get("beta", 1))
    bias = None if c is None else beta * np.broadcast_to(c, (1, b.shape[1]))[0]
    return nn.linear(alpha * a, b, bias)[0]


def matmul(attrs, a, b):
    if b.ndim == 1:
        return nn.linear(a, b[:, None])[0][..., 0]
    if a.ndim == 1:  # a b = (b^T a)^T, rows of b^T
        return nn.linear(b.mT, a[:, None])[0][..., 0]
    return nn.linear(a, b)[0]


def flatten(attrs, x):
    axis = attrs.get("axis", 1)
    head = math.prod(x.shape[: axis if axis >= 0 else axis + x.ndim])
    return nn.flatten(x.reshape(head, *x.shape[axis:]))[0]


def gather(attrs, x, ids):
    axis = attrs.get("axis", 0)
    table = np.moveaxis(x, axis, 0)
    y, _ = nn.embedding(ids, table.reshape(len(table), -1))
    y = y.reshape(*ids.shape, *table.shape[1:])
    return np.moveaxis(y, tuple(range(ids.ndim)), tuple(range(axis, axis + ids.ndim)))


def largest(attrs, first, second, *rest):
    return reduce(lambda a, b: nn.maximum(a, b)[0], (first, second, *rest))


def clip(attrs, x, low=None, high=None):
    low, high = (np.inf * sign if v is None else v for sign, v in ((-1, low), (1, high)))
    return nn.clip(x, low=float(low), high=float(high))[0]


def prelu(attrs, x, slope):
    return nn.prelu(x.reshape(-1, slope.size), slope.ravel())[0].reshape(x.shape)


def swiglu(attrs, a, b):
    one, none = np.eye(a.shape[-1], dtype=a.dtype), np.zeros((a.shape[-1],) * 2, a.dtype)
    x = np.concatenate((a, b), -1)
    return nn.swiglu(x, np.concatenate((one, none)), np.concatenate((none, one)))[0]


def dropout(attrs, x, ratio=None, training=None):
    rate = float(attrs.get("ratio", 0.5) if ratio is None else ratio)
    if not training:
        (y, _), _ = nn.Dropout(rate).forward({}, {}, x, train=False)
        return y, np.ones(x.shape, bool)
    drawn = np.random.RandomState(attrs["seed"])  # the generator that drew the masks of the cases
    mask = drawn.uniform(0, 1, x.shape) >= rate
    return nn.dropout(x, mask, rate=rate)[0], mask


# losses


def losses(logits, labels, weights, attrs):
    """The loss, reduced as wanted, from the weighted means of `cross_entropy`."""
    ignored = attrs.get("ignore_index")
    keep = np.full(labels.shape, True) if ignored is None else labels != ignored
    own = np.ones(logits.shape[-1], np.float32) if weights is None else weights
    w = own[np.where(keep, labels, 0)] * keep
    if attrs.get("reduction", "mean") == "none":
        each = [
            nn.cross_entropy(row, np.array(label), ignore_index=ignored)[0] if kept else 0
            for row, label, kept in zip(
                logits.reshape(-1, logits.shape[-1]), labels.ravel(), keep.ravel(), strict=True
            )
        ]
        return w * np.array(each, logits.dtype).reshape(labels.shape)
    y, _ = nn.cross_entropy(logits, labels, weights, ignore_index=ignored)
    return y if attrs.get("reduction", "mean") == "mean" else y * w.sum()


def softmax_cross_entropy(attrs, x, labels, weights=None):
    log_p, _ = nn.log_softmax(last(x))
    return losses(last(x), labels, weights, attrs), first(log_p)


def negative_log_likelihood(attrs, log_p, labels, weights=None):
    """The inputs of the cases add to any sum: a class more takes what is missing to 1."""
    log_p = last(log_p).astype(np.float64)
    shift = log_p.max() + np.log(2 * log_p.shape[-1])
    rest = np.log1p(-np.exp(log_p - shift).sum(-1, keepdims=True))
    logits = np.concatenate((log_p - shift, rest), -1)
    more = None if weights is None else np.append(weights, 1).astype(np.float64)
    # every loss is too large by the shift; those of equal logits are log K each, reduced alike
    excess = losses(np.zeros_like(logits), labels, more, attrs) / np.log(logits.shape[-1]) * shift
    return (losses(logits, labels, more, attrs) - excess).astype(np.float32)


# recurrent networks


def recurrent(gates, run):
    """A layer in all its directions; run takes the arrays of one, and gives y and last states."""

    def all_directions(attrs, x, w, r, b=None, lengths=None, *rest):
        x = x.swapaxes(0, 1) if attrs.get("layout", 0) else x
        T, N, H = x.shape[0], x.shape[1], attrs["hidden_size"]
        assert lengths is None or (lengths == T).all()
        kinds = {"forward": [1], "reverse": [-1], "bidirectional": [1, -1]}
        outs = []
        for n, step in enumerate(kinds[attrs.get("direction", "forward")]):
            zero = np.zeros((N, H), x.dtype)
            bias = np.zeros(2 * gates * H, x.dtype) if b is None else b[n]
            states = [None if v is None else v[n] for v in rest]
            y, *ends = run(attrs, x[::step], w[n].T, r[n].T, *np.split(bias, 2), zero, *states)
            outs.append((y[::step], *ends))
        y, *ends = (np.stack(parts) for parts in zip(*outs, strict=True))
        y = y.swapaxes(0, 1)  # T directions N H
        if attrs.get("layout", 0):
            return y.transpose(2, 0, 1, 3), *(end.swapaxes(0, 1) for end in ends)
        return y, *ends

    return all_directions


def rnn(attrs, x, w, r, w_b, r_b, zero, h=None):
    (y, h), _ = nn.rnn(x, zero if h is None else h, w, r, w_b + r_b)
    return y, h


def gru(attrs, x, w, r, w_b, r_b, zero, h=None):
    arrays = [nn.reorder_gates(a, "zrh", "rzh") for a in (w, r, w_b, r_b)]
    after = bool(attrs.get("linear_before_reset", 0))
    (y, h), _ = nn.gru(x, zero if h is None else h, *arrays, linear_before_reset=after)
    return y, h


def lstm(attrs, x, w, r, w_b, r_b, zero, h=None, c=None, p=None):
    arrays = [nn.reorder_gates(a, "iofc", "ifco") for a in (w, r, w_b + r_b)]
    if p is not None:
        p = nn.reorder_gates(p, "iof", "ifo").reshape(3, -1)
    start = [zero if state is None else state for state in (h, c)]
    (y, h, c), _ = nn.lstm(x, *start, *arrays, p)
    return y, h, c


# attention


def attention(attrs, q, k, v, mask=None, past_k=None, past_v=None, valid=None):
    flat = q.ndim == 3
    if flat:
        q = split_heads(q, attrs["q_num_heads"])
        k, v = (split_heads(a, attrs["kv_num_heads"]) for a in (k, v))
    past = 0 if past_k is None else past_k.shape[2]
    if past:
        k, v = np.concatenate((past_k, k), 2), np.concatenate((past_v, v), 2)
    T, S, D, groups = q.shape[2], k.shape[2], q.shape[3], q.shape[1] // k.shape[1]
    scale = attrs.get("scale", 1 / math.sqrt(D))
    causal = bool(attrs.get("is_causal", 0))

    # where query t may attend; t counts from the first key
    ahead = np.arange(S) - np.arange(T)[:, None] - past
    if valid is not None:
        ahead = ahead - (valid[:, None, None, None] - T)
    left, right = attrs.get("left_window_size", -1), attrs.get("right_window_size", -1)
    allowed = np.full((1, 1, T, S), True)
    if left >= 0:
        allowed = allowed & (ahead >= -left)
    if right >= 0:
        allowed = allowed & (ahead <= right)
    if valid is not None:
        allowed = allowed & (np.arange(S) < valid[:, None, None, None])
    if causal and (past or valid is not None):
        allowed, causal = allowed & (ahead <= 0), False
    bias = None
    if mask is not None:
        short = [(0, 0)] * (mask.ndim - 1) + [(0, S - mask.shape[-1])]
        closed = False if mask.dtype == bool else -np.inf
        mask = np.pad(mask, short, constant_values=closed)
        if mask.dtype != bool:
            mask, bias = np.isfinite(mask), np.where(np.isfinite(mask), mask, 0)
        allowed = allowed & mask

    if bias is not None:  # S more features: of query t its biases, of key s a 1 at s
        bias = np.broadcast_to(bias, (*q.shape[:2], T, S)) / np.float32(scale)
        q = np.concatenate((q, bias), -1)
        k = np.concatenate((k, np.broadcast_to(np.eye(S, dtype=k.dtype), (*k.shape[:2], S, S))), -1)
    if groups > 1 and allowed.shape[1] == 1:
        q = q * np.float32(scale * math.sqrt(q.shape[-1]))
        one_mask = np.broadcast_to(allowed[:, 0], (len(q), T, S))
        y, _ = nn.grouped_attention(q, k, v, one_mask, groups=groups, causal=causal)
    else:
        k, v = k.repeat(groups, 1), v.repeat(groups, 1)
        mask = None if allowed.all() else np.broadcast_to(allowed, (*q.shape[:2], T, S))
        y, _ = nn.attention(q, k, v, mask, causal=causal, scale=scale)
    return (nn.merge_heads(y)[0] if flat else y), k[..., :D], v


def split_heads(x, heads):
    return x.reshape(*x.shape[:2], heads, -1).swapaxes(1, 2)


RUNS = {
    "Abs": elementwise(nn.abs),
    "Attention": attention,
    "AveragePool": pool(nn.avg_pool2d, count_include_pad=0),
    "BatchNormalization": batch_norm,
    "Clip": clip,
    "Conv": convolve,
    "ConvTranspose": convolve_transposed,
    "DepthToSpace": depth_to_space,
    "Dropout": dropout,
    "Elu": lambda attrs, x: nn.elu(x, alpha=attrs.get("alpha", 1.0))[0],
    "Flatten": flatten,
    "Gather": gather,
    "Gelu": lambda attrs, x: nn.gelu(x, approximate=attrs.get("approximate") == "tanh")[0],
    "Gemm": gemm,
    "GlobalAveragePool": pool_all,
    "GlobalMaxPool": largest_of_all,
    "GroupNormalization": group_norm,
    "GRU": recurrent(3, gru),
    "HardSwish": elementwise(nn.hardswish),
    "InstanceNormalization": instance_norm,
    "LayerNormalization": layer_norm,
    "LeakyRelu": lambda attrs, x: nn.leaky_relu(x, slope=attrs.get("alpha", 0.01))[0],
    "LogSoftmax": softmaxes(nn.log_softmax),
    "LpNormalization": l2_normalize,
    "LSTM": recurrent(4, lstm),
    "MatMul": matmul,
    "Max": largest,
    "MaxPool": pool(nn.max_pool2d),
    "MeanVarianceNormalization": mean_variance,
    "NegativeLogLikelihoodLoss": negative_log_likelihood,
    "PRelu": prelu,
    "Relu": elementwise(nn.relu),
    "Resize": resize,
    "RMSNormalization": rms_norm,
    "RNN": recurrent(1, rnn),
    "RotaryEmbedding": None,
    "Selu": elementwise(nn.selu),
    "Sigmoid": elementwise(nn.sigmoid),
    "Softmax": softmaxes(nn.softmax),
    "SoftmaxCrossEntropyLoss": softmax_cross_entropy,
    "Softplus": elementwise(nn.softplus),
    "SwiGLU": swiglu,
    "Swish": elementwise(nn.silu),
    "Tanh": elementwise(nn.tanh),
    "Upsample": upsample,
}
