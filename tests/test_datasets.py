"""Data sets: what is loaded, from where, and what a damaged or missing file is told."""

import gzip
import hashlib
import os
from pathlib import Path

import numpy as np
import pytest

from nnlab import datasets, files, idx

REAL = Path(os.environ.get("NNLAB_DATA", ""))
needs_mnist = pytest.mark.skipif(
    "NNLAB_DATA" not in os.environ or not (REAL / "train-images-idx3-ubyte.gz").is_file(),
    reason="needs the four MNIST files in $NNLAB_DATA",
)


def idx_bytes(array):
    header = bytes((0, 0, 8, array.ndim)) + np.array(array.shape, ">u4").tobytes()
    return header + array.astype(np.uint8).tobytes()


IMAGES = idx_bytes(np.arange(24).reshape(2, 3, 4))
LABELS = idx_bytes(np.array([7, 2]))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """$NNLAB_DATA, empty; the cache is empty too, and there is no mirror."""
    (tmp_path / "data").mkdir()
    monkeypatch.setenv("NNLAB_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(files, "MIRRORS", ())
    return tmp_path / "data"


@pytest.mark.parametrize("name, pack", [("images.gz", gzip.compress), ("images", bytes)])
def test_idx_gives_the_array_back(tmp_path, name, pack):
    (tmp_path / name).write_bytes(pack(IMAGES))
    x = idx.read(tmp_path / name, axes=3)
    assert x.dtype == np.uint8 and (x == np.arange(24).reshape(2, 3, 4)).all()


DAMAGED = [
    (
        "empty",
        b"",
        "starts with nothing; wanted 00 00 08 03, an IDX file of unsigned bytes with 3 axes; "
        "download it again",
    ),
    (
        "labels",
        LABELS,
        "starts with 00 00 08 01; wanted 00 00 08 03, an IDX file of unsigned bytes with 3 axes; "
        "images (3 axes) and labels (1 axis) may be swapped",
    ),
    (
        "packed",
        gzip.compress(IMAGES),
        "starts with 1f 8b 08 00; wanted 00 00 08 03, an IDX file of unsigned bytes with 3 axes; "
        "it is gzip, so let its name end in .gz",
    ),
    (
        "header",
        IMAGES[:10],
        "has 10 bytes; wanted a header of 16; the file is truncated, copy or download it again",
    ),
    (
        "short",
        IMAGES[:-1],
        "holds 23 entries; wanted 24, as its header says (2, 3, 4); the file is truncated, "
        "copy or download it again",
    ),
    (
        "long",
        IMAGES + b"!",
        "holds 25 entries; wanted 24, as its header says (2, 3, 4); the file is followed by "
        "something else, copy or download it again",
    ),
    (
        "page.gz",
        b"<html>",
        "starts with 3c 68; wanted 1f 8b, a gzip file; download it again",
    ),
    (
        "plain.gz",
        IMAGES,
        "starts with 00 00; wanted 1f 8b, a gzip file; it is already unpacked, rename it to plain",
    ),
]


@pytest.mark.parametrize("name, data, message", DAMAGED, ids=[d[0] for d in DAMAGED])
def test_idx_says_what_is_wrong(tmp_path, name, data, message):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(ValueError) as error:
        idx.read(tmp_path / name, axes=3)
    assert str(error.value) == f"{tmp_path / name}: {message}"


def test_idx_says_that_gzip_is_damaged(tmp_path):
    packed = gzip.compress(IMAGES)
    flipped = packed[:-5] + bytes((packed[-5] ^ 1,)) + packed[-4:]
    for data in (packed[:-9], flipped):
        (tmp_path / "a.gz").write_bytes(data)
        with pytest.raises(ValueError, match=r"do not unpack .* truncated or damaged"):
            idx.read(tmp_path / "a.gz", axes=3)


def test_images_and_labels_must_be_as_many(folder):
    images, labels = folder / "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"
    images.write_bytes(IMAGES)
    (folder / labels).write_bytes(LABELS)
    x, y = datasets.images_and_labels("t10k")
    assert x.shape == (2, 3, 4, 1) and y.tolist() == [7, 2]
    (folder / labels).write_bytes(idx_bytes(np.array([7, 2, 1])))
    with pytest.raises(ValueError) as error:
        datasets.images_and_labels("t10k")
    assert str(error.value) == (
        f"{images}: has 2 images, but {labels}.gz has 3 labels; wanted as many of one as of the "
        "other; take both files from one source"
    )


def test_mnist_is_split_at_the_last_5000(folder):
    for part, size in (("train", 5007), ("t10k", 4)):
        x = np.arange(size).repeat(6).reshape(size, 2, 3)
        (folder / f"{part}-images-idx3-ubyte").write_bytes(idx_bytes(x))
        (folder / f"{part}-labels-idx1-ubyte").write_bytes(idx_bytes(np.arange(size) % 10))
    mnist = datasets.load("mnist")
    sizes = [len(split.y) for split in (mnist.train, mnist.validation, mnist.test)]
    assert sizes == [7, 5000, 4]
    assert mnist.validation.x[0, 0, 0, 0] == 7 and mnist.validation.y[0] == 7
    assert mnist.train.scale == 255.0 and mnist.train.x.dtype == np.uint8


def test_a_file_is_looked_for_in_the_data_folder_then_in_the_cache(folder):
    name = "t10k-labels-idx1-ubyte.gz"
    cached = files.cache() / name
    cached.parent.mkdir(parents=True)
    cached.touch()
    assert files.find(name) == cached
    (folder / name).touch()
    assert files.find(name) == folder / name


def test_a_download_counts_only_with_its_checksum(folder, tmp_path, monkeypatch):
    name = "t10k-labels-idx1-ubyte.gz"
    monkeypatch.setitem(files.SHA256, name, hashlib.sha256(b"right").hexdigest())
    for mirror, data in (("bad", b"wrong"), ("good", b"right")):
        (tmp_path / mirror).mkdir()
        (tmp_path / mirror / name).write_bytes(data)
    bad, good = f"{(tmp_path / 'bad').as_uri()}/", f"{(tmp_path / 'good').as_uri()}/"
    monkeypatch.setattr(files, "MIRRORS", (bad,))
    with pytest.raises(FileNotFoundError, match="sent 5 bytes with sha256 8810ad581e59f2bc3928b2"):
        files.find(name)
    assert not files.cache().exists()
    monkeypatch.setattr(files, "MIRRORS", (bad, good))
    assert files.find(name).read_bytes() == b"right"
    assert [path.name for path in files.cache().iterdir()] == [name]


def test_a_missing_file_says_where_to_put_it(folder, monkeypatch):
    name = "train-images-idx3-ubyte.gz"
    monkeypatch.setattr(files, "MIRRORS", ((folder / "gone").as_uri() + "/",))
    with pytest.raises(FileNotFoundError) as error:
        datasets.load("mnist")
    message = str(error.value)
    assert message.startswith(
        f"no {name} in $NNLAB_DATA ({folder}) or {files.cache()}, and no mirror gave it (file://"
    )
    assert message.endswith(f"; download it elsewhere and put it in {folder}")
    assert "\n" not in message and "No such file" in message
    monkeypatch.delenv("NNLAB_DATA")
    with pytest.raises(FileNotFoundError, match=r"NNLAB_DATA \(not set\).* put it in .*nnlab$"):
        datasets.load("mnist")


def test_an_unknown_data_set_names_the_known():
    with pytest.raises(ValueError, match="no data set 'cifar'; wanted one of digits, mnist"):
        datasets.load("cifar")


def test_digits_are_split_the_same_way_each_time():
    a, b = datasets.digits(), datasets.digits()
    splits = (a.train, a.validation, a.test)
    assert [s.x.shape for s in splits] == [(n, 8, 8, 1) for n in (1400, 197, 200)]
    assert (a.train.x == b.train.x).all() and (a.train.y == b.train.y).all()
    counts = np.bincount(np.concatenate([s.y for s in splits]))
    assert counts.tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert np.bincount(a.test.y, minlength=10).min() >= 10


@needs_mnist
def test_real_mnist_is_whole():
    mnist = datasets.load("mnist")
    y = np.concatenate([mnist.train.y, mnist.validation.y])
    assert mnist.train.x.shape == (55_000, 28, 28, 1) and mnist.test.x.shape[0] == 10_000
    train = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    test = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert np.bincount(y).tolist() == train and np.bincount(mnist.test.y).tolist() == test
    pixels = int(mnist.train.x.sum(dtype=np.int64) + mnist.validation.x.sum(dtype=np.int64))
    assert round(pixels / (60_000 * 784 * 255), 5) == 0.13066  # the published mean


@needs_mnist
@pytest.mark.parametrize("name", files.SHA256)
def test_pinned_checksums_are_those_of_the_real_files(name):
    assert hashlib.sha256((REAL / name).read_bytes()).hexdigest() == files.SHA256[name]
