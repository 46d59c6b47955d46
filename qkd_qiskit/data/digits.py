"""The 1797 handwritten digits, 8 x 8, that scikit-learn carries."""

from __future__ import annotations

from functools import cache

from sklearn import datasets

from qkd_qiskit.data.dataset import Dataset
from qkd_qiskit.data.loader import DataSource


class DigitsLoader:
    """Loads `digits`."""

    name = "digits"

    def takes(self, source: DataSource) -> bool:
        """Return whether the source has this name."""
        return source.name == self.name

    def load(self, source: DataSource) -> Dataset:
        """Return the images, read once a process."""
        return _digits()


@cache
def _digits() -> Dataset:
    pixels, labels = datasets.load_digits(return_X_y=True)
    return Dataset(pixels / 16.0, labels, (8, 8), DigitsLoader.name)
