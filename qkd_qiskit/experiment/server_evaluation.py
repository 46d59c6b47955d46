"""Results of a server whose clients are elsewhere: what it can measure, and why the rest is missing."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from qkd_qiskit.distillation import ClientMessage
from qkd_qiskit.experiment.evaluation import (
    asked_record,
    classical_predictions,
    confusion_matrix,
    experiment_record,
    quantum_predictions,
    scores,
)
from qkd_qiskit.federation.rounds import Participation
from qkd_qiskit.federation.server import PublicRun
from qkd_qiskit.run.context import RunContext
from qkd_qiskit.vqcnn import VQCNNSpec

_NO_SAMPLES = "clients' samples are not at the server"
_NO_MODELS = "clients' models are not at the server"
_NO_TEST = "the server has no test samples"
_ELSEWHERE = {
    "centralized": _NO_SAMPLES,
    "fedavg": _NO_SAMPLES,
    "teacher_ensemble": _NO_MODELS,
    "best_client": _NO_MODELS,
}


def evaluate_server(
    context: RunContext, server: PublicRun
) -> tuple[dict[str, Any], NDArray[np.int64] | None]:
    """Evaluate the models that are at the server on its test samples, once.

    Args:
        context: Shared by all stages; its data know no client's samples.
        server: The server's run.

    Returns:
        Results in the schema of `results.json`, without timings: what is not at the server is null, and
        `absent` says why. And the global model's confusion matrix [K, K], None without test samples.
    """
    lesson, best = server.lesson, server.teacher.scores[0]
    found: dict[str, Any] = {"models": {}, "comparisons": {}}
    absent, confusion = dict(_ELSEWHERE), None
    inputs = context.data.test.inputs
    if len(inputs):
        quantum = {"global": server.global_model, "public_only": server.public_only}
        answers = quantum_predictions(context, server, quantum, inputs) | classical_predictions(
            server, inputs
        )
        found, confusion = scores(context, answers), confusion_matrix(context, answers)
    else:
        absent |= dict.fromkeys(("global", "public_only", *server.classical), _NO_TEST)
    results = {
        **experiment_record(context),
        **asked_record(server),
        "clients": [_client_record(server, number) for number in range(len(lesson.participation))],
        "participation": [part.to_dict() for part in lesson.participation],
        "teacher": {
            "aggregation": best.aggregation,
            "calibration": best.calibration,
            "validation_accuracy": best.accuracy,
        },
        "models": found["models"] | dict.fromkeys(absent),
        "absent": absent,
        "comparisons": found["comparisons"],
        "communication": {
            "distillation": {
                "up": sum(part.bytes_received for part in lesson.participation),
                "down": lesson.bytes_down,
                "rounds": context.settings.distillation.rounds,
            },
            "fedavg": None,
        },
    }
    return results, confusion


def client_specs(server: PublicRun) -> dict[str, VQCNNSpec]:
    """Structures of the clients whose last answer could be read, by name."""
    parts, inbox = server.lesson.participation, server.lesson.inbox
    return {
        parts[number].client: VQCNNSpec.from_index(
            ClientMessage.from_bytes(inbox.message(number)).model_index
        )
        for number in sorted(inbox.positions)
    }


def _client_record(server: PublicRun, number: int) -> dict[str, Any]:
    part: Participation = server.lesson.participation[number]
    record: dict[str, Any] = {
        "name": part.client,
        "backend": None,
        "samples": None,
        "classes": [],
        "budget": None,
        "model_index": None,
        "gates": None,
        "accuracy": None,
        "bytes_sent": part.bytes_received,
        "seconds": None,
    }
    if number in server.lesson.inbox.positions:
        message = ClientMessage.from_bytes(server.lesson.inbox.message(number))
        spec = VQCNNSpec.from_index(message.model_index)
        record["classes"] = list(message.classes)
        record["model_index"] = str(message.model_index)
        record["budget"] = {
            "blocks": len(spec.blocks),
            "weights": spec.n_weights,
            "two_qubit_gates": None,
            "limited_by": None,
        }
    return record
