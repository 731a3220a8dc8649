"""A user's file as a module, loaded without harm to what is loaded already."""

import ast
import importlib
import importlib.util
import os
import re
import sys
import traceback
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from pathlib import Path
from types import ModuleType
from typing import NoReturn

# a file of a folder that holds none of these words holds no gradient, and is not run
WORDS = re.compile(rb"back|bwd|grad|vjp|jvp|pull|loss|delta|CASES|SUITE", re.IGNORECASE)
# folders of a folder that hold other people's code, or none
OTHERS = {"__pycache__", "node_modules", "site-packages", "dist-packages", "build"}


class TargetError(ValueError):
    """A target that cannot be found or read; the message is one line."""


class NoPairError(TargetError):
    """A target that holds nothing to check."""


def load(file: Path) -> ModuleType:
    """The module of a file, run under a name of its own.

    Files of one name in several folders, or named like a library, do not take each other's place.
    A file with relative imports is loaded as part of its package.

    Raises:
        TargetError: there is no such file, it is no Python, or it does not run.
    """
    if not file.is_file():
        raise TargetError(f"{file}: no such file; check the path")
    _refuse_what_is_no_python(file)
    name = _name(file)
    argv, folder = sys.argv, os.getcwd()
    os.environ.setdefault("MPLBACKEND", "agg")  # plots of the file open no window
    sys.argv = [str(file)]
    try:
        with beside(file, first=True):
            return importlib.import_module(name) if "." in name else _run(file, name)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            f" while {file} was imported; put what runs behind if __name__ == '__main__'"
        ) from None
    except SyntaxError as error:
        where = error.filename or file
        where = file if _same(where, file) else where
        raise TargetError(f"{where}:{error.lineno}: {error.msg}; it must compile first") from None
    except ImportError as error:
        fix = "install what it imports beside gradcheck"
        if "no known parent package" in str(error):
            fix = "an empty __init__.py beside it makes its folder a package"
        raise TargetError(f"{_where(error, file)}: {error}; {fix}") from None
    except BaseException as error:  # sys.exit among them
        words = next(iter(str(error).splitlines()), "")
        raise TargetError(
            f"{_where(error, file)}: importing it raised {type(error).__name__}: {words}; "
            "put what runs behind if __name__ == '__main__'"
        ) from None
    finally:
        sys.argv = argv
        os.chdir(folder)


@contextmanager
def beside(file: Path, first: bool = False) -> Iterator[None]:
    """The files beside a file can be imported, and are forgotten afterwards.

    Another folder may hold files of the same names. `first`: before all others, as Python does
    where it runs the file; else after them.
    """
    folder = _root(file)
    before = set(sys.modules)
    sys.path.insert(0 if first else len(sys.path), str(folder))
    importlib.invalidate_caches()
    try:
        yield
    finally:
        with suppress(ValueError):  # the file may have done it
            sys.path.remove(str(folder))
        if not {"site-packages", "dist-packages"}.intersection(folder.parts):
            for name in set(sys.modules) - before:
                if _within(sys.modules[name], name, folder):
                    del sys.modules[name]


@contextmanager
def apart() -> Iterator[None]:
    """What the checked code prints goes to standard error, and nobody answers what it asks.

    The descriptor is turned too, for what other programs print that it starts; and os._exit, which
    asks nobody, raises what sys.exit does.
    """
    sys.stdout.flush()
    given, kept, leave, me = sys.stdin, os.dup(1), os._exit, os.getpid()
    os.dup2(2, 1)

    def asked_to_leave(status: int) -> NoReturn:
        if os.getpid() != me:  # in a copy of this process
            leave(status)
        raise SystemExit(status)

    os._exit = asked_to_leave
    try:
        with open(os.devnull) as sys.stdin, redirect_stdout(sys.stderr):
            yield
    finally:
        sys.stdin, os._exit = given, leave
        os.dup2(kept, 1)
        os.close(kept)


def files(folder: Path) -> list[Path]:
    """The Python files below a folder that may hold a gradient; other people's left out."""
    found = []
    for below, folders, names in os.walk(folder):
        folders[:] = [
            d
            for d in folders
            if d not in OTHERS
            and not d.startswith(".")
            and not os.path.exists(os.path.join(below, d, "pyvenv.cfg"))
        ]
        found += [Path(below, n) for n in names if n.endswith(".py") and n != "setup.py"]
    return sorted(p for p in found if p.is_file() and speaks(p))


def speaks(file: Path) -> bool:
    """Whether a file holds a word that no gradient does without."""
    return WORDS.search(file.read_bytes()) is not None


def _refuse_what_is_no_python(file: Path) -> None:
    data = file.read_bytes()
    if file.suffix == ".ipynb":
        raise TargetError(
            f"{file}: is a notebook; wanted a Python file: jupyter nbconvert --to script {file}"
        )
    if b"\0" in data:
        raise TargetError(f"{file}: is no text; wanted a Python file")
    if file.suffix != ".py":
        raise TargetError(f"{file}: not a Python file; wanted one that ends in .py")
    try:
        importlib.util.decode_source(data)
    except (SyntaxError, UnicodeDecodeError) as error:
        words = next(iter(str(error).splitlines()), "")
        raise TargetError(f"{file}: {words}; save it as UTF-8, or declare its encoding") from None


def _run(file: Path, name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # where dataclasses and pickle look for it
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _name(file: Path) -> str:
    """What a file is called as a module: its place in its package, or a name of its own."""
    path = file.resolve()
    root = _root(file)
    if root == path.parent:
        return f"{path.stem}_{zlib.crc32(str(path).encode()):08x}"
    return ".".join(path.relative_to(root).with_suffix("").parts)


def _root(file: Path) -> Path:
    """The folder that a file is imported from."""
    folder = file.resolve().parent
    if _relative(file):
        while (folder / "__init__.py").exists():
            folder = folder.parent
    return folder


def _relative(file: Path) -> bool:
    """Whether a file has relative imports."""
    data = file.read_bytes() if file.is_file() else b""
    if not re.search(rb"^\s*from\s*\.", data, re.MULTILINE):  # the quicker half of the question
        return False
    try:
        tree = ast.parse(data)
    except (SyntaxError, ValueError, RecursionError):
        return False
    return any(isinstance(node, ast.ImportFrom) and node.level for node in ast.walk(tree))


def _within(module: object, name: str, folder: Path) -> bool:
    """Whether a module, or the package it belongs to, stands in a folder itself."""
    if not isinstance(module, ModuleType):
        return False
    file = getattr(module, "__file__", None)
    if not file:  # a package without __init__.py
        file = os.path.join(next(iter(getattr(module, "__path__", [])), ""), "__init__.py")
    path = Path(file).resolve()
    if path.stem == "__init__":
        path = path.parent
    up = name.count(".")
    return len(path.parents) > up and path.parents[up] == folder


def _where(error: BaseException, file: Path) -> str:
    """The file, and the line of it that raised."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if _same(f.filename, file)]
    return f"{file}:{frames[-1].lineno}" if frames else str(file)


def _same(name: str | Path, file: Path) -> bool:
    return Path(name).resolve() == file.resolve()
