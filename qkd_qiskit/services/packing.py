"""Models that share a device: which ones, on which qubits, and what it saves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from qkd_qiskit.errors import SubmissionError
from qkd_qiskit.hardware import device_name
from qkd_qiskit.models import CLIENTS_FOLDER, load_model
from qkd_qiskit.runtime import (
    CopyCheck,
    ModelWorkload,
    PackingOptions,
    Submission,
    SubmissionEstimate,
    packing_of,
    samples_of_run,
)

AUTO = "auto"
COPY_COLUMNS = (
    ("copy", "copy"),
    ("model", "model"),
    ("qubits", "qubits"),
    ("2-qubit\ngates", "two_qubit_gates"),
    ("ESP", "esp"),
    ("share of\nbest", "share"),
)
CHECK_COLUMNS = (
    ("copy", "copy"),
    ("samples", "samples"),
    ("distance", "distance"),
    ("expected", "expected_distance"),
    ("p", "p_value"),
    ("equal", "agrees"),
)
CROSSTALK = (
    "crosstalk between copies is in no noise model and in no estimate: --pack-check measures it, "
    "--pack-margin widens the gap"
)


@dataclass(frozen=True)
class CopyRow:
    """One copy of a packed submission."""

    copy: int
    model: str | None
    qubits: str
    two_qubit_gates: int
    esp: float
    share: float

    def to_dict(self) -> dict[str, object]:
        """Return the row as plain data."""
        return asdict(self)


def packing_options(
    copies: str | None, *, margin: int, floor: float, check: bool, others: bool = False
) -> PackingOptions | None:
    """Return how a device is shared, from the words of the command; None for one circuit at a time.

    Args:
        copies: `auto`, or a number in decimal digits.
        margin: Idle qubits between two copies.
        floor: Least share of the best copy's success probability.
        check: Whether the samples also run with one copy at a time.
        others: Whether other models than the run's own are to run.

    Raises:
        SubmissionError: If it is neither, or something that only packing can do is wanted without it.
    """
    if copies is None:
        if check or others:
            wanted = "--pack-check" if check else "--also and --clients"
            raise SubmissionError(f"expected --pack {AUTO}, or a number of copies, with {wanted}; found none")
        return None
    if copies != AUTO and not (copies.isascii() and copies.isdecimal() and int(copies) > 0):
        raise SubmissionError(f"--pack: expected {AUTO} or a number of copies, found {copies!r}")
    return PackingOptions(None if copies == AUTO else int(copies), margin, floor, check)


def chosen_workloads(
    run: Path, *, also: Sequence[Path] = (), clients: str | None = None
) -> list[ModelWorkload]:
    """Return the models that are to run, with their test samples.

    Args:
        run: Folder of a finished run.
        also: Folders of other runs, or model files in them.
        clients: Name of a device: then the models of the run's clients on it, instead of the global one.

    Raises:
        SubmissionError: If the run kept no client of that device, or a file lies in no run.
        QKDError: If a model or its samples cannot be read.
    """
    first = [run] if clients is None else _clients_of(run, clients)
    return [_workload(run, path) for path in (*first, *also)]


def copy_rows(submission: Submission) -> list[CopyRow]:
    """Return one row a copy; none where nothing is packed."""
    stored = submission.settings.get("packing")
    if stored is None:
        return []
    copies = packing_of(submission).copies
    names = [model_name(source) for source in stored["sources"]]
    best = [max(copy.esp for copy in copies if copy.model == k) for k in range(len(names))]
    return [
        CopyRow(
            copy=number,
            model=names[copy.model] if len(names) > 1 else None,
            qubits=" ".join(map(str, copy.qubits)),
            two_qubit_gates=copy.two_qubit_gates,
            esp=copy.esp,
            share=copy.esp / best[copy.model],
        )
        for number, copy in enumerate(copies)
    ]


def model_name(source: str) -> str:
    """Return a short name of a model, from where it lies."""
    path = Path(source)
    return path.stem if path.suffix else path.name or "global"


def saved_line(estimate: SubmissionEstimate) -> str | None:
    """Return what packing saves, in one line; None where nothing is packed."""
    if estimate.executions_alone is None:
        return None
    said = (
        f"packed: {estimate.copies} copies, {estimate.executions} executions instead of "
        f"{estimate.executions_alone}"
    )
    if estimate.seconds_alone is None:
        return said
    times = estimate.seconds_alone / estimate.seconds
    return (
        f"{said}, {estimate.seconds:.1f} quantum seconds instead of {estimate.seconds_alone:.1f}"
        f"{f' ({times:.1f} times fewer)' if times > 1 else ''}"
    )


def disturbed_lines(checks: Sequence[CopyCheck]) -> list[str]:
    """Return what is wrong with copies that count otherwise beside the others than alone, a line each."""
    return [
        f"copy {check.copy} counts otherwise beside the others than alone: a distance of "
        f"{check.distance:.3f} where shots alone make {check.expected_distance:.3f}; a wider "
        "--pack-margin, or fewer copies, may help"
        for check in checks
        if not check.agrees
    ]


def _clients_of(run: Path, backend: str) -> list[Path]:
    paths = sorted((run / CLIENTS_FOLDER).glob("*.npz"))
    name = device_name(backend)
    found = [path for path in paths if device_name(load_model(path).backend) == name]
    if not found:
        raise SubmissionError(
            f"expected models of clients on {backend} in {run / CLIENTS_FOLDER}, found "
            f"{len(paths)} of other devices"
        )
    return found


def _workload(run: Path, path: Path) -> ModelWorkload:
    """Return a model with the test samples of its run that are of its classes, relabelled to them."""
    model = load_model(path)
    folders = (path,) if path.is_dir() else (path.parent, path.parent.parent)
    home = next((folder for folder in folders if (folder / "settings.json").is_file()), folders[0])
    samples, classes = samples_of_run(home), load_model(home).classes
    held = np.array([model.classes.index(name) if name in model.classes else -1 for name in classes])
    kept = held[samples.labels] >= 0
    part = samples.rows(kept)
    inside = path.resolve().is_relative_to(run.resolve())
    source = path.resolve().relative_to(run.resolve()) if inside else path.resolve()
    return ModelWorkload(
        model, type(part)(part.inputs, held[part.labels]), "" if source == Path() else str(source)
    )
