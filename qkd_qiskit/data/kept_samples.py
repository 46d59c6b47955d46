"""What a run's folder keeps of its samples: digests, and the test samples where they came from a file."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from qkd_qiskit.arrays import as_features
from qkd_qiskit.data.prepared import PreparedData
from qkd_qiskit.data.samples import Samples
from qkd_qiskit.errors import DataError
from qkd_qiskit.store import guarded, open_npz, read_json
from qkd_qiskit.store.files import write_atomic

TEST_FILE = "test_samples.npz"
DIGESTS_FILE = "samples.json"


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


def keep_digests(data: PreparedData, clients: Sequence[str], path: str | None, folder: Path) -> None:
    """Write digests of a run's samples into its folder, so that it can be told whether they have changed.

    Args:
        data: The samples.
        clients: Names of the clients, in the order of `data.clients`.
        path: The file that they came from; None for none.
        folder: The folder.

    Raises:
        DataError: If the file cannot be written.
    """
    content = {
        "dataset": data.name,
        "path": None if path is None else str(Path(path).resolve()),
        "classes": list(data.classes),
        "public": samples_digest(data.public.samples),
        "test": samples_digest(data.test),
        "clients": {name: samples_digest(held) for name, held in zip(clients, data.clients, strict=False)},
    }
    write_atomic(folder / DIGESTS_FILE, json.dumps(content, indent=2) + "\n", DataError)


def samples_path(folder: Path) -> str | None:
    """Return the resolved path of the file that a run's samples came from; None if none is known.

    Raises:
        DataError: If the file of digests is damaged.
    """
    path = folder / DIGESTS_FILE
    found = _kept(path, "path") if path.exists() else None
    return None if found is None else str(found)


def check_test_digest(samples: Samples, folder: Path) -> None:
    """Refuse test samples that are others than those of a run.

    Args:
        samples: Test samples, made again.
        folder: Folder of the run; one without digests refuses none.

    Raises:
        DataError: If the samples differ, or the file of digests is damaged.
    """
    path = folder / DIGESTS_FILE
    if path.exists() and _kept(path, "test") != samples_digest(samples):
        raise DataError(f"{path}: expected the test samples of the run, found that they have changed since")


def _kept(path: Path, key: str) -> Any:
    content = read_json(path, DataError)
    with guarded(DataError, f"{path}: expected digests of samples"):
        return content[key]


def samples_digest(samples: Samples) -> str:
    """Return a digest of encoded samples, rounded to six decimals, and their classes."""
    steps = np.rint(np.asarray(samples.inputs, dtype=np.float64) * 10**6).astype("<i8")
    head = f"{steps.shape}\n".encode()
    labels = np.asarray(samples.labels, dtype="<i8").tobytes()
    return hashlib.sha256(head + steps.tobytes() + labels).hexdigest()
