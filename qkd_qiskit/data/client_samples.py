"""A client's own samples: read without guessing, as the server has said what samples look like."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qkd_qiskit.arrays import FloatArray, as_features
from qkd_qiskit.config import LimitSettings
from qkd_qiskit.data.dataset import as_labels, as_pixels
from qkd_qiskit.data.files import read_samples
from qkd_qiskit.data.table_options import TableOptions
from qkd_qiskit.errors import DataError
from qkd_qiskit.store import guarded, use_limits


@dataclass(frozen=True, eq=False)
class ClientSamples:
    """What a client's file holds.

    Attributes:
        values: As they stand in the file, [N, ...].
        labels: Their labels [N]; one class alone is legal.
        where: The file, for messages.
    """

    values: NDArray[Any]
    labels: NDArray[Any]
    where: str

    @property
    def digest(self) -> bytes:
        """SHA-256 of samples and labels."""
        text = "\n".join(map(str, self.labels.tolist()))
        head = f"{self.values.shape} {self.values.dtype}\n{text}\n"
        return hashlib.sha256(head.encode() + np.ascontiguousarray(self.values).tobytes()).digest()

    def features(self, image_shape: tuple[int, int] | None) -> FloatArray:
        """Return samples as rows [N, F].

        Args:
            image_shape: Rows and columns if they are images, whose pixels are then scaled to [0, 1]; None
                for plain features, which stay as they are.

        Raises:
            DataError: If they are no finite numbers, or not of this shape.
        """
        count, width = len(self.values), int(np.prod(self.values.shape[1:]))
        table = self.values.reshape(count, width)
        if image_shape is None:
            return as_features(table, self.where)
        if width != image_shape[0] * image_shape[1]:
            raise DataError(
                f"{self.where}: expected images of {image_shape[0]} x {image_shape[1]} pixels, "
                f"found {width} values a sample"
            )
        if table.dtype.kind not in "bu":
            table = as_features(table, self.where)
        return as_features(as_pixels(table, self.where), self.where)


def load_client_samples(
    path: str | Path,
    labels: str | None = None,
    limits: LimitSettings | None = None,
    table: TableOptions | None = None,
) -> ClientSamples:
    """Load a client's own samples from a file or folder; see `load_file` for the formats.

    Args:
        path: The file or folder.
        labels: The label file, or the label column of a table.
        limits: How much the file may ask for; the limits in force where omitted.
        table: How a table is meant.

    Raises:
        DataError: If something cannot be read, or there are not as many labels as samples.
    """
    bounds = {} if limits is None else limits.model_dump()
    with use_limits(**bounds), guarded(DataError, f"cannot read {path}"):
        read = read_samples(path, labels, table)
        values, file = read.values, read.path
        known = as_labels(read.labels, str(file))
    if values.ndim < 2 or len(values) != len(known):
        raise DataError(
            f"{file}: expected samples [N, ...] with N labels, "
            f"found shape {values.shape} and {len(known)} labels"
        )
    return ClientSamples(values, known, str(file))
