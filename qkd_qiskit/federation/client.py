"""A client's part of the round: estimate, build, transpile, train, answer."""

from __future__ import annotations

import time
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from qkd_qiskit.arrays import FloatArray
from qkd_qiskit.config import ClientSettings
from qkd_qiskit.distillation import (
    ClientMessage,
    ClientTrainingSet,
    client_training_set,
    make_message,
    refined_training_set,
)
from qkd_qiskit.errors import QKDError
from qkd_qiskit.estimator import GateBudget
from qkd_qiskit.federation.train_request import TrainRequest
from qkd_qiskit.hardware import load_backend
from qkd_qiskit.run.context import CompiledModel, RunContext
from qkd_qiskit.run.fitting import finalist_training, fit_model
from qkd_qiskit.training import (
    KernelSpace,
    SearchTask,
    StructureSearch,
    Tracking,
    TrainedModel,
    device_candidates,
    search_structure,
    searched_spec,
)
from qkd_qiskit.vqcnn import VQCNNSpec


@dataclass(frozen=True)
class ClientWork:
    """What one client did, as it leaves a worker process.

    Attributes:
        settings: Its settings.
        budget: What the estimator granted it.
        spec: Its structure.
        search: How its kernel was found; None where the budget's own kernel was taken.
        model: Its trained model.
        held: Indices of its classes in the global class set.
        message: What it sent to the server last.
        bytes_sent: Bytes of all that it sent.
        class_counts: Its samples of each class of the experiment, [K].
        seconds: Time it took.
    """

    settings: ClientSettings
    budget: GateBudget
    spec: VQCNNSpec
    search: StructureSearch | None
    model: TrainedModel
    held: NDArray[np.int64]
    message: ClientMessage
    bytes_sent: int
    class_counts: NDArray[np.int64]
    seconds: float

    def on(self, machine: CompiledModel) -> ClientRun:
        """The same with its structure on its device."""
        values = {field.name: getattr(self, field.name) for field in fields(ClientWork)}
        return ClientRun(**values, machine=machine)


@dataclass(frozen=True)
class ClientRun(ClientWork):
    """What one client did, and its circuit.

    Attributes:
        machine: Its structure on its device.
    """

    machine: CompiledModel

    def without_machine(self) -> ClientWork:
        """What is worth sending to another process: a circuit is sooner made again than sent."""
        return ClientWork(**{field.name: getattr(self, field.name) for field in fields(ClientWork)})


def run_client(context: RunContext, number: int) -> ClientRun:
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
    stage = f"client {settings.name}"
    try:
        budget = context.budget(data.task(number), settings.backend, training.targets.n_outcomes)
        search = _search(context, number, budget, training, f"{stage}: structure")
        spec = budget.spec if search is None else searched_spec(budget.spec, search)
        machine = context.machine(spec, settings.backend)
    except QKDError as error:
        raise type(error)(f"client {settings.name}: {error}") from None
    model = fit_model(
        context, machine, training.inputs, training.targets, reject=training.reject, label=stage
    )
    message = _answer(context, settings.name, machine, model, training.held)
    return ClientRun(
        settings=settings,
        budget=budget,
        spec=spec,
        machine=machine,
        search=search,
        model=model,
        held=training.held,
        message=message,
        bytes_sent=message.n_bytes,
        class_counts=np.bincount(data.own(number).labels, minlength=len(data.classes)),
        seconds=time.perf_counter() - start,
    )


def answer_request(context: RunContext, asked: TrainRequest, before: ClientRun | None) -> ClientRun:
    """Let the only client of a context answer a query.

    Args:
        context: Of this client alone.
        asked: The query.
        before: What it did so far; None where it has yet to train its first model.

    Raises:
        QKDError: If its budget, circuit or training is impossible.
    """
    run = run_client(context, 0) if before is None else before
    if asked.soft is None:
        return run
    # Another set of answers at the server gives other soft labels, and then this turn's model is another.
    given = replace(context, store=context.store.given(asked.soft))
    return refine_client(given, 0, run, asked.soft.astype(np.float64), asked.turn)


def refine_client(context: RunContext, number: int, run: ClientRun, soft: FloatArray, turn: int) -> ClientRun:
    """Train a client once more, with the server's soft labels, and let it answer again.

    Args:
        context: Shared by all stages.
        number: Position of the client in the settings.
        run: What it did so far.
        soft: The server's class probabilities on the public samples to distil [M, G].
        turn: Number of this round, 2 or more.
    """
    start = time.perf_counter()
    data, stage = context.data, f"client {run.settings.name}, round {turn}"
    own, known, public = data.clients[number], data.public.labelled, data.public.to_distil
    first = client_training_set(
        own.inputs, own.labels, known.inputs, known.labels, n_classes=len(data.classes)
    )
    training = refined_training_set(
        first, len(own), public.inputs, soft, rng=context.rng(f"{stage}: public samples")
    )
    model = fit_model(
        context,
        run.machine,
        training.inputs,
        training.targets,
        reject=training.reject,
        initial=run.model.params,
        label=stage,
    )
    message = _answer(context, run.settings.name, run.machine, model, run.held)
    return replace(
        run,
        model=model,
        message=message,
        bytes_sent=run.bytes_sent + message.n_bytes,
        seconds=run.seconds + time.perf_counter() - start,
    )


def _answer(
    context: RunContext, name: str, machine: CompiledModel, model: TrainedModel, held: NDArray[np.int64]
) -> ClientMessage:
    data = context.data
    return make_message(
        name,
        machine.spec.index,
        [data.classes[k] for k in held],
        model.outcome_probabilities(machine.noisy, data.public.samples.inputs),
        data.public.digest,
        precision=context.settings.distillation.precision,
    )


def _search(
    context: RunContext, number: int, budget: GateBudget, training: ClientTrainingSet, stage: str
) -> StructureSearch | None:
    """The search of a client's kernel, where the settings want one."""
    settings, backend = context.settings, context.settings.clients[number].backend
    if not settings.training.structure.enabled:
        return None
    return context.journaled(
        stage,
        StructureSearch,
        lambda journal: search_structure(
            replace(
                device_candidates(
                    budget.spec, load_backend(backend), noise=settings.noise.enabled, seed=settings.seed
                ),
                train=finalist_training(context, backend),
            ),
            KernelSpace.of_kernel(budget.spec.kernels[0]),
            SearchTask(
                training.inputs,
                training.targets,
                seed=int(context.rng(stage).integers(2**32)),
                groups=_originals(context, number, training),
            ),
            settings.training,
            tracking=Tracking(stage, context.progress, journal),
        ),
    )


def _originals(context: RunContext, number: int, training: ClientTrainingSet) -> NDArray[np.int64]:
    """Which original each training sample of a client comes from: its own first, then public ones."""
    data = context.data
    own, size = data.clients[number], data.sizes[number]
    groups = np.arange(len(own)) % size
    known = data.public.labelled
    public = np.arange(len(known)) % len(data.split.public_train)
    return np.concatenate([groups, size + public[~np.isin(known.labels, training.held)]])[
        : len(training.inputs)
    ]
