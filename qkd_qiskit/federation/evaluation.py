"""The single look at the test samples, and the results that come of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qkd_qiskit.distillation import FedAvgResult, Teacher, accuracy_interval, difference_interval, lift
from qkd_qiskit.federation.client import ClientRun
from qkd_qiskit.federation.context import Context
from qkd_qiskit.federation.server import PublicRun, ServerRun
from qkd_qiskit.hardware import NativeCounts
from qkd_qiskit.simulation.basis import Array
from qkd_qiskit.training import TrainedModel
from qkd_qiskit.training.losses import IntArray
from qkd_qiskit.versions import blas_kernel, installed_versions

_COMPARED = (
    "public_only",
    "fedavg",
    "best_client",
    "centralized",
    "logistic_regression",
    "rbf_svm",
    "mlp",
    "classical_distillation",
)


@dataclass(frozen=True)
class Answers:
    """A model's answers on the test samples.

    Attributes:
        noisy: Class indices under the experiment's noise, [N].
        ideal: Class indices without noise, [N]; None where noise has no meaning.
        noise: Whose noise; None for none.
        weights: Trained numbers, the logit scale included.
        two_qubit_gates: Native two-qubit gates; None for classical models.
    """

    noisy: IntArray
    ideal: IntArray | None
    noise: str | None
    weights: int
    two_qubit_gates: int | None


def evaluate(
    context: Context, clients: Sequence[ClientRun], server: ServerRun
) -> tuple[dict[str, Any], NDArray[np.int64]]:
    """Evaluate every model on the test samples, once.

    Args:
        context: Shared by all stages.
        clients: The clients' runs.
        server: The server's run.

    Returns:
        Results in the schema of `results.json`, without timings, and the global model's confusion matrix
        [K, K] (rows are true classes).
    """
    inputs, labels = context.data.test.inputs, context.data.test.labels
    answers = answer_all(context, clients, server, inputs)
    fedavg = server.fedavg
    results: dict[str, Any] = {
        **experiment_record(context),
        **asked_record(server),
        "clients": [_client_record(client, inputs, labels) for client in clients],
        "participation": [part.to_dict() for part in server.lesson.participation],
        **scores(context, answers),
        "communication": {
            "distillation": {
                "up": sum(client.bytes_sent for client in clients),
                "down": server.lesson.bytes_down,
                "rounds": context.settings.distillation.rounds,
            },
            "fedavg": {"up": fedavg.bytes_up, "down": fedavg.bytes_down, "rounds": fedavg.rounds},
        },
    }
    return results, confusion_matrix(context, answers)


def experiment_record(context: Context) -> dict[str, Any]:
    """What was run on what, as results tell it."""
    data, settings = context.data, context.settings
    return {
        "schema": 1,
        "experiment": settings.name,
        "seed": settings.seed,
        "versions": {**installed_versions(), "blas": blas_kernel()},
        "data": {
            "dataset": data.name,
            "classes": list(data.classes),
            "public": len(data.split.public),
            "public_inputs": len(data.public.samples),
            "test": len(data.test),
        },
    }


def asked_record(server: PublicRun) -> dict[str, Any]:
    """The labels that the server asked for, as results tell it; nothing where it asked for none."""
    asked = server.asked
    if asked is None:
        return {}
    return {"asked": {"labels": asked.n_labels, "teacher_right": asked.teacher_right}}


def scores(context: Context, answers: Mapping[str, Answers]) -> dict[str, Any]:
    """Accuracy of every model on the test samples, and the global model compared with the others."""
    labels = context.data.test.labels
    models = {}
    for name, answer in answers.items():
        interval = accuracy_interval(answer.noisy == labels, rng=context.rng(f"interval {name}"))
        models[name] = {
            "accuracy": interval.value,
            "accuracy_ideal": None if answer.ideal is None else float((answer.ideal == labels).mean()),
            "interval": [interval.low, interval.high],
            "noise": answer.noise,
            "weights": answer.weights,
            "two_qubit_gates": answer.two_qubit_gates,
        }
    right = answers["global"].noisy == labels
    comparisons = {}
    for name in _COMPARED:
        if name in answers:
            paired = difference_interval(
                right, answers[name].noisy == labels, rng=context.rng(f"difference {name}")
            )
            comparisons[f"global_minus_{name}"] = {
                "difference": paired.value,
                "interval": [paired.low, paired.high],
            }
    return {"models": models, "comparisons": comparisons}


def confusion_matrix(context: Context, answers: Mapping[str, Answers]) -> NDArray[np.int64]:
    """The global model's confusion matrix on the test samples [K, K]; rows are true classes."""
    k, labels = len(context.data.classes), context.data.test.labels
    counts = np.bincount(labels * k + answers["global"].noisy, minlength=k * k)
    return counts.reshape(k, k).astype(np.int64)


def answer_all(
    context: Context, clients: Sequence[ClientRun], server: ServerRun, inputs: Array
) -> dict[str, Answers]:
    """Every model's answers to encoded inputs [N, F], by name of the model."""
    quantum: dict[str, TrainedModel | FedAvgResult] = {
        "global": server.global_model,
        "centralized": server.centralized,
        "fedavg": server.fedavg,
        "public_only": server.public_only,
    }
    if server.fedprox is not None:
        quantum["fedprox"] = server.fedprox
    answers = quantum_answers(context, server, quantum, inputs)
    noisy = context.settings.noise.enabled
    used = [client for client in clients if client.settings.name in server.teacher.clients]
    answers["teacher_ensemble"] = Answers(
        _ensemble(server.teacher, used, "noisy", inputs),
        _ensemble(server.teacher, used, "ideal", inputs),
        "own devices" if noisy else None,
        sum(len(client.model.params) for client in used),
        sum(client.machine.two_qubit_gates for client in used),
    )
    best = _best_client(context, clients)
    answers["best_client"] = Answers(
        _lifted(best, "noisy", inputs, len(context.data.classes)),
        _lifted(best, "ideal", inputs, len(context.data.classes)),
        best.settings.backend if noisy else None,
        len(best.model.params),
        best.machine.two_qubit_gates,
    )
    return answers | classical_answers(server, inputs)


def quantum_answers(
    context: Context,
    server: PublicRun,
    models: Mapping[str, TrainedModel | FedAvgResult],
    inputs: Array,
) -> dict[str, Answers]:
    """Answers of models of the global structure to encoded inputs [N, F]."""
    machine, settings = server.machine, context.settings
    return {
        name: Answers(
            model.predict(machine.noisy, inputs),
            model.predict(machine.ideal, inputs),
            settings.server.backend if settings.noise.enabled else None,
            len(model.params),
            machine.two_qubit_gates,
        )
        for name, model in models.items()
    }


def classical_answers(server: PublicRun, inputs: Array) -> dict[str, Answers]:
    """Answers of the server's classical models to encoded inputs [N, F]."""
    return {
        name: Answers(model.predict(inputs), None, None, model.n_weights, None)
        for name, model in server.classical.items()
    }


def _ensemble(teacher: Teacher, clients: Sequence[ClientRun], kind: str, inputs: Array) -> IntArray:
    outputs = [c.model.outcome_probabilities(getattr(c.machine, kind), inputs) for c in clients]
    return np.asarray(teacher.class_probabilities(outputs).argmax(axis=1), dtype=np.int64)


def _best_client(context: Context, clients: Sequence[ClientRun]) -> ClientRun:
    """The client that does best on the public validation samples; the first of equals."""
    inputs, labels = context.data.public.validation.inputs, context.data.public.validation.labels
    k = len(context.data.classes)
    return max(clients, key=lambda client: float((_lifted(client, "noisy", inputs, k) == labels).mean()))


def _lifted(client: ClientRun, kind: str, inputs: Array, n_classes: int) -> IntArray:
    """A client's answers over all classes; the reject outcome spreads over those that it does not hold."""
    outputs = client.model.outcome_probabilities(getattr(client.machine, kind), inputs)
    return np.asarray(lift(outputs, client.held, n_classes).argmax(axis=1), dtype=np.int64)


def _client_record(client: ClientRun, inputs: Array, labels: IntArray) -> dict[str, Any]:
    own = np.isin(labels, client.held)
    predicted = client.held[client.model.predict(client.machine.noisy, inputs)]
    everywhere = _lifted(client, "noisy", inputs, len(client.class_counts))
    report = client.machine.transpiled.report
    errors = report.relative_errors
    return {
        "name": client.settings.name,
        "backend": client.settings.backend,
        "samples": int(client.class_counts.sum()),
        "classes": list(client.message.classes),
        "budget": {
            "blocks": client.budget.blocks,
            "weights": client.budget.weights,
            "two_qubit_gates": client.budget.two_qubit_gates,
            "limited_by": client.budget.limited_by,
        },
        "model_index": str(client.machine.spec.index),
        "gates": {
            "estimated": _gate_record(report.predicted),
            "transpiled": _gate_record(report.counted),
            "relative_error": {
                key: errors[key] for key in ("two_qubit", "one_qubit", "two_qubit_depth", "esp")
            },
        },
        "accuracy": {
            "own_classes": float((predicted[own] == labels[own]).mean()),
            "all_classes": float((everywhere == labels).mean()),
        },
        "bytes_sent": client.bytes_sent,
        "seconds": round(client.seconds, 3),
    }


def _gate_record(counts: NativeCounts) -> dict[str, Any]:
    one = counts.one_qubit
    return {
        "two_qubit": counts.two_qubit,
        "one_qubit": one.mid if one.low == one.high else {"low": one.low, "mid": one.mid, "high": one.high},
        "two_qubit_depth": counts.two_qubit_depth,
        "esp": counts.esp,
    }
