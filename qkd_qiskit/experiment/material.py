"""What a report shows of an experiment beside its record: gathered where clients, server and models are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from qiskit import QuantumCircuit

from qkd_qiskit.arrays import IntArray
from qkd_qiskit.baselines import FederatedResult, FittedCircuit
from qkd_qiskit.distillation import Teacher
from qkd_qiskit.experiment.evaluation import client_specs
from qkd_qiskit.hardware import load_backend
from qkd_qiskit.reporting import ReportExtras, TrainingCurve
from qkd_qiskit.reporting.curves import MOST_PANELS
from qkd_qiskit.reporting.extras import Answers, Placement, RoundsCurve
from qkd_qiskit.reporting.settings_rows import setting_rows
from qkd_qiskit.runtime.estimate import quantum_seconds
from qkd_qiskit.simulation import CompiledModel
from qkd_qiskit.text import printable
from qkd_qiskit.training import TrainedModel

if TYPE_CHECKING:
    from qkd_qiskit.experiment.result import ExperimentResult

_CALIBRATIONS = {"none": "left as it is", "temperature": "temperature", "affine": "scale and shift"}


def report_extras(result: ExperimentResult) -> ReportExtras:
    """Gather the material of a report's pictures.

    Args:
        result: What is here of a run.
    """
    clients, server = result.clients or (), result.server
    models: dict[str, object] = {client.settings.name: client.model for client in clients}
    if server is not None:
        models["global"] = server.global_model
    fitted = {name: found for name, found in result.baselines.items() if isinstance(found, FittedCircuit)}
    models |= {name: found.model for name, found in fitted.items()}
    return ReportExtras(
        classes=tuple(str(label) for label in result.record.data.classes),
        class_counts={client.settings.name: client.class_counts.tolist() for client in clients},
        confusion=result.confusion,
        specs={} if server is None else client_specs(server, result.clients),
        histories={
            name: TrainingCurve(model.swarm_history, model.refine_history, model.noiseless)
            for name, model in models.items()
            if isinstance(model, TrainedModel)
        },
        searches={c.settings.name: c.search for c in clients if c.search is not None},
        client_confusions=result.client_confusions,
        rounds={
            name: RoundsCurve(model.history, model.validation, model.kept)
            for name, model in models.items()
            if isinstance(model, FederatedResult)
        },
        placements=dict(_placements(result)),
        reliability=dict(_reliability(result)),
        quantum_seconds=dict(_quantum_seconds(result)),
        settings=setting_rows(result.settings),
        title=result.settings.title,
    )


def _circuits(result: ExperimentResult) -> Iterator[tuple[str, str, CompiledModel]]:
    """Yield name, device and circuit of the global model and of each client, as many as are drawn."""
    if result.server is not None:
        yield "global", result.settings.server.backend, result.server.compiled
    for client in (result.clients or ())[: MOST_PANELS - 1]:
        yield client.settings.name, client.settings.backend, client.compiled


def _placements(result: ExperimentResult) -> Iterator[tuple[str, Placement]]:
    for name, backend, compiled in _circuits(result):
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


def _reliability(result: ExperimentResult) -> Iterator[tuple[str, tuple[Answers, Answers]]]:
    """Yield how sure clients were on public labels that none of them knows, and how often right.

    The calibrations were fitted to other labels of the server.
    """
    if result.data is None or result.server is None:
        return
    public, rounds = result.data.public, result.server.rounds
    rows = public.validation_rows - public.n_labelled
    labels = public.answered.labels[rows]
    teacher: Teacher = rounds.aggregate.teacher
    known = dict(zip(teacher.clients, teacher.calibrations, strict=True))
    before: list[Answers] = []
    after: list[Answers] = []
    for position in sorted(rounds.messages.positions):
        outputs = rounds.messages.message(position).outputs_in(result.data.classes)
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


def _quantum_seconds(result: ExperimentResult) -> Iterator[tuple[str, float]]:
    if result.data is None:
        return
    shots, answered = result.settings.estimator.shots, result.data.public.n_answered
    for name, _, compiled in _circuits(result):
        circuits = len(result.data.test) if name == "global" else answered
        if compiled.transpiled is not None and circuits:
            what = "test samples" if name == "global" else "public samples"
            duration = compiled.transpiled.report.counted.duration
            seconds = quantum_seconds(duration, circuits=circuits, shots=shots)
            yield f"{printable(name, 12)}, {circuits} {what}", seconds
