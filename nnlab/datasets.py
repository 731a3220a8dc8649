"""Data sets: digits (8 x 8, comes with scikit-learn) and MNIST (28 x 28), channels last.

Pixels stay as they are stored; a batch is divided by `Split.scale` when it is drawn, so that ink
is 1 and paper 0.
"""

from dataclasses import dataclass

import numpy as np

from nnlab import files, idx

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class Split:
    """Samples and labels.

    Attributes:
        x: samples, (N, H, W, C) for images, in the dtype in which they are stored.
        y: labels, (N,), int32.
        scale: what x is divided by to give the input of a model.
    """

    x: Array
    y: Array
    scale: float = 1.0


@dataclass(frozen=True, eq=False)
class Dataset:
    """Three disjoint splits: to train on, to watch while training, to report at the end."""

    train: Split
    validation: Split
    test: Split


def load(name: str) -> Dataset:
    """A data set by name, "digits" or "mnist".

    Raises:
        ValueError: no such data set, or a file of it is damaged.
        FileNotFoundError: a file of it is nowhere to be found.
        ModuleNotFoundError: it comes with a package that is not installed.

    >>> load("digits").train.x.shape
    (1400, 8, 8, 1)
    """
    loaders = {"digits": digits, "mnist": mnist}
    if name not in loaders:
        raise ValueError(f"no data set {name!r}; wanted one of {', '.join(loaders)}")
    return loaders[name]()


def digits() -> Dataset:
    """The 1,797 digits of 8 x 8 pixels, 0 to 16, that come with scikit-learn.

    They are shuffled once, with a fixed seed, then split: 1,400 to train on, 197 for validation,
    200 to test.

    Raises:
        ModuleNotFoundError: scikit-learn is not installed.

    Source: Alpaydin and Kaynak, UCI Optical Recognition of Handwritten Digits (1998),
    doi:10.24432/C50P49.

    >>> test = digits().test
    >>> test.x.shape, test.x.dtype, int(test.x.max()), test.scale
    ((200, 8, 8, 1), dtype('uint8'), 16, 16.0)
    """
    try:
        from sklearn.datasets import load_digits
    except ModuleNotFoundError:
        raise ModuleNotFoundError(
            "the digits come with scikit-learn, which is not installed; "
            'pip install "scratchnn[lab]"'
        ) from None
    x, y = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(x))
    x = x.astype(np.uint8).reshape(-1, 8, 8, 1)[order]
    y = y.astype(np.int32)[order]
    return Dataset(
        train=Split(x[:1400], y[:1400], 16.0),
        validation=Split(x[1400:1597], y[1400:1597], 16.0),
        test=Split(x[1597:], y[1597:], 16.0),
    )


def mnist() -> Dataset:
    """MNIST: 55,000 digits to train on, 5,000 for validation, 10,000 to test; 28 x 28, 0 to 255.

    Validation is the last 5,000 of the training files, test the t10k files. See `nnlab.files.find`
    for where the files are looked for.

    Raises:
        FileNotFoundError: a file is nowhere to be found.
        ValueError: a file is damaged, or images and labels differ in number.

    Source: LeCun, Cortes and Burges, The MNIST database of handwritten digits (1998).
    """
    x, y = images_and_labels("train")
    x_test, y_test = images_and_labels("t10k")
    return Dataset(
        train=Split(x[:-5000], y[:-5000], 255.0),
        validation=Split(x[-5000:], y[-5000:], 255.0),
        test=Split(x_test, y_test, 255.0),
    )


def images_and_labels(part: str) -> tuple[Array, Array]:
    """The two MNIST files of a part, "train" or "t10k": images (N, H, W, 1) uint8, labels (N,).

    Raises:
        FileNotFoundError: a file is nowhere to be found.
        ValueError: a file is damaged, or images and labels differ in number.
    """
    images, labels = files.find(f"{part}-images-idx3-ubyte.gz"), f"{part}-labels-idx1-ubyte.gz"
    x, y = idx.read(images, axes=3), idx.read(files.find(labels), axes=1)
    if len(x) != len(y):
        raise ValueError(
            f"{images}: has {len(x)} images, but {labels} has {len(y)} labels; wanted as many of "
            "one as of the other; take both files from one source"
        )
    return x[..., None], y.astype(np.int32)
