"""What is shipped, and what its shapes cannot say: ranges, relations, configurations to vary.

This is data. Ops are named here and found in scratchnn and jaxnn when they are checked; nothing is
imported before.
"""

import importlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import numpy as np

from gradcheck import autodiff, inputs
from gradcheck.subjects import Subject, pair


@dataclass(frozen=True)
class Op:
    """A shipped op: values of its configuration, a condition on sizes, samplers of arguments."""

    name: str
    config: dict[str, tuple] = field(default_factory=dict)
    where: Callable[[dict, dict], bool] = lambda sizes, config: True
    samplers: dict[str, inputs.Sampler] = field(default_factory=dict)


@dataclass(frozen=True)
class Layer:
    """A shipped layer or model: how either package builds it, and the shape of its input."""

    name: str
    build: Callable[[Any], Any]
    x: tuple[int, ...]


def _labels(rng: np.random.Generator, shape: tuple[int, ...], sizes: dict[str, Any]) -> np.ndarray:
    return rng.integers(0, sizes["K"], shape)


def _two(value: Any) -> tuple[int, int]:
    return value if isinstance(value, tuple) else (value, value)


def _kernel_fits(sizes: dict[str, Any], config: dict[str, Any]) -> bool:
    ph, pw = _two(config["padding"])
    return sizes["H"] + 2 * ph >= sizes["KH"] and sizes["W"] + 2 * pw >= sizes["KW"]


def _window_fits(sizes: dict[str, Any], config: dict[str, Any]) -> bool:
    KH, KW = _two(config["size"])
    return sizes["H"] >= KH and sizes["W"] >= KW


OPS = (
    Op("linear"),
    Op("relu"),
    Op("sigmoid"),
    Op("tanh"),
    Op("softmax"),
    Op("log_softmax"),
    Op("cross_entropy", samplers={"labels": _labels}),
    Op("mse"),
    Op(
        "conv2d",
        config={"stride": (1, 2, 3, (2, 1)), "padding": (0, 1, 2, (0, 2))},
        where=_kernel_fits,
    ),
    Op(
        "max_pool2d",
        config={"size": (2, 3, (3, 2), 2), "stride": (None, 2, (1, 2), 1)},
        where=_window_fits,
    ),
    Op("flatten"),
    Op("lstm_cell"),
    Op("lstm"),
)

LAYERS = (
    Layer("Linear", lambda nn: nn.Linear(3, 5), (2, 3)),
    Layer("Conv2d", lambda nn: nn.Conv2d(3, 5, (3, 2), stride=2, padding=1), (2, 7, 11, 3)),
    Layer("LSTM", lambda nn: nn.LSTM(3, 5), (7, 2, 3)),
    Layer("Op", lambda nn: nn.Op(nn.max_pool2d, size=(2, 3), stride=1), (2, 5, 7, 3)),
    Layer("Residual", lambda nn: nn.Residual(nn.Linear(3, 3)), (2, 3)),
    Layer(
        "Sequential",  # fc occurs twice: one set of weights, gradients added
        lambda nn: nn.Sequential(
            (("fc", nn.Linear(3, 3)), ("act", nn.Op(nn.tanh)), ("fc", nn.Linear(3, 3)))
        ),
        (2, 3),
    ),
    Layer("MLP", lambda nn: nn.MLP((3, 7, 5)), (2, 3)),
    Layer("residual_cnn", lambda nn: nn.residual_cnn((4, 6, 3), (5, 2), 7, 11), (2, 4, 6, 3)),
)


def names() -> list[str]:
    """Everything shipped, in the order of the table."""
    return [entry.name for entry in (*OPS, *LAYERS)]


def find(name: str) -> Op | Layer:
    """The entry of that name."""
    return next(entry for entry in (*OPS, *LAYERS) if entry.name == name)


def subjects(entry: Op | Layer, seed: int, twin: bool) -> Iterator[Subject]:
    """The default cases of an entry: every configuration value, then free shapes without JAX."""
    if isinstance(entry, Layer):
        yield layer_subject(entry, seed, twin)
        return
    f = getattr(importlib.import_module("scratchnn"), entry.name)
    configs = configurations(entry)
    optional = any(spec and spec.optional for spec in inputs.specs(f))
    seeds = count()
    for config in configs:
        yield op_subject(entry, config, [seed, next(seeds)], twin=twin)
    if optional:
        yield op_subject(entry, configs[0], [seed, next(seeds)], twin=twin, absent=True)
    for i in range(3):
        config = configs[i % len(configs)]
        yield op_subject(entry, config, [seed, next(seeds)], twin=False, free=True)


def configurations(entry: Op) -> list[dict[str, Any]]:
    """Configurations in which every value of every option occurs."""
    return [
        {k: values[i % len(values)] for k, values in entry.config.items()}
        for i in range(max(map(len, entry.config.values()), default=1))
    ]


def op_subject(
    entry: Op,
    config: dict[str, Any],
    seed: list[int],
    twin: bool = True,
    absent: bool = False,
    free: bool = False,
    sizes: dict[str, Any] | None = None,
) -> Subject:
    """One case of an op: sizes, unless given, and arrays from the seed."""
    hand = importlib.import_module("scratchnn")
    f, f_backward = getattr(hand, entry.name), getattr(hand, f"{entry.name}_backward")
    rng = np.random.default_rng(seed)
    draw = inputs.free_sizes if free else inputs.distinct_sizes
    sizes = sizes or draw(f, entry.where, config, rng)
    arrays = inputs.fill(f, sizes, config, rng, entry.samplers, absent)
    reference = _twin(entry.name) if twin else None
    return pair(f, f_backward, arrays, config, reference, axes=sizes)


def layer_subject(entry: Layer, seed: int, twin: bool = True) -> Subject:
    """A layer as a pair of functions of its input and every one of its parameters."""
    hand = importlib.import_module("scratchnn")
    layer, rng = entry.build(hand), np.random.default_rng([seed, 0])
    params, state = layer.init(rng)
    # biases start at zero, where a wrong one could hide
    flat = {k: rng.standard_normal(np.shape(v)) for k, v in hand.trees.flatten(params).items()}
    reference = None
    if twin and autodiff.available():
        reference = _layer_twin(entry, tuple(flat))

    def forward(x, *leaves):
        given = hand.trees.unflatten(dict(zip(flat, leaves, strict=True)))
        (y, _), cache = layer.forward(given, state, x)
        return y, cache

    def backward(dy, cache):
        dparams, dx = layer.backward(dy, cache)
        grads = hand.trees.flatten(dparams)
        if list(grads) != sorted(flat):
            raise ValueError(f"dparams holds {list(grads)}; wanted {sorted(flat)}, as params")
        return dx, *(grads[k] for k in flat)

    arrays = (rng.standard_normal(entry.x), *flat.values())
    made = pair(forward, backward, arrays, twin=reference, name=entry.name)
    file = getattr(type(layer), "forward").__code__.co_filename  # noqa: B009
    return Subject(
        **{
            **vars(made),
            "names": ("x", *flat),
            "file": file,
            "watch": (layer.forward, layer.backward),
        }
    )


def _twin(name: str) -> Callable | None:
    return getattr(importlib.import_module("jaxnn"), name) if autodiff.available() else None


def _layer_twin(entry: Layer, names: tuple[str, ...]) -> Callable:
    twin = importlib.import_module("jaxnn")
    layer = entry.build(twin)

    def forward(x, *leaves):
        given = twin.trees.unflatten(dict(zip(names, leaves, strict=True)))
        _, state = layer.init(np.random.default_rng(0))
        return layer.forward(given, state, x)[0]

    return forward
