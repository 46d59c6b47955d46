"""The server's part of the rounds: a global model, distilled from what the clients say together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from qkd_qiskit.distillation import LabelQueryResult, query_labels, student_targets
from qkd_qiskit.errors import DistillationError
from qkd_qiskit.estimator import GateBudget, build_size_ladder
from qkd_qiskit.federation.rounds import RoundsResult, run_rounds
from qkd_qiskit.federation.transport import RecordedTransport, Transport
from qkd_qiskit.run import FitTask, RunContext, Stage, fit_model, gate_budget
from qkd_qiskit.run.stages import GLOBAL
from qkd_qiskit.simulation import CompiledModel, ModelCompiler
from qkd_qiskit.training import TrainedModel
from qkd_qiskit.vqcnn import VQCNNSpec


@dataclass(frozen=True, eq=False)
class ServerResult:
    """What the server did.

    Attributes:
        budget: What the estimator granted the server from its public labels.
        compiled: The global structure on the server's device.
        rounds: What came of the rounds with the clients.
        label_queries: Labels that were given at the server's request; None where the settings want none.
        global_model: The distilled model.
    """

    budget: GateBudget
    compiled: CompiledModel
    rounds: RoundsResult
    label_queries: LabelQueryResult | None
    global_model: TrainedModel


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
    return distil(run, compiler, run_rounds(run, transport, folder=folder))


def distil_messages(
    run: RunContext, compiler: ModelCompiler, messages: Sequence[bytes | None], *, stage: Stage = GLOBAL
) -> ServerResult:
    """Distil a global model from recorded messages, in one round.

    Args:
        run: Shared by all stages.
        compiler: Compiles the global structure.
        messages: What each client of the settings sent, as it travelled; None for silence.
        stage: Names of the global model's training.

    Raises:
        DistillationError: If no client is left whose message can be used.
        QKDError: If the global model's budget or circuit is impossible.
    """
    once = run.settings.distillation.model_copy(update={"rounds": 1})
    single = replace(run, settings=run.settings.model_copy(update={"distillation": once}))
    return distil(run, compiler, run_rounds(single, RecordedTransport(messages)), stage=stage)


def distil(
    run: RunContext, compiler: ModelCompiler, rounds: RoundsResult, *, stage: Stage = GLOBAL
) -> ServerResult:
    """Distil a global model from what the clients say together.

    Args:
        run: Shared by all stages.
        compiler: Compiles the global structure.
        rounds: What came of the rounds.
        stage: Names of the global model's training.

    Raises:
        QKDError: If the global model's budget or circuit is impossible.
    """
    settings, public, backend = run.settings, run.data.public, run.settings.server.backend
    # The estimator counts distinct samples; copies would flatter it.
    budget = gate_budget(run, run.data.known, backend, len(run.data.classes))
    compiled = compiler.model(_student_spec(run, budget), backend)
    samples, soft = public.to_distil, rounds.aggregate.soft_labels
    queries = query_labels(run, soft)
    labels, wanted = samples.labels, soft[: len(samples)]
    if queries is not None:
        labels, wanted = queries.known_labels(labels), queries.corrected(wanted)
    task = FitTask(
        stage,
        samples.inputs,
        student_targets(labels, wanted, settings.distillation),
        alpha_end=settings.distillation.alpha_end,
        at_server=True,
    )
    with run.timed("global"):
        # Other answers of the clients make another model, whatever the settings.
        global_model = fit_model(run.given(soft), compiled, task)
    return ServerResult(budget, compiled, rounds, queries, global_model)


def _student_spec(run: RunContext, budget: GateBudget) -> VQCNNSpec:
    """Return the budget's structure, or the ladder's largest within the blocks that the settings allow."""
    most, model = run.settings.distillation.student_blocks, run.settings.model
    if most is None:
        return budget.spec
    ladder = build_size_ladder(
        model.n_qubits,
        encoding=model.encoding,
        kernel=model.kernel,
        sharing=model.sharing,
        n_outcomes=len(run.data.classes),
    )
    fitting = [spec for spec in ladder if len(spec.blocks) <= most]
    if not fitting:
        least = len(ladder[0].blocks)
        raise DistillationError(f"distillation.student_blocks: expected at least {least}, found {most}")
    return fitting[-1]
