"""Datasets of OpenML, downloaded by name or number."""

from __future__ import annotations

from sklearn import datasets

from qkd_qiskit.arrays import as_features
from qkd_qiskit.data.dataset import Dataset, as_labels, as_pixels, square_image
from qkd_qiskit.data.loader import DataSource
from qkd_qiskit.errors import DataError
from qkd_qiskit.store import guarded

_PREFIX = "openml:"


class OpenmlLoader:
    """Loads `openml:NAME`, for example `openml:Fashion-MNIST`, or `openml:40996` by number."""

    name = "openml:NAME"

    def takes(self, source: DataSource) -> bool:
        """Return whether the source names a dataset of OpenML."""
        return source.name.startswith(_PREFIX) and source.name != _PREFIX

    def load(self, source: DataSource) -> Dataset:
        """Return the dataset, downloaded or from scikit-learn's cache.

        Raises:
            DataError: If it cannot be fetched, or has no column of labels.
        """
        where = source.name
        name = where.removeprefix(_PREFIX)
        with guarded(DataError, f"cannot fetch {where}"):
            which = {"data_id": int(name)} if name.isdecimal() else {"name": name}
            found = datasets.fetch_openml(**which, as_frame=False, parser="liac-arff")
        if found.target is None:
            raise DataError(f"{where}: expected one column of labels, OpenML names none")
        table = as_features(found.data, where)
        image_shape = square_image(table)
        if image_shape is not None:
            table = as_features(as_pixels(table, where), where)
        return Dataset(table, as_labels(found.target, where), image_shape, where)
