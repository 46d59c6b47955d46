"""Datasets from tables in memory: pandas DataFrames."""

from __future__ import annotations

import numpy as np
import pandas as pd

from qkd_qiskit.data.dataset import Dataset, as_labels
from qkd_qiskit.data.files import flatten
from qkd_qiskit.data.loader import DataSource
from qkd_qiskit.data.table_columns import TableColumns
from qkd_qiskit.data.table_options import TableOptions
from qkd_qiskit.data.table_samples import labelled_samples

_NAME = "DataFrame"


class FrameLoader:
    """Loads a DataFrame; its column names are those of the features."""

    name = "a DataFrame"

    def takes(self, source: DataSource) -> bool:
        """Return whether the source is a DataFrame."""
        return isinstance(source.path, pd.DataFrame)

    def load(self, source: DataSource) -> Dataset:
        """Return what `load_frame` makes of it.

        Raises:
            DataError: If the table is not what `load_frame` takes.
        """
        assert isinstance(source.path, pd.DataFrame)
        return load_frame(source.path, source.labels, source.table)


def load_frame(
    frame: pd.DataFrame, labels: str | None = None, options: TableOptions | None = None
) -> Dataset:
    """Return the dataset in a DataFrame, by the rules of tables in files.

    Args:
        frame: Features and one column of labels; the index is no feature.
        labels: Name or number of the label column; recognized as in files when omitted.
        options: How the table is meant.

    Raises:
        DataError: If it is open which column holds the labels or the features, a feature is no number, or a
            value is missing and nothing says what becomes of it.
    """
    found = labelled_samples(TableColumns.of_frame(frame), labels, options or TableOptions())
    features, image_shape = flatten(found.features, _NAME)
    return Dataset(features, as_labels(np.asarray(found.labels), _NAME), image_shape, _NAME, found.columns)
