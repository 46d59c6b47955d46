"""The server's part of the round, and the baselines that the global model is compared with.

All quantum baselines have the global model's structure and the server's noise; FedAvg's clients train it
under their own. Public-only and FedAvg start from nothing but public data, and every model gets the same
labels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from qkd_qiskit.data import Samples
from qkd_qiskit.distillation import (
    AGGREGATIONS,
    CLASSICAL_MODELS,
    ClassicalModel,
    ClassicalName,
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
    classical: Mapping[ClassicalName, ClassicalModel]


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
    public, backend = data.public, settings.server.backend
    # The estimator counts distinct samples; copies would flatter it.
    n_own = len(data.split.public_train)
    budget = context.budget(public.samples.rows(slice(0, n_own)), backend, len(data.classes))
    machine = context.machine(budget.spec, backend)
    teacher, soft = _teach(context, messages)

    with context.timed("global"):
        global_model = context.stage(
            "global model",
            TrainedModel,
            lambda: train_student(
                machine.noisy,
                public.to_distil.inputs,
                public.to_distil.labels,
                soft[: len(public.to_distil)],
                distillation=settings.distillation,
                training=settings.training,
                rng=context.rng("global model"),
                progress=context.progress,
            ),
        )
    with context.timed("baselines"):
        public_only = _supervised(context, machine, "public only", public.labelled)
        parts = (*data.clients, public.labelled)
        together = Samples(
            np.concatenate([part.inputs for part in parts]), np.concatenate([part.labels for part in parts])
        )
        centralized = _supervised(context, machine, "centralized", together)
        fedavg = context.stage("FedAvg", FedAvgResult, lambda: _federate(context, machine, public_only))
        classical = {
            name: fit_classical(
                name,
                together.inputs,
                together.labels,
                n_weights=machine.spec.n_weights + 1,
                seed=settings.seed,
            )
            for name in CLASSICAL_MODELS
        }
    return ServerRun(budget, machine, teacher, global_model, public_only, centralized, fedavg, classical)


def _teach(context: Context, messages: Sequence[bytes]) -> tuple[Teacher, Array]:
    """The teacher, and its soft labels on the whole public set."""
    data, public = context.data, context.data.public
    outputs = []
    for raw in messages:
        message = ClientMessage.from_bytes(raw)
        check_message(
            message, n_public=len(public.samples), public_digest=public.digest, classes=data.classes
        )
        held = np.array([data.classes.index(label) for label in message.classes], dtype=np.int64)
        outputs.append(ClientOutputs(message.client, held, message.outputs.astype(np.float64)))
    wanted = context.settings.distillation.aggregation
    teacher = build_teacher(
        outputs,
        n_classes=len(data.classes),
        calibration=(public.calibration_rows, public.samples.labels[public.calibration_rows]),
        validation=(public.validation_rows, public.samples.labels[public.validation_rows]),
        aggregations=AGGREGATIONS if wanted == "auto" else (wanted,),
    )
    return teacher, teacher.class_probabilities([client.outputs for client in outputs])


def _supervised(context: Context, machine: Machine, label: str, samples: Samples) -> TrainedModel:
    return context.stage(
        label,
        TrainedModel,
        lambda: train_model(
            machine.noisy,
            samples.inputs,
            Targets(len(context.data.classes), labels=samples.labels),
            context.settings.training,
            rng=context.rng(label),
            progress=context.progress,
            label=label,
        ),
    )


def _federate(context: Context, machine: Machine, start: TrainedModel) -> FedAvgResult:
    settings, data = context.settings, context.data
    clients = [
        FedAvgClient(context.machine(machine.spec, client.backend).noisy, held.inputs, held.labels)
        for client, held in zip(settings.clients, data.clients, strict=True)
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
