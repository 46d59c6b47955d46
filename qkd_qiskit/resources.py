"""Gate resources as plain rows: what the tables of `estimate`, `transpile` and `backends` show."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qkd_qiskit.config import ExperimentSettings, Label, ModelSettings
from qkd_qiskit.data import ClientShare, load_dataset, make_encoder, make_split
from qkd_qiskit.errors import DataError, EstimatorError
from qkd_qiskit.estimator import GateBudget, estimate_gate_budget
from qkd_qiskit.hardware import load_backend, transpile_verified
from qkd_qiskit.vqcnn import VQCNNSpec, kernel_name

Row = dict[str, Any]
Inputs = NDArray[np.float64]
Labels = NDArray[Any]


def client_data(settings: ExperimentSettings) -> dict[str, tuple[Inputs, Labels]]:
    """What every client of an experiment holds, encoded as in a run: name to inputs [N, F] and labels [N].

    Raises:
        DataError: If the dataset cannot be loaded or split in this way.
    """
    data = settings.data
    dataset = load_dataset(data.dataset, path=data.path, labels=data.labels, classes=data.classes)
    split = make_split(
        dataset.labels,
        public_train=data.public_train,
        public_calibration=data.public_calibration,
        public_validation=data.public_validation,
        test=data.test,
        clients=[ClientShare(client.samples, client.classes, client.name) for client in settings.clients],
        dirichlet=data.dirichlet,
        rng=np.random.default_rng(settings.seed),
    )
    model = settings.model
    encoder = make_encoder(model.encoding, model.n_qubits, image_shape=dataset.image_shape)
    encoder.fit(dataset.features[split.public])
    return {
        client.name: (encoder.transform(dataset.features[held]), dataset.labels[held])
        for client, held in zip(settings.clients, split.clients, strict=True)
    }


def experiment_budgets(
    settings: ExperimentSettings, *, backends: Sequence[str] = ()
) -> list[tuple[str, str, GateBudget | str]]:
    """Gate budgets of all clients of an experiment.

    A client that misses classes of the experiment gets room for the reject outcome, as in a run.

    Args:
        settings: The experiment.
        backends: Devices to estimate every client for; each client's own when empty.

    Returns:
        Client, device, and the budget or the reason why there is none.

    Raises:
        DataError: If the dataset cannot be loaded or split in this way.
        HardwareError: If a device is unknown.
    """
    held = client_data(settings)
    n_classes = len(set().union(*(labels.tolist() for _, labels in held.values())))
    found = []
    for client in settings.clients:
        inputs, labels = held[client.name]
        own = len(set(labels.tolist()))
        outcomes = max(2, own + (own < n_classes))
        for backend in backends or (client.backend,):
            found.append((client.name, backend, _budget(inputs, labels, backend, settings.model, outcomes)))
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


def backend_row(name: str) -> Row:
    """Size, calibration and typical errors of a device.

    Raises:
        HardwareError: If the device is unknown or its descriptor wrong.
    """
    device = load_backend(name)
    target = device.target
    two_qubit = _errors(target, 2)
    return {
        "name": device.name,
        "description": device.description,
        "qubits": device.n_qubits,
        "gates": sorted(target.operation_names),
        "two_qubit_gate": device.two_qubit_gate,
        "two_qubit_error": statistics.median(two_qubit) if two_qubit else None,
        "dead_edges": sum(error >= 0.9 for error in two_qubit),
        "edges": len(two_qubit),
        "readout_error": _median(
            props.error for props in target["measure"].values() if props and props.error is not None
        ),
        "source": device.source,
        "calibration_date": device.calibration_date,
        "notes": list(device.notes),
    }
