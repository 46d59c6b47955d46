"""A client's part of the round: estimate, build, transpile, train, answer."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qkd_qiskit.config import ClientSettings
from qkd_qiskit.distillation import ClientMessage, client_training_set, make_message
from qkd_qiskit.errors import QKDError
from qkd_qiskit.estimator import GateBudget
from qkd_qiskit.federation.context import Context, Machine
from qkd_qiskit.training import TrainedModel, train_model


@dataclass(frozen=True)
class ClientRun:
    """What one client did.

    Attributes:
        settings: Its settings.
        budget: What the estimator granted it.
        machine: Its structure on its device.
        model: Its trained model.
        held: Indices of its classes in the global class set.
        message: All that it sent to the server.
        class_counts: Its samples of each class of the experiment, [K].
        seconds: Time it took.
    """

    settings: ClientSettings
    budget: GateBudget
    machine: Machine
    model: TrainedModel
    held: NDArray[np.int64]
    message: ClientMessage
    class_counts: NDArray[np.int64]
    seconds: float


def run_client(context: Context, number: int) -> ClientRun:
    """Run one client from its data to its message.

    Args:
        context: Shared by all stages.
        number: Position of the client in the settings.

    Raises:
        QKDError: If its budget, circuit or training is impossible; the message names the client.
    """
    start = time.perf_counter()
    settings, data = context.settings.clients[number], context.data
    own, known = data.clients[number], data.public.labelled
    training = client_training_set(
        own.inputs, own.labels, known.inputs, known.labels, n_classes=len(data.classes)
    )
    try:
        budget = context.budget(data.own(number), settings.backend, training.targets.n_outcomes)
        machine = context.machine(budget.spec, settings.backend)
    except QKDError as error:
        raise type(error)(f"client {settings.name}: {error}") from None
    stage = f"client {settings.name}"
    model = context.stage(
        stage,
        TrainedModel,
        lambda: train_model(
            machine.noisy,
            training.inputs,
            training.targets,
            context.settings.training,
            reject=training.reject,
            rng=context.rng(stage),
            progress=context.progress,
            label=stage,
        ),
    )
    message = make_message(
        settings.name,
        budget.spec.index,
        [data.classes[k] for k in training.held],
        model.outcome_probabilities(machine.noisy, data.public.samples.inputs),
        data.public.digest,
    )
    return ClientRun(
        settings=settings,
        budget=budget,
        machine=machine,
        model=model,
        held=training.held,
        message=message,
        class_counts=np.bincount(data.own(number).labels, minlength=len(data.classes)),
        seconds=time.perf_counter() - start,
    )
