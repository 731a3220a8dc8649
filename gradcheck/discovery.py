"""Targets of the command line: a shipped name, a file, a folder, a module."""

import difflib
import importlib
import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from gradcheck import catalogue, inputs, suites
from gradcheck.loading import NoPairError, files, load
from gradcheck.loading import TargetError as TargetError
from gradcheck.shipped import subjects
from gradcheck.subjects import Subject, copied, pair


@dataclass(frozen=True)
class Check:
    """A named pair, and its subjects for a seed, with or without its twin."""

    name: str
    subjects: Callable[[int, bool], Iterator[Subject]]
    file: str | None = None


def shipped(name: str) -> Check:
    """The check of a shipped op, layer or model."""
    entry = catalogue.find(name)
    return Check(name, lambda seed, twin: subjects(entry, seed, twin))


def resolve(target: str) -> list[Check]:
    """The checks that a target names.

    Raises:
        TargetError: there is no such target, it does not load, or it holds no pair.
    """
    if target in catalogue.names():
        return [shipped(target)]
    path, _, wanted = target.partition("::")
    if Path(path).is_dir():
        return _folder(Path(path))
    if path.endswith(".py") or Path(path).exists():
        checks = _pairs(load(Path(path)), path)
        source = path
    elif ":" in target:
        module, _, wanted = target.partition(":")
        try:
            checks = _pairs(importlib.import_module(module), module)
        except ImportError as error:
            raise TargetError(f"{target}: cannot import {module} ({error})") from None
        source = module
    else:
        near = difflib.get_close_matches(target, catalogue.names(), 1)
        hint = f"did you mean {near[0]}?" if near else "run gradcheck alone to see what is shipped"
        raise TargetError(
            f"{target}: no shipped name, no file and no folder is called that; {hint}"
        )
    chosen = [c for c in checks if not wanted or c.name in (wanted, f"{wanted}_forward")]
    if not chosen:
        have = ", ".join(c.name for c in checks) or "none"
        what = f"pair {wanted}" if wanted else "pair"
        raise (TargetError if wanted else NoPairError)(
            f"{source}: holds no {what} (pairs found: {have}); wanted a function f, or f_forward, "
            "and its f_backward"
        )
    return chosen


def _folder(folder: Path) -> list[Check]:
    """The pairs of every file below a folder; a file that does not load is an error of its own."""
    checks = []
    for file in files(folder):
        try:
            checks += _pairs(load(file), str(file))
        except TargetError as error:
            checks.append(Check(str(file), partial(_refuse, error), str(file)))
    if not checks:
        raise NoPairError(
            f"{folder}: no file in this folder holds a pair; wanted a function f, or f_forward, "
            "and its f_backward"
        )
    return checks


def _refuse(error: TargetError, seed: int, twin: bool) -> Iterator[Subject]:
    raise error


def _pairs(module: ModuleType, source: str) -> list[Check]:
    """What suites know, then each f or f_forward beside an f_backward, in the order of the file."""
    own = {
        k: v
        for k, v in vars(module).items()
        if inspect.isfunction(v) and v.__module__ == module.__name__
    }
    file = getattr(module, "__file__", source)
    known = suites.of(module)
    taken = {f for r in known for f in r.functions}
    found = [Check(r.name, r.subjects, file) for r in known]
    for name, f_backward in own.items():
        stem = name.removesuffix("_backward")
        f = own.get(stem) or own.get(f"{stem}_forward")
        if stem != name and f is not None and f_backward not in taken:
            found.append(
                Check(
                    stem,
                    _subjects(module, stem, f, f_backward),
                    file,
                )
            )
    return found


def _subjects(
    module: ModuleType, stem: str, f: Callable, f_backward: Callable
) -> Callable[[int, bool], Iterator[Subject]]:
    def cases(seed: int, twin: bool) -> Iterator[Subject]:
        table = getattr(module, "CASES", None)
        makers = table.get(stem) if isinstance(table, dict) else None
        if makers is None:
            for k in range(3):
                rng = np.random.default_rng([seed, k])
                sizes = inputs.distinct_sizes(f, lambda s, c: True, {}, rng)
                arrays = inputs.fill(f, sizes, {}, rng)
                yield pair(f, f_backward, arrays, name=stem, axes=sizes)
            # sizes of 1 among them, where the forward takes those
            sizes = inputs.free_sizes(f, lambda s, c: True, {}, rng, most=4)
            arrays = inputs.fill(f, sizes, {}, rng)
            if _runs(f, f_backward, arrays):
                yield pair(f, f_backward, arrays, name=stem, axes=sizes)
            return
        makers = makers if isinstance(makers, (list, tuple)) else [makers]
        for draw in range(3):
            for k, maker in enumerate(makers):
                arrays, config = _arguments(f, stem, maker(np.random.default_rng([seed, k, draw])))
                yield pair(f, f_backward, arrays, config, name=stem)

    return cases


def _runs(f: Callable, f_backward: Callable, arrays: tuple) -> bool:
    """Whether the pair runs here, and the forward gives finite numbers."""
    try:
        with np.errstate(all="ignore"):
            y, cache = f(*copied(arrays))
            several = isinstance(y, tuple)
            f_backward(tuple(map(np.ones_like, y)) if several else np.ones_like(y), cache)
    except Exception:
        return False
    return all(np.size(v) and np.isfinite(v).all() for v in (y if several else (y,)))


def _arguments(f: Callable, stem: str, given: Any) -> tuple[tuple, dict[str, Any]]:
    """(positional, keyword) arguments from what a case returned."""
    if isinstance(given, tuple):
        return given, {}
    if not isinstance(given, dict):
        raise inputs.InputError(
            f"CASES[{stem!r}] returned {type(given).__name__}; wanted a tuple of the positional "
            "arguments, or a dict by parameter name"
        )
    parameters = inspect.signature(f).parameters
    unknown = [k for k in given if k not in parameters]
    if unknown:
        raise inputs.InputError(
            f"CASES[{stem!r}] names {unknown[0]}; the parameters are {', '.join(parameters)}"
        )
    keyword = {k: v for k, v in given.items() if parameters[k].kind is parameters[k].KEYWORD_ONLY}
    return tuple(given[k] for k in parameters if k in given and k not in keyword), keyword
