"""The server's part of the rounds: a global model, distilled from what the clients say together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from qkd_qiskit.distillation import LabelQueryResult, query_labels
from qkd_qiskit.estimator import GateBudget
from qkd_qiskit.evaluation.results import Traffic
from qkd_qiskit.federation.personal import count_answers
from qkd_qiskit.federation.public_model import PublicModel
from qkd_qiskit.federation.rounds import RoundsResult, run_rounds
from qkd_qiskit.federation.student import Lessons, Student, train_student
from qkd_qiskit.federation.train_request import TaskDescription, TrainRequest
from qkd_qiskit.federation.transport import RecordedTransport, Transport
from qkd_qiskit.run import RunContext, Stage
from qkd_qiskit.run.stages import GLOBAL
from qkd_qiskit.simulation import CompiledModel, ModelCompiler
from qkd_qiskit.training import TrainedModel


@dataclass(frozen=True, eq=False)
class ServerResult:
    """What the server did.

    Attributes:
        budget: What the estimator granted the server from its public labels.
        compiled: The global structure on the server's device.
        rounds: What came of the rounds with the clients.
        label_queries: Labels that were given at the server's request; None where the settings want none.
        public_only: The global structure, trained on the public examples alone; one annotator of the teacher.
        student: The distilled model, and how it was taught.
        global_model: That model; the one of public data where it is worse on the labels that nobody else
            knows.
        way_back: Bytes that the clients' personal models took; None where the settings want none.
    """

    budget: GateBudget
    compiled: CompiledModel
    rounds: RoundsResult
    label_queries: LabelQueryResult | None
    public_only: TrainedModel
    student: Student
    global_model: TrainedModel
    way_back: Traffic | None = None

    @property
    def distilled(self) -> bool:
        """Whether the global model is the distilled one."""
        return self.global_model is self.student.model


def run_server(
    run: RunContext, compiler: ModelCompiler, transport: Transport, *, folder: Path | None = None
) -> ServerResult:
    """Run all rounds with the clients, and distil a global model.

    Args:
        run: Shared by all stages.
        compiler: Compiles the global structure.
        transport: Carries requests to the clients, wherever they are.
        folder: Where accepted answers are kept; see `run_rounds`.

    Raises:
        FederationError: If fewer clients than the settings demand are of use.
        DistillationError: If none is, or label queries cannot be answered.
        QKDError: If a model's budget or circuit is impossible.
    """
    own = PublicModel(run, compiler)
    found = distil(run, compiler, run_rounds(run, transport, folder=folder, own=own.answers), own=own)
    if not run.settings.distillation.way_back:
        return found
    with run.timed("way back"):
        return replace(found, way_back=_send_back(run, transport, found))


def _send_back(run: RunContext, transport: Transport, found: ServerResult) -> Traffic:
    """Let every client that has answered train a personal model on the server's soft labels."""
    settings, data = run.settings, run.data
    soft = found.rounds.aggregate.soft_labels
    if not found.distilled:
        # Not the refitted one: it is surest where the server's own labels are, and nobody may learn where.
        soft = found.public_only.outcome_probabilities(found.compiled.noisy, data.public.answered.inputs)
    request = TrainRequest(
        TaskDescription.of(settings, data.classes),
        settings.distillation.rounds + 1,
        data.public.digest,
        None,
        soft.astype(np.float16),
        personal=True,
    ).to_bytes()
    requests = dict.fromkeys(sorted(found.rounds.messages.positions), request)
    arrivals = transport.exchange(requests, timeout=settings.federation.timeout)
    return count_answers(requests, {arrival.position: arrival.raw for arrival in arrivals})


def distil_messages(
    run: RunContext,
    compiler: ModelCompiler,
    messages: Sequence[bytes | None],
    *,
    stage: Stage = GLOBAL,
    own: PublicModel | None = None,
) -> ServerResult:
    """Distil a global model from recorded messages, in one round.

    Args:
        run: Shared by all stages.
        compiler: Compiles the global structure.
        messages: What each client of the settings sent, as it travelled; None for silence.
        stage: Names of the global model's training.
        own: The server's own model, where it is shared with other federations.

    Raises:
        DistillationError: If no client is left whose message can be used.
        QKDError: If the global model's budget or circuit is impossible.
    """
    once = run.settings.distillation.model_copy(update={"rounds": 1})
    single = replace(run, settings=run.settings.model_copy(update={"distillation": once}))
    own = own or PublicModel(run, compiler)
    rounds = run_rounds(single, RecordedTransport(messages), own=own.answers)
    return distil(run, compiler, rounds, stage=stage, own=own)


def distil(
    run: RunContext,
    compiler: ModelCompiler,
    rounds: RoundsResult,
    *,
    stage: Stage = GLOBAL,
    own: PublicModel | None = None,
) -> ServerResult:
    """Distil a global model from what the clients say together.

    Args:
        run: Shared by all stages.
        compiler: Compiles the global structure.
        rounds: What came of the rounds.
        stage: Names of the global model's training.
        own: The server's own model, where it is here already.

    Raises:
        QKDError: If the global model's budget or circuit is impossible.
    """
    own, soft = own or PublicModel(run, compiler), rounds.aggregate.soft_labels
    queries = query_labels(run, soft)
    # Other answers of the clients make another model, whatever the settings.
    lessons = Lessons(run.given(soft), own, soft, queries)
    with run.timed("global"):
        student = train_student(lessons, stage)
    run.part_done("model")
    model = student.model
    if student.worse:
        refits = run.settings.distillation.refit
        model = own.refitted(lessons.run if queries else run, queries) if refits else own.model
    return ServerResult(own.budget, own.compiled, rounds, queries, own.model, student, model)
