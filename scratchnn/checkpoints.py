"""Parameter trees on disk, in the safetensors format, one file for both backends."""

import os
import tempfile
from pathlib import Path

import numpy as np

from scratchnn import trees
from scratchnn.trees import Tree


def save(path: str | Path, tree: Tree) -> None:
    """Write a tree; the file appears whole or not at all.

    Args:
        path: the file; one of that name is replaced.
        tree: nested dict of arrays.

    Raises:
        ValueError: the folder does not exist, or the tree is empty.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(f"{folder}/a.safetensors", {"fc": {"w": np.ones((2, 3))}})
    ...     load(f"{folder}/a.safetensors")["fc"]["w"].shape
    (2, 3)
    """
    from safetensors.numpy import save as to_bytes

    path = Path(path)
    if not path.parent.is_dir():
        raise ValueError(f"save: no folder {path.parent}; create it first")
    flat = {k: np.asarray(v, order="C") for k, v in trees.flatten(tree).items()}
    if not flat:
        raise ValueError("save: the tree holds no arrays; wanted at least one")
    handle, partial = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(to_bytes(flat))
        umask = os.umask(0)  # mkstemp makes files that only their owner reads
        os.umask(umask)
        os.chmod(partial, 0o666 & ~umask)
        os.replace(partial, path)
    finally:
        Path(partial).unlink(missing_ok=True)


def load(path: str | Path, like: Tree | None = None) -> Tree:
    """Read a tree back.

    Args:
        path: a file written by `save`, of either backend.
        like: a tree with the wanted structure and shapes; each difference is an error.

    Raises:
        ValueError: no such file, not a safetensors file, or entries that are missing, extra or of
            another shape than in `like`, each by name.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load as from_bytes

    path = Path(path)
    if not path.is_file():
        raise ValueError(f"load: no file {path}; train first, or check the path")
    try:
        flat = from_bytes(path.read_bytes())
    except SafetensorError as error:
        raise ValueError(
            f"load: {path} is not a safetensors file ({error}); wanted one written by save"
        ) from None
    if like is not None:
        compare(path, flat, trees.flatten(like))
    return trees.unflatten(flat)


def compare(path: Path, flat: Tree, wanted: Tree) -> None:
    """Name every entry of a loaded file that is missing, extra or misshapen."""
    faults = [f"missing {k}" for k in wanted if k not in flat]
    faults += [f"extra {k}" for k in flat if k not in wanted]
    faults += [
        f"{k} has shape {tuple(flat[k].shape)}, wanted {tuple(wanted[k].shape)}"
        for k in wanted
        if k in flat and tuple(flat[k].shape) != tuple(wanted[k].shape)
    ]
    if faults:
        raise ValueError(f"load: {path} does not fit this model: {'; '.join(faults)}")
