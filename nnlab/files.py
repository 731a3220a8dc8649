"""Where data files come from: $NNLAB_DATA, then the cache, then a public mirror."""

import contextlib
import hashlib
import os
import tempfile
import urllib.request
from pathlib import Path

MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)

SHA256 = {
    "train-images-idx3-ubyte.gz": (
        "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"
    ),
    "train-labels-idx1-ubyte.gz": (
        "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"
    ),
    "t10k-images-idx3-ubyte.gz": (
        "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"
    ),
    "t10k-labels-idx1-ubyte.gz": (
        "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"
    ),
}


def find(name: str) -> Path:
    """The path of a data file, downloaded into the cache if need be.

    $NNLAB_DATA is searched first, then the cache, each also for the unpacked file (the name
    without ``.gz``). A download counts only if it has the pinned sha256, and appears in the cache
    whole or not at all.

    Args:
        name: a key of `SHA256`.

    Returns:
        The path of the file.

    Raises:
        FileNotFoundError: it is nowhere, and no mirror gave it; the message says where to put it.

    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(folder, "t10k-labels-idx1-ubyte").write_bytes(b"")
    ...     before, os.environ["NNLAB_DATA"] = os.environ.get("NNLAB_DATA", ""), folder
    ...     print(find("t10k-labels-idx1-ubyte.gz").name)
    ...     os.environ["NNLAB_DATA"] = before
    t10k-labels-idx1-ubyte
    """
    given = os.environ.get("NNLAB_DATA")
    folders = [Path(given)] if given else []
    for folder in [*folders, cache()]:
        for path in (folder / name, folder / name.removesuffix(".gz")):
            if path.is_file():
                return path
    failures = []
    for mirror in MIRRORS:
        try:
            return download(mirror + name, cache() / name, SHA256[name])
        except (OSError, ValueError) as error:
            failures.append(f"{mirror}: {getattr(error, 'reason', error)}")
    looked = f"$NNLAB_DATA ({given})" if given else "$NNLAB_DATA (not set)"
    raise FileNotFoundError(
        f"no {name} in {looked} or {cache()}, and no mirror gave it ({'; '.join(failures)}); "
        f"download it elsewhere and put it in {given or cache()}"
    )


def cache() -> Path:
    """The cache folder: nnlab in $XDG_CACHE_HOME, %LOCALAPPDATA% on Windows, else ~/.cache.

    >>> cache().name
    'nnlab'
    """
    base = os.environ.get("XDG_CACHE_HOME") or (os.name == "nt" and os.environ.get("LOCALAPPDATA"))
    return (Path(base) if base else Path.home() / ".cache") / "nnlab"


def download(url: str, path: Path, sha256: str) -> Path:
    """Fetch a file; it appears whole, with the right checksum, or not at all.

    Args:
        url: where it is.
        path: where it goes; its folder is created.
        sha256: the checksum that it must have, 64 hexadecimal digits.

    Returns:
        `path`.

    Raises:
        OSError: no connection, no such file (`urllib.error.URLError`), or no place to write.
        ValueError: another checksum.
    """
    with urllib.request.urlopen(url, timeout=30) as reply:
        data = reply.read()
    got = hashlib.sha256(data).hexdigest()
    if got != sha256:
        raise ValueError(f"sent {len(data)} bytes with sha256 {got}, wanted {sha256}")
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, partial = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        os.replace(partial, path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(partial)
    return path
