"""How every quantum model of a run is trained: swarm, L-BFGS, then descent on batches where it is wanted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from qkd_qiskit.arrays import FloatArray
from qkd_qiskit.run.context import CompiledModel, RunContext
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


def fit_model(
    context: RunContext,
    machine: CompiledModel,
    inputs: FloatArray,
    targets: Targets,
    *,
    reject: bool = False,
    initial: FloatArray | None = None,
    alpha_end: float | None = None,
    at_server: bool = False,
    label: str,
) -> TrainedModel:
    """Train one model as a stage of the run: it is stored, and taken from the store when resuming.

    Args:
        context: Shared by all stages.
        machine: The model's structure on its device.
        inputs: Encoded inputs [N, F].
        targets: What to answer on them.
        reject: Whether the last outcome of `targets` is the reject outcome.
        initial: A parameter vector [W + 1] that joins the swarm.
        alpha_end: Share of the cross-entropy at the end of the descent; None keeps that of `targets`.
        at_server: Whether the server's numbers of steps and of samples a step count.
        label: Name of the stage; it also seeds it.

    Raises:
        TrainingError: If inputs, targets and circuit do not fit, or no start has a finite loss.
    """
    training, descent = context.settings.training, context.settings.descent
    if at_server:
        descent = descent.of_server()
    rng = context.rng(label)
    few = slice(None) if descent.steps == 0 else rng.permutation(len(inputs))[: descent.search_samples]
    searched = targets.rows(np.arange(len(inputs))[few])
    model = context.journaled(
        label if descent.steps == 0 else f"{label}: search",
        TrainedModel,
        lambda journal: train_model(
            machine.noisy,
            inputs[few],
            replace(searched, reject=reject),
            training,
            initial=initial,
            rng=rng,
            tracking=Tracking(label, context.progress, journal),
        ),
    )
    if descent.steps == 0:
        return model

    def work() -> TrainedModel:
        context.progress.start(label, descent.steps)
        found = Adam(descent, alpha_end).run(
            Objective(machine.fast, inputs, targets, l2=training.l2),
            Starts(model.params[None], np.array([model.loss])),
            # Its own generator: a resumed search has drawn nothing from the first one.
            rng=context.rng(f"{label}: descent"),
            advance=lambda step, loss: context.progress.advance(label),
        )
        context.progress.done(label)
        return replace(
            model,
            params=found.params,
            loss=found.value,
            refine_history=model.refine_history + found.history,
            evaluations=model.evaluations + descent.steps,
            gradients=model.gradients + descent.steps,
        )

    return context.stage(label, TrainedModel, work)


def finalist_training(context: RunContext, backend: str) -> FullTraining | None:
    """How a structure search trains its finalists on a device: as the run trains its models, kept nowhere.

    Args:
        context: Shared by all stages.
        backend: Name of the device.

    Returns:
        None where models end with L-BFGS, as the search's own training does.
    """
    training, descent = context.settings.training, context.settings.descent
    if descent.steps == 0:
        return None
    steps = training.structure.full_steps
    shorter = descent if steps is None else descent.model_copy(update={"steps": min(steps, descent.steps)})

    def train(spec: VQCNNSpec, inputs: FloatArray, targets: Targets, rng: np.random.Generator) -> FloatArray:
        machine = context.machine(spec, backend)
        few = rng.permutation(len(inputs))[: descent.search_samples]
        first = train_model(machine.noisy, inputs[few], targets.rows(few), training, rng=rng)
        objective = Objective(machine.fast, inputs, targets, l2=training.l2)
        starts = Starts(first.params[None], np.array([first.loss]))
        return Adam(shorter).run(objective, starts, rng=rng).params

    return train
