"""Gate resources: what the tables of `estimate`, `transpile` and `backends show` show."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qkd_qiskit.config import EstimatorSettings, ExperimentSettings, ModelSettings
from qkd_qiskit.data import DataSource, load_dataset, prepare_data
from qkd_qiskit.encoding import Encoder, encoding_named, make_encoder
from qkd_qiskit.errors import DataError, EstimatorError, NoBudgetError
from qkd_qiskit.estimator import GateBudget, estimate_gate_budget, estimator_arguments
from qkd_qiskit.estimator.budget import EstimatorArguments
from qkd_qiskit.hardware import (
    Device,
    NativeCounts,
    TranspiledVQCNN,
    device_name,
    load_backend,
    split_name,
    transpile_verified,
)
from qkd_qiskit.hardware.targets import DEAD_GATE_ERROR, error_of
from qkd_qiskit.reporting.device_picture import chain_errors, chosen_chain, edge_errors
from qkd_qiskit.reporting.devices import DeviceSummary
from qkd_qiskit.vqcnn import VQCNNSpec, kernel_name

Inputs = NDArray[np.float64]
Labels = NDArray[Any]

_FIDELITY_SAMPLES = 200

#: Heading of a column, and where its value lies in a row.
Columns = tuple[tuple[str, str], ...]

_PUBLIC_TOO = (
    "samples and classes count labelled public samples too: those of classes that a client misses are to it "
    "one class more, none of mine"
)
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
PROBE_COLUMNS: Columns = (
    ("need from", "probes.low"),
    ("\nto", "probes.high"),
    ("suffi-\ncient", "probes.sufficient"),
    ("train-\nings", "probes.trainings"),
    ("seconds", "probes.seconds"),
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
SAVED_COLUMNS: Columns = (
    ("2-qubit\nsaved", "saved.two_qubit"),
    ("1-qubit\nsaved", "saved.one_qubit"),
    ("ESP\ngained", "saved.esp"),
)


@dataclass(frozen=True)
class NoBudget:
    """Why a client gets no budget.

    Attributes:
        reason: The estimator's.
        lacks: What the device lacks, in few words; empty where it lacks nothing.
    """

    reason: str
    lacks: str


@dataclass(frozen=True)
class ClientBudget:
    """A client's gate budget on one device.

    Attributes:
        client: Name of the client, or of its dataset.
        backend: Name or descriptor of the device.
        budget: The budget, or why there is none.
    """

    client: str
    backend: str
    budget: GateBudget | NoBudget

    def to_dict(self) -> dict[str, object]:
        """Return the row, with all that JSON readers may want."""
        if isinstance(self.budget, NoBudget):
            return {
                "client": self.client,
                "backend": device_name(self.backend),
                "limited_by": self.budget.lacks or "refused",
                "refused": self.budget.reason,
            }
        return {"client": self.client, **self.budget.to_dict(), "refused": None}


@dataclass(frozen=True)
class TranspiledStructure:
    """Predicted beside counted native gates of one structure on one device.

    Attributes:
        client: Whose structure it is; None for a bare structure.
        backend: Name or descriptor of the device.
        transpiled: The verified circuit.
        without_fractional: What is counted on the same device without its fractional gates; None where they
            are not used.
    """

    client: str | None
    backend: str
    transpiled: TranspiledVQCNN
    without_fractional: NativeCounts | None = None

    def to_dict(self) -> dict[str, object]:
        """Return the row, with all that JSON readers may want."""
        spec, plain, counted = self.transpiled.spec, self.without_fractional, self.transpiled.report.counted
        return {
            "client": self.client,
            "backend": device_name(self.backend),
            "plan": ", ".join(spec.plan),
            "kernels": [kernel_name(kernel) for kernel in spec.kernels],
            "model_index": str(spec.index),
            "seed": self.transpiled.seed,
            **self.transpiled.report.to_dict(),
            "without_fractional": plain and plain.to_dict(),
            "saved": plain
            and {
                "two_qubit": plain.two_qubit - counted.two_qubit,
                "one_qubit": plain.one_qubit.mid - counted.one_qubit.mid,
                "esp": counted.esp - plain.esp,
                "duration": plain.duration - counted.duration,
            },
        }


@dataclass(frozen=True)
class ChainSummary:
    """The chain of a device that a structure would run on.

    Attributes:
        chain: Physical qubits; empty where the device has no such chain.
        chain_errors: Errors of the links between them.
    """

    chain: tuple[int, ...]
    chain_errors: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class HeldSamples:
    """What one client holds.

    Attributes:
        name: Name of the dataset.
        inputs: Encoded inputs [N, F].
        labels: Class labels [N].
        note: What the reader should know of the encoding; none for nothing.
    """

    name: str
    inputs: Inputs
    labels: Labels
    note: tuple[str, ...]


def experiment_budgets(settings: ExperimentSettings, *, backends: Sequence[str] = ()) -> list[ClientBudget]:
    """Gate budgets of all clients of an experiment.

    To a client that misses classes, public samples of these are one more class, as in a run.

    Args:
        settings: The experiment.
        backends: Devices to estimate every client for; each client's own when empty.

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
            arguments = estimator_arguments(settings.estimator, settings.shared_seed)
            budget = _budget(samples.inputs, samples.labels, backend, settings.model, outcomes, arguments)
            others = len(samples) - len(prepared.own(number))
            if others:
                budget = _noted(budget, (_PUBLIC_TOO,))
            found.append(ClientBudget(client.name, backend, budget))
    return found


def dataset_budgets(
    source: DataSource,
    model: ModelSettings,
    *,
    backends: Sequence[str],
    estimator: EstimatorSettings | None = None,
    samples: int | None = None,
    seed: int = 0,
) -> list[ClientBudget]:
    """Gate budgets of one client that holds a whole dataset, or a random part of it.

    Args:
        source: Which dataset.
        model: Qubits, encoding, kernel and sharing.
        backends: Devices to estimate for.
        estimator: How budgets are estimated; by the rule alone when omitted.
        samples: How many samples the client holds, drawn at random; all when omitted.
        seed: Of the random part, and of probes.

    Raises:
        DataError: If the dataset cannot be loaded, or has fewer samples.
        HardwareError: If a device is unknown.
    """
    held = held_samples(source, model, samples=samples, seed=seed)
    arguments = estimator_arguments(estimator or EstimatorSettings.model_validate({}), seed)
    return [
        ClientBudget(
            held.name,
            backend,
            _noted(_budget(held.inputs, held.labels, backend, model, None, arguments), held.note),
        )
        for backend in backends
    ]


def held_samples(source: DataSource, model: ModelSettings, *, samples: int | None, seed: int) -> HeldSamples:
    """Return the part of a dataset that a client holds, encoded.

    Args:
        source: Which dataset.
        model: Qubits and encoding.
        samples: How many samples the client holds, drawn at random; all if None.
        seed: Of the random part.

    Raises:
        DataError: If the dataset cannot be loaded, or has fewer samples.
    """
    dataset = load_dataset(
        source.name, path=source.path, labels=source.labels, classes=source.classes, table=source.table
    )
    size = len(dataset.labels)
    if samples is not None and not 1 <= samples <= size:
        raise DataError(f"samples: expected 1 to {size}, as many as {dataset.name} has, found {samples}")
    held = np.arange(size)
    if samples is not None:
        held = np.random.default_rng(seed).permutation(size)[:samples]
    encoder = make_encoder(model.encoding, model.n_qubits, image_shape=dataset.image_shape)
    inputs = encoder.fit(dataset.features[held]).transform(dataset.features[held])
    note = _fidelity_note(model, encoder, dataset.features[held[:_FIDELITY_SAMPLES]])
    return HeldSamples(dataset.name, inputs, dataset.labels[held], note)


def transpile_structure(
    spec: VQCNNSpec, backend: str, *, seed: int = 0, client: str | None = None
) -> TranspiledStructure:
    """Transpile one structure for one device.

    Raises:
        HardwareError: If the device is unknown, or the structure does not fit it.
    """
    found = transpile_verified(spec, load_backend(backend), seed=seed)
    name, fractional = split_name(backend)
    plain = transpile_verified(spec, name, seed=seed).report.counted if fractional else None
    return TranspiledStructure(client, backend, found, plain)


def transpile_experiment(
    settings: ExperimentSettings, *, backends: Sequence[str] = ()
) -> list[TranspiledStructure | ClientBudget]:
    """Transpile each client's estimated structure for its device.

    Args:
        settings: The experiment; its seed is the transpiler's too.
        backends: Devices to use for every client; each client's own when empty.

    Returns:
        One for each client and device; the refused budget where it has no structure.

    Raises:
        DataError: If the dataset cannot be loaded or split in this way.
        HardwareError: If a device is unknown, or a structure does not fit it.
    """
    return [
        found
        if isinstance(found.budget, NoBudget)
        else transpile_structure(found.budget.spec, found.backend, seed=settings.seed, client=found.client)
        for found in experiment_budgets(settings, backends=backends)
    ]


def summarize_device(device: Device) -> DeviceSummary:
    """Return size, calibration and typical errors of a device."""
    two_qubit = list(edge_errors(device).values())
    return DeviceSummary(
        name=device.name,
        description=device.description,
        qubits=device.n_qubits,
        gates=tuple(sorted(device.target.operation_names)),
        two_qubit_gate=device.two_qubit_gate,
        edges=len(two_qubit),
        dead_edges=sum(error >= DEAD_GATE_ERROR for error in two_qubit),
        two_qubit_error=statistics.median(two_qubit),
        readout_error=statistics.median(
            error_of(device.target, "measure", place) for place in device.target["measure"]
        ),
        source=device.source,
        date=device.calibration_date and device.calibration_date[:10],
        calibration_date=device.calibration_date,
        notes=device.notes,
        assumptions=device.assumptions,
    )


def summarize_chain(device: Device, spec: VQCNNSpec) -> ChainSummary:
    """Return the chain of a device that a structure would run on, with three digits of its errors."""
    fits = spec.n_qubits <= len(device.usable_qubits)
    chain = tuple((chosen_chain(device, spec) if fits else None) or ())
    return ChainSummary(chain, tuple(float(f"{error:.3g}") for error in chain_errors(device, chain)))


def _fidelity_note(model: ModelSettings, encoder: Encoder, features: Inputs) -> tuple[str, ...]:
    """Return a sentence on states that gates prepare approximately; none where nothing is approximated."""
    found = encoding_named(model.encoding).fidelities(encoder, features)
    if found is None:
        return ()
    return (
        f"without noise, the encoding's gates prepare states with a mean fidelity of {found.mean():.3f} "
        f"(worst {found.min():.3f} of {len(found)} samples)",
    )


def _noted(budget: GateBudget | NoBudget, notes: tuple[str, ...]) -> GateBudget | NoBudget:
    return budget if isinstance(budget, NoBudget) else replace(budget, notes=(*budget.notes, *notes))


def _budget(
    inputs: Inputs,
    labels: Labels,
    backend: str,
    model: ModelSettings,
    outcomes: int | None,
    arguments: EstimatorArguments,
) -> GateBudget | NoBudget:
    """Return the budget, or the estimator's reason to refuse: one refusal must not hide the other rows."""
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
            **arguments,
        )
    except EstimatorError as error:
        return NoBudget(str(error), error.lacks if isinstance(error, NoBudgetError) else "")
