"""What a report shows of an experiment beside its record: gathered where clients, server and models are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from qiskit import QuantumCircuit

from qkd_qiskit.arrays import IntArray
from qkd_qiskit.baselines import FederatedResult, FittedBaseline, FittedCircuit
from qkd_qiskit.config import ExperimentSettings
from qkd_qiskit.data import PreparedData
from qkd_qiskit.distillation import Teacher
from qkd_qiskit.evaluation import Results
from qkd_qiskit.experiment.evaluation import client_specs
from qkd_qiskit.federation.client import ClientOutcome
from qkd_qiskit.federation.server import ServerResult
from qkd_qiskit.hardware import load_backend
from qkd_qiskit.reporting import ReportExtras, TrainingCurve
from qkd_qiskit.reporting.curves import MOST_PANELS
from qkd_qiskit.reporting.extras import Answers, Placement, RoundsCurve
from qkd_qiskit.reporting.settings_rows import setting_rows
from qkd_qiskit.runtime.estimate import quantum_seconds
from qkd_qiskit.simulation import CompiledModel
from qkd_qiskit.text import printable
from qkd_qiskit.training import TrainedModel

_CALIBRATIONS = {"none": "left as it is", "temperature": "temperature", "affine": "scale and shift"}


@dataclass(frozen=True, eq=False)
class Parts:
    """What is here of a run.

    Attributes:
        settings: The experiment.
        record: What `results.json` holds.
        data: The samples; None for a result that was loaded.
        server: The server's part; None for a result that was loaded.
        clients: What each client did; None where the clients were elsewhere.
        baselines: Fitted baselines by name.
        confusion: The global model's confusion matrix [K, K]; None where it was not tested here.
        client_confusions: Those of the clients, by name.
    """

    settings: ExperimentSettings
    record: Results
    data: PreparedData | None
    server: ServerResult | None
    clients: Sequence[ClientOutcome] | None
    baselines: Mapping[str, FittedBaseline]
    confusion: IntArray | None
    client_confusions: Mapping[str, IntArray]


def report_extras(parts: Parts) -> ReportExtras:
    """Gather the material of a report's pictures.

    Args:
        parts: What is here of a run.
    """
    clients, server = parts.clients or (), parts.server
    models: dict[str, object] = {client.settings.name: client.model for client in clients}
    if server is not None:
        models["global"] = server.global_model
    fitted = {name: found for name, found in parts.baselines.items() if isinstance(found, FittedCircuit)}
    models |= {name: found.model for name, found in fitted.items()}
    return ReportExtras(
        classes=tuple(str(label) for label in parts.record.data.classes),
        class_counts={client.settings.name: client.class_counts.tolist() for client in clients},
        confusion=parts.confusion,
        specs={} if server is None else client_specs(server, parts.clients),
        histories={
            name: TrainingCurve(model.swarm_history, model.refine_history, model.noiseless)
            for name, model in models.items()
            if isinstance(model, TrainedModel)
        },
        searches={c.settings.name: c.search for c in clients if c.search is not None},
        client_confusions=parts.client_confusions,
        rounds={
            name: RoundsCurve(model.history, model.validation, model.kept)
            for name, model in models.items()
            if isinstance(model, FederatedResult)
        },
        placements=dict(_placements(parts)),
        reliability=dict(_reliability(parts)),
        quantum_seconds=dict(_quantum_seconds(parts)),
        settings=setting_rows(parts.settings),
    )


def _circuits(parts: Parts) -> Iterator[tuple[str, str, CompiledModel]]:
    """Yield name, device and circuit of the global model and of each client, as many as are drawn."""
    if parts.server is not None:
        yield "global", parts.settings.server.backend, parts.server.compiled
    for client in (parts.clients or ())[: MOST_PANELS - 1]:
        yield client.settings.name, client.settings.backend, client.compiled


def _placements(parts: Parts) -> Iterator[tuple[str, Placement]]:
    for name, backend, compiled in _circuits(parts):
        found = compiled.transpiled
        if found is not None:
            # In the order of the chain, with further qubits of a routed circuit behind it.
            qubits = tuple(dict.fromkeys((*found.input_qubits, *found.active_qubits)))
            yield name, Placement(load_backend(backend), qubits, _links(found.circuit))


def _links(circuit: QuantumCircuit) -> tuple[tuple[int, int], ...]:
    found = set()
    for item in circuit.data:
        if len(item.qubits) == 2 and item.operation.name != "barrier":
            first, second = (circuit.find_bit(qubit).index for qubit in item.qubits)
            found.add((min(first, second), max(first, second)))
    return tuple(sorted(found))


def _reliability(parts: Parts) -> Iterator[tuple[str, tuple[Answers, Answers]]]:
    """Yield how sure clients were on public labels that none of them knows, and how often right.

    The calibrations were fitted to other labels of the server.
    """
    if parts.data is None or parts.server is None:
        return
    public, rounds = parts.data.public, parts.server.rounds
    rows = public.validation_rows - public.n_labelled
    labels = public.answered.labels[rows]
    teacher: Teacher = rounds.aggregate.teacher
    known = dict(zip(teacher.clients, teacher.calibrations, strict=True))
    before: list[Answers] = []
    after: list[Answers] = []
    for position in sorted(rounds.messages.positions):
        outputs = rounds.messages.message(position).outputs_in(parts.data.classes)
        outcomes = outputs.outcomes_of(labels)
        # A client without the reject outcome cannot be right on classes that it lacks.
        asked = outcomes >= 0
        if outputs.client not in known or not asked.any():
            continue
        given = outputs.outputs[rows[asked]]
        total = given.sum(axis=1, keepdims=True)
        before.append(_answers(given / np.where(total > 0, total, 1.0), outcomes[asked]))
        after.append(_answers(known[outputs.client].apply(given), outcomes[asked]))
    if before:
        kind = teacher.calibrations[0].kind
        yield f"each client ({_CALIBRATIONS[kind]})", (_joined(before), _joined(after))
    soft = rounds.aggregate.soft_labels[rows]
    # What the rule gave before its sharpness was fitted.
    plain = soft**teacher.sharpness
    yield (
        "clients together",
        (_answers(plain / plain.sum(axis=1, keepdims=True), labels), _answers(soft, labels)),
    )


def _answers(probabilities: np.ndarray, outcomes: IntArray) -> Answers:
    chosen = probabilities.argmax(axis=1)
    return Answers(np.clip(probabilities.max(axis=1), 0.0, 1.0), chosen == outcomes)


def _joined(found: list[Answers]) -> Answers:
    return Answers(np.concatenate([one.sure for one in found]), np.concatenate([one.right for one in found]))


def _quantum_seconds(parts: Parts) -> Iterator[tuple[str, float]]:
    if parts.data is None:
        return
    shots, answered = parts.settings.estimator.shots, parts.data.public.n_answered
    for name, _, compiled in _circuits(parts):
        circuits = len(parts.data.test) if name == "global" else answered
        if compiled.transpiled is not None and circuits:
            what = "test samples" if name == "global" else "public samples"
            duration = compiled.transpiled.report.counted.duration
            seconds = quantum_seconds(duration, circuits=circuits, shots=shots)
            yield f"{printable(name, 12)}, {circuits} {what}", seconds
