"""How every quantum model of a run is trained: swarm, L-BFGS, then Adam on batches where it is wanted."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from qkd_qiskit.arrays import FloatArray
from qkd_qiskit.config import AdamSettings, TrainingSettings
from qkd_qiskit.run.context import RunContext
from qkd_qiskit.run.early_stop import Choose, Path
from qkd_qiskit.run.stages import Stage
from qkd_qiskit.simulation import CompiledModel, ModelCompiler
from qkd_qiskit.store import AnswerLog
from qkd_qiskit.training import (
    Adam,
    Beginning,
    FullTraining,
    Objective,
    Starts,
    Targets,
    Tracking,
    TrainedModel,
    noiseless_steps,
    split_training,
    train_model,
)
from qkd_qiskit.vqcnn import VQCNNSpec


@dataclass(frozen=True, eq=False)
class FitTask:
    """What one model is trained on.

    Attributes:
        stage: Names of the training.
        inputs: Encoded inputs [N, F].
        targets: What to answer on them.
        initial: A parameter vector [W + 1] that joins the swarm.
        alpha_end: Share of the cross-entropy at the end of Adam's steps; None keeps that of `targets`.
        at_server: Whether the server's numbers of steps and of samples a step count.
        choose: Stops early: chooses between parameters along the last phase; None takes its end.
    """

    stage: Stage
    inputs: FloatArray
    targets: Targets
    initial: FloatArray | None = None
    alpha_end: float | None = None
    at_server: bool = False
    choose: Choose | None = None


def fit_model(run: RunContext, compiled: CompiledModel, task: FitTask) -> TrainedModel:
    """Train one model as a stage of the run: it is stored, and taken from the store when resuming.

    With `training.warm_up` it begins without noise. A model that goes on from an earlier round has
    begun already, and one without noise has no second step.

    Args:
        run: Shared by all stages.
        compiled: The model's structure on its device.
        task: What to train it on.

    Raises:
        TrainingError: If inputs, targets and circuit do not fit, or no start has a finite loss.
    """
    training, descent, stage = run.settings.training, run.settings.descent, task.stage
    if task.at_server:
        descent = descent.of_server()
    warms = task.initial is None and _warms_up(training, compiled)
    rng, n = run.rng(stage), len(task.inputs)
    if descent.steps == 0:
        search = _SwarmPhase(run, compiled, task, rng)
        if not warms:
            return search.run(stage, training)
        before, after = split_training(training)
        first = replace(search, task=replace(task, choose=None)).run(
            stage.part("without noise"), before, noise=False
        )
        # Its own generator: a resumed training has drawn nothing from the first one.
        later = _SwarmPhase(
            run, compiled, replace(task, initial=first.params), run.rng(stage.part("under noise"))
        )
        return first.followed_by(later.run(stage, after))

    few = rng.permutation(n)[: descent.search_samples]
    some = replace(task, inputs=task.inputs[few], targets=task.targets.rows(few), choose=None)
    model = _SwarmPhase(run, compiled, some, rng).run(stage.part("search"), training, noise=not warms)

    def work() -> TrainedModel:
        run.progress.start(stage.label, descent.steps)
        path = Path(task.choose)
        beginning = _beginning(training, descent, compiled) if warms else None
        adam = Adam(descent, task.alpha_end, beginning, path.visit)
        found = adam.run(
            Objective(compiled.descending(training.dtype), task.inputs, task.targets, l2=training.l2),
            Starts(model.params[None], np.array([model.loss])),
            # Its own generator: a resumed search has drawn nothing from the first one.
            rng=run.rng(stage.part("descent")),
            advance=lambda step, loss: run.progress.advance(stage.label),
        )
        run.progress.done(stage.label)
        begun = (len(model.swarm_history), len(model.refine_history) + adam.begun) if warms else (0, 0)
        return path.chosen(
            replace(
                model,
                params=found.params,
                loss=found.value,
                refine_history=model.refine_history + found.history,
                evaluations=model.evaluations + descent.steps,
                gradients=model.gradients + descent.steps,
                noiseless=begun,
            )
        )

    return run.stage(stage, TrainedModel, work)


@dataclass(frozen=True, eq=False)
class _SwarmPhase:
    """Swarm and L-BFGS of one model."""

    context: RunContext
    compiled: CompiledModel
    task: FitTask
    rng: np.random.Generator

    def run(self, stage: Stage, training: TrainingSettings, *, noise: bool = True) -> TrainedModel:
        """Train as a stage that also goes on within itself."""

        def work(answers: AnswerLog) -> TrainedModel:
            path = Path(self.task.choose)
            model = train_model(
                self.compiled.searching(training.dtype, noise=noise),
                self.task.inputs,
                self.task.targets,
                training,
                initial=self.task.initial,
                rng=self.rng,
                tracking=Tracking(self.task.stage.label, self.context.progress, answers, path.visit),
            )
            return path.chosen(model)

        return self.context.answered(stage, TrainedModel, work)


def _warms_up(training: TrainingSettings, compiled: CompiledModel) -> bool:
    return training.warm_up == "ideal" and compiled.noise is not None


def _beginning(training: TrainingSettings, descent: AdamSettings, compiled: CompiledModel) -> Beginning:
    quiet = compiled.descending(training.dtype, noise=False)
    return Beginning(quiet, noiseless_steps(training, descent.steps))


def finalist_training(run: RunContext, compiler: ModelCompiler, backend: str) -> FullTraining | None:
    """Make the training of a structure search's finalists on a device: that of the run's models, not stored.

    Args:
        run: Shared by all stages.
        compiler: Compiles the finalists.
        backend: Name of the device.

    Returns:
        None where models end with L-BFGS, as the search's own training does.
    """
    training, descent = run.settings.training, run.settings.descent
    if descent.steps == 0:
        return None
    steps = training.structure.full_steps
    shorter = descent if steps is None else descent.model_copy(update={"steps": min(steps, descent.steps)})

    def train(spec: VQCNNSpec, inputs: FloatArray, targets: Targets, rng: np.random.Generator) -> FloatArray:
        compiled = compiler.model(spec, backend)
        few = rng.permutation(len(inputs))[: descent.search_samples]
        warms = _warms_up(training, compiled)
        searching = compiled.searching(training.dtype, noise=not warms)
        first = train_model(searching, inputs[few], targets.rows(few), training, rng=rng)
        objective = Objective(compiled.descending(training.dtype), inputs, targets, l2=training.l2)
        starts = Starts(first.params[None], np.array([first.loss]))
        adam = Adam(shorter, beginning=_beginning(training, shorter, compiled) if warms else None)
        return adam.run(objective, starts, rng=rng).params

    return train
