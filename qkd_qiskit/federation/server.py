"""The server's part of the round, and the baselines that the global model is compared with.

All quantum baselines have the global model's structure and the server's noise; FedAvg's clients train it
under their own. Public-only and FedAvg start from nothing but public data, and every model gets the same
labels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from qkd_qiskit.arrays import FloatArray
from qkd_qiskit.baselines import (
    CLASSICAL_MODELS,
    ClassicalModel,
    FedAvgClient,
    FedAvgResult,
    classical_distillation,
    federated_average,
    fit_classical,
)
from qkd_qiskit.data import PreparedData, Samples, originals
from qkd_qiskit.distillation import ClientOutputs, Screening, Teacher, client_training_set, student_targets
from qkd_qiskit.errors import DistillationError
from qkd_qiskit.estimator import GateBudget, build_size_ladder
from qkd_qiskit.federation.aggregation import Aggregate, aggregate_outputs, screen_and_aggregate
from qkd_qiskit.federation.label_queries import LabelQueryResult, query_labels
from qkd_qiskit.federation.rounds import RoundsResult
from qkd_qiskit.run.context import CompiledModel, RunContext
from qkd_qiskit.run.fitting import fit_model
from qkd_qiskit.training import Targets, TrainedModel
from qkd_qiskit.vqcnn import VQCNNSpec


@dataclass(frozen=True)
class Distilled:
    """What the server made of the messages.

    Attributes:
        budget: What the estimator granted the server from its public labels.
        machine: The global structure on the server's device.
        verdicts: What became of each client, in the order of the settings.
        teacher: The calibrated, combined clients that are used.
        global_model: The distilled model.
        asked: Labels that the server asked for; None where the settings ask for none.
    """

    budget: GateBudget
    machine: CompiledModel
    verdicts: tuple[Screening, ...]
    teacher: Teacher
    global_model: TrainedModel
    asked: LabelQueryResult | None


@dataclass(frozen=True)
class PublicRun(Distilled):
    """What the server made of the messages, and the baselines that need no client's samples.

    Attributes:
        lesson: What came of the turns with the clients.
        public_only: The same structure trained on the public labels alone.
        classical: Classical models on all samples that are here: the public labels, and with `ServerRun` all
            clients' samples too.
    """

    lesson: RoundsResult
    public_only: TrainedModel
    classical: Mapping[str, ClassicalModel]


@dataclass(frozen=True)
class ServerRun(PublicRun):
    """What the server made of the messages, and all baselines.

    Attributes:
        centralized: The same structure trained on all clients' samples and the public labels.
        fedavg: The same structure by federated averaging.
        fedprox: The same with a proximal term; None where the settings give it no price.
    """

    centralized: TrainedModel
    fedavg: FedAvgResult
    fedprox: FedAvgResult | None


def distil(
    context: RunContext, messages: Sequence[bytes | None], *, label: str = "global model"
) -> Distilled:
    """Distil a global model from the clients' messages.

    Args:
        context: Shared by all stages.
        messages: What each client of the settings sent, as it travelled; None for silence.
        label: Name of the stage; it also seeds it.

    Raises:
        DistillationError: If no client is left whose message can be used.
        QKDError: If the global model's budget or circuit is impossible.
    """
    return distil_aggregate(context, screen_and_aggregate(context, messages), label=label)


def distil_aggregate(context: RunContext, taught: Aggregate, *, label: str = "global model") -> Distilled:
    """Distil a global model from what the clients taught the server.

    Args:
        context: Shared by all stages.
        taught: What the server learnt.
        label: Name of the stage; it also seeds it.

    Raises:
        QKDError: If the global model's budget or circuit is impossible.
    """
    settings, data = context.settings, context.data
    public, backend = data.public, settings.server.backend
    # The estimator counts distinct samples; copies would flatter it.
    budget = context.budget(data.known, backend, len(data.classes))
    machine = context.machine(_student_spec(context, budget), backend)
    learnt, asked = public.to_distil, query_labels(context, taught.soft)
    labels, soft = learnt.labels, taught.soft[: len(learnt)]
    if asked is not None:
        labels, soft = asked.told(labels), asked.corrected(soft)
    with context.timed("global"):
        global_model = fit_model(
            _given_answers(context, taught),
            machine,
            learnt.inputs,
            student_targets(labels, soft, settings.distillation),
            alpha_end=settings.distillation.alpha_end,
            at_server=True,
            label=label,
        )
    return Distilled(budget, machine, taught.verdicts, taught.teacher, global_model, asked)


def run_public_server(context: RunContext, lesson: RoundsResult) -> PublicRun:
    """Distil a global model, and train the baselines that public data allow.

    Args:
        context: Shared by all stages.
        lesson: What came of the turns.

    Raises:
        QKDError: If the global model's budget or circuit is impossible.
    """
    distilled = distil_aggregate(context, lesson.taught)
    asked = distilled.asked
    known = _and_asked(context.data, context.data.public.labelled, asked)
    told = context if asked is None else _given_answers(context, lesson.taught)
    with context.timed("baselines"):
        public_only = train_supervised(told, distilled.machine, "public only", known)
        groups = _groups([context.data.public.labelled], [len(context.data.split.public_train)], asked)
        classical = _classical(context, distilled.machine, known, groups)
    return PublicRun(**vars(distilled), lesson=lesson, public_only=public_only, classical=classical)


def run_server(context: RunContext, lesson: RoundsResult) -> ServerRun:
    """Distil a global model from what the clients taught, and train all baselines.

    Args:
        context: Shared by all stages; its data hold all clients' samples.
        lesson: What came of the turns.

    Raises:
        QKDError: If the global model's budget or circuit is impossible.
    """
    settings, data = context.settings, context.data
    distilled, labelled = distil_aggregate(context, lesson.taught), data.public.labelled
    machine, asked = distilled.machine, distilled.asked
    told = context if asked is None else _given_answers(context, lesson.taught)
    with context.timed("baselines"):
        public_only = train_supervised(told, machine, "public only", _and_asked(data, labelled, asked))
        groups = _groups((*data.clients, labelled), (*data.sizes, len(data.split.public_train)), asked)
        everything = _and_asked(data, together(data), asked)
        centralized = train_supervised(told, machine, "centralized", everything)
        fedavg = told.stage(
            "FedAvg", FedAvgResult, lambda: _federate(told, machine, public_only, "FedAvg", 0.0)
        )
        fedprox, price = None, settings.fedavg.proximal
        if price > 0:
            fedprox = told.stage(
                "FedProx", FedAvgResult, lambda: _federate(told, machine, public_only, "FedProx", price)
            )
        classical = _classical(context, machine, everything, groups)
        classical["classical_distillation"] = _classical_round(context, machine, asked)
    return ServerRun(
        **vars(distilled),
        lesson=lesson,
        public_only=public_only,
        centralized=centralized,
        fedavg=fedavg,
        fedprox=fedprox,
        classical=classical,
    )


def _given_answers(context: RunContext, taught: Aggregate) -> RunContext:
    """The context for stages that depend on the clients' answers, whatever the settings."""
    return replace(context, store=context.store.given(taught.soft))


def _and_asked(data: PreparedData, samples: Samples, asked: LabelQueryResult | None) -> Samples:
    """Some labelled samples, and behind them those whose labels were asked for."""
    return samples if asked is None else _joined((samples, asked.samples(data)))


def _groups(
    parts: Sequence[Samples], sizes: Sequence[int], asked: LabelQueryResult | None
) -> NDArray[np.int64]:
    """Which original each sample of `_and_asked` comes from."""
    groups = originals(parts, sizes)
    return groups if asked is None else np.concatenate([groups, sum(sizes) + asked.numbers])


def _classical(
    context: RunContext, machine: CompiledModel, samples: Samples, groups: NDArray[np.int64]
) -> dict[str, ClassicalModel]:
    """Classical models on labelled samples; copies of one original share a group."""
    return {
        name: fit_classical(
            name,
            samples.inputs,
            samples.labels,
            n_weights=machine.spec.n_weights + 1,
            groups=groups,
            seed=context.settings.seed,
        )
        for name in CLASSICAL_MODELS
    }


def _classical_round(
    context: RunContext, machine: CompiledModel, asked: LabelQueryResult | None
) -> ClassicalModel:
    """The round with honest classical clients of the circuits' sizes."""
    settings, data = context.settings, context.data
    public, known, n_classes = data.public, data.public.labelled, len(data.classes)
    sets = [
        client_training_set(held.inputs, held.labels, known.inputs, known.labels, n_classes=n_classes)
        for held in data.clients
    ]
    sizes = [
        context.budget(data.task(number), client.backend, training.targets.n_outcomes).weights + 1
        for number, (client, training) in enumerate(zip(settings.clients, sets, strict=True))
    ]

    def soft_labels(outputs: Sequence[FloatArray]) -> FloatArray:
        taught = [
            ClientOutputs(client.name, training.held, output)
            for client, training, output in zip(settings.clients, sets, outputs, strict=True)
        ]
        return aggregate_outputs(context, taught)[1]

    labels = public.to_distil.labels
    return classical_distillation(
        sets,
        sizes,
        public.samples.inputs,
        soft_labels,
        public.to_distil.inputs,
        labels if asked is None else asked.told(labels),
        machine.spec.n_weights + 1,
        seed=settings.seed,
    )


def _student_spec(context: RunContext, budget: GateBudget) -> VQCNNSpec:
    """The budget's structure, or the largest of the ladder within the blocks that the settings allow."""
    most, model = context.settings.distillation.student_blocks, context.settings.model
    if most is None:
        return budget.spec
    ladder = build_size_ladder(
        model.n_qubits,
        encoding=model.encoding,
        kernel=model.kernel,
        sharing=model.sharing,
        n_outcomes=len(context.data.classes),
    )
    fitting = [spec for spec in ladder if len(spec.blocks) <= most]
    if not fitting:
        least = len(ladder[0].blocks)
        raise DistillationError(f"distillation.student_blocks: expected at least {least}, found {most}")
    return fitting[-1]


def together(data: PreparedData) -> Samples:
    """What centralized training has: all clients' samples, then the labelled public ones, with copies."""
    return _joined((*data.clients, data.public.labelled))


def _joined(parts: Sequence[Samples]) -> Samples:
    return Samples(
        np.concatenate([part.inputs for part in parts]), np.concatenate([part.labels for part in parts])
    )


def train_supervised(
    context: RunContext, machine: CompiledModel, label: str, samples: Samples
) -> TrainedModel:
    """Train the global structure on labelled samples, as a stage of the run."""
    targets = Targets(len(context.data.classes), labels=samples.labels)
    return fit_model(context, machine, samples.inputs, targets, at_server=True, label=label)


def _federate(
    context: RunContext, machine: CompiledModel, start: TrainedModel, label: str, proximal: float
) -> FedAvgResult:
    settings, data = context.settings, context.data
    clients = [
        FedAvgClient(context.machine(machine.spec, client.backend).fast, held.inputs, held.labels)
        for client, held in zip(settings.clients, data.clients, strict=True)
    ]
    return federated_average(
        clients,
        start.params,
        n_classes=len(data.classes),
        rounds=settings.fedavg.rounds,
        local_steps=settings.fedavg.local_steps,
        l2=settings.training.l2,
        proximal=proximal,
        label=label,
        progress=context.progress,
    )
