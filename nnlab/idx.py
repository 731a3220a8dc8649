"""The IDX format of MNIST: a magic number, one size per axis, then the bytes of the array."""

import gzip
import math
import zlib
from pathlib import Path

import numpy as np

Array = np.ndarray


def read(path: str | Path, axes: int) -> Array:
    """The array of unsigned bytes in an IDX file.

    The header is big-endian: two zero bytes, 8 for unsigned bytes, the number of axes, then each
    size in 4 bytes. The entries follow in row-major order.

    Args:
        path: the file; unpacked with gzip if its name ends in ``.gz``.
        axes: how many are wanted, 3 for images (N, H, W), 1 for labels (N,).

    Returns:
        A uint8 array, read-only.

    Raises:
        ValueError: the file is not gzip, ends early, is no IDX file of unsigned bytes, or has
            another number of axes or of bytes than wanted.
        OSError: the file cannot be opened.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "labels"
    ...     _ = path.write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 3, 7, 2, 1]))
    ...     read(path, axes=1).tolist()
    [7, 2, 1]
    """
    path = Path(path)
    data = _bytes(path)
    wanted = bytes((0, 0, 8, axes))
    if data[:4] != wanted:
        raise ValueError(
            f"{path}: starts with {data[:4].hex(' ') or 'nothing'}; wanted {wanted.hex(' ')}, an "
            f"IDX file of unsigned bytes with {axes} {'axis' if axes == 1 else 'axes'}; "
            f"{_likely(data)}"
        )
    if len(data) < 4 + 4 * axes:
        raise ValueError(
            f"{path}: has {len(data)} bytes; wanted a header of {4 + 4 * axes}; the file is "
            "truncated, copy or download it again"
        )
    shape = tuple(np.frombuffer(data, ">u4", axes, offset=4).tolist())
    got, want = len(data) - 4 - 4 * axes, math.prod(shape)
    if got != want:
        fault = "truncated" if got < want else "followed by something else"
        raise ValueError(
            f"{path}: holds {got} entries; wanted {want}, as its header says {shape}; the file is "
            f"{fault}, copy or download it again"
        )
    return np.frombuffer(data, np.uint8, offset=4 + 4 * axes).reshape(shape)


def _bytes(path: Path) -> bytes:
    data = path.read_bytes()
    if path.suffix != ".gz":
        return data
    if data[:2] != b"\x1f\x8b":
        plain = data[:3] == b"\x00\x00\x08"
        fix = f"rename it to {path.stem}" if plain else "download it again"
        raise ValueError(
            f"{path}: starts with {data[:2].hex(' ') or 'nothing'}; wanted 1f 8b, a gzip file; "
            f"{'it is already unpacked, ' if plain else ''}{fix}"
        )
    try:
        return gzip.decompress(data)
    except (EOFError, OSError, zlib.error) as error:
        raise ValueError(
            f"{path}: {len(data)} bytes do not unpack ({error}); wanted a whole gzip file; the "
            "file is truncated or damaged, copy or download it again"
        ) from None


def _likely(data: bytes) -> str:
    if data[:2] == b"\x1f\x8b":
        return "it is gzip, so let its name end in .gz"
    if data[:3] == b"\x00\x00\x08":
        return "images (3 axes) and labels (1 axis) may be swapped"
    return "download it again"
