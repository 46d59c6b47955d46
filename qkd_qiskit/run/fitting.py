"""How every quantum model of a run is trained: swarm, L-BFGS, then descent on batches where it is wanted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from qkd_qiskit.arrays import FloatArray
from qkd_qiskit.run.context import CompiledModel, RunContext
from qkd_qiskit.training import FullTraining, Targets, TrainedModel, minimize_adam, target_rows, train_model
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
    searched = target_rows(targets, np.arange(len(inputs))[few])
    model = context.journaled(
        label if descent.steps == 0 else f"{label}: search",
        TrainedModel,
        lambda journal: train_model(
            machine.noisy,
            inputs[few],
            searched,
            training,
            reject=reject,
            initial=initial,
            rng=rng,
            journal=journal,
            progress=context.progress,
            label=label,
        ),
    )
    if descent.steps == 0:
        return model

    def work() -> TrainedModel:
        context.progress.start(label, descent.steps)
        found = minimize_adam(
            machine.fast,
            inputs,
            targets,
            model.params,
            descent,
            l2=training.l2,
            alpha_end=alpha_end,
            # Its own generator: a resumed search has drawn nothing from the first one.
            rng=context.rng(f"{label}: descent"),
            advance=lambda: context.progress.advance(label),
        )
        context.progress.done(label)
        return replace(
            model,
            params=found.params,
            loss=found.history[-1],
            refine_history=model.refine_history + found.history,
            evaluations=model.evaluations + found.steps,
            gradients=model.gradients + found.steps,
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
        first = train_model(machine.noisy, inputs[few], target_rows(targets, few), training, rng=rng)
        return minimize_adam(
            machine.fast, inputs, targets, first.params, shorter, l2=training.l2, rng=rng
        ).params

    return train
