"""Shipped ops and layers as subjects of a check: the entries of the catalogue, brought to life."""

import importlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

import numpy as np

from gradcheck import autodiff, inputs
from gradcheck.subjects import Subject, pair
from gradcheck.variants import OTHERS

Array = np.ndarray


@dataclass(frozen=True)
class Op:
    """A shipped op: values of its configuration, a condition on sizes, samplers of arguments.

    `sizes` are cases that must occur whatever the seed, besides the sizes that are drawn.
    """

    name: str
    config: dict[str, tuple] = field(default_factory=dict)
    where: Callable[[dict, dict], bool] = lambda sizes, config: True
    samplers: dict[str, inputs.Sampler] = field(default_factory=dict)
    sizes: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True)
class Layer:
    """A shipped layer or model: how either package builds it, and its input.

    `x` is a shape, to be filled with normal numbers, or draws the input from a generator: an array,
    or a tuple of arrays for a model of several inputs. `state` is that of init, or made from the
    built layer.
    """

    name: str
    build: Callable[[Any], Any]
    x: tuple[int, ...] | Callable[[np.random.Generator], Any]
    train: bool = False
    state: Callable[[Any], Any] | None = None


class Draws:
    """Random numbers that are the same in both packages and at every evaluation."""

    def __init__(self, seed: int):
        self.generator = np.random.default_rng(seed)

    def random(self, shape: tuple[int, ...]) -> Array:
        return self.generator.random(shape)


def subjects(entry: Op | Layer, seed: int, twin: bool) -> Iterator[Subject]:
    """The default cases of an entry: every configuration value, a free shape without JAX, sizes."""
    if isinstance(entry, Layer):
        for layer in variants(entry):
            yield layer_subject(layer, seed, twin)
        return
    f = getattr(importlib.import_module("scratchnn"), entry.name)
    configs = configurations(entry)
    optional = any(spec and spec.optional for spec in inputs.specs(f))
    seeds = count()
    for config in configs:
        yield op_subject(entry, config, [seed, next(seeds)], twin=twin)
    if optional:
        yield op_subject(entry, configs[0], [seed, next(seeds)], twin=twin, absent=True)
    yield op_subject(entry, configs[-1], [seed, next(seeds)], twin=False, free=True)
    for sizes in entry.sizes:
        yield op_subject(entry, configs[0], [seed, next(seeds)], twin=twin, sizes=sizes)


def variants(entry: Layer) -> list[Layer]:
    """Every case of a layer, as an entry of its own."""
    return [replace(entry, **fields) for fields in ({}, *OTHERS.get(entry.name, ()))]


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
    made = pair(f, f_backward, arrays, config, reference, axes=sizes)
    return replace(made, keeps_dtype=True)


def layer_subject(entry: Layer, seed: int, twin: bool = True) -> Subject:
    """A layer as a pair of functions of its input and every one of its parameters."""
    hand = importlib.import_module("scratchnn")
    layer, rng = entry.build(hand), np.random.default_rng([seed, 0])
    params, state = layer.init(rng)
    state = entry.state(layer) if entry.state else state
    # biases start at zero, where a wrong one could hide
    flat = {k: rng.standard_normal(np.shape(v)) for k, v in hand.trees.flatten(params).items()}
    x = entry.x(rng) if callable(entry.x) else rng.standard_normal(entry.x)
    xs = x if isinstance(x, tuple) else (x,)
    n = len(xs)

    def forward(*arrays):
        given = hand.trees.unflatten(dict(zip(flat, arrays[n:], strict=True)))
        x = arrays[0] if n == 1 else arrays[:n]
        (y, _), cache = layer.forward(given, state, x, rng=Draws(seed), train=entry.train)
        return y, cache

    def backward(dy, cache):
        dparams, dx = layer.backward(dy, cache)
        grads = hand.trees.flatten(dparams)
        if list(grads) != sorted(flat):
            raise ValueError(f"dparams holds {list(grads)}; wanted {sorted(flat)}, as params")
        return *(dx if n > 1 else (dx,)), *(grads[k] for k in flat)

    reference = None
    if twin and autodiff.available():
        reference = _layer_twin(entry, tuple(flat), n, seed)
    made = pair(forward, backward, (*xs, *flat.values()), twin=reference, name=entry.name)
    return replace(
        made,
        names=("x", *(f"x{k}" for k in range(1, n)), *flat),
        file=type(layer).forward.__code__.co_filename,
        watch=(layer.forward, layer.backward),
        keeps_dtype=True,
    )


def _twin(name: str) -> Callable | None:
    return getattr(importlib.import_module("jaxnn"), name) if autodiff.available() else None


def _layer_twin(entry: Layer, names: tuple[str, ...], n: int, seed: int) -> Callable:
    twin = importlib.import_module("jaxnn")
    layer = entry.build(twin)

    def forward(*arrays):
        given = twin.trees.unflatten(dict(zip(names, arrays[n:], strict=True)))
        x = arrays[0] if n == 1 else arrays[:n]
        _, state = layer.init(np.random.default_rng(0))
        state = entry.state(layer) if entry.state else state
        return layer.forward(given, state, x, rng=Draws(seed), train=entry.train)[0]

    return forward
