"""How every quantum model of a run is trained: swarm, L-BFGS, then Adam on batches where it is wanted."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from qkd_qiskit.arrays import FloatArray
from qkd_qiskit.run.context import RunContext
from qkd_qiskit.run.stages import Stage
from qkd_qiskit.simulation import CompiledModel, ModelCompiler
from qkd_qiskit.training import (
    Adam,
    FullTraining,
    Objective,
    Starts,
    Targets,
    Tracking,
    TrainedModel,
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
    """

    stage: Stage
    inputs: FloatArray
    targets: Targets
    initial: FloatArray | None = None
    alpha_end: float | None = None
    at_server: bool = False


def fit_model(run: RunContext, compiled: CompiledModel, task: FitTask) -> TrainedModel:
    """Train one model as a stage of the run: it is stored, and taken from the store when resuming.

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
    rng, n = run.rng(stage), len(task.inputs)
    few = slice(None) if descent.steps == 0 else rng.permutation(n)[: descent.search_samples]
    searched = task.targets.rows(np.arange(n)[few])
    model = run.answered(
        stage if descent.steps == 0 else stage.part("search"),
        TrainedModel,
        lambda answers: train_model(
            compiled.searching(training.dtype),
            task.inputs[few],
            searched,
            training,
            initial=task.initial,
            rng=rng,
            tracking=Tracking(stage.label, run.progress, answers),
        ),
    )
    if descent.steps == 0:
        return model

    def work() -> TrainedModel:
        run.progress.start(stage.label, descent.steps)
        found = Adam(descent, task.alpha_end).run(
            Objective(compiled.descending(training.dtype), task.inputs, task.targets, l2=training.l2),
            Starts(model.params[None], np.array([model.loss])),
            # Its own generator: a resumed search has drawn nothing from the first one.
            rng=run.rng(stage.part("descent")),
            advance=lambda step, loss: run.progress.advance(stage.label),
        )
        run.progress.done(stage.label)
        return replace(
            model,
            params=found.params,
            loss=found.value,
            refine_history=model.refine_history + found.history,
            evaluations=model.evaluations + descent.steps,
            gradients=model.gradients + descent.steps,
        )

    return run.stage(stage, TrainedModel, work)


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
        searching, descending = compiled.searching(training.dtype), compiled.descending(training.dtype)
        first = train_model(searching, inputs[few], targets.rows(few), training, rng=rng)
        objective = Objective(descending, inputs, targets, l2=training.l2)
        starts = Starts(first.params[None], np.array([first.loss]))
        return Adam(shorter).run(objective, starts, rng=rng).params

    return train
