"""What is to be run, and its plan file: a second copy beside the ledger, for the day when that is lost."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray
from qiskit import QuantumCircuit

from qkd_qiskit.arrays import FloatArray
from qkd_qiskit.errors import StoreError, SubmissionError
from qkd_qiskit.runtime.circuit_file import read_circuits, write_circuits
from qkd_qiskit.runtime.service_text import safe_line
from qkd_qiskit.store.array_files import open_npz
from qkd_qiskit.store.database import pack, unpack
from qkd_qiskit.store.files import write_atomic
from qkd_qiskit.store.reading import parse_json

PLAN_FOLDER = "jobs"
_PLAN_ENDING = ".plan.npz"
_Value = TypeVar("_Value")


class Deferred(Generic[_Value]):
    """A field of a dataclass that may be set to a function, which is called when the value is asked for."""

    def __set_name__(self, _owner: type, name: str) -> None:
        self._name = f"_{name}"

    def __get__(self, instance: object, _owner: type) -> _Value:
        if instance is None:
            # This tells `dataclass` that the field has no default.
            raise AttributeError(self._name)
        value = instance.__dict__[self._name]
        if callable(value):
            value = instance.__dict__[self._name] = value()
        found: _Value = value
        return found

    def __set__(self, instance: object, value: _Value | Callable[[], _Value]) -> None:
        instance.__dict__[self._name] = value


@dataclass(frozen=True, eq=False)
class Submission:
    """What is to be run: everything that its jobs need, frozen when it was planned.

    Circuits that were stored are read when they are first used: counts can be collected, and given up, where
    the installed Qiskit cannot read them.

    Attributes:
        id: Name, also the tag of all its jobs.
        created: ISO date and time.
        backend: Name of the device.
        settings: Shots, seed, options and estimates, in JSON's types.
        circuit: ISA circuit with bound weights; inputs are free.
        calibrations: Calibration circuits, measured like `circuit`.
        inputs: Encoded samples [N, F]; of a packed circuit one row for all copies, with their inputs side by
            side.
        labels: Class index of each sample [N]; of a packed circuit [N, copies].
        predicted: Outcome probabilities [N, 2^m] under the noise that the device's calibration told when this
            was planned; None where they are not known.
    """

    id: str
    created: str
    backend: str
    settings: dict[str, Any]
    circuit: Deferred[QuantumCircuit] = Deferred()
    calibrations: Deferred[tuple[QuantumCircuit, ...]] = Deferred()
    # The fields above have no default, though mypy takes the descriptor for one.
    inputs: NDArray[np.float64]  # type: ignore[misc]
    labels: NDArray[np.int64]  # type: ignore[misc]
    predicted: FloatArray | None = None


def submission_row(submission: Submission) -> tuple[str, str, str, str, bytes, bytes, bytes]:
    """Return a submission as the values of the ledger's row."""
    arrays = [submission.inputs] + ([] if submission.predicted is None else [submission.predicted])
    return (
        submission.id,
        submission.created,
        submission.backend,
        json.dumps(submission.settings),
        write_circuits([submission.circuit, *submission.calibrations]),
        pack(*arrays),
        pack(submission.labels),
    )


def read_row(row: Sequence[Any]) -> Submission:
    """Return the submission of a ledger's row; its circuits are not read yet.

    Raises:
        SubmissionError: If what is stored is damaged.
    """
    name, created, backend, settings, circuits, inputs, labels = row
    try:
        (samples, *predicted), (classes,) = unpack(inputs), unpack(labels)
        options = parse_json(settings, SubmissionError, "its settings")
        if samples.ndim != 2 or classes.shape[:1] != samples.shape[:1] or not isinstance(options, dict):
            raise ValueError(f"expected inputs [N, F], labels [N], found {samples.shape}, {classes.shape}")
    except Exception as error:
        raise SubmissionError(
            f"submission {name}: what is stored of it is damaged: {safe_line(error)}"
        ) from None
    read = cache(partial(read_circuits, circuits, where=f"submission {name}"))
    return Submission(
        name,
        created,
        backend,
        options,
        lambda: read()[0],
        lambda: read()[1:],
        samples,
        classes,
        predicted[0] if predicted else None,
    )


def write_plan(folder: Path, submission: Submission, ranges: Sequence[tuple[int, int]]) -> None:
    """Write the plan file of a submission, unless there is one.

    Args:
        folder: Folder of the run.
        submission: What is to be run.
        ranges: First and one-behind-last sample of each batch.

    Raises:
        StoreError: If the file cannot be written.
    """
    path = folder / PLAN_FOLDER / f"{submission.id}{_PLAN_ENDING}"
    if path.exists():
        return
    *texts, circuits, inputs, labels = submission_row(submission)
    buffer = io.BytesIO()
    blobs = {"circuits": circuits, "inputs": inputs, "labels": labels}
    np.savez(
        buffer,
        allow_pickle=False,
        meta=np.array(json.dumps([texts, list(ranges)])),
        **{name: np.frombuffer(blob, dtype=np.uint8) for name, blob in blobs.items()},
    )
    try:
        write_atomic(path, buffer.getvalue())
    except OSError as error:
        raise StoreError(f"cannot write {path}: {error.strerror or error}") from None


def plan_files(folder: Path) -> tuple[Path, ...]:
    """Return the plan files of a run."""
    return tuple(sorted((folder / PLAN_FOLDER).glob(f"*{_PLAN_ENDING}")))


def plan_name(path: Path) -> str:
    """Return the name of the submission that a plan file is of."""
    return path.name.removesuffix(_PLAN_ENDING)


def read_plan(path: Path) -> tuple[Submission, tuple[tuple[int, int], ...]]:
    """Return the submission and the ranges of its batches from a plan file.

    Raises:
        SubmissionError: If the file is damaged.
    """
    try:
        stored = open_npz(path, SubmissionError)
        texts, ranges = parse_json(str(stored.array("meta")), SubmissionError, "meta")
        blobs = [stored.array(name).tobytes() for name in ("circuits", "inputs", "labels")]
        limits = tuple((int(start), int(stop)) for start, stop in ranges)
        row = [*map(str, texts), *blobs]
    except Exception as error:
        raise SubmissionError(f"cannot read {path}: expected a plan of jobs; {safe_line(error)}") from None
    return read_row(row), limits
