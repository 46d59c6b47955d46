"""Gate resources as plain rows: what the tables of `estimate`, `transpile` and `backends` show."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qkd_qiskit.config import ExperimentSettings, Label, ModelSettings
from qkd_qiskit.data import load_dataset, prepare_data
from qkd_qiskit.encoding import make_encoder
from qkd_qiskit.errors import DataError, EstimatorError
from qkd_qiskit.estimator import GateBudget, estimate_gate_budget
from qkd_qiskit.hardware import Device, list_backends, load_backend, transpile_verified, unavailable
from qkd_qiskit.hardware.targets import DEAD_GATE_ERROR
from qkd_qiskit.reporting.device_picture import chain_errors, chosen_chain
from qkd_qiskit.vqcnn import VQCNNSpec, kernel_name

Row = dict[str, Any]
Inputs = NDArray[np.float64]
Labels = NDArray[Any]

#: Heading of a column, and where its value lies in a row.
Columns = tuple[tuple[str, str], ...]

ESTIMATE_COLUMNS: Columns = (
    ("client", "client"),
    ("device", "backend"),
    ("sam-\nples", "statistics.samples"),
    ("clas-\nses", "statistics.classes"),
    ("blocks", "blocks"),
    ("limit", "limited_by"),
    ("weights", "weights"),
    ("2-qubit\ngates", "two_qubit_gates"),
    ("ESP", "predicted.esp"),
)
TRANSPILE_COLUMNS: Columns = (
    ("client", "client"),
    ("device", "backend"),
    ("2-qubit\npredicted", "predicted.two_qubit"),
    ("\ncounted", "counted.two_qubit"),
    ("relative\nerror", "relative_error.two_qubit"),
    ("1-qubit\npredicted", "predicted.one_qubit"),
    ("\ncounted", "counted.one_qubit"),
    ("ESP\npred.", "predicted.esp"),
    ("\nreal", "counted.esp"),
)
BACKEND_COLUMNS: Columns = (
    ("device", "name"),
    ("qubits", "qubits"),
    ("2-qubit\ngate", "two_qubit_gate"),
    ("median\nerror", "two_qubit_error"),
    ("dead\nedges", "dead_edges"),
    ("readout\nerror", "readout_error"),
    ("date", "date"),
)


def experiment_budgets(
    settings: ExperimentSettings, *, backends: Sequence[str] = ()
) -> list[tuple[str, str, GateBudget | str]]:
    """Gate budgets of all clients of an experiment.

    To a client that misses classes, public samples of these are one more class, as in a run.

    Args:
        settings: The experiment.
        backends: Devices to estimate every client for; each client's own when empty.

    Returns:
        Client, device, and the budget or the reason why there is none.

    Raises:
        DataError: If the dataset cannot be loaded or split in this way.
        HardwareError: If a device is unknown.
    """
    prepared = prepare_data(settings)
    found = []
    for number, client in enumerate(settings.clients):
        samples = prepared.task(number)
        outcomes = max(2, len(np.unique(samples.labels)))
        for backend in backends or (client.backend,):
            budget = _budget(samples.inputs, samples.labels, backend, settings.model, outcomes)
            found.append((client.name, backend, budget))
    return found


def dataset_budgets(
    name: str,
    *,
    path: str | None = None,
    labels: str | None = None,
    classes: tuple[Label, ...] | None = None,
    samples: int | None = None,
    model: ModelSettings,
    backends: Sequence[str],
    seed: int = 0,
) -> list[tuple[str, str, GateBudget | str]]:
    """Gate budgets of one client that holds a whole dataset, or a random part of it.

    Args:
        name: Dataset as in `load_dataset`; without meaning when a path is given.
        path: A file or folder of one's own.
        labels: Label file, or label column of a CSV.
        classes: Classes that take part; all when omitted.
        samples: How many samples the client holds, drawn at random; all when omitted.
        model: Qubits, encoding, kernel and sharing.
        backends: Devices to estimate for.
        seed: Of the random part.

    Returns:
        Dataset, device, and the budget or the reason why there is none.

    Raises:
        DataError: If the dataset cannot be loaded, or has fewer samples.
        HardwareError: If a device is unknown.
    """
    dataset = load_dataset(name, path=path, labels=labels, classes=classes)
    size = len(dataset.labels)
    if samples is not None and not 1 <= samples <= size:
        raise DataError(f"samples: expected 1 to {size}, as many as {dataset.name} has, found {samples}")
    held = np.arange(size)
    if samples is not None:
        held = np.random.default_rng(seed).permutation(size)[:samples]
    encoder = make_encoder(model.encoding, model.n_qubits, image_shape=dataset.image_shape)
    inputs = encoder.fit(dataset.features[held]).transform(dataset.features[held])
    return [
        (dataset.name, backend, _budget(inputs, dataset.labels[held], backend, model, None))
        for backend in backends
    ]


def budget_row(client: str, backend: str, budget: GateBudget | str) -> Row:
    """One row of the table of estimates, with all that JSON readers may want."""
    if isinstance(budget, str):
        return {"client": client, "backend": backend, "refused": budget}
    return {"client": client, **budget.to_dict(), "refused": None}


def transpile_row(spec: VQCNNSpec, backend: str, *, seed: int = 0, client: str | None = None) -> Row:
    """Predicted beside counted native gates of one structure on one device.

    Raises:
        HardwareError: If the device is unknown, or the structure does not fit it.
    """
    verified = transpile_verified(spec, load_backend(backend), seed=seed)
    return {
        "client": client,
        "backend": backend,
        "plan": ", ".join(spec.plan),
        "kernels": [kernel_name(kernel) for kernel in spec.kernels],
        "model_index": str(spec.index),
        "seed": seed,
        **verified.report.to_dict(),
    }


def experiment_transpile_rows(settings: ExperimentSettings, *, backends: Sequence[str] = ()) -> list[Row]:
    """One row for each client of an experiment: its estimated structure on its device, transpiled.

    Args:
        settings: The experiment; its seed is the transpiler's too.
        backends: Devices to use for every client; each client's own when empty.

    Raises:
        DataError: If the dataset cannot be loaded or split in this way.
        HardwareError: If a device is unknown, or a structure does not fit it.
    """
    return [
        budget_row(client, backend, budget)
        if isinstance(budget, str)
        else transpile_row(budget.spec, backend, seed=settings.seed, client=client)
        for client, backend, budget in experiment_budgets(settings, backends=backends)
    ]


def backend_rows() -> list[Row]:
    """Return one row for each shipped device.

    Returns:
        Rows as from `backend_row`; `refused` says why the installed libraries lack a device, or is None.

    Raises:
        HardwareError: If a descriptor is wrong.
    """
    rows: list[Row] = []
    for name in list_backends():
        reason = unavailable(name)
        row = {"name": name} if reason is not None else backend_row(name)
        rows.append({**row, "refused": reason})
    return rows


def backend_row(name: str, spec: VQCNNSpec | None = None) -> Row:
    """Size, calibration and typical errors of a device.

    Args:
        name: Name or descriptor of the device.
        spec: Adds the chain that this structure would run on, and the errors of its links; both empty where
            the device has no such chain.

    Raises:
        HardwareError: If the device is unknown or its descriptor wrong.
    """
    device = load_backend(name)
    two_qubit = _errors(device, device.two_qubit_gate)
    row = {
        "name": device.name,
        "description": device.description,
        "qubits": device.n_qubits,
        "gates": sorted(device.target.operation_names),
        "two_qubit_gate": device.two_qubit_gate,
        "edges": len(two_qubit),
        "dead_edges": sum(error >= DEAD_GATE_ERROR for error in two_qubit),
        "two_qubit_error": _median(two_qubit),
        "readout_error": _median(_errors(device, "measure")),
        "source": device.source,
        "date": device.calibration_date and device.calibration_date[:10],
        "calibration_date": device.calibration_date,
        "notes": list(device.notes),
    }
    if spec is not None:
        fits = spec.n_qubits <= len(device.usable_qubits)
        chain = (chosen_chain(device, spec) if fits else None) or ()
        row["chain"] = list(chain)
        row["chain_errors"] = [float(f"{error:.3g}") for error in chain_errors(device, chain)]
    return row


def _budget(
    inputs: Inputs, labels: Labels, backend: str, model: ModelSettings, outcomes: int | None
) -> GateBudget | str:
    """The budget, or the estimator's reason to refuse: one refusal must not hide the other rows."""
    device = load_backend(backend)
    try:
        return estimate_gate_budget(
            inputs,
            labels,
            backend=device,
            n_qubits=model.n_qubits,
            encoding=model.encoding,
            kernel=model.kernel,
            sharing=model.sharing,
            n_outcomes=outcomes,
        )
    except EstimatorError as error:
        return str(error)


def _errors(device: Device, gate: str) -> list[float]:
    """Calibrated errors of one gate, over all places where the device has it."""
    return [props.error for props in device.target[gate].values() if props and props.error is not None]


def _median(values: list[float]) -> float | None:
    return statistics.median(values) if values else None
