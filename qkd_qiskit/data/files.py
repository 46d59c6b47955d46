"""Datasets from files of one's own: IDX, npz, npy and CSV."""

from __future__ import annotations

import tokenize
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qkd_qiskit.arrays import as_features
from qkd_qiskit.data.csv import read_csv, read_label_column
from qkd_qiskit.data.dataset import Dataset, as_labels, as_pixels, square_image
from qkd_qiskit.data.idx import MAX_VALUES, read_idx
from qkd_qiskit.data.loader import DataSource
from qkd_qiskit.errors import DataError

FEATURE_KEYS = ("images", "features", "X", "x", "data", "x_train", "X_train", "train_images")
"""Names under which an npz may hold its samples; the first that is there counts."""

LABEL_KEYS = ("labels", "targets", "target", "y", "label", "y_train", "train_labels")
"""Names under which an npz may hold its labels; the first that is there counts."""

_LABEL_NAMES_OF = (("images-idx3", "labels-idx1"), ("images.idx3", "labels.idx1"), ("images", "labels"),
                   ("features", "labels"), ("X", "y"), ("x", "y"))  # fmt: skip

# What numpy and zipfile were seen to raise on damaged files.
_UNREADABLE = (OSError, EOFError, KeyError, MemoryError, OverflowError, RuntimeError, SyntaxError, TypeError,
               ValueError, tokenize.TokenError, zipfile.BadZipFile, zlib.error)  # fmt: skip


class FileLoader:
    """Loads a file or folder of one's own."""

    name = "a path to a file"

    def takes(self, source: DataSource) -> bool:
        """Return whether the source has a path."""
        return source.path is not None

    def load(self, source: DataSource) -> Dataset:
        """Return what `load_file` reads.

        Raises:
            DataError: If something cannot be read, or does not fit.
        """
        return load_file(source.path or "", source.labels)


def load_file(path: str | Path, labels: str | None = None) -> Dataset:
    """Load a dataset from a file or folder.

    - folder: a pair of IDX files with the usual MNIST names (`train-images-idx3-ubyte`,
      `train-labels-idx1-ubyte`, also with a dot, also `.gz`). Of several pairs `train` is taken.
    - `.npz`: arrays named as in `FEATURE_KEYS` and `LABEL_KEYS`.
    - `.npy`: features; labels in a file of their own.
    - `.csv`, also `.csv.gz`: see `read_csv`.
    - anything else is read as IDX, also gzip-compressed; labels in a file of their own.

    Images [N, rows, columns] are flattened row by row and scaled to [0, 1]. A plain table counts as
    square images under the conditions of `square_image`. Nothing is ever unpickled.

    Args:
        path: The file or folder.
        labels: The label file (IDX, npy, or text with one label per line); for CSV the heading or
            number of the label column; for npz the key of the labels. A label file that is not
            named is looked for beside the samples: `images` in the name becomes `labels`, `idx3`
            becomes `idx1`, `X` becomes `y`.

    Raises:
        DataError: If something cannot be read, is truncated, oversized, not finite, or does not fit.
    """
    samples, targets, path = read_samples(path, labels)
    features, image_shape = _flatten(samples, str(path))
    return Dataset(features, as_labels(targets, str(path)), image_shape, path.name)


def read_samples(path: str | Path, labels: str | None = None) -> tuple[NDArray[Any], NDArray[Any], Path]:
    """Read samples and labels as they stand, and say which file holds the samples.

    Args:
        path: The file or folder, as for `load_file`.
        labels: The label file or column, as for `load_file`.

    Raises:
        DataError: If something cannot be read, is truncated or oversized.
    """
    path = Path(path)
    if not path.exists():
        raise DataError(f"no such file or folder: {path}")
    if path.is_dir():
        path = _images_in(path)
    kind = path.name.lower().removesuffix(".gz").rpartition(".")[2]
    if kind == "csv":
        return *read_csv(path, labels), path
    if kind == "npz":
        return *_read_npz(path, labels), path
    samples = _read_npy(path) if kind == "npy" else read_idx(path)
    return samples, _read_labels(_label_file(path, labels)), path


def _flatten(samples: NDArray[Any], where: str) -> tuple[NDArray[np.float64], tuple[int, int] | None]:
    """Return rows of features, scaled where they are pixels, and the shape of the images."""
    if samples.ndim == 4 and 1 in (samples.shape[1], samples.shape[3]):
        samples = samples[:, 0] if samples.shape[1] == 1 else samples[..., 0]
    if samples.ndim not in (2, 3):
        raise DataError(
            f"{where}: expected [N, features] or grey images [N, rows, columns], found shape {samples.shape}"
        )
    image_shape = (samples.shape[1], samples.shape[2]) if samples.ndim == 3 else None
    # An explicit length: reshape(-1) cannot infer one when an axis is empty.
    table = samples.reshape(len(samples), int(np.prod(samples.shape[1:])))
    if image_shape is None or table.dtype.kind not in "bu":
        # Byte images skip this: their type tells their range, and a float64 copy is eight times larger.
        table = as_features(table, where)
        image_shape = image_shape or square_image(table)
    if image_shape is not None:
        table = as_pixels(table, where)
    return as_features(table, where), image_shape


def _images_in(folder: Path) -> Path:
    names = [file.name for file in sorted(folder.iterdir()) if file.is_file() and "images" in file.name]
    pairs = [name for name in names if _counterpart(folder / name) is not None]
    pairs = [name for name in pairs if name.startswith("train")] or pairs
    if not pairs:
        raise DataError(
            f"{folder}: expected a pair such as train-images-idx3-ubyte, train-labels-idx1-ubyte, found none"
        )
    # A plain file and its .gz are the same data; the plain one sorts first.
    if len({name.removesuffix(".gz") for name in pairs}) > 1:
        found = ", ".join(pairs)
        raise DataError(f"{folder}: expected one pair of image and label files, found {found}")
    return folder / pairs[0]


def _counterpart(path: Path) -> Path | None:
    """Return the label file that usually lies beside a file of samples, if it does."""
    for samples_word, labels_word in _LABEL_NAMES_OF:
        if samples_word in path.name:
            name = path.name.replace(samples_word, labels_word)
            plain = name.removesuffix(".gz")
            for candidate in (name, plain, f"{plain}.gz"):
                if (path.parent / candidate).is_file():
                    return path.parent / candidate
    return None


def _label_file(path: Path, labels: str | None) -> Path:
    if labels is None:
        found = _counterpart(path)
        if found is None:
            raise DataError(f"{path}: no label file beside it; name it with labels=PATH")
        return found
    for candidate in (Path(labels), path.parent / labels):
        if candidate.is_file():
            return candidate
    raise DataError(f"no such label file: {labels}")


def _read_labels(path: Path) -> NDArray[Any]:
    kind = path.name.lower().removesuffix(".gz").rpartition(".")[2]
    if kind == "npy":
        return _read_npy(path)
    if kind in ("csv", "txt"):
        return read_label_column(path)
    return read_idx(path)


def _read_npy(path: Path) -> NDArray[Any]:
    try:
        with path.open("rb") as file:
            magic = file.read(6)
        if magic != b"\x93NUMPY":
            raise DataError(f"{path} is not an npy file: expected the header 93 NUMPY, found {magic!r}")
        # A memory map takes no memory and is refused when the file is shorter than its header says.
        array = np.load(path, mmap_mode="r", allow_pickle=False)
        excess = path.stat().st_size - array.offset - array.nbytes
        if excess:
            raise DataError(f"{path} is oversized: {excess} bytes follow the array of shape {array.shape}")
        return np.array(_not_too_large(array, path))
    except _UNREADABLE as error:
        raise DataError(f"cannot read {path}: {_first_line(error)}") from None


def _read_npz(path: Path, labels: str | None) -> tuple[NDArray[Any], NDArray[Any]]:
    with _opened_npz(path) as arrays:
        samples = _member(arrays, FEATURE_KEYS, "samples", path)
        targets = _member(arrays, LABEL_KEYS if labels is None else (labels,), "labels", path)
    return samples, targets


@contextmanager
def _opened_npz(path: Path) -> Iterator[Any]:
    """Open an npz archive; whatever is wrong with it, or with what is read from it, is one error."""
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(member.file_size for member in archive.infolist())
        if size > 8 * MAX_VALUES:
            raise DataError(
                f"{path} is too large: expected at most {8 * MAX_VALUES} bytes unpacked, found {size}"
            )
        with np.load(path, allow_pickle=False) as arrays:
            yield arrays
    except _UNREADABLE as error:
        raise DataError(f"cannot read {path}: {_first_line(error)}") from None


def _member(arrays: Any, keys: tuple[str, ...], what: str, path: Path) -> NDArray[Any]:
    for key in keys:
        if key in arrays:
            array = arrays[key]
            if not isinstance(array, np.ndarray):
                raise DataError(f"{path}: expected an array as {key!r}, found other bytes")
            return _not_too_large(array, path)
    raise DataError(
        f"{path}: expected {what} under {' or '.join(keys)}, found {', '.join(arrays.files) or 'nothing'}"
    )


def _not_too_large(array: NDArray[Any], path: Path) -> NDArray[Any]:
    if array.size > MAX_VALUES:
        raise DataError(f"{path} is too large: expected at most {MAX_VALUES} values, found {array.size}")
    return array


def _first_line(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if "pickle" in str(error):
        # NumPy's own words tell how to load what must not be loaded.
        return "it holds Python objects, or is no file of NumPy's"
    return str(error).splitlines()[0] if str(error) else type(error).__name__
