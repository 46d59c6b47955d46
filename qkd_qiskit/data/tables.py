"""The small tables of measurements that scikit-learn carries."""

from __future__ import annotations

from functools import cache

from sklearn import datasets

from qkd_qiskit.data.dataset import Dataset
from qkd_qiskit.data.loader import DataSource

TABLES = ("iris", "wine", "breast_cancer")


class TableLoader:
    """Loads `iris`, `wine` or `breast_cancer`."""

    name = ", ".join(TABLES)

    def takes(self, source: DataSource) -> bool:
        """Return whether the source has one of these names."""
        return source.name in TABLES

    def load(self, source: DataSource) -> Dataset:
        """Return the table, read once a process, each column scaled to [0, 1] by its range in the table."""
        return _table(source.name)


@cache
def _table(name: str) -> Dataset:
    load = {
        "iris": datasets.load_iris,
        "wine": datasets.load_wine,
        "breast_cancer": datasets.load_breast_cancer,
    }[name]
    columns, labels = load(return_X_y=True)
    low, high = columns.min(axis=0), columns.max(axis=0)
    return Dataset((columns - low) / (high - low), labels, None, name)
