"""The server's own model: the global structure, trained on the public examples alone.

It is one more annotator beside the clients, the least that the global model must reach, and a baseline.
"""

from __future__ import annotations

from functools import cached_property

from qkd_qiskit.arrays import FloatArray
from qkd_qiskit.data import Samples
from qkd_qiskit.distillation import LabelQueryResult, known_samples
from qkd_qiskit.errors import DistillationError
from qkd_qiskit.estimator import GateBudget, build_size_ladder
from qkd_qiskit.run import FitTask, RunContext, Stage, fit_model, gate_budget
from qkd_qiskit.run.stages import PUBLIC_ONLY
from qkd_qiskit.simulation import CompiledModel, ModelCompiler
from qkd_qiskit.training import Targets, TrainedModel
from qkd_qiskit.vqcnn import VQCNNSpec


class PublicModel:
    """The global structure on the server's device, and its training, each made when it is first asked for."""

    def __init__(self, run: RunContext, compiler: ModelCompiler) -> None:
        """Take what it is made of.

        Args:
            run: Shared by all stages.
            compiler: Compiles the global structure.
        """
        self._run, self._compiler = run, compiler

    @cached_property
    def budget(self) -> GateBudget:
        """What the estimator grants the server from its public labels.

        Raises:
            EstimatorError: If no model fits; the message names the bound.
        """
        run = self._run
        # The estimator counts distinct samples; copies would flatter it.
        return gate_budget(run, run.data.known, run.settings.server.backend, len(run.data.classes))

    @cached_property
    def compiled(self) -> CompiledModel:
        """The global structure on the server's device.

        Raises:
            DistillationError: If the settings grant the global model too few blocks.
        """
        return self._compiler.model(_student_spec(self._run, self.budget), self._run.settings.server.backend)

    @cached_property
    def model(self) -> TrainedModel:
        """The model that knows the examples alone: it is an annotator, and what it does not know judges."""
        run = self._run
        with run.timed("public only"):
            model = self._fit(run, PUBLIC_ONLY, run.data.public.labelled)
        run.part_done("model")
        return model

    def _fit(self, run: RunContext, stage: Stage, known: Samples) -> TrainedModel:
        targets = Targets(len(run.data.classes), labels=known.labels)
        return fit_model(run, self.compiled, FitTask(stage, known.inputs, targets, at_server=True))

    def refitted(self, run: RunContext, queried: LabelQueryResult | None) -> TrainedModel:
        """Return the structure trained on all public labels, those that judge and those of queries too.

        Args:
            run: The same run, whose stages depend on the teacher's answers.
            queried: Labels that were given at the server's request; None for none.
        """
        return self._fit(run, PUBLIC_ONLY.refit, known_samples(run, queried))

    def answers(self) -> FloatArray:
        """Return its class probabilities [N, G] on all public samples that clients answer."""
        return self.model.outcome_probabilities(self.compiled.noisy, self._run.data.public.answered.inputs)


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
