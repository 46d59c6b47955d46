"""The global model's training: recipes in short trainings, then the best of them in full, stopped early.

All of it looks at the labels that the server keeps to itself, and at originals alone: nobody will ask the
global model for turned and shifted copies. When these labels have nothing left to judge, the training of the
chosen model goes on for a while, and it learns them too.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from qkd_qiskit.arrays import FloatArray
from qkd_qiskit.config import ExperimentSettings
from qkd_qiskit.data import PublicSet, Samples
from qkd_qiskit.distillation import (
    Judge,
    LabelQueryResult,
    Recipe,
    difference,
    recipes,
    simplest,
    student_soft_labels,
    student_targets,
)
from qkd_qiskit.federation.public_model import PublicModel
from qkd_qiskit.run import FitTask, RunContext, Stage, fit_model
from qkd_qiskit.training import TrainedModel, outcome_probabilities

_LOG = logging.getLogger(__name__)

_REFIT_SHARE = 3
"""One of so many parts of a training's steps is taken once more, in a refit."""
_REFIT_RATE = 0.3
"""Share of Adam's rate in a refit: what was learnt is to be mended, not to be found anew."""
_REFIT_ALPHA = 0.3
"""Least share of the hard labels in a refit: there are more of them."""


@dataclass(frozen=True)
class RecipeScore:
    """How one recipe did in its short training.

    Attributes:
        name: Of the recipe.
        loss: Cross-entropy on the labels that the server keeps to itself, in nats.
        minus_own: Mean difference from the recipe of the settings, paired.
        error: Standard error of that difference.
    """

    name: str
    loss: float
    minus_own: float
    error: float


@dataclass(frozen=True, eq=False)
class Student:
    """The distilled model, and how it was taught.

    Attributes:
        model: The model; where the settings want a refit, it knows all labels of the server.
        recipe: Name of its recipe.
        scores: All recipes that were tried, those preferred first; empty where there was nothing to choose.
        worse: Whether it is worse than the public-only model, by more than noise, on what neither has learnt;
            then it is not refitted.
    """

    model: TrainedModel
    recipe: str
    scores: tuple[RecipeScore, ...]
    worse: bool


@dataclass(frozen=True, eq=False)
class Lessons:
    """All that the global model can learn from.

    Attributes:
        run: Shared by all stages, and depends on the teacher's answers.
        own: The public-only model.
        soft: The teacher's class probabilities on all samples that clients answer [N, G].
        queries: Labels given at the server's request; None for none.
    """

    run: RunContext
    own: PublicModel
    soft: FloatArray
    queries: LabelQueryResult | None

    def task(self, stage: Stage, recipe: Recipe, *, refit: bool = False) -> FitTask:
        """Return the training by one recipe.

        Args:
            stage: Names of the training.
            recipe: The recipe.
            refit: Whether the labels that the server keeps to itself are learnt too.
        """
        public, soft = self.run.data.public, self.soft
        if recipe.trust < 1:
            soft = recipe.trust * soft + (1 - recipe.trust) * self.own.answers()
        wanted, labels = student_soft_labels(public, soft, pool=recipe.pool), public.to_distil.labels
        if self.queries is not None:
            labels, wanted = self.queries.known_labels(labels), self.queries.corrected(wanted)
        inputs, origins = public.to_distil.inputs, public.origins
        if refit:
            held = public.held_back
            inputs, labels = np.concatenate([inputs, held.inputs]), np.concatenate([labels, held.labels])
            wanted = np.concatenate([wanted, np.eye(wanted.shape[1])[held.labels]])
            origins = origins + public.held_back_origins
        rows = recipe.rows(origins)
        return FitTask(
            stage,
            inputs[rows],
            student_targets(labels[rows], wanted[rows], recipe),
            alpha_end=self.run.settings.distillation.alpha_end,
            at_server=True,
        )


def train_student(lessons: Lessons, stage: Stage) -> Student:
    """Train the global model by the recipe that public labels prefer.

    Each recipe gets its share of the steps of one training, from the same random numbers; the settings' own
    stays unless another is better by more than a standard error. So all of them together cost no more steps
    than the training in full that follows.

    Args:
        lessons: What it learns from.
        stage: Names of the training in full.

    Raises:
        TrainingError: If the settings name an unknown soft loss, or no training ends with finite numbers.
    """
    run, own = lessons.run, lessons.own
    held_back, judge = _judged(run.data.public)
    evaluator = own.compiled.noisy

    def losses(params: FloatArray) -> FloatArray:
        answers = outcome_probabilities(params, evaluator, held_back.inputs, len(run.data.classes))
        return judge.losses(answers)

    def stop(points: Sequence[FloatArray]) -> int:
        # The end is preferred, then what comes before it.
        back = points[::-1]
        return len(points) - 1 - simplest([losses(point) for point in back])

    tried = recipes(run.settings.distillation, run.data.public.origins)
    name = next(iter(tried))
    scores: tuple[RecipeScore, ...] = ()
    if len(tried) > 1:
        short = replace(run, settings=_shortened(run.settings, len(tried)))
        found = {
            key: losses(fit_model(short, own.compiled, lessons.task(_trial(stage, key), recipe)).params)
            for key, recipe in tried.items()
        }
        name, scores = _best(found)
        _LOG.info("the global model is taught with the recipe: %s", name)
    task = lessons.task(stage, tried[name])
    if run.settings.distillation.recipe == "auto":
        task = replace(task, choose=stop)
    model = fit_model(run, own.compiled, task)
    apart, error = difference(losses(model.params), losses(own.model.params))
    if apart > error:
        _LOG.warning("on public labels the distilled model is worse than the one of public data alone")
    elif run.settings.distillation.refit:
        model = _refitted(lessons, stage, tried[name], model)
    return Student(model, name, scores, apart > error)


def _refitted(lessons: Lessons, stage: Stage, recipe: Recipe, judged: TrainedModel) -> TrainedModel:
    """Go on with a model's training from where its judges have stopped it, on their labels too."""
    run = lessons.run
    settings = _shortened(run.settings, _REFIT_SHARE)
    descent = settings.descent.model_copy(update={"rate": _REFIT_RATE * settings.descent.rate})
    slow = replace(run, settings=settings.model_copy(update={"descent": descent}))
    firmer = replace(recipe, alpha=max(recipe.alpha, _REFIT_ALPHA))
    task = replace(lessons.task(stage.refit, firmer, refit=True), initial=judged.params)
    last = fit_model(slow, lessons.own.compiled, task)
    return replace(
        judged,
        params=last.params,
        loss=last.loss,
        refine_history=judged.refine_history + last.refine_history,
        evaluations=judged.evaluations + last.evaluations,
        gradients=judged.gradients + last.gradients,
    )


def _best(found: Mapping[str, FloatArray]) -> tuple[str, tuple[RecipeScore, ...]]:
    """Return the recipe to take, and all scores in the order of their preference."""
    names = list(found)
    own = found[names[0]]
    scores = tuple(
        RecipeScore(name, float(loss.mean()), *difference(loss, own)) for name, loss in found.items()
    )
    best = min(scores, key=lambda score: score.loss)
    # A difference that noise explains is none.
    name = best.name if best.minus_own + best.error < 0 else names[0]
    return name, scores


def _judged(public: PublicSet) -> tuple[Samples, Judge]:
    """Return the originals whose labels the server keeps to itself, and their judge."""
    rows = public.held_back_rows
    listed = rows - public.n_labelled
    originals = rows[listed < public.n_listed]
    samples = public.samples.rows(originals)
    return samples, Judge(samples.labels, originals)


def _trial(stage: Stage, name: str) -> Stage:
    """Return the stage of a short training: from the same random numbers, whatever the recipe."""
    return Stage(f"{stage.key}: {name}", f"{stage.seed}: recipe", f"{stage.label}: {name}")


def _shortened(settings: ExperimentSettings, share: int) -> ExperimentSettings:
    """Return settings whose trainings at the server have one of `share` equal parts of the steps."""
    training, descent = settings.training, settings.descent.of_server()
    few = {"particles": 2, "iterations": 0, "sweeps": 0, "refine": -(-training.refine // share)}
    return settings.model_copy(
        update={
            "training": training.model_copy(update=few),
            "descent": settings.descent.model_copy(update={"server_steps": -(-descent.steps // share)}),
        }
    )
