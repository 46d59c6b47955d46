"""Finished stages of a run on disk, so that an interrupted run goes on where it stopped."""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import scipy
from numpy.typing import NDArray
from threadpoolctl import threadpool_info

from qkd_qiskit.errors import TrainingError
from qkd_qiskit.store.files import write_atomic
from qkd_qiskit.store.journal import Journal

Record = TypeVar("Record")
_META = "meta"


class StageStore:
    """Stores frozen dataclasses of arrays and plain values, one file a stage, whole or not at all.

    A file tells the fingerprint of the settings that it was made with; files of other settings are not used.
    """

    def __init__(self, folder: Path | None, fingerprint: str) -> None:
        """Open a store.

        Args:
            folder: Where the files lie; None stores nothing.
            fingerprint: Identifies the settings that a stage depends on.
        """
        self._folder = folder
        self._fingerprint = fingerprint

    def given(self, *arrays: NDArray[Any]) -> StageStore:
        """The same store for stages that depend on these arrays too, for example on what others sent."""
        digest = hashlib.sha256(self._fingerprint.encode())
        for array in arrays:
            digest.update(f"{array.shape} {array.dtype}".encode() + np.ascontiguousarray(array).tobytes())
        return StageStore(self._folder, digest.hexdigest())

    def save(self, stage: str, record: Any) -> None:
        """Store a dataclass instance; its fields are arrays, numbers, strings, or tuples of numbers."""
        if self._folder is None:
            return
        values = {field.name: getattr(record, field.name) for field in fields(record)}
        arrays = {name: value for name, value in values.items() if isinstance(value, np.ndarray)}
        plain = {name: value for name, value in values.items() if name not in arrays}
        meta = json.dumps({"fingerprint": self._fingerprint, "stage": stage, "values": plain})
        buffer = io.BytesIO()
        np.savez(buffer, allow_pickle=False, **{_META: np.array(meta)}, **arrays)
        write_atomic(self._path(stage), buffer.getvalue())

    def load(self, stage: str, kind: type[Record]) -> Record | None:
        """The stored record of a stage, or None if there is none of these settings.

        Raises:
            TrainingError: If the file is damaged.
        """
        if self._folder is None or not self._path(stage).exists():
            return None
        path = self._path(stage)
        try:
            with np.load(path, allow_pickle=False) as file:
                meta = json.loads(str(file[_META]))
                if meta["fingerprint"] != self._fingerprint or meta["stage"] != stage:
                    return None
                arrays = {name: file[name] for name in file.files if name != _META}
            plain = {k: tuple(v) if isinstance(v, list) else v for k, v in meta["values"].items()}
            return kind(**plain, **arrays)
        except Exception as error:
            raise TrainingError(
                f"cannot read checkpoint {path}: expected a file of this program, found "
                f"{type(error).__name__}; delete it to train anew"
            ) from None

    def journal(self, stage: str, *, resume: bool) -> Journal:
        """The journal of a stage that is not finished yet; it writes nothing where the store has no folder.

        Args:
            stage: Name of the stage.
            resume: Whether to go on with an existing one. One that other settings, another version of NumPy
                or SciPy, or another number of BLAS threads has written is begun anew: it would not end in
                the same bits.

        Raises:
            TrainingError: If the file cannot be read or written.
        """
        if self._folder is None:
            return Journal()
        threads = sorted({pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"})
        machine = f"numpy {np.__version__}, scipy {scipy.__version__}, BLAS threads {threads}"
        return Journal(self._path(stage, "journal"), f"{self._fingerprint} {machine}", resume=resume)

    def _path(self, stage: str, suffix: str = "npz") -> Path:
        assert self._folder is not None
        safe = "".join(c if c.isalnum() or c in "-_" else f"%{ord(c):x}" for c in stage)
        return self._folder / f"{safe}.{suffix}"
