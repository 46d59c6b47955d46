"""What all loaders of datasets have in common."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pandas as pd

from qkd_qiskit.config import Label
from qkd_qiskit.data.dataset import Dataset
from qkd_qiskit.data.table_options import TableOptions


@dataclass(frozen=True)
class DataSource:
    """Which dataset is meant.

    Attributes:
        name: Its name; without meaning when a path is given.
        path: A file or folder of one's own, or a DataFrame.
        labels: Label file, or label column of a table; only together with `path`.
        classes: Classes that take part; None for all.
        table: How a table is meant; None for what can be recognized.
    """

    name: str = "mnist5000"
    path: str | Path | pd.DataFrame | None = None
    labels: str | None = None
    classes: tuple[Label, ...] | None = None
    table: TableOptions | None = None


class DatasetLoader(Protocol):
    """Loads the datasets of one kind."""

    @property
    def name(self) -> str:
        """What to write for a dataset of this kind, for error messages."""

    def takes(self, source: DataSource) -> bool:
        """Return whether a source is of this kind."""

    def load(self, source: DataSource) -> Dataset:
        """Return all samples in the order of their source, pixels scaled to [0, 1].

        Raises:
            DataError: If they cannot be had.
        """
