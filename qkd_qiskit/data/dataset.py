"""The labelled samples that everything else starts from."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qkd_qiskit.arrays import FloatArray, as_features
from qkd_qiskit.config import Label
from qkd_qiskit.data.table_options import FeatureColumns
from qkd_qiskit.errors import DataError

Labels = NDArray[Any]

ARRAYS = "arrays:"
"""What the name of a dataset begins with that a program has passed; a digest follows."""
_SMALLEST_SQUARE_IMAGE = 64
_WHOLE = re.compile(r"(0|-?[1-9][0-9]{0,17})(?:[.,]0*)?")
_SCIENTIFIC = re.compile(r"[+-]?[0-9]\.[0-9]+e[+-][0-9]{2,}", re.IGNORECASE)
_FRACTION = re.compile(r"[+-]?[0-9]*[.,][0-9]*[1-9][0-9]*(?:e[+-]?[0-9]+)?", re.IGNORECASE)


@dataclass(frozen=True)
class Dataset:
    """Samples and their labels, checked when made; the arrays are read-only.

    Attributes:
        features: Samples as rows, [N, F]. Pixels of images lie in [0, 1]; other features are as found.
        labels: Class of each sample, [N], int64 or text.
        image_shape: Rows and columns of the images, or None where features are no pixels.
        name: Where the samples come from, for reports and messages.
        columns: Which columns of a table the features are; None for what is no table.

    Raises:
        DataError: If shapes do not fit, a value is not finite, or fewer than two classes are there.
    """

    features: FloatArray
    labels: Labels
    image_shape: tuple[int, int] | None
    name: str
    columns: FeatureColumns | None = None

    def __post_init__(self) -> None:
        features = as_features(self.features, self.name)
        labels = as_labels(self.labels, self.name)
        if len(features) != len(labels):
            raise DataError(
                f"{self.name}: expected one label per sample, "
                f"found {len(features)} samples and {len(labels)} labels"
            )
        if self.image_shape is not None and self.image_shape[0] * self.image_shape[1] != features.shape[1]:
            raise DataError(
                f"{self.name}: expected {self.image_shape[0]} x {self.image_shape[1]} pixels, "
                f"found {features.shape[1]} features"
            )
        if len(np.unique(labels)) < 2:
            raise DataError(f"{self.name}: expected at least two classes, found only {labels[0]!s}")
        object.__setattr__(self, "features", _read_only(features))
        object.__setattr__(self, "labels", _read_only(labels))

    @property
    def classes(self) -> tuple[Label, ...]:
        """The labels that occur, sorted."""
        return tuple(np.unique(self.labels).tolist())

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self.labels)

    def select(self, classes: tuple[Label, ...]) -> Dataset:
        """Return the samples of the given classes, in their order here.

        Raises:
            DataError: If a class does not occur, is named twice, or fewer than two are named.
        """
        if len(set(classes)) != len(classes) or len(classes) < 2:
            raise DataError(f"{self.name}: expected two or more different classes, found {list(classes)}")
        absent = [c for c in classes if c not in self.classes]
        if absent:
            raise DataError(
                f"{self.name}: class {absent[0]!r} does not occur; {describe_classes(self.classes)}"
            )
        chosen = np.isin(self.labels, np.asarray(classes))
        return replace(self, features=self.features[chosen], labels=self.labels[chosen])


def describe_classes(classes: tuple[Label, ...]) -> str:
    """Return one phrase that names the classes, shortened when they are many."""
    shown = ", ".join(str(c) for c in classes[:12])
    return f"the {len(classes)} classes there are {shown}{', ...' if len(classes) > 12 else ''}"


def as_labels(values: Any, where: str) -> Labels:
    """Return labels as int64 where all of them are whole numbers (also as text), else as text.

    Args:
        values: One label per sample, [N] or [N, 1], N at least 1.
        where: Words that open the error message.

    Raises:
        DataError: If the shape is another one, or a label is neither a whole number nor text.
    """
    array = np.asarray(values)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1 or not array.size:
        raise DataError(f"{where}: expected labels [samples], found shape {array.shape}")
    kind = array.dtype.kind
    if kind == "O" and all(isinstance(label, str) for label in array):
        array, kind = array.astype(str), "U"
    if kind == "S":
        array, kind = np.char.decode(array, "utf-8", "replace"), "U"
    if kind == "U":
        array = np.char.strip(array)
        if (array == "").any():
            raise DataError(
                f"{where}: expected a label for every sample, found none in row {np.argmax(array == '')}"
            )
        return _whole_numbers_of_text(array, where)
    if kind == "f":
        wrong = array[~(np.isfinite(array) & (array == np.round(array)) & (np.abs(array) < 2.0**53))]
    elif kind == "u":
        wrong = array[array > np.iinfo(np.int64).max]
    elif kind in "bi":
        wrong = array[:0]
    else:
        raise DataError(f"{where}: expected whole numbers or text as labels, found type {array.dtype}")
    if wrong.size:
        raise DataError(f"{where}: expected whole numbers or text as labels, found {wrong[0]}")
    return array.astype(np.int64)


def as_pixels(images: NDArray[Any], where: str) -> NDArray[Any]:
    """Scale pixel values to [0, 1].

    Unsigned integers are divided by the largest value of their type. Other numbers stay as they are
    when they lie in [0, 1], and are divided by 255 when they lie in [0, 255].

    Raises:
        DataError: If pixels lie outside these ranges.
    """
    if images.dtype.kind == "b":
        return images.astype(np.float64)
    if images.dtype.kind == "u":
        return images / float(np.iinfo(images.dtype).max)
    low, high = images.min(), images.max()
    if not (low >= 0 and high <= 255):
        raise DataError(f"{where}: expected pixels in [0, 1] or [0, 255], found {low} to {high}")
    return images if high <= 1 else images / 255.0


def square_image(table: NDArray[Any]) -> tuple[int, int] | None:
    """Return the shape of the square images that rows of a plain table may be, or None.

    A row counts as an image when it has a square number of at least 64 values, all of them in
    [0, 1] or all of them whole numbers in [0, 255]. Smaller tables are rarely pictures.

    Args:
        table: Finite numbers, [N, F].
    """
    side = round(float(np.sqrt(table.shape[1])))
    if side * side != table.shape[1] or table.shape[1] < _SMALLEST_SQUARE_IMAGE:
        return None
    low, high = table.min(), table.max()
    pixels = low >= 0 and (high <= 1 or (high <= 255 and bool((table == np.round(table)).all())))
    return (side, side) if pixels else None


def _whole_numbers_of_text(text: Labels, where: str) -> Labels:
    """Return text such as "7" and "7.0" as numbers; "07" stays text, for it may be a code."""
    names, codes = np.unique(text, return_inverse=True)
    whole = [_WHOLE.fullmatch(_plain(name)) for name in names.tolist()]
    if all(whole):
        return np.array([int(found[1]) for found in whole if found], dtype=np.int64)[codes]
    other = [name for name, found in zip(names.tolist(), whole, strict=True) if not found]
    if all(map(_FRACTION.fullmatch, other)):
        fraction = other[0]
        raise DataError(
            f"{where}: expected whole numbers or text as labels, found {len(names)} different numbers, "
            f"such as {fraction}: a column of measurements is no column of labels"
        )
    return text


def _plain(name: str) -> str:
    """Return a number as NumPy writes it to text files, `1.000000e+00`, without its exponent."""
    return f"{float(name):.17g}" if _SCIENTIFIC.fullmatch(name) else name


def _read_only(array: NDArray[Any]) -> NDArray[Any]:
    view = array.view()
    view.flags.writeable = False
    return view
