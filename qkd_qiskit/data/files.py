"""Datasets from files of one's own: IDX, npz, npy and tables."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qkd_qiskit.arrays import as_features
from qkd_qiskit.data.dataset import Dataset, as_labels, as_pixels, square_image
from qkd_qiskit.data.idx import read_idx
from qkd_qiskit.data.loader import DataSource
from qkd_qiskit.data.table_columns import TableColumns
from qkd_qiskit.data.table_options import FeatureColumns, TableOptions
from qkd_qiskit.data.table_samples import labelled_samples
from qkd_qiskit.data.text_table import ENDINGS, read_label_column, read_table
from qkd_qiskit.errors import DataError
from qkd_qiskit.store import ArrayArchive, guarded, open_npz, read_npy

FEATURE_KEYS = ("images", "features", "X", "x", "data", "x_train", "X_train", "train_images")
"""Names under which an npz may hold its samples; the first that is there counts."""

LABEL_KEYS = ("labels", "targets", "target", "y", "label", "y_train", "train_labels")
"""Names under which an npz may hold its labels; the first that is there counts."""

_SHEET, _FRAME, _ARCHIVE = "save the sheet as CSV", "save it by DataFrame.to_csv", "unpack it"
_FOREIGN = {
    "xlsx": _SHEET, "xls": _SHEET, "ods": _SHEET, "parquet": _FRAME, "feather": _FRAME, "json": _FRAME,
    "jsonl": _FRAME, "pkl": _FRAME, "pickle": _FRAME, "h5": _FRAME, "hdf5": _FRAME, "zip": _ARCHIVE,
    "bz2": _ARCHIVE, "xz": _ARCHIVE, "zst": _ARCHIVE, "tar": _ARCHIVE, "tgz": _ARCHIVE, "rar": _ARCHIVE,
}  # fmt: skip
"""What to do with files of other kinds."""

_LABEL_NAMES_OF = (("images-idx3", "labels-idx1"), ("images.idx3", "labels.idx1"), ("images", "labels"),
                   ("features", "labels"), ("X", "y"), ("x", "y"))  # fmt: skip


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
        return load_file(source.path or "", source.labels, source.table)


def load_file(path: str | Path, labels: str | None = None, options: TableOptions | None = None) -> Dataset:
    """Load a dataset from a file or folder.

    - folder: a pair of IDX files with the usual MNIST names (`train-images-idx3-ubyte`,
      `train-labels-idx1-ubyte`, also with a dot, also `.gz`). Of several pairs `train` is taken.
    - `.npz`: arrays named as in `FEATURE_KEYS` and `LABEL_KEYS`.
    - `.npy`: features; labels in a file of their own.
    - `.csv`, `.tsv`, `.txt`, `.dat` and `.data`, also with `.gz` behind: tables, see `read_table`.
    - anything else is read as IDX, also gzip-compressed; labels in a file of their own.

    Images [N, rows, columns] are flattened row by row and scaled to [0, 1]. A plain table counts as
    square images under the conditions of `square_image`. Nothing is ever unpickled.

    Args:
        path: The file or folder.
        labels: The label file (IDX, npy, or text with one label per line); for tables the heading or
            number of the label column; for npz the key of the labels. A label file that is not
            named is looked for beside the samples: `images` in the name becomes `labels`, `idx3`
            becomes `idx1`, `X` becomes `y`. The label column of a table that is not named is the one headed
            label, class, target or the like, the one column of texts, or the first or last column, when just
            one of the two looks like labels (few different whole numbers); the log says which.
        options: How a table is meant.

    Raises:
        DataError: If something cannot be read, is truncated, oversized, not finite, or does not fit.
    """
    with guarded(DataError, f"cannot read {path}"):
        read = read_samples(path, labels, options)
        where = str(read.path)
        features, image_shape = flatten(read.values, where)
        return Dataset(features, as_labels(read.labels, where), image_shape, read.path.name, read.columns)


@dataclass(frozen=True, eq=False)
class FileSamples:
    """What a file holds, as it stands there.

    Attributes:
        values: The samples, [N, ...].
        labels: [N].
        path: The file that holds the samples.
        columns: Which columns of a table the features are; None for what is no table.
    """

    values: NDArray[Any]
    labels: NDArray[Any]
    path: Path
    columns: FeatureColumns | None = None


def read_samples(
    path: str | Path, labels: str | None = None, options: TableOptions | None = None
) -> FileSamples:
    """Read samples and labels as they stand.

    Args:
        path: The file or folder, as for `load_file`.
        labels: The label file or column, as for `load_file`.
        options: How a table is meant.

    Raises:
        DataError: If something cannot be read, is truncated or oversized.
    """
    with guarded(DataError, f"cannot read {path}"):
        if not str(path):
            raise DataError("expected a file or folder of samples, found an empty path")
        path = Path(path)
        if not path.exists():
            raise DataError(f"no such file or folder: {path}")
        if path.is_dir():
            path = _images_in(path)
        kind = kind_of(path)
        if kind in ENDINGS:
            options = options or TableOptions()
            table = read_table(path, headings=options.headings, labels=labels)
            found = labelled_samples(TableColumns.of_file(table), labels, options)
            return FileSamples(found.features, np.asarray(found.labels), path, found.columns)
        if kind == "npz":
            return FileSamples(*_read_npz(path, labels), path)
        samples = read_array(path, kind)
        return FileSamples(samples, _read_labels(_label_file(path, labels)), path)


def read_array(path: Path, kind: str) -> NDArray[Any]:
    """Read an array from an npy or an IDX file.

    Raises:
        DataError: If the file is none, or of a kind that is known to be no array.
    """
    if kind in _FOREIGN:
        raise DataError(
            f"{path}: expected a table as text (.csv, .tsv, .txt), .npz, .npy or IDX, found .{kind}: "
            f"{_FOREIGN[kind]}"
        )
    return read_npy(path, DataError) if kind == "npy" else read_idx(path)


def kind_of(path: Path) -> str:
    """Return the ending that tells what a file holds, in small letters; gzip's own ending aside."""
    return path.name.lower().removesuffix(".gz").rpartition(".")[2]


def flatten(samples: NDArray[Any], where: str) -> tuple[NDArray[np.float64], tuple[int, int] | None]:
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
    kind = kind_of(path)
    if kind == "npy":
        return read_npy(path, DataError)
    if kind in ENDINGS:
        return read_label_column(path)
    return read_idx(path)


def _read_npz(path: Path, labels: str | None) -> tuple[NDArray[Any], NDArray[Any]]:
    archive = open_npz(path, DataError)
    samples = member(archive, FEATURE_KEYS, "samples", path)
    return samples, member(archive, LABEL_KEYS if labels is None else (labels,), "labels", path)


def member(archive: ArrayArchive, keys: tuple[str, ...], what: str, path: Path) -> NDArray[Any]:
    """Return the first array of an archive that has one of some names.

    Args:
        archive: The archive.
        keys: Names, the first that is there counts.
        what: What the array is, for the message.
        path: The file, for the message.

    Raises:
        DataError: If there is none, or it is damaged.
    """
    for key in keys:
        if key in archive:
            return archive.array(key)
    found = ", ".join(archive.names) or "nothing"
    raise DataError(f"{path}: expected {what} under {' or '.join(keys)}, found {found}")
