"""Encoded test samples beside a run's results, where no file holds the samples that they were made of."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np

from qkd_qiskit.arrays import as_features
from qkd_qiskit.data.samples import Samples
from qkd_qiskit.errors import DataError
from qkd_qiskit.store import guarded, open_npz
from qkd_qiskit.store.files import write_atomic

TEST_FILE = "test_samples.npz"


def keep_test_samples(samples: Samples, folder: Path) -> None:
    """Write encoded samples into the folder of a run.

    Args:
        samples: Its test samples.
        folder: The folder.

    Raises:
        DataError: If the file cannot be written.
    """
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, inputs=samples.inputs, labels=samples.labels)
    write_atomic(folder / TEST_FILE, buffer.getvalue(), DataError)


def kept_test_samples(folder: Path) -> Samples | None:
    """Return the encoded test samples in the folder of a run; None where it keeps none.

    Raises:
        DataError: If the file is damaged, or holds something else.
    """
    path = folder / TEST_FILE
    if not path.exists():
        return None
    archive = open_npz(path, DataError)
    with guarded(DataError, f"{path}: expected encoded samples and their classes"):
        inputs = as_features(archive.array("inputs"), str(path))
        labels = np.asarray(archive.array("labels"))
    if labels.dtype.kind != "i" or labels.shape != (len(inputs),):
        raise DataError(
            f"{path}: expected a class index for each of {len(inputs)} samples, found shape {labels.shape}"
        )
    return Samples(inputs, labels.astype(np.int64))
