"""The server's part of the round, and the baselines that the global model is compared with.

All quantum baselines have the global model's structure and the server's noise; FedAvg's clients train it under
their own. Public-only and FedAvg start from nothing but public data, and every model gets the same labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from qkd_qiskit.data import public_digest
from qkd_qiskit.distillation import (
    AGGREGATIONS,
    CLASSICAL_MODELS,
    ClassicalModel,
    ClientMessage,
    ClientOutputs,
    FedAvgClient,
    FedAvgResult,
    Teacher,
    build_teacher,
    check_message,
    federated_average,
    fit_classical,
    train_student,
)
from qkd_qiskit.estimator import GateBudget
from qkd_qiskit.federation.context import Context, Machine
from qkd_qiskit.simulation.basis import Array
from qkd_qiskit.training import Targets, TrainedModel, train_model
from qkd_qiskit.training.losses import IntArray


@dataclass(frozen=True)
class ServerRun:
    """What the server made of the messages, and the baselines.

    Attributes:
        budget: What the estimator granted the server from its public labels.
        machine: The global structure on the server's device.
        teacher: The calibrated, combined clients.
        global_model: The distilled model.
        public_only: The same structure trained on the public labels alone.
        centralized: The same structure trained on all clients' samples and the public labels.
        fedavg: The same structure by federated averaging.
        classical: Classical models on what `centralized` has.
    """

    budget: GateBudget
    machine: Machine
    teacher: Teacher
    global_model: TrainedModel
    public_only: TrainedModel
    centralized: TrainedModel
    fedavg: FedAvgResult
    classical: dict[str, ClassicalModel]


def run_server(context: Context, messages: Sequence[bytes]) -> ServerRun:
    """Distil a global model from the clients' messages, and train the baselines.

    Args:
        context: Shared by all stages.
        messages: What the clients sent, as it travelled.

    Raises:
        DistillationError: If a message is refused.
        QKDError: If the global model's budget or circuit is impossible.
    """
    settings, data = context.settings, context.data
    split, n_classes = data.split, len(data.classes)
    inputs, labels = data.part(split.public_train)
    backend = settings.server.backend
    budget = context.budget(inputs, labels, backend, n_classes)
    machine = context.machine(budget.spec, backend)
    teacher, soft = _teach(context, messages)

    n_public = len(split.public_train) + len(split.public_unlabelled)
    hard = np.concatenate([labels, np.full(len(split.public_unlabelled), -1, dtype=np.int64)])
    with context.timed("global"):
        global_model = context.stage(
            "global model",
            TrainedModel,
            lambda: train_student(
                machine.noisy,
                data.inputs[split.public[:n_public]],
                hard,
                soft[:n_public],
                distillation=settings.distillation,
                training=settings.training,
                rng=context.rng("global model"),
                progress=context.progress,
            ),
        )
    with context.timed("baselines"):
        public_only = _supervised(context, machine, "public only", inputs, labels)
        together = np.concatenate([*split.clients, split.public_train])
        centralized = _supervised(context, machine, "centralized", *data.part(together))
        fedavg = context.stage("FedAvg", FedAvgResult, lambda: _federate(context, machine, public_only))
        classical = {
            name: fit_classical(
                name, *data.part(together), n_weights=machine.spec.n_weights + 1, seed=settings.seed
            )
            for name in CLASSICAL_MODELS
        }
    return ServerRun(budget, machine, teacher, global_model, public_only, centralized, fedavg, classical)


def _teach(context: Context, messages: Sequence[bytes]) -> tuple[Teacher, Array]:
    """The teacher, and its soft labels on the whole public set."""
    data, split = context.data, context.data.split
    public = data.inputs[split.public]
    digest = public_digest(public)
    outputs = []
    for raw in messages:
        message = ClientMessage.from_bytes(raw)
        check_message(message, n_public=len(public), public_digest=digest, classes=data.classes)
        held = np.array([data.classes.index(label) for label in message.classes], dtype=np.int64)
        outputs.append(ClientOutputs(message.client, held, message.outputs.astype(np.float64)))
    wanted = context.settings.distillation.aggregation
    teacher = build_teacher(
        outputs,
        n_classes=len(data.classes),
        calibration=_public_rows(context, split.public_calibration),
        validation=_public_rows(context, split.public_validation),
        aggregations=AGGREGATIONS if wanted == "auto" else (wanted,),
    )
    return teacher, teacher.class_probabilities([client.outputs for client in outputs])


def _public_rows(context: Context, indices: IntArray) -> tuple[IntArray, IntArray]:
    """Where samples stand in the public set, and their class indices."""
    position = {int(sample): row for row, sample in enumerate(context.data.split.public)}
    rows = np.array([position[int(sample)] for sample in indices], dtype=np.int64)
    return rows, context.data.labels[indices]


def _supervised(
    context: Context, machine: Machine, label: str, inputs: Array, labels: IntArray
) -> TrainedModel:
    return context.stage(
        label,
        TrainedModel,
        lambda: train_model(
            machine.noisy,
            inputs,
            Targets(len(context.data.classes), labels=labels),
            context.settings.training,
            rng=context.rng(label),
            progress=context.progress,
            label=label,
        ),
    )


def _federate(context: Context, machine: Machine, start: TrainedModel) -> FedAvgResult:
    settings, data = context.settings, context.data
    clients = [
        FedAvgClient(context.machine(machine.spec, client.backend).noisy, *data.part(held))
        for client, held in zip(settings.clients, data.split.clients, strict=True)
    ]
    return federated_average(
        clients,
        start.params,
        n_classes=len(data.classes),
        rounds=settings.fedavg.rounds,
        local_steps=settings.fedavg.local_steps,
        l2=settings.training.l2,
        progress=context.progress,
    )
