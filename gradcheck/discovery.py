"""Targets of the command line: a shipped name, a file, a folder, a module."""

import contextlib
import difflib
import importlib
import inspect
import io
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from gradcheck import arguments, catalogue, configurations, inputs, probing, suites
from gradcheck.finding import find
from gradcheck.found import Found
from gradcheck.layers import positional
from gradcheck.loading import NoPairError, files, load
from gradcheck.loading import TargetError as TargetError
from gradcheck.losses import parameters_of
from gradcheck.shipped import subjects
from gradcheck.subjects import Subject
from gradcheck.tapes import Tape, points
from gradcheck.told import INTS, ShapeError, Told, in_docstring, in_line

WANTED = (
    "wanted a function f, or f_forward, and its f_backward; a class with forward and backward; "
    "or a loss that returns its gradients"
)


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


def resolve(target: str, shapes: str = "") -> list[Check]:
    """The checks that a target names.

    Args:
        target: a shipped name, FILE.py[::name], a folder or module:function.
        shapes: of arguments of which the file says none, as in "x: n d; w: d m".

    Raises:
        TargetError: there is no such target, it does not load, it holds nothing that could be
            checked, or the shapes cannot be read.
    """
    try:
        told = in_line(shapes)
    except ShapeError as error:
        raise TargetError(str(error)) from None
    if target in catalogue.names():
        return [shipped(target)]
    path, _, wanted = target.partition("::")
    if Path(path).is_dir():
        return _folder(Path(path), told)
    if path.endswith(".py") or Path(path).exists():
        checks = _checks(load(Path(path)), path, told, bool(wanted))
        source = path
    elif ":" in target:
        module, _, wanted = target.partition(":")
        try:
            checks = _checks(importlib.import_module(module), module, told, bool(wanted))
        except ImportError as error:
            raise TargetError(f"{target}: cannot import {module} ({error})") from None
        source = module
    else:
        near = difflib.get_close_matches(target, catalogue.names(), 1)
        hint = f"did you mean {near[0]}?" if near else "run gradcheck alone to see what is shipped"
        raise TargetError(
            f"{target}: no shipped name, no file and no folder is called that; {hint}"
        )
    chosen = [c for c in checks if not wanted or _is_called(c.name, wanted)]
    if not chosen:
        have = ", ".join(c.name for c in checks) or "none"
        what = f"pair {wanted}" if wanted else "pair"
        raise (TargetError if wanted else NoPairError)(
            f"{source}: holds no {what} (pairs found: {have}); {WANTED}"
        )
    return chosen


def _is_called(name: str, wanted: str) -> bool:
    """Whether a name of the command line is that of a check: of a class, all its methods."""
    # also in the middle, as in conv_forward_naive
    stems = {wanted, wanted.replace("_forward", ""), wanted.replace("_backward", "")}
    return name in stems or name.startswith(f"{wanted}.")


def _folder(folder: Path, told: dict[str, Told]) -> list[Check]:
    """The pairs of every file below a folder; a file that does not load is an error of its own."""
    checks = []
    for file in files(folder):
        try:
            checks += _checks(load(file), str(file), told)
        except TargetError as error:
            checks.append(Check(str(file), partial(_refuse, error), str(file)))
    if not checks:
        raise NoPairError(f"{folder}: no file in this folder holds a pair; {WANTED}")
    return checks


def _refuse(error: TargetError, seed: int, twin: bool) -> Iterator[Subject]:
    raise error


def _checks(
    module: ModuleType, source: str, told: dict[str, Told], every: bool = False
) -> list[Check]:
    """The checks of what suites know of a module, then of all else that is found in it; both in
    the order of the file.

    A pair whose name begins with an underscore, and of which nobody says what it takes, is left
    out, unless `every` one is wanted: those that call it answer for it.
    """
    known = suites.of(module)
    taken = {f for r in known for f in r.functions}
    others = [f for f in find(module) if f.f not in taken]
    public = [f for f in others if f.name[0] != "_" or f.name in told or _makers(f) or _tells(f.f)]
    others = others if every else public or others
    file = getattr(module, "__file__", None) or source
    return [
        *(Check(r.name, r.subjects, file) for r in known),
        *(Check(f.name, partial(_subjects, f, told, source), f.file or source) for f in others),
    ]


def _tells(f: Callable) -> bool:
    """Whether a function says what it takes."""
    return bool(getattr(f, "__annotations__", None) or in_docstring(inspect.getdoc(f)))


def _subjects(
    found: Found, told: dict[str, Told], source: str, seed: int, twin: bool
) -> Iterator[Subject]:
    """A found thing at the points that CASES gives, or at four of the shapes that are told."""
    makers = _makers(found)
    if makers is not None:
        yield from _of_cases(found, makers, seed, twin)
    elif found.cls is not None:
        yield from probing.subjects(found, told, seed)
    elif isinstance(found.how, Tape) and not found.how.whole:
        for how, arrays in points(found.how, found.module, found.f, seed):
            yield replace(found, how=how).subject(arrays)
    else:
        docs = (inspect.getdoc(found.f), inspect.getdoc(found.g))
        of_globals = found.style == "loss" and parameters_of(found.module, found.f)
        if of_globals:
            told = {n: Told("T", INTS) for n in arguments.LISTS} | in_docstring(docs[0]) | told
        known = arguments.wanted(found.name, found.f, told, docs)
        if of_globals and not known.unknown:
            yield from probing.of_globals(found, known, seed)
            return
        dicts = probing.dicts(found, known.unknown)
        if dicts:
            yield from probing.of_dicts(found, known, dicts, seed)
            return
        if known.unknown:
            raise arguments.asked(f"{source}::{found.name}", known)
        options = configurations.defaults(found.f, {**known.arrays, **known.numbers})
        refused, taken = None, 0
        for more in range(4):  # sizes that the forward refuses are drawn anew
            for k, drawn in enumerate(known.draws(seed + 1000 * more)):
                arrays, config = _ordered(found.f, drawn.values)
                # a compiler takes long: two points are enough for it
                subject = found.subject(
                    arrays, options | config, drawn.axes, seed=seed + k, twin=twin and k < 2
                )
                if k < 3 and _refuses(subject):
                    refused = refused or subject
                # sizes of 1 among them, where the forward takes those
                elif k < 3 or configurations.runs(subject, backward=True):
                    taken += 1
                    yield subject
                    if k < 3:  # whether windows overlap, say, depends on the sizes
                        yield from configurations.varied(subject, options)
            if taken:
                return
        if refused:
            yield refused


def _makers(found: Found) -> Any:
    """What CASES has of a pair, by its stem or by the name of its forward."""
    table = getattr(found.module, "CASES", None)
    if not isinstance(table, dict):
        return None
    return table.get(found.name, table.get(getattr(found.f, "__name__", "")))


def _refuses(subject: Subject) -> bool:
    """Whether the forward says itself that it does not take these arrays."""
    try:
        with np.errstate(all="ignore"), contextlib.redirect_stdout(io.StringIO()):
            subject.run()
    except (ValueError, AssertionError) as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        return (last.line or "").startswith(("raise", "assert")) or ": raise" in (last.line or "")
    except Exception:  # the check will say so
        return False
    return False


def _of_cases(found: Found, makers: Any, seed: int, twin: bool) -> Iterator[Subject]:
    makers = makers if isinstance(makers, (list, tuple)) else [makers]
    for draw in range(3):
        for k, maker in enumerate(makers):
            given = maker(np.random.default_rng([seed, k, draw]))
            settings: dict[str, Any] = {}
            if found.cls and isinstance(given, dict):
                names = positional(found.cls)
                settings = {n: v for n, v in given.items() if n in names}
                given = {n: v for n, v in given.items() if n not in names}
            arrays, config = _arguments(found.f, found.name, given)
            named = [*[*positional(found.f)][: len(arrays)], *config]
            options = {} if found.cls else configurations.defaults(found.f, named)
            config = options | config
            subject = found.subject(
                arrays, config, settings=settings, seed=seed + draw, twin=twin and not draw
            )
            yield subject
            if draw == k == 0:
                # the cases say what is asked for: an option that raises may not be
                several = configurations.varied(subject, options)
                yield from (s for s in several if configurations.runs(s, backward=True))


def _ordered(f: Callable, values: dict[str, Any]) -> tuple[tuple, dict[str, Any]]:
    """(positional, keyword) arguments: positional up to the first that is left out."""
    names = list(positional(f))
    until = next((k for k, n in enumerate(names) if n not in values), len(names))
    later = {n: values[n] for n in names[until:] if n in values}
    return tuple(values[n] for n in names[:until]), later


def _arguments(f: Callable, stem: str, given: Any) -> tuple[tuple, dict[str, Any]]:
    """(positional, keyword) arguments from what a case returned."""
    if isinstance(given, tuple):
        return given, {}
    if not isinstance(given, dict):
        raise inputs.InputError(
            f"CASES[{stem!r}] returned {type(given).__name__}; wanted a tuple of the positional "
            "arguments, or a dict by parameter name"
        )
    parameters = dict(inspect.signature(f).parameters)
    parameters.pop("self", None)
    unknown = [k for k in given if k not in parameters]
    if unknown:
        raise inputs.InputError(
            f"CASES[{stem!r}] names {unknown[0]}; the parameters are {', '.join(parameters)}"
        )
    keyword = {k: v for k, v in given.items() if parameters[k].kind is parameters[k].KEYWORD_ONLY}
    return tuple(given[k] for k in parameters if k in given and k not in keyword), keyword
