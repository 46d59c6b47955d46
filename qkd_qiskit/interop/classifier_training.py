"""How the classifier trains one structure: few samples by L-BFGS, many by Adam, judged on held-out ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from qkd_qiskit.arrays import BoolArray, FloatArray, IntArray
from qkd_qiskit.config import AdamSettings, TrainingSettings
from qkd_qiskit.run.early_stop import POINTS, Path
from qkd_qiskit.simulation import Evaluator
from qkd_qiskit.training import (
    Adam,
    Objective,
    Starts,
    Targets,
    Tracking,
    TrainedModel,
    class_logits,
)
from qkd_qiskit.training import train_model as train_from_starts

#: Samples of one step of Adam, and the most samples that L-BFGS takes whole.
BATCH, FEW_SAMPLES = 100, 200
#: How often steps go through all samples, and the fewest and most steps, where they are chosen.
_PASSES, _FEWEST_STEPS, _MOST_STEPS = 125, 300, 2000
_RATE = 0.03
_LOG_FACTORS = (-3.0, 3.0)
# Little against a hundred samples, enough to hold a handful.
_PULL = 0.01
# Standard errors from which on a difference counts.
_ERRORS = 2.0


def steps_for(n_samples: int) -> int:
    """Return the steps of Adam for so many samples; 0 where L-BFGS takes them whole."""
    if n_samples <= FEW_SAMPLES:
        return 0
    return min(max(_PASSES * n_samples // BATCH, _FEWEST_STEPS), _MOST_STEPS)


@dataclass(frozen=True, eq=False)
class Lesson:
    """What is learnt, and by which settings.

    Attributes:
        inputs: Encoded inputs [N, F].
        labels: Class numbers [N].
        weights: How much each sample counts [N], positive.
        n_classes: K.
        training: Settings of the swarm and of L-BFGS.
        steps: Steps of Adam after the swarm, in place of L-BFGS; 0 for L-BFGS.
        initial: Parameters [W + 1] to go on from; None to begin anew.
        copies: Encoded copies of each sample that Adam learns too [C, N, F]; None for none.
    """

    inputs: FloatArray
    labels: IntArray
    weights: FloatArray
    n_classes: int
    training: TrainingSettings
    steps: int
    initial: FloatArray | None = None
    copies: FloatArray | None = None

    def rows(self, chosen: IntArray) -> Lesson:
        """Return the lesson on some of the samples."""
        return replace(
            self,
            inputs=self.inputs[chosen],
            labels=self.labels[chosen],
            weights=self.weights[chosen],
            copies=None if self.copies is None else self.copies[:, chosen],
        )

    def with_copies(self) -> Lesson:
        """Return the lesson on the samples and their copies alike."""
        if self.copies is None:
            return self
        many = len(self.copies) + 1
        return replace(
            self,
            inputs=np.concatenate([self.inputs, *self.copies]),
            labels=np.tile(self.labels, many),
            weights=np.tile(self.weights, many),
            copies=None,
        )

    @property
    def targets(self) -> Targets:
        """What to answer on the inputs."""
        return Targets(self.n_classes, labels=self.labels, weights=self.weights)


@dataclass(frozen=True, eq=False)
class LearningCurve:
    """Losses along the trainings that judged a structure, or along its only one.

    Attributes:
        share: Shares of the steps after which losses were taken, rising, the last one 1 [P].
        loss: Loss on the samples that were learnt, in nats, with the penalty of the logit scale [P].
        held_out: Loss on those that were held out [P]; empty without such.
        accuracy: Share of these that was right [P]; empty without such.
        kept: Position in these of the parameters that were kept.
    """

    share: tuple[float, ...]
    loss: tuple[float, ...]
    held_out: tuple[float, ...]
    accuracy: tuple[float, ...]
    kept: int


@dataclass(frozen=True, eq=False)
class Trial:
    """A structure, trained once without each held-out part.

    Attributes:
        loss: Loss on what was learnt, the mean of all trainings [P].
        losses: Loss on each held-out sample at each point, at the best factor, all parts together [P, N].
        right: Whether it was right [P, N].
        weights: How much each held-out sample counts [N].
        factors: What the logit scale is multiplied by at each point, for probabilities that are right [P].
    """

    loss: FloatArray
    losses: FloatArray
    right: BoolArray
    weights: FloatArray
    factors: FloatArray

    @cached_property
    def means(self) -> FloatArray:
        """Mean held-out loss at each point [P]."""
        return np.asarray(np.average(self.losses, axis=1, weights=self.weights))

    @cached_property
    def kept(self) -> int:
        """The last point that is not worse than the best one by more than two standard errors."""
        best = self.losses[int(self.means.argmin())]
        return max(p for p in range(len(self.losses)) if not _clearly_less(best, self.losses[p]))

    @property
    def curve(self) -> LearningCurve:
        """The losses, and what was kept."""
        return LearningCurve(
            tuple(((np.arange(POINTS) + 1) / POINTS).tolist()),
            tuple(self.loss.tolist()),
            tuple(self.means.tolist()),
            tuple(np.average(self.right, axis=1, weights=self.weights).tolist()),
            self.kept,
        )

    def clearly_better_than(self, other: Trial) -> bool:
        """Return whether its loss is less than that of another, judged by the same samples, beyond doubt."""
        return _clearly_less(self.losses[self.kept], other.losses[other.kept])


def try_structure(evaluator: Evaluator, lesson: Lesson, parts: Sequence[IntArray], seed: int) -> Trial:
    """Train a structure without each of the held-out parts.

    Args:
        evaluator: Runs it, with gradients.
        lesson: All samples.
        parts: Rows of each held-out part, at least one.
        seed: Of all randomness; equal seeds give other structures the same batches.

    Raises:
        TrainingError: If inputs, targets and circuit do not fit, or no start has a finite loss.
    """
    loss, found = [], []
    for part in parts:
        own = lesson.rows(np.setdiff1d(np.arange(len(lesson.labels)), part))
        _, points = train_model(evaluator, own, rng=np.random.default_rng(seed))
        # A training that has converged early has fewer points.
        chosen = [points[-(-(place + 1) * len(points) // POINTS) - 1] for place in range(POINTS)]
        objective = Objective(evaluator, own.inputs, own.targets, l2=lesson.training.l2)
        loss.append(objective.values(np.stack(chosen)))
        found.append(np.stack([_logits(evaluator, p, lesson.inputs[part], lesson.n_classes) for p in chosen]))
    rows = np.concatenate(list(parts))
    logits, labels, weights = np.concatenate(found, axis=1), lesson.labels[rows], lesson.weights[rows]
    factors = np.array([_best_factor(at_point, labels, weights) for at_point in logits])
    return Trial(
        np.mean(loss, axis=0),
        np.stack([_losses(f * at_point, labels) for f, at_point in zip(factors, logits, strict=True)]),
        logits.argmax(axis=2) == labels,
        weights,
        factors,
    )


@dataclass
class _Points:
    """Keeps the points along a training, and takes that after a share of the steps."""

    share: float
    found: list[FloatArray] = field(default_factory=list)

    def choose(self, points: Sequence[FloatArray]) -> int:
        """Return the number of the point that is taken."""
        self.found = list(points)
        return max(round(self.share * len(points)), 1) - 1


def train_model(
    evaluator: Evaluator, lesson: Lesson, *, rng: np.random.Generator, share: float = 1.0
) -> tuple[TrainedModel, list[FloatArray]]:
    """Train one structure.

    Args:
        evaluator: Runs it, with gradients.
        lesson: What is learnt.
        rng: Source of all randomness.
        share: Share of the steps after which the parameters are taken, in (0, 1].

    Returns:
        The model, and at most ten parameter vectors [W + 1] along the training, at equal distances.

    Raises:
        TrainingError: If inputs, targets and circuit do not fit, or no start has a finite loss.
    """
    points = _Points(share)
    path = Path(points.choose)
    training = lesson.training if lesson.steps == 0 else lesson.training.model_copy(update={"refine": 0})
    model = train_from_starts(
        evaluator,
        lesson.inputs,
        lesson.targets,
        training,
        initial=lesson.initial,
        rng=rng,
        tracking=Tracking(visit=path.visit),
    )
    objective = Objective(evaluator, lesson.inputs, lesson.targets, l2=training.l2)
    if lesson.steps:
        adam = Adam(AdamSettings(steps=lesson.steps, batch=BATCH, rate=_RATE), visit=path.visit)
        every = lesson.with_copies()
        learnt = Objective(evaluator, every.inputs, every.targets, l2=training.l2)
        found = adam.run(learnt, Starts(model.params[None], np.array([model.loss])), rng=rng)
        model = replace(model, params=found.params, refine_history=found.history)
    model = path.chosen(model)
    loss = float(objective.values(model.params[None])[0])
    return replace(model, loss=loss), points.found or [model.params]


def only_curve(model: TrainedModel, objective_values: FloatArray) -> LearningCurve:
    """Return the curve of a training that nothing was held out from.

    Args:
        model: What was trained.
        objective_values: Losses along the training [P].
    """
    n = len(objective_values)
    share = tuple(((np.arange(n) + 1) / n).tolist())
    kept = max(round(model.stopped_at * n), 1) - 1
    return LearningCurve(share, tuple(objective_values.tolist()), (), (), kept)


def _logits(evaluator: Evaluator, params: FloatArray, inputs: FloatArray, n_classes: int) -> FloatArray:
    return class_logits(evaluator.probabilities(params[:-1], inputs), params[-1], n_classes)


def _losses(logits: FloatArray, labels: IntArray) -> FloatArray:
    """Return the cross-entropy of each sample [N] in nats."""
    return np.asarray(-log_softmax(logits, axis=-1)[np.arange(len(labels)), labels])


def _best_factor(logits: FloatArray, labels: IntArray, weights: FloatArray) -> float:
    """Return what logits [N, K] are to be multiplied by for the lowest loss, pulled a little towards 1."""

    def loss(log_factor: float) -> float:
        mean = np.average(_losses(np.exp(log_factor) * logits, labels), weights=weights)
        return float(mean + _PULL * log_factor**2)

    return float(np.exp(minimize_scalar(loss, bounds=_LOG_FACTORS, method="bounded").x))


def _clearly_less(one: FloatArray, other: FloatArray) -> bool:
    """Return whether losses [N] are less than others by two standard errors of their differences."""
    gains = other - one
    if len(gains) < 2:
        return False
    return bool(gains.mean() > _ERRORS * gains.std(ddof=1) / np.sqrt(len(gains)))
